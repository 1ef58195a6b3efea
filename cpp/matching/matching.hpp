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
// Thresholds are packed as bits of 64-bit words, so availability, reach and choice are computed for all thresholds with
// a few bitwise operations. Exact. Cost: a radix sort of the scores, one IoU per pair of the same image and
// class. Memory: 12 + 8 A ceil(T / 64) bytes for each detection that matches.
#pragma once
#include <cstdint>

#include "core/isa.hpp"
#include "core/vector.hpp"

namespace tamis {

// Detections in evaluation order: by category, then descending score, then image, then input order.
struct DetectionOrder {
  Vector<int64_t> index;   // into the input, one for each detection that is kept
  Vector<int32_t> rank;    // place by score among those of the same image and category
  Vector<int64_t> splits;  // (categories + 1) bounds of each category in `index`
};

// Rows by category and image, positions 0 to count - 1; -1 leaves a row out.
struct RowGroups {
  int64_t n;
  const int32_t* category;
  const int32_t* image;
  int64_t n_categories, n_images;
};
DetectionOrder order_detections(const RowGroups& dets, const double* score, int64_t max_det);

// Indices of the rows that are not left out by category, image, input order, and the bounds of each category.
Vector<int64_t> order_by_group(const RowGroups& rows, Vector<int64_t>& splits);

// positions[i]: where ids[i] stands in `known` (ascending, distinct), -1 if it does not.
void find_positions(const int64_t* ids, int64_t n, const int64_t* known, int64_t n_known, int32_t* positions);

// Which areas lie out of each range: out (n_areas, n).
struct AreaProblem {
  int64_t n, n_areas;
  const double* area;
  const int64_t* index;  // (n,) into `area`; null: all
  const double* ranges;  // (n_areas, 2) lowest and highest
};
void find_outside(const AreaProblem& problem, uint8_t* out);

struct MatchProblem {
  int64_t n_kept;  // a DetectionOrder's index
  const int64_t* det_index;
  int64_t n_dets;
  const int32_t* det_category;  // by input index
  const int32_t* det_image;     // by input index
  const double* det_boxes;      // by input index
  const uint8_t* det_claims;    // by input index; 0: its matches leave the gt free (ids <= 0). Null: all claim
  int64_t n_gts, n_categories, n_images;
  const int32_t* gt_category;
  const int32_t* gt_image;
  const double* gt_boxes;
  const uint8_t* gt_crowd;
  const uint8_t* gt_ignore;  // (n_areas, n_gts)
  int64_t n_areas, n_thresholds;
  const double* thresholds;
  const double* similarity = nullptr;  // of the pairs of each group (see below), instead of the boxes' IoU
  int64_t n_similarities = 0;
};

// The detections and ground truths of each image and class that has ground truths: by input index, best score first,
// group i from splits[i] to splits[i + 1] - 1. Similarities are (detections, ground truths) of each group, one after
// the other.
struct PairGroups {
  Vector<int64_t> det, det_splits, gt, gt_splits;
};
PairGroups pair_groups(const MatchProblem& problem);

// Sparse, as few detections match: the kept detection p has row[p] = -1, or entries first[row] to first[row + 1] - 1.
// An entry says that the detection matched ground truth gt[e] in area range a at the thresholds whose bits are set in
// the words at[e][a].
struct Matches {
  Vector<int32_t> row;    // (n_kept,)
  Vector<int64_t> first;  // (rows + 1,)
  Vector<int32_t> gt;     // (entries,)
  Vector<uint64_t> at;    // (entries, n_areas, words)
};
Matches match_detections(const MatchProblem& problem);

constexpr int64_t kWordBits = 64;
constexpr int64_t words_for(int64_t n_thresholds) { return (n_thresholds + kWordBits - 1) / kWordBits; }

// One image and class while its detections are matched. Ground truths are columns of length n_gts.
struct MatchGroup {
  int64_t n_gts, n_areas, n_thresholds;
  const double *x1, *y1, *x2, *y2, *area;  // of the ground truths; not read where the IoU is given
  const uint8_t* crowd;
  const uint8_t* ignore;  // (n_areas, n_gts)
  const double* thresholds;
  double lowest_threshold;
  uint64_t* taken;         // (n_areas, n_gts, words), 0 at the start
  double* iou;             // scratch (n_gts,)
  int32_t* candidates;     // scratch (n_gts,)
  uint64_t *reach, *free;  // scratch (n_gts,)
  uint64_t* chosen;        // scratch (n_gts, n_areas, words)
};
struct Detection {
  const double* box;        // xywh
  const double* given_iou;  // (n_gts,) to match by instead of the box, or null
  bool claims;              // false: what it matches stays free
};
// Matches the next detection of the group, best score first: writes its entries, ground truths in gt and words in at,
// both with room for n_gts, and their number.
TAMIS_KERNEL(match_next, (const MatchGroup& group, const Detection& det, int32_t* gt, uint64_t* at, int64_t* n),
             (group, det, gt, at, n))

// All pairs of one image: out (n_dets, n_gts) is row-major.
void coco_iou(const double* dets, int64_t n_dets, const double* gts, int64_t n_gts, const uint8_t* crowd, double* out);

// One image and class by a given similarity, for callers that have their own: out (n_areas, n_thresholds, n_dets), gt
// or -1.
struct GivenProblem {
  int64_t n_dets, n_gts, n_areas, n_thresholds;
  const double* similarity;   // (n_dets, n_gts), best score first
  const uint8_t* det_claims;  // (n_dets,)
  const uint8_t* gt_crowd;
  const uint8_t* gt_ignore;  // (n_areas, n_gts)
  const double* thresholds;
};
void match_given(const GivenProblem& problem, int32_t* out);

}  // namespace tamis
