// Device twin of oks.hpp, queued on a stream, without a wait: a thread for each pair. Terms and sums are the host's,
// bit for bit, but for the exponentials: those of the device, which differ from NumPy's in the last bit.
#pragma once
#include <cstdint>

#include "box_iou/box_iou_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

struct DeviceOksPairs {
  int64_t n_keypoints, det_numbers;  // of a detection's keypoint: 2 or 3, x and y first
  const double *det, *gt;            // (n, k, det_numbers), (m, k, 3)
  const double *gt_boxes, *gt_area;  // (m, 4) xywh, (m,)
  const double* variances;           // (k,)
  host::BatchedPairs pairs;
  int64_t n;  // of pairs
};
void oks(const DeviceOksPairs& pairs, double* out, cudaStream_t stream);

}  // namespace tamis::cuda
