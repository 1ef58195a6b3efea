#include "max_iou/max_iou.hpp"

#include "core/pair_blocks.hpp"

namespace tamis {
namespace {

constexpr int64_t kBlockPairs = 1 << 22;  // about 5 ms a chunk
constexpr int64_t kFewestRows = 16;       // fewer would leave vector lanes idle

template <class T>
void of_images(BoxFormat format, const LabelledBoxes<T>& set, const LabelledBoxes<T>& others, bool within,
               int64_t images, T* out) {
  each_image(set.splits, others.splits, images, kBlockPairs, kFewestRows,
             [&](int64_t image, int64_t row, int64_t rows) {
               const int64_t first = others.splits[image], columns = others.splits[image + 1] - first;
               max_iou_block(format, set.boxes + 4 * row, set.labels ? set.labels + row : nullptr, rows,
                             others.boxes + 4 * first, others.labels ? others.labels + first : nullptr, columns,
                             within ? row - set.splits[image] : columns, out + row);
             });
}

}  // namespace

template <class T>
void max_iou(BoxFormat format, const LabelledBoxes<T>& set, int64_t images, T* out) {
  of_images(format, set, set, true, images, out);
}

template <class T>
void max_iou_between(BoxFormat format, const LabelledBoxes<T>& set, const LabelledBoxes<T>& others, int64_t images,
                     T* out) {
  of_images(format, set, others, false, images, out);
}

#define TAMIS_MAX_IOU(T)                                                  \
  template void max_iou(BoxFormat, const LabelledBoxes<T>&, int64_t, T*); \
  template void max_iou_between(BoxFormat, const LabelledBoxes<T>&, const LabelledBoxes<T>&, int64_t, T*);
TAMIS_MAX_IOU(float)
TAMIS_MAX_IOU(double)

}  // namespace tamis
