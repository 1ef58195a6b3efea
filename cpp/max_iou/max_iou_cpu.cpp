#include "max_iou/max_iou.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr BoxKind kIou = BoxKind::iou;

// The boxes of a tile against one box: element by element, so that it vectorises without a reduction.
template <class T>
TAMIS_HD void raise(T* __restrict best, const BoxTile<T>& tile, int64_t width, const Box<T>& box) {
  for (int64_t i = 0; i < width; ++i) best[i] = larger(overlap<kIou>(tile.template get<kIou>(i), box), best[i]);
}

template <class T>
TAMIS_HD void raise(T* __restrict best, const BoxTile<T>& tile, int64_t width, const Box<T>& box, const int32_t* labels,
                    int32_t label) {
  for (int64_t i = 0; i < width; ++i) {
    const T iou = overlap<kIou>(tile.template get<kIou>(i), box);
    best[i] = larger(labels[i] == label ? iou : T(0), best[i]);
  }
}

template <class T>
void block(BoxFormat format, const T* a, const int32_t* a_labels, int64_t rows, const T* b, const int32_t* b_labels,
           int64_t columns, int64_t own, T* out) {
  BoxTile<T> tile;
  T best[tile.kSize];
  for (int64_t begin = 0; begin < rows; begin += tile.kSize) {
    const int64_t width = smaller(tile.kSize, rows - begin);
    tile.template fill<kIou>(a + 4 * begin, width, format);
    for (int64_t i = 0; i < width; ++i) best[i] = T(0);
    for (int64_t j = 0; j < columns; ++j) {
      const Box<T> box = load_box<kIou>(b + 4 * j, format);
      const int64_t self = j - own - begin;  // this box's own row: put back what it had
      const bool here = self >= 0 && self < width;
      const T kept = here ? best[self] : T(0);
      if (a_labels == nullptr)
        raise(best, tile, width, box);
      else
        raise(best, tile, width, box, a_labels + begin, b_labels[j]);
      if (here) best[self] = kept;
    }
    for (int64_t i = 0; i < width; ++i) out[begin + i] = smaller(best[i], T(1));
  }
}

}  // namespace

void max_iou_block(BoxFormat format, const float* a, const int32_t* a_labels, int64_t rows, const float* b,
                   const int32_t* b_labels, int64_t columns, int64_t own, float* out) {
  block(format, a, a_labels, rows, b, b_labels, columns, own, out);
}

void max_iou_block(BoxFormat format, const double* a, const int32_t* a_labels, int64_t rows, const double* b,
                   const int32_t* b_labels, int64_t columns, int64_t own, double* out) {
  block(format, a, a_labels, rows, b, b_labels, columns, own, out);
}

}  // namespace tamis::TAMIS_ISA
