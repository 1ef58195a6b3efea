#include "box_iou/box_iou.hpp"

#include <algorithm>
#include <atomic>

#include "core/pages.hpp"
#include "core/pair_blocks.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kBlockPairs = 1 << 19;    // about a millisecond: threads are balanced, an interrupt is prompt
constexpr int64_t kBlockColumns = 1 << 14;  // a wide matrix is cut across too

}  // namespace

template <class T>
void box_iou(BoxKind kind, BoxFormat format, const T* a, int64_t n, const T* b, int64_t m, T* out) {
  if (n == 0 || m == 0) return;
  prefer_huge_pages(out, sizeof(T) * size_t(n) * size_t(m));
  const int64_t columns = std::min(m, kBlockColumns), rows = std::min(n, std::max<int64_t>(1, kBlockPairs / columns));
  each_block(n, m, rows, columns, [&](int64_t i, int64_t height, int64_t j, int64_t width) {
    box_iou_block(kind, format, a + 4 * i, height, b + 4 * j, width, m, out + i * m + j);
  });
}

template <class T>
void box_iou_paired(BoxKind kind, BoxFormat format, const T* a, const T* b, int64_t n, T* out) {
  prefer_huge_pages(out, sizeof(T) * size_t(n));
  parallel_for(n, kBlockPairs, [&](int64_t begin, int64_t end) {
    box_iou_rows(kind, format, a + 4 * begin, b + 4 * begin, end - begin, out + begin);
  });
}

template <class T>
void box_iou_batched(BoxKind kind, BoxFormat format, const T* a, const int64_t* a_splits, const T* b,
                     const int64_t* b_splits, int64_t images, const int64_t* out_splits, T* out) {
  prefer_huge_pages(out, sizeof(T) * size_t(out_splits[images]));
  each_image(a_splits, b_splits, images, kBlockPairs, 1, [&](int64_t image, int64_t row, int64_t rows) {
    const int64_t m = b_splits[image + 1] - b_splits[image];
    box_iou_block(kind, format, a + 4 * row, rows, b + 4 * b_splits[image], m, m,
                  out + out_splits[image] + (row - a_splits[image]) * m);
  });
}

template <class T>
int64_t first_bad_box(const T* boxes, int64_t n) {
  std::atomic<int64_t> first{n};
  parallel_for(n, kBlockPairs, [&](int64_t begin, int64_t end) {
    int64_t row = 0;
    find_bad_box(boxes + 4 * begin, end - begin, &row);
    if (row == end - begin) return;
    int64_t known = first.load();
    while (begin + row < known && !first.compare_exchange_weak(known, begin + row)) {
    }
  });
  return first.load();
}

template <class T>
void xyxy_to_xywh(const T* boxes, int64_t n, T* out) {
  for (const T* end = boxes + 4 * n; boxes != end; boxes += 4, out += 4) {
    out[0] = boxes[0];
    out[1] = boxes[1];
    out[2] = boxes[2] - boxes[0];
    out[3] = boxes[3] - boxes[1];
  }
}

#define TAMIS_BOX_IOU(T)                                                                                         \
  template void box_iou(BoxKind, BoxFormat, const T*, int64_t, const T*, int64_t, T*);                           \
  template void box_iou_paired(BoxKind, BoxFormat, const T*, const T*, int64_t, T*);                             \
  template void box_iou_batched(BoxKind, BoxFormat, const T*, const int64_t*, const T*, const int64_t*, int64_t, \
                                const int64_t*, T*);                                                             \
  template int64_t first_bad_box(const T*, int64_t);                                                             \
  template void xyxy_to_xywh(const T*, int64_t, T*);
TAMIS_BOX_IOU(float)
TAMIS_BOX_IOU(double)

}  // namespace tamis
