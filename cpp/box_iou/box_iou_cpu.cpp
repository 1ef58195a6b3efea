#include "box_iou/box_iou.hpp"

namespace tamis::TAMIS_ISA {
namespace {

template <BoxKind kind, class T>
void block(BoxFormat format, const T* a, int64_t rows, const T* b, int64_t columns, int64_t stride, T* out) {
  BoxTile<T> tile;
  for (int64_t begin = 0; begin < columns; begin += tile.kSize) {
    const int64_t width = smaller(tile.kSize, columns - begin);
    tile.template fill<kind>(b + 4 * begin, width, format);
    for (int64_t i = 0; i < rows; ++i) {
      const Box<T> box = load_box<kind>(a + 4 * i, format);
      T* __restrict row = out + i * stride + begin;
      for (int64_t j = 0; j < width; ++j) row[j] = overlap<kind>(box, tile.template get<kind>(j));
    }
  }
}

template <BoxKind kind, class T>
void rows(BoxFormat format, const T* a, const T* b, int64_t n, T* out) {
  BoxTile<T> tile_a, tile_b;
  for (int64_t begin = 0; begin < n; begin += tile_a.kSize) {
    const int64_t width = smaller(tile_a.kSize, n - begin);
    tile_a.template fill<kind>(a + 4 * begin, width, format);
    tile_b.template fill<kind>(b + 4 * begin, width, format);
    T* __restrict to = out + begin;
    for (int64_t i = 0; i < width; ++i)
      to[i] = overlap<kind>(tile_a.template get<kind>(i), tile_b.template get<kind>(i));
  }
}

template <class T>
void bad_box(const T* boxes, int64_t n, int64_t* row) {
  constexpr int64_t kRun = 256;  // boxes between two looks: the sum of x - x vectorises, an early exit does not
  for (int64_t begin = 0; begin < n; begin += kRun) {
    const int64_t end = smaller(begin + kRun, n);
    int bad = 0;
    for (int64_t i = 4 * begin; i < 4 * end; ++i) bad |= !(boxes[i] - boxes[i] == T(0));
    if (!bad) continue;
    for (*row = 4 * begin; boxes[*row] - boxes[*row] == T(0);) ++*row;
    *row /= 4;
    return;
  }
  *row = n;
}

}  // namespace

#define TAMIS_EACH_KIND(call)     \
  switch (kind) {                 \
    case BoxKind::iou:            \
      return call(BoxKind::iou);  \
    case BoxKind::giou:           \
      return call(BoxKind::giou); \
    case BoxKind::diou:           \
      return call(BoxKind::diou); \
    case BoxKind::ciou:           \
      return call(BoxKind::ciou); \
    case BoxKind::iof:            \
      return call(BoxKind::iof);  \
  }
#define TAMIS_BLOCK(k) block<k>(format, a, n, b, columns, stride, out)
#define TAMIS_ROWS(k) rows<k>(format, a, b, n, out)
#define TAMIS_BOX_KERNELS(T)                                                                             \
  void box_iou_block(BoxKind kind, BoxFormat format, const T* a, int64_t n, const T* b, int64_t columns, \
                     int64_t stride, T* out) {                                                           \
    TAMIS_EACH_KIND(TAMIS_BLOCK)                                                                         \
  }                                                                                                      \
  void box_iou_rows(BoxKind kind, BoxFormat format, const T* a, const T* b, int64_t n, T* out) {         \
    TAMIS_EACH_KIND(TAMIS_ROWS)                                                                          \
  }                                                                                                      \
  void find_bad_box(const T* boxes, int64_t n, int64_t* row) { bad_box(boxes, n, row); }
TAMIS_BOX_KERNELS(float)
TAMIS_BOX_KERNELS(double)

}  // namespace tamis::TAMIS_ISA
