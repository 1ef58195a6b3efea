// One keypoint of a pair, and the sum of its terms.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// NumPy's maximum of 0 and x: a NaN stays.
TAMIS_HD double above_zero(double x) { return x > 0 || x != x ? x : 0; }

// How far x lies outside of a side that begins at `start`, doubled to both ends.
TAMIS_HD double beyond_doubled(double x, double start, double side) {
  return above_zero(start - side - x) + above_zero(x - (start + side * 2));
}

TAMIS_HD double minus_exponent(double dx, double dy, double variance, double area) {
  return -((dx * dx + dy * dy) / variance / (area + 0x1p-52) / 2);  // numpy.spacing(1)
}

// numpy.sum of contiguous float64: eight running sums for up to 128 values, halves of a multiple of eight above.
TAMIS_HD double sum_block(const double* x, int64_t n) {
  if (n < 8) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    return sum;
  }
  double r[8];
  for (int i = 0; i < 8; ++i) r[i] = x[i];
  int64_t i = 8;
  for (; i < n - n % 8; i += 8)
    for (int j = 0; j < 8; ++j) r[j] += x[i + j];
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

inline double pairwise_sum(const double* x, int64_t n) {
  if (n <= 128) return sum_block(x, n);
  const int64_t half = n / 2 - n / 2 % 8;
  return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
}

}  // namespace tamis::TAMIS_ISA
