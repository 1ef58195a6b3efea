// The greedy matcher of COCO evaluation, all images, classes, IoU thresholds and area ranges in one pass.
//
//   for each image and class, area range and threshold t:
//     gts = regular ones first, then ignored ones (stable)
//     for d in dets sorted by descending score (stable, NaN last), at most max_det:
//       best = the gt of largest IoU >= t, not yet taken unless crowd; the last among equal IoUs;
//              an ignored one only if no regular one will do
//
// IoU is pycocotools' bbIou on xywh float64, operation by operation: inter / union, inter / det area for a crowd, 0
// where the boxes do not overlap. A NaN IoU is not below any threshold, so it matches, as it does there.
//
// Layout: boxes are (n, 4) float64 xywh; category and image are positions 0..count-1, -1 leaves the box out.
// Exact. Cost: a radix sort of the scores, then one IoU per pair of the same image and class, and for the pairs that
// reach the lowest threshold A * T comparisons. Memory: 4 bytes * A * T for each detection that matches.
#pragma once
#include <cstdint>
#include <vector>

#include "core/isa.hpp"

namespace tamis {

// Detections in evaluation order: by category, then descending score, then image, then input order.
struct DetectionOrder {
  std::vector<int64_t> index;   // into the input, one for each detection that is kept
  std::vector<int32_t> rank;    // place by score among those of the same image and category
  std::vector<int64_t> splits;  // (categories + 1) bounds of each category in `index`
};

struct DetectionColumns {
  int64_t n;
  const int32_t* category;
  const int32_t* image;
  const double* score;
};
DetectionOrder order_detections(const DetectionColumns& dets, int64_t n_categories, int64_t n_images,
                                int64_t max_det);

// Indices of the boxes that are not left out by category, image, input order, and the bounds of each category.
std::vector<int64_t> order_by_group(int64_t n, const int32_t* category, const int32_t* image, int64_t n_categories,
                                    int64_t n_images, std::vector<int64_t>& splits);

// positions[i]: where ids[i] stands in `known` (ascending, distinct), -1 if it does not.
void find_positions(const int64_t* ids, int64_t n, const int64_t* known, int64_t n_known, int32_t* positions);

struct MatchProblem {
  int64_t n_kept;              // a DetectionOrder
  const int64_t* det_index;
  const int64_t* det_splits;
  const int32_t* det_image;    // by input index
  const double* det_boxes;     // by input index
  const uint8_t* det_claims;   // by input index; 0: its matches leave the gt free (ids <= 0). Null: all claim
  int64_t n_gts, n_categories, n_images;
  const int32_t* gt_category;
  const int32_t* gt_image;
  const double* gt_boxes;
  const uint8_t* gt_crowd;
  const uint8_t* gt_ignore;    // (n_areas, n_gts)
  int64_t n_areas, n_thresholds;
  const double* thresholds;
};

// `row[p]` of the kept detection p is its row in `gt`, or -1 where it matches nothing at all;
// gt[row][area][threshold] is the index of its ground truth or -1.
struct Matches {
  std::vector<int32_t> row;
  std::vector<int32_t> gt;
};
Matches match_detections(const MatchProblem& problem);

// One image and class. Ground truths are columns of length n_gts; scratch is the caller's.
struct MatchGroup {
  int64_t n_dets, n_gts, n_areas, n_thresholds;
  const double* det_boxes;       // (n_dets, 4), best score first
  const double* given_iou;       // (n_dets, n_gts) to match by instead of boxes, or null
  const uint8_t* det_claims;     // (n_dets,)
  const double *x1, *y1, *x2, *y2, *area;
  const uint8_t* crowd;
  const uint8_t* ignore;         // (n_areas, n_gts)
  const double* thresholds;
  double lowest_threshold;
  double* iou;                   // scratch (n_gts,)
  int32_t* candidates;           // scratch (n_gts,)
  uint8_t* taken;                // scratch (n_areas, n_gts, n_thresholds), zeroed by the caller
  double* best;                  // scratch (n_thresholds,)
};
// Writes for each detection that matches anything its place and (n_areas, n_thresholds) matches (gt or -1), and
// their number; the outputs have room for n_dets of them.
TAMIS_KERNEL(match_group,
             (const MatchGroup& group, int32_t* matched_det, int32_t* matched_gt, int64_t* n_matched),
             (group, matched_det, matched_gt, n_matched))

// All pairs of one image: out (n_dets, n_gts) is row-major.
void coco_iou(const double* dets, int64_t n_dets, const double* gts, int64_t n_gts, const uint8_t* crowd, double* out);

// One image and class by a given similarity, for callers that have their own: out (n_areas, n_thresholds, n_dets).
struct GivenProblem {
  int64_t n_dets, n_gts, n_areas, n_thresholds;
  const double* similarity;   // (n_dets, n_gts), best score first
  const uint8_t* det_claims;  // (n_dets,)
  const uint8_t* gt_crowd;
  const uint8_t* gt_ignore;   // (n_areas, n_gts)
  const double* thresholds;
};
void match_given(const GivenProblem& problem, int32_t* out);

}  // namespace tamis
