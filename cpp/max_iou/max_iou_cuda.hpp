// Device twin of max_iou.hpp: the same values, queued on a stream, without a wait.
#pragma once
#include <cstdint>

#include "max_iou/max_iou_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

template <class T>
struct MaxIouSets {
  LabelledBoxes<T, int64_t> set, others;
  int64_t n, images;
  bool within;  // others is the set itself: no box meets itself
};
template <class T>
void max_iou(BoxFormat format, const MaxIouSets<T>& sets, T* out, cudaStream_t stream);

}  // namespace tamis::cuda
