// Device twin of fiftyone_matching.hpp for COCO's rule, one threshold and no classes, queued on a stream, without a
// wait: a warp for each image. Its lanes share out the ground truths of a detection; the first one chooses.
// Memory: 16 bytes a ground truth.
#pragma once
#include <cstdint>

#include "fiftyone_matching/fiftyone_matching_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

struct DeviceFiftyoneRows {
  const int64_t* splits;  // (images + 1,)
  const double* boxes;    // (n, 4) xywh
  const int32_t* labels;
};
struct DeviceFiftyoneProblem {
  int64_t images;
  double threshold;
  DeviceFiftyoneRows dets, gts;
  const int64_t* order;         // of detections: by image, then descending confidence, then input order
  const uint8_t* crowd;         // of ground truths
  host::Candidate* candidates;  // (m,) scratch
};
struct DeviceFiftyoneMatches {  // -1, 0 and -1 at the start
  int32_t* det_gt;
  double* det_iou;
  int32_t* gt_det;
};
void fiftyone_match(const DeviceFiftyoneProblem& problem, const DeviceFiftyoneMatches& out, cudaStream_t stream);

}  // namespace tamis::cuda
