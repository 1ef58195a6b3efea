#include "rotated_iou/rotated_iou.hpp"

#include <algorithm>

#include "core/pages.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

// A block is some milliseconds where all pairs overlap. Its columns are prepared anew for each block of rows.
constexpr int64_t kBlockRows = 256, kBlockColumns = 1 << 9, kBlockPairs = kBlockRows * kBlockColumns;

int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

}  // namespace

template <class T>
void rotated_box_iou(RotatedKind kind, const T* a, int64_t n, const T* b, int64_t m, T* out) {
  if (n == 0 || m == 0) return;
  prefer_huge_pages(out, sizeof(T) * size_t(n) * size_t(m));
  const int64_t columns = std::min(m, kBlockColumns), rows = std::min(n, kBlockPairs / columns);
  const int64_t across = blocks(m, columns);
  parallel_for(blocks(n, rows) * across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t i = block / across * rows, j = block % across * columns;
      rotated_iou_block(kind, a + 5 * i, std::min(rows, n - i), b + 5 * j, std::min(columns, m - j), m,
                        out + i * m + j);
    }
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
  int64_t widest = 1;
  for (int64_t i = 0; i < images; ++i) widest = std::max(widest, b_splits[i + 1] - b_splits[i]);
  const int64_t grain = std::max<int64_t>(1, kBlockPairs / widest);
  parallel_for(a_splits[images], grain, [&](int64_t row, int64_t end) {
    int64_t image = std::upper_bound(a_splits, a_splits + images + 1, row) - a_splits - 1;
    for (; row < end; ++image) {
      const int64_t stop = std::min(end, a_splits[image + 1]), m = b_splits[image + 1] - b_splits[image];
      rotated_iou_block(kind, a + 5 * row, stop - row, b + 5 * b_splits[image], m, m,
                        out + out_splits[image] + (row - a_splits[image]) * m);
      row = stop;
    }
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
