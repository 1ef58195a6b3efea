// Device twin of box_iou.hpp: the same functions on device pointers, queued on a stream, without a wait.
#pragma once
#include <cstdint>

#include "box_iou/box_iou_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

template <class T>
void box_iou(BoxKind kind, BoxFormat format, const T* a, int64_t n, const T* b, int64_t m, T* out, cudaStream_t stream);
template <class T>
void box_iou_paired(BoxKind kind, BoxFormat format, const T* a, const T* b, int64_t n, T* out, cudaStream_t stream);
template <class T>
void box_iou_batched(BoxKind kind, BoxFormat format, const T* a, const int64_t* a_splits, const T* b,
                     const int64_t* b_splits, int64_t images, const int64_t* out_splits, int64_t total, T* out,
                     cudaStream_t stream);

}  // namespace tamis::cuda
