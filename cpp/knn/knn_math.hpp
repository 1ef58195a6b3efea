// The exact key of one pair, and the integer and float tests that may drop a pair before it is computed.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// Sixteen running sums, added up as a tree: the same order whatever the registers are.
constexpr int kKeyLanes = 16;
typedef float FloatLanes __attribute__((vector_size(4 * kKeyLanes), aligned(4), may_alias));

TAMIS_HD double sum_lanes(const double* lanes) {
  double s[kKeyLanes];
  for (int i = 0; i < kKeyLanes; ++i) s[i] = lanes[i];
  for (int half = kKeyLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}

// sum((a * sa - b * sb) ** 2), or -sum(a * b) * sa * sb
template <bool kDot, class T>
TAMIS_HD double exact_key(const T* a, double sa, const T* b, double sb, int64_t d) {
  double lanes[kKeyLanes] = {};
  int64_t k = 0;
  for (; k + kKeyLanes <= d; k += kKeyLanes)
    for (int i = 0; i < kKeyLanes; ++i) {
      const double x = static_cast<double>(a[k + i]) * sa, y = static_cast<double>(b[k + i]) * sb;
      lanes[i] += kDot ? x * y : (x - y) * (x - y);
    }
  for (int i = 0; k + i < d; ++i) {
    const double x = static_cast<double>(a[k + i]) * sa, y = static_cast<double>(b[k + i]) * sb;
    lanes[i] += kDot ? x * y : (x - y) * (x - y);
  }
  const double sum = sum_lanes(lanes);
  return kDot ? -sum : sum;
}

// The squared distance in float32, good to a factor of 1 +- 1e-7 * (d / 16 + 8) where `kScaled` is false; scaled rows
// are of norm 1 and may be 4e-7 off in distance besides.
template <bool kScaled>
TAMIS_HD float float_key(const float* a, float sa, const float* b, float sb, int64_t d) {
  FloatLanes lanes = {}, more = {};
  int64_t k = 0;
  for (; k + 2 * kKeyLanes <= d; k += 2 * kKeyLanes) {
    const FloatLanes* x = reinterpret_cast<const FloatLanes*>(a + k);
    const FloatLanes* y = reinterpret_cast<const FloatLanes*>(b + k);
    const FloatLanes apart = kScaled ? x[0] * sa - y[0] * sb : x[0] - y[0];
    const FloatLanes next = kScaled ? x[1] * sa - y[1] * sb : x[1] - y[1];
    lanes += apart * apart;
    more += next * next;
  }
  lanes += more;
  float sum = 0;
  for (int i = 0; i < kKeyLanes; ++i) sum += lanes[i];
  for (; k < d; ++k) {
    const float apart = kScaled ? a[k] * sa - b[k] * sb : a[k] - b[k];
    sum += apart * apart;
  }
  return sum;
}

// True where a float32 key proves that the exact one is above `limit`. An overflow proves nothing.
template <bool kScaled>
TAMIS_HD bool above(float key, double limit, int64_t d) {
  const double least = static_cast<double>(key) * (1 - 1e-7 * (static_cast<double>(d) / kKeyLanes + 64));
  const double reach = kScaled ? __builtin_sqrt(limit) + 4e-7 : 0;
  return key <= 3e38f && least > (kScaled ? reach * reach : limit);
}

// What a filter knows of one row: z = step * q + something of norm `lost`, q with these sums.
struct CodeRow {
  double half;   // what the row alone adds to the test: |q|^2 / 2, or 0 for dot products
  double norm;   // |z|
  double lost;
};

// The dot product of codes below which a pair cannot have a key <= `key` for this row, less the other row's part.
// `lost` and `norm` are the largest of the other block. The factor and the lost norms cover all float rounding.
TAMIS_HD double code_limit(const CodeRow& row, double step, double key, double gain, double lost, double norm,
                           bool dots) {
  if (dots) {
    const double slack = row.lost * norm + lost * (row.norm + row.lost) + 1e-6 * row.norm * norm;
    return (-key * gain * gain - slack) / (step * step);
  }
  const double reach = (__builtin_sqrt(key) * gain * 1.000004 + row.lost + lost) / step;
  return row.half - 0.5 * reach * reach;
}

}  // namespace tamis::TAMIS_ISA
