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

// -e of one pair for each keypoint that counts, in order, of rows of keypoints.
struct OksTerms {
  const double *det, *gt;  // x, y and perhaps a score; x, y, v
  const double *box, *variances;
  double area;
  int64_t n_keypoints, det_numbers;
  int64_t n_seen = 0, at = 0;

  TAMIS_HD bool is_seen(int64_t i) const { return gt[3 * i + 2] > 0; }
  TAMIS_HD int64_t count() {  // before the first
    for (int64_t i = 0; i < n_keypoints; ++i) n_seen += is_seen(i);
    return n_seen > 0 ? n_seen : n_keypoints;
  }
  TAMIS_HD double next() {
    while (n_seen > 0 && !is_seen(at)) ++at;
    const int64_t i = at++;
    const double x = det[det_numbers * i], y = det[det_numbers * i + 1];
    const double distance = n_seen > 0 ? squared(x - gt[3 * i], y - gt[3 * i + 1])
                                       : squared(beyond_doubled(x, box[0], box[2]), beyond_doubled(y, box[1], box[3]));
    return minus_exponent(distance, variances[i], area);
  }
};

// numpy.sum of contiguous float64, which next() gives in order: eight running sums for up to 128 values,
// halves of a multiple of eight above.
template <class Next>
TAMIS_HD double sum_block(const Next& next, int64_t n) {
  double sum = 0;
  if (n < 8) {
    for (int64_t i = 0; i < n; ++i) sum += next();
    return sum;
  }
  double r[8];
  for (int i = 0; i < 8; ++i) r[i] = next();
  int64_t i = 8;
  for (; i < n - n % 8; i += 8)
    for (int j = 0; j < 8; ++j) r[j] += next();
  sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += next();
  return sum;
}

template <class Next>
TAMIS_HD double pairwise_sum(const Next& next, int64_t n) {
  struct Halves {
    double left;
    int64_t right;  // how many values; 0: they are under way, and `left` is done
  } above[24];      // enough for 2^31 values
  for (int depth = 0;;) {
    while (n > 128) {
      const int64_t half = n / 2 - n / 2 % 8;
      above[depth++] = {0, n - half};
      n = half;
    }
    double sum = sum_block(next, n);
    while (depth > 0 && above[depth - 1].right == 0) sum = above[--depth].left + sum;
    if (depth == 0) return sum;
    n = above[depth - 1].right;
    above[depth - 1] = {sum, 0};
  }
}

}  // namespace tamis::TAMIS_ISA
