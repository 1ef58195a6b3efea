// Device twin of rotated_iou.hpp: the same bits, queued on a stream, without a wait.
//
// What depends on one box alone is computed once, into 64 bytes a box. Then each pair is a compare of bounding boxes;
// a warp collects the pairs that overlap, so that its lanes clip 32 of them together.
#pragma once
#include <cstdint>

#include "rotated_iou/rotated_iou_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

using host::RotatedBox;

template <class T>
void rotated_prepare(const T* boxes, int64_t n, RotatedBox* out, cudaStream_t stream);

template <class T>
void rotated_box_iou(RotatedKind kind, const RotatedBox* a, int64_t n, const RotatedBox* b, int64_t m, T* out,
                     cudaStream_t stream);
template <class T>
void rotated_box_iou_paired(RotatedKind kind, const T* a, const T* b, int64_t n, T* out, cudaStream_t stream);
struct RotatedSplits {
  const int64_t *a, *b, *out;  // (images + 1,)
  int64_t images;
};
template <class T>
void rotated_box_iou_batched(RotatedKind kind, const RotatedBox* a, const RotatedBox* b, const RotatedSplits& splits,
                             int64_t total, T* out, cudaStream_t stream);

}  // namespace tamis::cuda
