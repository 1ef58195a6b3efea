#include "rotated_iou/rotated_iou.hpp"

#include <algorithm>

#include "core/pages.hpp"
#include "core/pair_blocks.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

// A block is some milliseconds where all pairs overlap. Its columns are prepared anew for each block of rows.
constexpr int64_t kBlockRows = 256, kBlockColumns = 1 << 9, kBlockPairs = kBlockRows * kBlockColumns;

}  // namespace

template <class T>
void rotated_box_iou(RotatedKind kind, const T* a, int64_t n, const T* b, int64_t m, T* out) {
  if (n == 0 || m == 0) return;
  prefer_huge_pages(out, sizeof(T) * size_t(n) * size_t(m));
  const int64_t columns = std::min(m, kBlockColumns), rows = std::min(n, kBlockPairs / columns);
  each_block(n, m, rows, columns, [&](int64_t i, int64_t height, int64_t j, int64_t width) {
    rotated_iou_block(kind, a + 5 * i, height, b + 5 * j, width, m, out + i * m + j);
  });
}

template <class T>
void rotated_box_iou_paired(RotatedKind kind, const T* a, const T* b, int64_t n, T* out) {
  parallel_for(n, kBlockPairs / 4, [&](int64_t begin, int64_t end) {
    rotated_iou_rows(kind, a + 5 * begin, b + 5 * begin, end - begin, out + begin);
  });
}

template <class T>
void rotated_box_iou_batched(RotatedKind kind, const T* a, const int64_t* a_splits, const T* b, const int64_t* b_splits,
                             int64_t images, const int64_t* out_splits, T* out) {
  prefer_huge_pages(out, sizeof(T) * size_t(out_splits[images]));
  each_image(a_splits, b_splits, images, kBlockPairs, 1, [&](int64_t image, int64_t row, int64_t rows) {
    const int64_t m = b_splits[image + 1] - b_splits[image];
    rotated_iou_block(kind, a + 5 * row, rows, b + 5 * b_splits[image], m, m,
                      out + out_splits[image] + (row - a_splits[image]) * m);
  });
}

#define TAMIS_ROTATED_IOU(T)                                                                                      \
  template void rotated_box_iou(RotatedKind, const T*, int64_t, const T*, int64_t, T*);                           \
  template void rotated_box_iou_paired(RotatedKind, const T*, const T*, int64_t, T*);                             \
  template void rotated_box_iou_batched(RotatedKind, const T*, const int64_t*, const T*, const int64_t*, int64_t, \
                                        const int64_t*, T*);
TAMIS_ROTATED_IOU(float)
TAMIS_ROTATED_IOU(double)

}  // namespace tamis
