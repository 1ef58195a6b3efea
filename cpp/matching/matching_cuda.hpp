// Device twin of matching.hpp for boxes, also rotated, queued on a stream, without a wait. Rows come image by image,
// all take part and all claim what they match. The caller sorts: match_keys gives the keys, and all else takes rows in
// their order. A warp matches the detections of one image and class one by one, best score first: its lanes
// share out the ground truths, then the area ranges. Where there are many ground truths, the other warps of a block
// look for those within reach of the detections that come next.
// Memory: 53 + 8 w + A (24 w + 1) bytes a ground truth, w = ceil(T / 64); 24 more a rotated one.
#pragma once
#include <cstdint>

#include "average_precision/average_precision_math.hpp"
#include "matching/matching_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

struct MatchRows {  // one side, by input index
  int64_t n, images;
  const int64_t* splits;  // (images + 1,)
  const int32_t* category;
  int64_t numbers;       // of a box: 4, xywh, or 5, cx cy w h angle
  const double* boxes;   // (n, numbers)
  const double* values;  // scores, or areas
};
struct MatchKeys {
  int64_t* groups;  // (n,) the same for rows of one image and class, ascending by image
  int64_t* scores;  // (n,) ascending as values descend. Null: not wanted
  int64_t* bad;     // (2,) lowered to the first row that is not finite, of the boxes and of the values
};
void match_keys(const MatchRows& rows, const MatchKeys& keys, cudaStream_t stream);

struct GroupedRows {
  int64_t n;
  const int64_t* order;        // input indices by group, then descending score, then input order
  const int64_t* groups;       // in that order
  const double *boxes, *area;  // by input index
};
// By input index: rank, the place by score in the group, and kept, the category, or n_categories from rank max_det on.
void match_ranks(const GroupedRows& dets, const int32_t* category, int64_t n_categories, int64_t max_det, int32_t* rank,
                 int32_t* kept, cudaStream_t stream);

// Detections in evaluation order: by kept, then descending score, then input order.
struct MatchPlaces {
  int64_t n, n_areas, words;
  const int64_t* index;       // (n,) into the input
  const double* area_ranges;  // (n_areas, 2)
  const double* area;         // by input index
  int64_t* place;             // (n,) by input index
  host::Verdict* verdicts;    // (n_areas, words, n) in evaluation order, of detections that match nothing
};
void match_places(const MatchPlaces& places, cudaStream_t stream);

struct DeviceMatchProblem {
  GroupedRows dets, gts;
  const uint8_t* gt_crowd;  // by input index
  bool rotated;             // boxes of five numbers, compared as in rotated_iou.hpp
  int64_t max_det, n_areas, n_thresholds;
  const double* area_ranges;  // (n_areas, 2), closed
  const double* thresholds;
  double lowest_threshold;
};
struct MatchScratch {
  int64_t* words;       // (n_gts, match_scratch_words())
  int32_t* candidates;  // (n_gts,)
  uint8_t* flags;       // (n_areas + 1, n_gts)
};
inline int64_t match_words(int64_t n_thresholds) { return (n_thresholds + 63) / 64; }
inline int64_t match_scratch_words(bool rotated, int64_t n_areas, int64_t n_thresholds) {
  return (rotated ? 9 : 6) + match_words(n_thresholds) * (1 + 3 * n_areas);
}
// For evaluation; the verdicts of what matches nothing are there already.
struct MatchVerdicts {
  const int64_t* place;
  host::Verdict* verdicts;
  const int32_t* gt_category;     // by input index
  unsigned long long* n_regular;  // (n_categories, n_areas), 0 at the start
};
void match_verdicts(const DeviceMatchProblem& problem, const MatchScratch& scratch, const MatchVerdicts& out,
                    cudaStream_t stream);

// For one area range: -1, 0, "beyond the cap" and -1 at the start.
struct MatchPairs {
  int64_t* gt;  // (n_thresholds, n_dets)
  double* iou;
  uint8_t* ignored;
  int64_t* det;  // (n_thresholds, n_gts)
};
void match_pairs(const DeviceMatchProblem& problem, const MatchScratch& scratch, const MatchPairs& out,
                 cudaStream_t stream);

}  // namespace tamis::cuda
