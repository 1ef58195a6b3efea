// Device twin of mask_iou.hpp: IoUs of masks that lie on the device as the ends of their runs, the same bits, queued on
// a stream, without a wait.
//
// A thread tests the bounding boxes of a pair; the warp then shares out the runs of each pair whose boxes touch. Masks
// with empty runs are walked by one lane, as pycocotools walks them. Texts and sizes are checked by the caller: counts
// cover their image, and masks of an image are of one size.
#pragma once
#include <cstdint>

#include "box_iou/box_iou_math.hpp"
#include "mask_iou/mask_iou_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

// Mask i: masks[i], but for its `ends`, which are ends[splits[i]] and on.
struct DeviceMasks {
  host::Runs* masks;
  uint32_t* ends;
  const int64_t* splits;  // of the text; a run has at least one character
  int64_t n, room;        // masks, and ends in all: no mask is read or written beyond, whatever the arrays say
};
void mask_read(const char* text, const int64_t* size, const DeviceMasks& out, cudaStream_t stream);

struct DeviceMaskPairs {
  DeviceMasks a, b;
  const uint8_t* b_crowd;  // by row of b; null: none
  host::BatchedPairs pairs;
  int64_t n;
};
void mask_iou_batched(const DeviceMaskPairs& pairs, double* out, cudaStream_t stream);

// out: (n, pixels) of images of so many, column after column; 0 at the start.
void mask_decode(const DeviceMasks& masks, int64_t pixels, uint8_t* out, cudaStream_t stream);

}  // namespace tamis::cuda
