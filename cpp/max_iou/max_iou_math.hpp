// The largest overlap of one box with the boxes of its image.
#pragma once
#include "box_iou/box_iou_math.hpp"

namespace tamis {

template <class T, class Label = int32_t>
struct LabelledBoxes {
  const T* boxes;
  const int64_t* splits;
  const Label* labels;  // null: labels do not matter
};

namespace TAMIS_ISA {

// The image, of those that `splits` bounds, that a row is in: the last that begins at or before it.
TAMIS_HD int64_t image_of_row(const int64_t* splits, int64_t images, int64_t row) {
  int64_t low = 0, high = images;
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (splits[middle] <= row)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// What box `column` of `others` adds to the search of box `row` of `set`; 0 if it does not count.
template <class T, class Label>
TAMIS_HD T counted_iou(BoxFormat format, const Box<T>& box, const LabelledBoxes<T, Label>& set, int64_t row,
                       const LabelledBoxes<T, Label>& others, int64_t column, bool within) {
  if (within && row == column) return T(0);
  if (set.labels != nullptr && set.labels[row] != others.labels[column]) return T(0);
  return overlap<BoxKind::iou>(box, load_box<BoxKind::iou>(others.boxes + 4 * column, format));
}

}  // namespace TAMIS_ISA
}  // namespace tamis
