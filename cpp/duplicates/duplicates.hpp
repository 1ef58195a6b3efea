// Boxes that repeat another box of their image: those whose IoU with it is over a threshold.
//
//   for image in images:
//     over = min(box_iou(boxes, boxes), 1) > threshold; over[labels differ] = over[diagonal] = False
//     simple: duplicates = the later box of every pair
//     greedy: while over.any(): the box with most pairs (the first among equals) is a duplicate; its pairs go
//     groups: of each connected component all boxes but one, that of highest score (the first among equals)
//
// Each duplicate names the box it repeats: the first one over the threshold that is not a duplicate itself, where there
// is none (a chain) the first one over the threshold; with groups the box that stays. With crowds the union of a pair
// is the area of its later box where the earlier one is a crowd, as in fiftyone.utils.iou.
//
// Rotated boxes and masks are compared by the IoU of their own rooms, and bounded by the boxes around them.
//
// Layout: boxes (rows, 4), rotated ones (rows, 5), C-contiguous, float or double; splits (images + 1,) offsets; all
// arithmetic is in double. Masks of an image are of one size, and their counts cover it.
// Coordinates are finite. Inverted and empty boxes have IoU 0 with everything. Exact: bit-identical to the same NumPy
// formula, whatever the threads; a negative threshold joins every two boxes of an image and label.
// Cost: a bounding tree over (x1, y1, x2, y2) for each image and label, searched once a box. Searches leave out what is
// surely below the threshold; greedy counts boxes at once that are surely above it. Pairs are never stored: memory is
// 120 bytes a box of the images at work; 64 more a rotated box, and 96 and the runs a mask.
#pragma once
#include <cstdint>
#include <variant>

#include "box_iou/box_iou_math.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou.hpp"

namespace tamis {

enum class DuplicateMethod { simple, greedy, groups };  // in the order Python counts them

template <class T>
struct BoxRows {
  BoxFormat format;
  const T* data;
};

template <class T>
struct RotatedRows {
  const T* data;  // cx cy w h angle
};

struct DuplicateProblem {
  DuplicateMethod method;
  double threshold;
  std::variant<BoxRows<float>, BoxRows<double>, RotatedRows<float>, RotatedRows<double>, Masks> rows;
  int64_t images;
  const int64_t* splits;
  const int64_t* labels;  // null: labels do not matter
  const double* scores;   // null: the first box of a group stays
  const uint8_t* crowd;   // null: none
};

struct Duplicate {
  int64_t row, of;  // `row` repeats `of`
  double iou;
};

struct Duplicates {  // ascending rows
  Vector<int64_t> row, of;
  Vector<double> iou;
};
Duplicates find_duplicate_boxes(const DuplicateProblem& problem);

}  // namespace tamis
