// A test in float32 that may drop a pair before its exact key is computed, and rows of float16 as they are stored.
#pragma once
#include "knn/knn_lanes.hpp"
#include "knn/knn_math.hpp"

namespace tamis::TAMIS_ISA {
namespace {

// A float16 as it is stored.
struct Half {
  uint16_t bits;
  TAMIS_HD explicit operator float() const {
    const uint32_t size = (bits & 0x7fffu) << 13, odd = size >= 0x0f800000u ? 0x70000000u : 0;  // infinity and NaN
    const float f = __builtin_bit_cast(float, size + odd) * 0x1p112f;
    return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, f) | (bits & 0x8000u) << 16);
  }
  TAMIS_HD explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

inline float number_of(Half x) { return static_cast<float>(x); }
inline float number_of(float x) { return x; }
inline double number_of(double x) { return x; }

// Finite numbers.
#if defined(__AVX512F__)
inline Floats load_lanes(const Half* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
#elif defined(__AVX2__)
inline Floats load_lanes(const Half* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
#else
inline Floats load_lanes(const Half* p) {
  float x[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) x[i] = static_cast<float>(p[i]);
  return load_lanes(x);
}
#endif

// Columns of a row of float16 as float32, which `to` has room for; a row that is ready stays as it is.
constexpr int64_t kWidened = 256;
inline RowOf<float> widened(const RowOf<Half>& row, int64_t begin, int64_t n, float* to) {
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes) store_lanes(to + k, load_lanes(row.x + begin + k));
  for (; k < n; ++k) to[k] = static_cast<float>(row.x[begin + k]);
  return {to, row.scale};
}
inline ReadyRow widened(const ReadyRow& row, int64_t begin, int64_t, float*) {
  return {row.x + begin};  // NOLINT(clang-analyzer-core.NullPointerArithm)
}

template <bool kDot, bool kScaled, class A>
inline double exact_key(const A& a, const RowOf<Half>& b, const double* offset, int64_t d) {
  double lanes[kKeyLanes] = {};
  float x[kWidened], y[kWidened];
  for (int64_t begin = 0; begin < d; begin += kWidened) {
    const int64_t n = d - begin < kWidened ? d - begin : kWidened;
    add_columns<kDot, kScaled>(widened(a, begin, n, x), widened(b, begin, n, y), kScaled ? offset + begin : nullptr, n,
                               lanes);
  }
  return key_of_lanes<kDot>(lanes);
}

// The squared distance in float32, good to a factor of 1 +- 1e-7 * (d / 16 + 64) where `kScaled` is false; scaled rows
// may be `scaled_slack` off in distance besides.
template <bool kScaled, class T>
inline float float_key(const RowOf<T>& a, const RowOf<T>& b, const float* offset, int64_t d) {
  const float sa = static_cast<float>(a.scale), sb = static_cast<float>(b.scale);
  const auto apart = [&](auto x, auto y, auto o) { return kScaled ? (x - o) * sa - (y - o) * sb : x - y; };
  const auto add = [&](int64_t k, Floats* sum) {
    const Floats v = apart(load_lanes(a.x + k), load_lanes(b.x + k), kScaled ? load_lanes(offset + k) : Floats{});
    *sum = fma_lanes(v, v, *sum);
  };
  Floats sums[4] = {};
  int64_t k = 0;
  for (; k + 4 * kLanes <= d; k += 4 * kLanes)
    for (int i = 0; i < 4; ++i) add(k + i * kLanes, &sums[i]);
  for (; k + kLanes <= d; k += kLanes) add(k, &sums[0]);
  float lanes[kLanes], sum = 0;
  store_lanes(lanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  for (; k < d; ++k) {
    const float v = apart(number_of(a.x[k]), number_of(b.x[k]), kScaled ? offset[k] : 0.0f);
    sum += v * v;
  }
  return sum;
}

// Rows about an offset whose rounding to float32 took `lost` off: they are moved by lost * scale, both in one
// direction, and what is computed is of a norm of 1 + lost * scale.
inline double scaled_slack(double a, double b, double lost) {
  const double apart = a < b ? b - a : a - b;
  return 6e-7 * (1 + lost * (a + b)) + lost * apart;
}

// True where a float32 key proves that the exact one, whose distance may be `slack` off, is above `limit`. An overflow
// proves nothing.
template <bool kScaled>
inline bool above(float key, double limit, int64_t d, double slack) {
  const double least = static_cast<double>(key) * (1 - 1e-7 * (static_cast<double>(d) / kKeyLanes + 64));
  const double reach = kScaled ? __builtin_sqrt(limit) + slack : 0;
  return key <= 3e38f && least > (kScaled ? reach * reach : limit);
}

// What the exact key is at most; squares may have been too small for float32.
template <bool kScaled>
inline double at_most(float key, int64_t d, double slack) {
  if (!(key <= 3e38f)) return __builtin_huge_val();
  const double lost = 2e-38 * static_cast<double>(d);
  const double most = static_cast<double>(key) * (1 + 1e-7 * (static_cast<double>(d) / kKeyLanes + 64)) + lost;
  if (!kScaled) return most;
  const double reach = __builtin_sqrt(most) + slack;
  return reach * reach;
}

}  // namespace
}  // namespace tamis::TAMIS_ISA
