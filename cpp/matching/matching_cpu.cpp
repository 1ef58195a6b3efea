#include "matching/matching.hpp"
#include "matching/matching_math.hpp"

namespace tamis::TAMIS_ISA {
namespace {

const double* iou_row(const MatchGroup& group, int64_t d) {
  if (group.given_iou != nullptr) return group.given_iou + d * group.n_gts;
  const Corners det = corners(group.det_boxes + 4 * d);
  for (int64_t g = 0; g < group.n_gts; ++g) {
    const Corners gt{group.x1[g], group.y1[g], group.x2[g], group.y2[g], group.area[g]};
    group.iou[g] = coco_iou(det, gt, group.crowd[g] != 0);
  }
  return group.iou;
}

// The ground truths that reach the lowest threshold.
int64_t find_candidates(const MatchGroup& group, const double* iou) {
  int64_t n = 0;
  bool has_nan = false;
  for (int64_t g = 0; g < group.n_gts; ++g) {
    group.candidates[n] = static_cast<int32_t>(g);
    n += !(iou[g] < group.lowest_threshold);
    has_nan |= iou[g] != iou[g];
  }
  if (!has_nan) return n;
  // once a NaN is the best so far, nothing is below it: every later ground truth counts
  for (int64_t g = 0; g < group.n_gts; ++g) group.candidates[g] = static_cast<int32_t>(g);
  return group.n_gts;
}

}  // namespace

void match_group(const MatchGroup& group, int32_t* matched_det, int32_t* matched_gt,
                 int64_t* n_matched) {
  const int64_t thresholds = group.n_thresholds, cells = group.n_areas * thresholds;
  int64_t rows = 0;
  for (int64_t d = 0; d < group.n_dets; ++d) {
    const double* iou = iou_row(group, d);
    const int64_t n = find_candidates(group, iou);
    if (n == 0) continue;
    matched_det[rows] = static_cast<int32_t>(d);
    int32_t any = -1;  // stays -1 if nothing matches anywhere: such a row is not kept
    for (int64_t a = 0; a < group.n_areas; ++a) {
      int32_t* match = matched_gt + rows * cells + a * thresholds;
      const uint8_t* ignore = group.ignore + a * group.n_gts;
      uint8_t* taken = group.taken + a * group.n_gts * thresholds;
      if (n == 1) {
        const int32_t g = group.candidates[0];
        choose_only(g, iou[g], group.crowd[g] != 0, taken, group.thresholds, thresholds, match);
      } else {
        for (int64_t t = 0; t < thresholds; ++t) {
          group.best[t] = group.thresholds[t];
          match[t] = -1;
        }
        for (const bool ignored : {false, true})
          choose(group.candidates, n, iou, group.crowd, ignore, ignored, taken, thresholds,
                 group.best, match);
      }
      for (int64_t t = 0; t < thresholds; ++t) {
        any &= match[t];
        if (match[t] >= 0) taken[match[t] * thresholds + t] = group.det_claims[d];
      }
    }
    rows += any != -1;
  }
  *n_matched = rows;
}

}  // namespace tamis::TAMIS_ISA
