// The overlap of rotated boxes, for all pairs, row by row, or for all pairs within each of many images.
//
//   u, v    = w / 2 * (cos, sin), h / 2 * (-sin, cos)                  # of the angle, in degrees
//   corners = (cx, cy) + [-u - v, u - v, u + v, v - u]
//   inter   = area(clip(a.corners, b.corners))
//   iou     = inter / (a.w a.h + b.w b.h - inter)                      # iof: inter / (a.w a.h)
//
// Layout: boxes (rows, 5) C-contiguous, cx cy w h angle, float or double, the result in the same type; all arithmetic
// is in double. Splits are (images + 1,) offsets. Whichever way angles turn, all boxes turn the same way.
// A box with a side that is not positive overlaps nothing. Numbers are finite (the caller checks).
// The result is in [0, 1]. IoU is the same for (a, b) and (b, a), and 1 for a box and itself, turned by quarters or
// not. Within 1e-8 of the exact value, relative, where inter is over a millionth of the smaller box, and the sides of a
// pair differ up to a millionfold and lie in 1e-75 to 1e75; beyond, errors grow in proportion and areas may overflow.
// The same bits on every instruction set, whatever the threads.
// Cost: a compare of bounding boxes a pair, about 150 operations where they overlap; no temporary but 70 KB a thread.
#pragma once
#include <cstdint>

#include "core/isa.hpp"
#include "rotated_iou/rotated_iou_math.hpp"

namespace tamis {

template <class T>
void rotated_box_iou(RotatedKind kind, const T* a, int64_t n, const T* b, int64_t m, T* out);
template <class T>
void rotated_box_iou_paired(RotatedKind kind, const T* a, const T* b, int64_t n, T* out);
// out_splits[i] is where image i begins in out: the running sum of n_i m_i.
template <class T>
void rotated_box_iou_batched(RotatedKind kind, const T* a, const int64_t* a_splits, const T* b, const int64_t* b_splits,
                             int64_t images, const int64_t* out_splits, T* out);

#define TAMIS_ROTATED_KERNELS(T)                                                                                  \
  TAMIS_KERNEL(rotated_iou_block,                                                                                 \
               (RotatedKind kind, const T* a, int64_t rows, const T* b, int64_t columns, int64_t stride, T* out), \
               (kind, a, rows, b, columns, stride, out))                                                          \
  TAMIS_KERNEL(rotated_iou_rows, (RotatedKind kind, const T* a, const T* b, int64_t n, T* out), (kind, a, b, n, out))
TAMIS_ROTATED_KERNELS(float)
TAMIS_ROTATED_KERNELS(double)
#undef TAMIS_ROTATED_KERNELS

}  // namespace tamis
