// The exact key of one pair, and the integer tests that may drop a pair before it is computed.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// Sixteen running sums, added up as a tree: the same order whatever the registers are.
constexpr int kKeyLanes = 16;

TAMIS_HD double sum_lanes(const double* lanes) {
  double s[kKeyLanes];
  for (int i = 0; i < kKeyLanes; ++i) s[i] = lanes[i];
  for (int half = kKeyLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}

// One row as the exact key sees it.
template <class T>
struct RowOf {
  const T* x;
  double scale;
  TAMIS_HD double at(int64_t k, const double* offset) const {
    return offset == nullptr ? static_cast<double>(x[k])
                             : (static_cast<double>(x[k]) - static_cast<double>(offset[k])) * scale;
  }
};

// A row written out as `RowOf::at` gives it, for several pairs in turn.
struct ReadyRow {
  const double* x;
  TAMIS_HD double at(int64_t k, const double*) const { return x[k]; }  // NOLINT(clang-analyzer-core.NullDereference)
};

// What d columns add to the lanes of a key; all but the last columns come in multiples of kKeyLanes.
template <bool kDot, bool kScaled, class A, class B>
TAMIS_HD void add_columns(const A& a, const B& b, const double* offset, int64_t d, double* sums) {
  double lanes[kKeyLanes];  // what a compiler keeps in registers
  for (int i = 0; i < kKeyLanes; ++i) lanes[i] = sums[i];
  const double* from = kScaled ? offset : nullptr;
  int64_t k = 0;
  for (; k + kKeyLanes <= d; k += kKeyLanes)
    for (int i = 0; i < kKeyLanes; ++i) {
      const double x = a.at(k + i, from), y = b.at(k + i, from);
      lanes[i] += kDot ? x * y : (x - y) * (x - y);
    }
  for (int i = 0; k + i < d; ++i) {
    const double x = a.at(k + i, from), y = b.at(k + i, from);
    lanes[i] += kDot ? x * y : (x - y) * (x - y);
  }
  for (int i = 0; i < kKeyLanes; ++i) sums[i] = lanes[i];
}

template <bool kDot>
TAMIS_HD double key_of_lanes(const double* lanes) {
  const double sum = sum_lanes(lanes);
  return kDot ? -sum : sum;
}

// sum((a - b) ** 2), or -sum(a * b)
template <bool kDot, bool kScaled, class A, class B>
TAMIS_HD double exact_key(const A& a, const B& b, const double* offset, int64_t d) {
  double lanes[kKeyLanes] = {};
  add_columns<kDot, kScaled>(a, b, offset, d, lanes);
  return key_of_lanes<kDot>(lanes);
}

// What a filter knows of one row: z = step * q + something of norm `lost`, q with these sums.
struct CodeRow {
  double half;  // what the row alone adds to the test: |q|^2 / 2, or 0 for dot products
  double norm;  // |z|
  double lost;
};

// How far in z a key reaches, rounded up.
TAMIS_HD double reach_of(double key, double gain) { return __builtin_sqrt(key) * gain * 1.000004; }

TAMIS_HD double distance_limit(double half, double reach, double step) {
  const double steps = reach / step;
  return half - 0.5 * steps * steps;
}

// The dot product of codes below which a pair cannot have a key <= `key` for this row, less the other row's part.
// `lost` and `norm` are the largest of the other block. The factor and the lost norms cover all float rounding.
TAMIS_HD double code_limit(const CodeRow& row, double step, double key, double gain, double lost, double norm,
                           bool dots) {
  if (dots) {
    const double slack = row.lost * norm + lost * (row.norm + row.lost) + 1e-6 * row.norm * norm;
    return (-key * gain * gain - slack) / (step * step);
  }
  return distance_limit(row.half, reach_of(key, gain) + row.lost + lost, step);
}

}  // namespace tamis::TAMIS_ISA
