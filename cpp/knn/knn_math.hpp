// The exact key of one pair, and the integer and float tests that may drop a pair before it is computed.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// Sixteen running sums, added up as a tree: the same order whatever the registers are.
constexpr int kKeyLanes = 16;
typedef double KeyLanes __attribute__((vector_size(8 * kKeyLanes)));

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
