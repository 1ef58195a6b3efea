// Device twin of resampling.hpp: the same bits, queued on a stream, without a wait. A thread for each set of weights,
// category, cell and threshold walks down its curve alone; neighbours are sets of weights, whose weights of one image
// lie beside each other. What is seen is summed anew for each threshold. Memory: 12 bytes a run of true positives and
// set of weights (`precision`, `reached`).
#pragma once
#include <cstdint>

#include "resampling/resampling_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

struct DeviceResampling {
  ResamplingView plan;
  RecallLevels levels;
  const double* weights;  // (images, n)
  int64_t n;
  double* precision;  // (runs, n)
  int32_t* reached;   // (runs, n)
};
// Mean precision (or 0 where only recall is asked for), recall and ground truths of each curve: (K * C * T, n) each.
void resample(const DeviceResampling& p, double* precision, double* recall, double* targets, cudaStream_t stream);

}  // namespace tamis::cuda
