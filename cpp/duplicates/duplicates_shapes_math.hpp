// The IoU of one pair of rotated boxes or masks, at most 1; where the earlier one is a crowd, over the area of the
// later one alone.
#pragma once
#include "mask_iou/mask_iou_math.hpp"
#include "rotated_iou/rotated_iou_math.hpp"

namespace tamis::TAMIS_ISA {

TAMIS_HD double duplicate_iou(const RotatedBox& first, const RotatedBox& later, bool crowd) {
  return rotated_overlap(later, first, crowd ? RotatedKind::iof : RotatedKind::iou);
}

// That of mask_iou. What is surely not above `least` may come out as 0.
TAMIS_HD double duplicate_iou(const Runs& first, const Runs& later, bool crowd, double least) {
  if (!boxes_touch(later.box, first.box)) return 0;
  uint32_t common = 0, all = 0;
  if (first.regular && later.regular) {
    if (most_iou(later, first, crowd) <= least) return 0;
    common = common_pixels(later, first);
    all = later.area + first.area - common;
  } else {
    walk_common(later, first, &common, &all);
  }
  const double iou = mask_ratio(common, all, later.area, crowd);
  return iou > 1 ? 1 : iou;
}

}  // namespace tamis::TAMIS_ISA
