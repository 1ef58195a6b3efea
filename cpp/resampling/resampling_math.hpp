// The arithmetic of a precision-recall curve whose images have weights, and how a plan of such curves lies in memory.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis {

// Of each category (K), cell (C, see resampling.hpp) and threshold (T) the true positives in runs: those of a run have
// no false positive between them, so that precision rises along it and only its last can be a maximum.
struct ResamplingRun {
  int32_t stop;       // its last true positive is seen at this stop
  int32_t tp_end;     // bounds within the curve's true positives
  int32_t mixed_end;  // and within its mixed detections
};

struct ResamplingView {
  int64_t n_categories, n_areas, n_cells, n_thresholds, n_images;
  const int64_t* target_splits;  // (K * A + 1)
  const int32_t* target_image;   // of each ground truth that counts
  const int32_t* cell_area;      // (C,)
  const uint8_t* cell_curve;     // (C,) 0: only its recall is asked for
  const int64_t* stop_splits;    // (K * C + 1)
  const int64_t* stop_end;       // into seen_image
  const int32_t* seen_image;     // of the detections that count at every threshold, best score first
  const int64_t* run_splits;     // (K * C * T + 1)
  const ResamplingRun* runs;
  const int64_t* tp_splits;  // (K * C * T + 1)
  const int32_t* tp_image;
  const int64_t* mixed_splits;  // (K * C * T + 1)
  const int32_t* mixed_image;   // of those that count here, but not at every threshold
};

// Which numbers are asked for: the mean over the thresholds of a mask of a cell's precision or recall.
struct ResamplingRows {
  int64_t n;
  const int32_t* cell;
  const uint8_t* precision;  // 0: recall
  const uint8_t* mask;       // (n, T)
};

// Recall thresholds in order, and room for a search without branches: `before` counts those of lower buckets.
constexpr int32_t kRecallBuckets = 128;
struct RecallLevels {
  int64_t n;
  const double* level;    // (n + depth,) ascending, then infinity
  const int32_t* before;  // (kRecallBuckets + 1,)
  int32_t depth;          // most of one bucket
};

namespace TAMIS_ISA {

// T is a double, or a vector of them: one for each set of weights.
template <class T>
TAMIS_HD void weighted_precision(const T& tp, const T& seen, T* out) {
  *out = tp / (seen + 0x1p-52);  // numpy.spacing(1)
}
// What true positives are divided by: without ground truth they are 0 as well.
TAMIS_HD double recall_divisor(double targets) { return targets > 0 ? targets : 1.0; }

// The bucket of a recall, once cut to a whole number.
template <class T>
TAMIS_HD void find_bucket(const T& recall, T* bucket) {
  const T last = T{} + double{kRecallBuckets}, at = recall * double{kRecallBuckets};
  *bucket = at > T{} ? at : T{};
  *bucket = *bucket < last ? *bucket : last;
}
TAMIS_HD int32_t recall_bucket(double recall) {
  double bucket;
  find_bucket(recall, &bucket);
  return static_cast<int32_t>(bucket);
}

// How many recall thresholds are reached, of those of the recall's bucket and all lower ones.
TAMIS_HD int32_t levels_reached(double recall, int32_t bucket, const RecallLevels& levels) {
  const int32_t first = levels.before[bucket];
  int32_t reached = first + (levels.level[first] <= recall);
  for (int32_t i = 1; i < levels.depth; ++i) reached += levels.level[first + i] <= recall;
  return reached;
}

template <class T>
TAMIS_HD void raise_precision(const T& precision, T* best) {
  *best = precision > *best ? precision : *best;
}

// A mean over thresholds, -1 without ground truth or thresholds.
TAMIS_HD double mean_or_absent(double sum, double count, double targets) {
  return targets > 0 && count > 0 ? sum / count : -1.0;
}

}  // namespace TAMIS_ISA
}  // namespace tamis
