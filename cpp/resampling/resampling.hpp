// Average precision and recall from stored matches when every image has a weight, for many sets of weights at once.
//
//   w = weights[b, image]                               # of each detection, by descending score
//   tp, seen = cumsum(w * right), cumsum(w * ~ignored)
//   recall, precision = tp / sum(weights[b, target_image]), tp / (seen + 2**-52)
//   precision = maximum.accumulate(precision[::-1])[::-1]
//   out = mean(append(precision, 0)[searchsorted(recall, recall_thresholds)])  # -1 if no ground truth has weight
//
// Weights are finite and not negative: 0 and 1 are a part of the images, counts a sample with repetition (copies of an
// image stand beside each other, and its equal scores of one class count together). With whole weights every point of
// every curve has the bits of average_precision on such images; means are summed run by run from the last, then over
// thresholds, so that a number may differ from NumPy's mean in the last bits. The same bits on every instruction set
// and for any number of threads. A cell is an area range, a cap of detections, and whether precision is asked for.
//
// Cost: the plan is made once; then for each set of weights one addition a detection, area range and cap, and two
// divisions a run of true positives and threshold. Memory: 4 bytes a detection and area range, 4 a match, threshold
// and cell, 12 a run of true positives; 8 a weight, twice, while sets are worked on.
#pragma once
#include <cstdint>

#include "core/isa.hpp"
#include "core/vector.hpp"
#include "resampling/resampling_math.hpp"

namespace tamis {

struct ResamplingMatches {
  int64_t n_categories, n_areas, n_thresholds, n_dets, n_gts, n_images;
  const int64_t* splits;   // (K + 1) bounds of each category's detections, best score first
  const int32_t* rank;     // (n_dets,) place within image and category
  const int32_t* image;    // (n_dets,)
  const uint8_t* outside;  // (A, n_dets)
  const int32_t* row;      // the matches, as the matching room gives them
  const int64_t* first;
  const int32_t* gt;
  const uint64_t* at;
  const int32_t* gt_category;  // (n_gts,) -1: left out
  const int32_t* gt_image;
  const uint8_t* gt_ignore;  // (A, n_gts)
  const uint8_t* gt_counts;  // (n_gts,) 0: a match to it counts as none. Null: all count
};
struct ResamplingCell {
  int32_t area;
  int64_t cap;
  bool curve;
};

struct ResamplingPlan {
  int64_t n_categories, n_areas, n_thresholds, n_images;
  Vector<int32_t> cell_area;
  Vector<uint8_t> cell_curve;
  Vector<int64_t> target_splits, stop_splits, stop_end, run_splits, tp_splits, mixed_splits;
  Vector<int32_t> target_image, seen_image, tp_image, mixed_image;
  Vector<ResamplingRun> runs;
  int64_t most_stops = 0, most_runs = 0;  // of one category and cell, and of one curve

  ResamplingView view() const;
  int64_t bytes() const;
};
// Throws where an offset, image or category points nowhere; `firsts` and `entries` are the lengths of first and gt.
void check_matches(const ResamplingMatches& matches, int64_t firsts, int64_t entries);
// Rows of area, cap and whether curves are wanted; an area that there is not raises.
Vector<ResamplingCell> read_cells(const int64_t* cells, int64_t n, int64_t n_areas);
ResamplingPlan plan_resampling(const ResamplingMatches& matches, const Vector<ResamplingCell>& cells);

// A part of the images (weights 0 and 1) with the evaluator's own bits, in time that goes with the part: curves at the
// last of `caps` (ascending) detections an image and class, recalls at each. Memory: 4 bytes a detection and area
// range, 24 a match and area range.
class ResamplingParts {
 public:
  const int64_t n_categories, n_areas, n_thresholds, n_images;

  ResamplingParts(const ResamplingMatches& matches, const int64_t* caps, int64_t n_caps);
  // keep (images,), recalls (R,); regular (K, A): ground truths that count. Of each area, and at its front only the K'
  // classes that have any: precision (A, T * R * K'), recall (A, M, T * K').
  void evaluate(const uint8_t* keep, const double* recalls, int64_t n_recalls, int64_t* regular, double* precision,
                double* recall) const;
  int64_t n_caps() const { return caps_.size(); }

 private:
  struct Cell;
  struct Part;
  struct Scratch;
  struct Verdict {  // how a detection counts, a bit a threshold
    uint64_t tp, ignored;
  };
  const int64_t words_;
  Vector<int64_t> caps_;
  Vector<int64_t> splits_;         // (K + 1) bounds of each category's detections that match anything, best score first
  Vector<int32_t> image_, cap_;    // cap_: the first that its rank is below
  Vector<Verdict> verdicts_;       // (A, words, matches)
  Vector<int64_t> slot_splits_;    // (images + 1)
  Vector<int32_t> slots_;          // of those that match nothing: place among the matches, area range
  Vector<int64_t> target_splits_;  // (images + 1)
  Vector<int32_t> targets_;        // of each ground truth that counts: category, area range

  void find_kept(const uint8_t* keep, int64_t category, Scratch& scratch) const;
  void run_cell(const Cell& cell, int64_t word, const Part& part, Scratch& scratch) const;
};

// Recall thresholds, ascending, in the buckets of resampling_math.hpp.
struct RecallTable {
  Vector<double> level;
  Vector<int32_t> before;
  int32_t depth = 1;

  RecallTable(const double* recalls, int64_t n);
  RecallLevels view() const { return {level.size() - depth, level.data(), before.data(), depth}; }
};

// weights (n, images), recalls (n_recalls,) ascending, out (n, K, rows).
void resample(const ResamplingPlan& plan, const double* weights, int64_t n, const double* recalls, int64_t n_recalls,
              const ResamplingRows& rows, double* out);

constexpr int64_t kLanes = 8;  // sets of weights in step: a cache line of doubles
struct ResamplingScratch {
  double* targets;    // (A, kLanes)
  double* seen;       // (most_stops, kLanes)
  double* precision;  // (most_runs, kLanes)
  int32_t* reached;   // (most_runs, kLanes) recall thresholds
};
// One category, kLanes sets of weights: weights (images, kLanes), out (rows, kLanes).
TAMIS_KERNEL(resample_category,
             (const ResamplingView& plan, const RecallLevels& levels, const ResamplingRows& rows, int64_t category,
              const double* weights, const ResamplingScratch& scratch, double* out),
             (plan, levels, rows, category, weights, scratch, out))

}  // namespace tamis
