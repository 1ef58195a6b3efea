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
  TAMIS_HD double at(int64_t k, const double*) const { return x[k]; }
};

// sum((a - b) ** 2), or -sum(a * b)
template <bool kDot, bool kScaled, class A, class B>
TAMIS_HD double exact_key(const A& a, const B& b, const double* offset, int64_t d) {
  double lanes[kKeyLanes] = {};
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
  const double sum = sum_lanes(lanes);
  return kDot ? -sum : sum;
}

// The squared distance in float32, good to a factor of 1 +- 1e-7 * (d / 16 + 64) where `kScaled` is false; scaled rows
// may be `scaled_slack` off in distance besides.
template <bool kScaled>
TAMIS_HD float float_key(const RowOf<float>& a, const RowOf<float>& b, const float* offset, int64_t d) {
  const float sa = static_cast<float>(a.scale), sb = static_cast<float>(b.scale);
  FloatLanes lanes = {};
  int64_t k = 0;
  for (; k + kKeyLanes <= d; k += kKeyLanes) {
    const FloatLanes x = *reinterpret_cast<const FloatLanes*>(a.x + k),
                     y = *reinterpret_cast<const FloatLanes*>(b.x + k);
    FloatLanes apart;
    if constexpr (kScaled) {
      const FloatLanes o = *reinterpret_cast<const FloatLanes*>(offset + k);
      apart = (x - o) * sa - (y - o) * sb;
    } else {
      apart = x - y;
    }
    lanes += apart * apart;
  }
  float sum = 0;
  for (int i = 0; i < kKeyLanes; ++i) sum += lanes[i];
  for (; k < d; ++k) {
    const float apart = kScaled ? (a.x[k] - offset[k]) * sa - (b.x[k] - offset[k]) * sb : a.x[k] - b.x[k];
    sum += apart * apart;
  }
  return sum;
}

// Rows about an offset whose rounding to float32 took `lost` off: they are moved by lost * scale, both in one
// direction, and what is computed is of a norm of 1 + lost * scale.
TAMIS_HD double scaled_slack(double a, double b, double lost) {
  const double apart = a < b ? b - a : a - b;
  return 6e-7 * (1 + lost * (a + b)) + lost * apart;
}

// True where a float32 key proves that the exact one, whose distance may be `slack` off, is above `limit`. An overflow
// proves nothing.
template <bool kScaled>
TAMIS_HD bool above(float key, double limit, int64_t d, double slack) {
  const double least = static_cast<double>(key) * (1 - 1e-7 * (static_cast<double>(d) / kKeyLanes + 64));
  const double reach = kScaled ? __builtin_sqrt(limit) + slack : 0;
  return key <= 3e38f && least > (kScaled ? reach * reach : limit);
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
