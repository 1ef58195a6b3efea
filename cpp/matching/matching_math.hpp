// One pair of boxes, and one detection's choice among its candidates.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

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

// Among `candidates` (in ground-truth order) those with ignore == wanted: each threshold takes the last of the
// largest IoU that reaches it. `best` holds the IoU to reach, `match` the choice so far (-1: none).
TAMIS_HD void choose(const int32_t* candidates, int64_t n, const double* iou, const uint8_t* crowd,
                     const uint8_t* ignore, bool wanted, const uint8_t* taken, int64_t n_thresholds,
                     double* best, int32_t* match) {
  for (int64_t i = 0; i < n; ++i) {
    const int32_t g = candidates[i];
    if ((ignore[g] != 0) != wanted) continue;
    const uint8_t* taken_at = taken + g * n_thresholds;
    for (int64_t t = 0; t < n_thresholds; ++t) {
      // a threshold that holds a regular ground truth does not look at the ignored ones
      const bool closed = wanted && match[t] >= 0 && ignore[match[t]] == 0;
      const bool free = crowd[g] != 0 || taken_at[t] == 0;
      if (closed || !free || iou[g] < best[t]) continue;
      best[t] = iou[g];
      match[t] = g;
    }
  }
}

// The same for a single candidate, which most detections have: no order, no best so far.
TAMIS_HD void choose_only(int32_t g, double iou, bool crowd, const uint8_t* taken, const double* thresholds,
                          int64_t n_thresholds, int32_t* match) {
  const uint8_t* taken_at = taken + g * n_thresholds;
  for (int64_t t = 0; t < n_thresholds; ++t)
    match[t] = (iou < thresholds[t] || (!crowd && taken_at[t] != 0)) ? -1 : g;
}

}  // namespace tamis::TAMIS_ISA
