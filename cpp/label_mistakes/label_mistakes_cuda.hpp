// tamis.mistakes_of_matches on a device, queued on a stream, without a wait: a thread for each image.
#pragma once
#include <cstdint>

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

struct MatchedRows {
  int64_t n, m, images;
  const int64_t *splits, *gt_splits;  // (images + 1,)
  const int64_t *gt, *det;            // row of the other side that each detection and each ground truth has, or below 0
  const double *iou, *confidence, *certain;  // (n,)
  const int64_t *labels, *gt_labels;
  const uint8_t* judged;  // (m,)
  double least_iou, missing_confidence;
};
struct DeviceMistakes {
  double *label, *place;        // (m,)
  uint8_t *spurious, *missing;  // (m,), (n,)
  double* worst;                // (images,)
  int64_t *n_missing, *n_spurious;
  int64_t* bad;  // (4,) lowered to the first row of gt and det out of range, of iou and of certain that is not finite
};
void mistakes_of_matches(const MatchedRows& rows, const DeviceMistakes& out, cudaStream_t stream);

}  // namespace tamis::cuda
