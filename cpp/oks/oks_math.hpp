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

TAMIS_HD double squared(double dx, double dy) { return dx * dx + dy * dy; }

TAMIS_HD double minus_exponent(double squared_distance, double variance, double area) {
  return -(squared_distance / variance / (area + 0x1p-52) / 2);  // numpy.spacing(1)
}

// The squared distance from which on a term is below kFarTerm: exp(-3) is 0.0498. None where an exponent may fall.
constexpr double kFarExponent = 3, kFarTerm = 0.05;
TAMIS_HD double reach_of(double variance, double area) {
  const double scale = variance * (area + 0x1p-52);
  return scale > 0x1p-1000 ? 2 * kFarExponent * scale : __builtin_inf();
}

// Whether a pair can come to `least`, by how many of its n distances are far: the terms of others are at most 1. Of
// what does not count they are far too.
TAMIS_HD bool may_reach(int64_t far, int64_t odd, int64_t n_distances, int64_t n_terms, double least) {
  const auto near = static_cast<double>(n_distances - far), n = static_cast<double>(n_terms);
  return odd > 0 || !(near + kFarTerm * (n - near) < 0.999 * least * n);
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
