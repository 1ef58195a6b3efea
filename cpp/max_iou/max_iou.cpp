#include "max_iou/max_iou.hpp"

#include <algorithm>

#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kBlockPairs = 1 << 22;  // about 5 ms a chunk
constexpr int64_t kFewestRows = 16;       // fewer would leave vector lanes idle

template <class T>
void each_image(BoxFormat format, const LabelledBoxes<T>& set, const LabelledBoxes<T>& others, bool within,
                int64_t images, T* out) {
  int64_t widest = 1;
  for (int64_t i = 0; i < images; ++i) widest = std::max(widest, others.splits[i + 1] - others.splits[i]);
  const int64_t* splits = set.splits;
  parallel_for(splits[images], std::max(kFewestRows, kBlockPairs / widest), [&](int64_t row, int64_t end) {
    int64_t image = std::upper_bound(splits, splits + images + 1, row) - splits - 1;
    for (; row < end; ++image) {
      const int64_t stop = std::min(end, splits[image + 1]), first = others.splits[image];
      const int64_t columns = others.splits[image + 1] - first;
      max_iou_block(format, set.boxes + 4 * row, set.labels ? set.labels + row : nullptr, stop - row,
                    others.boxes + 4 * first, others.labels ? others.labels + first : nullptr, columns,
                    within ? row - splits[image] : columns, out + row);
      row = stop;
    }
  });
}

}  // namespace

template <class T>
void max_iou(BoxFormat format, const LabelledBoxes<T>& set, int64_t images, T* out) {
  each_image(format, set, set, true, images, out);
}

template <class T>
void max_iou_between(BoxFormat format, const LabelledBoxes<T>& set, const LabelledBoxes<T>& others, int64_t images,
                     T* out) {
  each_image(format, set, others, false, images, out);
}

#define TAMIS_MAX_IOU(T)                                                               \
  template void max_iou(BoxFormat, const LabelledBoxes<T>&, int64_t, T*);              \
  template void max_iou_between(BoxFormat, const LabelledBoxes<T>&, const LabelledBoxes<T>&, int64_t, T*);
TAMIS_MAX_IOU(float)
TAMIS_MAX_IOU(double)

}  // namespace tamis
