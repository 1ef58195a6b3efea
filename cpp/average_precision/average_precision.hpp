// Precision and recall of COCO evaluation from matched detections, for every threshold, class, area and cap at once.
//
//   tp, fp = cumsum(matched & ~ignored), cumsum(~matched & ~ignored)      # detections by descending score
//   recall, precision = tp / n_regular, tp / (fp + tp + 2**-52)
//   precision = maximum.accumulate(precision[::-1])[::-1]
//   at = searchsorted(recall, recall_thresholds, side="left")
//   out = precision[at], score[at]                                        # 0 from the first `at` past the end on
//
// Bitwise pycocotools' accumulate. Only true positives change the curve: between two true positives precision can only
// decrease, so a detection that matches nothing costs one addition a cap. -1 where a class has no regular ground truth
// in the area. Outputs are C-ordered: precision and scores (T, R, K, A, M), recall (T, K, A, M).
#pragma once
#include <cstdint>

namespace tamis {

struct CurveProblem {
  int64_t n_categories, n_areas, n_max_dets, n_thresholds, n_recalls, n_dets, n_gts;
  const int64_t* splits;  // (K + 1) bounds of each category's detections
  const int32_t* rank;    // (n_dets,) place within image and category
  const int64_t* index;   // (n_dets,) into score, which then descends within a category
  const double* score;
  const uint8_t* outside;  // (A, n_dets) the detection itself lies outside the area range
  const int32_t* row;      // the matches, as the matching room gives them
  const int64_t* first;
  const int32_t* gt;
  const uint64_t* at;
  const uint8_t* gt_ignore;  // (A, n_gts)
  const uint8_t* gt_counts;  // (n_gts,) 0: a match to it counts as none (id 0). Null: all count
  const int64_t* n_regular;  // (K, A) ground truths that are not ignored
  const int64_t* max_dets;   // (M,)
  const double* recall_thresholds;
};
void average_precision(const CurveProblem& problem, double* precision, double* recall, double* scores);

}  // namespace tamis
