// For each box the largest IoU with another box of its image, or with a box of another set in the same image.
//
//   for image in images:
//     m = min(box_iou(boxes[image], others[image]), 1)   # others: the second set, else the boxes themselves
//     m[labels[:, None] != other_labels[None, :]] = 0    # with labels
//     m[i, i] = 0                                        # within one set, not between two
//     out[image] = max(m, axis=1, initial=0)
//
// Layout: boxes (rows, 4) C-contiguous, float or double; splits (images + 1,) offsets; labels (rows,).
// An image without another box gives 0. Degenerate and inverted boxes as in box_iou; coordinates are finite.
// Exact: bit-identical to the same NumPy formula on every instruction set, whatever the threads.
// Cost: all ordered pairs of each image, no temporary.
#pragma once
#include <cstdint>

#include "core/isa.hpp"
#include "max_iou/max_iou_math.hpp"

namespace tamis {

template <class T>
void max_iou(BoxFormat format, const LabelledBoxes<T>& set, int64_t images, T* out);
template <class T>
void max_iou_between(BoxFormat format, const LabelledBoxes<T>& set, const LabelledBoxes<T>& others, int64_t images,
                     T* out);

// Rows of one image against all columns of it; row i leaves out column `own` + i.
#define TAMIS_MAX_IOU_KERNEL(T)                                                                  \
  TAMIS_KERNEL(max_iou_block,                                                                    \
               (BoxFormat format, const T* a, const int32_t* a_labels, int64_t rows, const T* b, \
                const int32_t* b_labels, int64_t columns, int64_t own, T* out),                  \
               (format, a, a_labels, rows, b, b_labels, columns, own, out))
TAMIS_MAX_IOU_KERNEL(float)
TAMIS_MAX_IOU_KERNEL(double)
#undef TAMIS_MAX_IOU_KERNEL

}  // namespace tamis
