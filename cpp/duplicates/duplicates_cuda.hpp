// Device twin of duplicates.hpp for the simple rule, queued on a stream, without a wait: a warp for each box compares
// it with the others of its image, all pairs, so 100,000 boxes of one image are 10^10 pairs. A pair is one lane's, of
// masks too.
#pragma once
#include <cstdint>

#include "duplicates/duplicates_math.hpp"
#include "duplicates/duplicates_shapes_math.hpp"
#include "max_iou/max_iou_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

template <class T>
struct DeviceBoxRows {
  BoxFormat format;
  const T* data;
};
struct DeviceRotatedRows {
  const host::RotatedBox* data;
};
struct DeviceMaskRows {  // mask i is masks[i], its ends are ends[splits[i]] and on
  const host::Runs* masks;
  const uint32_t* ends;
  const int64_t* splits;
  int64_t room;  // ends in all
};

template <class Rows>
struct SimpleDuplicates {
  Rows rows;
  double threshold;
  int64_t n, images;
  const int64_t* splits;
  const int64_t* labels;  // null: labels do not matter
  const uint8_t* crowd;   // null: none
};
struct DuplicateMarks {
  uint8_t* duplicate;  // (n,) 1 for a duplicate
  int64_t* of;         // (n,) written for duplicates only, as is
  double* iou;         // (n,)
};
template <class Rows>
void find_duplicate_boxes(const SimpleDuplicates<Rows>& problem, const DuplicateMarks& out, cudaStream_t stream);

}  // namespace tamis::cuda
