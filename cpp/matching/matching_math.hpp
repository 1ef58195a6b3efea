// One pair of boxes, the order of scores, and one detection's choice among its candidates.
#pragma once
#include <cstdint>

#include "core/bits.hpp"

namespace tamis::TAMIS_ISA {

// C's fmin and fmax: a NaN gives way to the other number.
TAMIS_HD double fmin_(double a, double b) { return (a < b || b != b) ? a : b; }
TAMIS_HD double fmax_(double a, double b) { return (a > b || b != b) ? a : b; }

struct Corners {
  double x1, y1, x2, y2, area;
};
TAMIS_HD Corners corners(const double* xywh) {
  return {xywh[0], xywh[1], xywh[2] + xywh[0], xywh[3] + xywh[1], xywh[2] * xywh[3]};
}

// pycocotools' bbIou. Written without branches; `!(w <= 0)` keeps a NaN width, as there.
TAMIS_HD double coco_iou(const Corners& d, const Corners& g, bool crowd) {
  const double w = fmin_(d.x2, g.x2) - fmax_(d.x1, g.x1);
  const double h = fmin_(d.y2, g.y2) - fmax_(d.y1, g.y1);
  const double inter = w * h;
  const double all = crowd ? d.area : d.area + g.area - inter;
  return (w <= 0 || h <= 0) ? 0.0 : inter / all;
}

// Ascending keys are descending scores: -0.0 equals 0.0, and NaN comes last, as numpy sorts -score.
TAMIS_HD uint64_t descending_key(double score) { return score != score ? ~uint64_t{0} : ordered(-score + 0.0); }

// The same order in signed integers, which every library sorts.
TAMIS_HD int64_t signed_key(uint64_t key) { return static_cast<int64_t>(key ^ (uint64_t{1} << 63)); }

// One number for an image and class.
TAMIS_HD int64_t group_key(int64_t image, int32_t category) { return image << 32 | category; }

// Whether an area is below or above a range; a NaN is neither.
TAMIS_HD bool outside_range(double area, double low, double high) { return (area < low) | (area > high); }

// The thresholds, of up to 64, that an IoU is not below; bit t is thresholds[t].
TAMIS_HD uint64_t in_reach(double iou, const double* thresholds, int64_t n) {
  uint64_t bits = 0;
  for (int64_t t = 0; t < n; ++t) bits |= static_cast<uint64_t>(!(iou < thresholds[t])) << t;
  return bits;
}

// One word of one area range: which candidate each threshold chooses, as chosen[c * stride] for candidate c. Candidates
// come in ground-truth order; `reach[c]` are the thresholds within reach, `free[c]` those at which it is not taken.
// First the regular ones, then, where none was chosen, the ignored ones. A later one wins unless its IoU is less.
TAMIS_HD void choose(int64_t n, const int32_t* candidates, const double* iou, const uint8_t* ignore,
                     const uint64_t* reach, const uint64_t* free, uint64_t* chosen, int64_t stride) {
  if (n == 1) {
    chosen[0] = reach[0] & free[0];
    return;
  }
  for (int64_t c = 0; c < n; ++c) chosen[c * stride] = 0;
  uint64_t closed = 0;  // thresholds that hold a regular ground truth
  for (int pass = 0; pass < 2; ++pass) {
    uint64_t held = 0;
    int64_t holders[64], n_holders = 0;  // candidates of this pass that hold a threshold
    for (int64_t c = 0; c < n; ++c) {
      const int32_t g = candidates[c];
      if ((ignore[g] != 0) != (pass == 1)) continue;
      const uint64_t open = free[c] & ~closed;
      uint64_t takes = open & reach[c] & ~held;
      int64_t left = 0;
      for (int64_t i = 0; i < n_holders; ++i) {
        uint64_t* theirs = chosen + holders[i] * stride;
        if (!(iou[g] < iou[candidates[holders[i]]])) {
          takes |= *theirs & open;
          *theirs &= ~open;
        }
        if (*theirs != 0) holders[left++] = holders[i];
      }
      n_holders = left;
      chosen[c * stride] = takes;
      if (takes != 0) holders[n_holders++] = c;
      held |= takes;
    }
    closed |= held;
  }
}

}  // namespace tamis::TAMIS_ISA
