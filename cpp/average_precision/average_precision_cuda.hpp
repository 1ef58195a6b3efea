// Device twin of average_precision.hpp, queued on a stream, without a wait. A block for each curve: its threads walk
// down the detections together and keep, for up to kThreads recall thresholds at a time, the best precision from there
// to the next. Memory: none. Bytes moved: 24 for each detection, IoU threshold, area range and cap, mostly within L2.
#pragma once
#include <cstdint>

#include "average_precision/average_precision_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

struct DeviceCurves {
  int64_t n_categories, n_areas, n_max_dets, n_thresholds, n_recalls, n_dets;
  const int32_t* category;        // (n_dets,) ascending; n_categories and above take no part
  const int32_t* rank;            // (n_dets,) place within image and category
  const double* score;            // (n_dets,) descending within a category
  const host::Verdict* verdicts;  // (n_areas, ceil(n_thresholds / 64), n_dets)
  const int64_t* n_regular;       // (n_categories, n_areas)
  const int64_t* max_dets;        // (n_max_dets,)
  const double* recalls;          // (n_recalls,) ascending, NaN last
  const double* farthest;         // of each of these, the largest among those that come no later in the output
  const int64_t* places;          // where each stands in the output
};
// Outputs as in average_precision.hpp.
void average_precision(const DeviceCurves& curves, double* precision, double* recall, double* scores,
                       cudaStream_t stream);

}  // namespace tamis::cuda
