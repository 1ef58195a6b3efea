// The overlap of axis-aligned boxes, for all pairs, row by row, or for all pairs within each of many images.
//
//   w, h  = clip(min(a.x2, b.x2) - max(a.x1, b.x1), 0), clip(min(a.y2, b.y2) - max(a.y1, b.y1), 0)
//   union = a.area + b.area - w * h                                       # iof: a.area
//   iou   = w * h / union if union != 0 else 0
//   giou  = iou - (hull - union) / hull;   diou = iou - |ca - cb|^2 / (hull_w^2 + hull_h^2 + 1e-7)
//   ciou  = diou - v^2 / (1 - iou + v + 1e-7),   v = 4 / pi^2 (atan(a.w / a.h) - atan(b.w / b.h))^2
//
// Layout: boxes (rows, 4) C-contiguous, float or double, the result in the same type.
// Splits are (images + 1,) offsets.
// The area is (x2 - x1)(y2 - y1) of xyxy boxes and w h, as given, of the other two formats.
// Inverted boxes follow the formula: they intersect nothing, their area is negative (positive if both sides are).
// Coordinates are finite (the caller checks; on CUDA a NaN follows the formula). No rows give an empty result.
// Exact: bit-identical to the same NumPy formula on every instruction set, whatever the threads.
// Cost: every pair once, the result written once, no temporary.
#pragma once
#include <cstdint>

#include "box_iou/box_iou_math.hpp"
#include "core/isa.hpp"

namespace tamis {

template <class T>
void box_iou(BoxKind kind, BoxFormat format, const T* a, int64_t n, const T* b, int64_t m, T* out);
template <class T>
void box_iou_paired(BoxKind kind, BoxFormat format, const T* a, const T* b, int64_t n, T* out);
// out_splits[i] is where image i begins in out: the running sum of n_i m_i.
template <class T>
void box_iou_batched(BoxKind kind, BoxFormat format, const T* a, const int64_t* a_splits, const T* b,
                     const int64_t* b_splits, int64_t images, const int64_t* out_splits, T* out);
template <class T>
int64_t first_bad_box(const T* boxes, int64_t n);  // the first row with a NaN or an infinity; n if there is none
// Corners to x, y, w, h in the precision of the boxes, on which results depend.
template <class T>
void xyxy_to_xywh(const T* boxes, int64_t n, T* out);

#define TAMIS_BOX_KERNELS(T)                                                                                           \
  TAMIS_KERNEL(                                                                                                        \
      box_iou_block,                                                                                                   \
      (BoxKind kind, BoxFormat format, const T* a, int64_t rows, const T* b, int64_t columns, int64_t stride, T* out), \
      (kind, format, a, rows, b, columns, stride, out))                                                                \
  TAMIS_KERNEL(box_iou_rows, (BoxKind kind, BoxFormat format, const T* a, const T* b, int64_t n, T* out),              \
               (kind, format, a, b, n, out))                                                                           \
  TAMIS_KERNEL(find_bad_box, (const T* boxes, int64_t n, int64_t* row), (boxes, n, row))
TAMIS_BOX_KERNELS(float)
TAMIS_BOX_KERNELS(double)
#undef TAMIS_BOX_KERNELS

}  // namespace tamis
