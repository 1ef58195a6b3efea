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

#include "core/isa.hpp"

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

// Bits of the detections, 64 a word.
struct CurveBits {
  uint64_t* matched;  // (words,) it matches anything
  uint64_t* in_cap;   // (M, words)
  uint64_t* outside;  // (A, words)
};
TAMIS_KERNEL(mark_bits, (const CurveProblem& problem, const CurveBits& bits, int64_t first_word, int64_t last_word),
             (problem, bits, first_word, last_word))
TAMIS_KERNEL(count_bits, (const uint64_t* bits, int64_t first, int64_t last, int64_t* n), (bits, first, last, n))

// A matched detection within the cap that is not ignored at every threshold.
struct Seen {
  uint64_t tp, ignored;
  int64_t before;  // detections above it that are false positives, or seen as well
  double score;
};
// Those of one category, area range, cap and word of thresholds.
struct SeenProblem {
  int64_t first, last;                         // the category's detections
  const uint64_t *matched, *in_cap, *outside;  // words
  const uint64_t* verdicts;                    // (matched, 2) of the category: tp and ignored
  const double* score;                         // (matched,)
  uint64_t all;                                // the word's thresholds
};
TAMIS_KERNEL(find_seen, (const SeenProblem& problem, Seen* seen, int64_t* n), (problem, seen, n))

// One threshold's curve: of true positive i its place in `seen`, and the best precision from there on.
struct Trace {
  int64_t *place, *fp;  // fp: scratch
  double* precision;
};
TAMIS_KERNEL(trace, (const Seen* seen, int64_t n, int64_t bit, const Trace& out, int64_t* tps),
             (seen, n, bit, out, tps))

}  // namespace tamis
