// Keys of pairs of rows, and bounds of them.
#pragma once
#include "knn/knn.hpp"
#include "knn/knn_float_key.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr double kTooFar = __builtin_huge_val();

template <bool kScaled, class T>
inline bool too_far(const RowOf<T>& a, const RowOf<T>& b, const KnnRows& about, double limit) {
  const double slack = kScaled ? scaled_slack(a.scale, b.scale, about.lost) : 0.0;
  return above<kScaled>(float_key<kScaled>(a, b, about.rounded, about.d), limit, about.d, slack);
}
template <bool kScaled>
inline bool too_far(const RowOf<double>&, const RowOf<double>&, const KnnRows&, double) {
  return false;
}

template <bool kDot, bool kScaled, class T>
void keys_of(const KnnKeyPairs& p, const T* a, const T* b, double* keys) {
  const int64_t d = p.a.d;
  const double* offset = p.a.offset;
  int64_t ready = -1;  // the left row in p.ready
  for (int64_t i = 0; i < p.n; ++i) {
    const int64_t l = p.left[i], r = p.right[i];
    const RowOf<T> left{a + l * d, kScaled ? p.a.scale[l] : 1.0}, right{b + r * d, kScaled ? p.b.scale[r] : 1.0};
    if (i + 2 < p.n)
      for (int64_t k = 0; k < d; k += 64 / static_cast<int64_t>(sizeof(T)))
        __builtin_prefetch(b + p.right[i + 2] * d + k);
    if (!kDot && p.limits != nullptr && too_far<kScaled>(left, right, p.a, p.limits[i])) {
      keys[i] = kTooFar;
      continue;
    }
    if (kScaled && p.ready != nullptr && l != ready && i + 1 < p.n && p.left[i + 1] == l) {
      for (int64_t k = 0; k < d; ++k) p.ready[k] = left.at(k, offset);
      ready = l;
    }
    keys[i] = l == ready ? exact_key<kDot, kScaled>(ReadyRow{p.ready}, right, offset, d)
                         : exact_key<kDot, kScaled>(left, right, offset, d);
  }
}

template <class T>
void keys_of(const KnnKeyPairs& p, const T* a, const T* b, double* keys) {
  const bool dot = p.metric == KnnMetric::inner_product;
  if (p.a.scale == nullptr && dot) return keys_of<true, false>(p, a, b, keys);
  if (p.a.scale == nullptr) return keys_of<false, false>(p, a, b, keys);
  if (dot) return keys_of<true, true>(p, a, b, keys);
  keys_of<false, true>(p, a, b, keys);
}

template <bool kScaled, class T>
void bounds_of(const KnnKeyPairs& p, const T* a, const T* b, double* keys) {
  const int64_t d = p.a.d;
  for (int64_t i = 0; i < p.n; ++i) {
    const int64_t l = p.left[i], r = p.right[i];
    const RowOf<T> left{a + l * d, kScaled ? p.a.scale[l] : 1.0}, right{b + r * d, kScaled ? p.b.scale[r] : 1.0};
    const double slack = kScaled ? scaled_slack(left.scale, right.scale, p.a.lost) : 0.0;
    keys[i] = at_most<kScaled>(float_key<kScaled>(left, right, p.a.rounded, d), d, slack);
  }
}
template <class T>
void bounds_of(const KnnKeyPairs& p, const T* a, const T* b, double* keys) {
  if (p.a.scale == nullptr) return bounds_of<false>(p, a, b, keys);
  bounds_of<true>(p, a, b, keys);
}

}  // namespace
}  // namespace tamis::TAMIS_ISA
