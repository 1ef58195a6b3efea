// The IoU of one pair, and what it can be at least and at most between a box and the boxes of a node.
#pragma once
#include "box_iou/box_iou_math.hpp"

namespace tamis::TAMIS_ISA {

constexpr double kSlack = 0.998;  // bounds on inter <= both areas <= union leave this much for rounding

struct DuplicateBox {
  double x1, y1, x2, y2, area;
  bool crowd;
  bool loose;  // its corners span visibly more than its area: sides lost beside a large offset. Bounds do not hold.
};

template <class T>
TAMIS_HD DuplicateBox load_duplicate_box(const T* p, BoxFormat format, bool crowd) {
  const double q[4] = {double(p[0]), double(p[1]), double(p[2]), double(p[3])};
  const Box<double> b = load_box<BoxKind::iou>(q, format);
  const double width = b.x2 - b.x1, height = b.y2 - b.y1;
  const bool loose = width > 0 && height > 0 && !(width * height <= 1.001 * b.area);
  return {b.x1, b.y1, b.x2, b.y2, b.area, crowd, loose};
}

// fiftyone.utils.iou.compute_bbox_iou(first, later), operation by operation.
TAMIS_HD double duplicate_iou(const DuplicateBox& first, const DuplicateBox& later) {
  const double w = smaller(first.x2, later.x2) - larger(first.x1, later.x1);
  const double h = smaller(first.y2, later.y2) - larger(first.y1, later.y1);
  if (w <= 0 || h <= 0) return 0;
  const double inter = h * w;
  const double whole = first.crowd ? later.area : later.area + first.area - inter;
  const double iou = ratio(inter, whole);
  return iou > 1 ? 1 : iou;
}

// False if the areas alone keep the pair below the threshold; `cut` is kSlack * threshold, NaN for a negative one.
TAMIS_HD bool areas_may_reach(const DuplicateBox& a, const DuplicateBox& b, double cut) {
  const bool bounded = !(a.crowd || b.crowd || a.loose || b.loose);
  return !(bounded && smaller(a.area, b.area) < cut * larger(a.area, b.area));
}

struct DuplicateBounds {     // of a node's boxes
  DuplicateBox least, most;  // number by number

  TAMIS_HD void add(const DuplicateBox& b) {
    least = {smaller(least.x1, b.x1),     smaller(least.y1, b.y1), smaller(least.x2, b.x2), smaller(least.y2, b.y2),
             smaller(least.area, b.area), least.crowd && b.crowd,  least.loose && b.loose};
    most = {larger(most.x1, b.x1),     larger(most.y1, b.y1), larger(most.x2, b.x2), larger(most.y2, b.y2),
            larger(most.area, b.area), most.crowd || b.crowd, most.loose || b.loose};
  }
};

enum class Over { none, some, all };  // how many of a node's boxes are over the threshold

// Rounding is monotone, so the formula of the pair at the ends of the bounds bounds its result, bit by bit. The upper
// bound takes inter <= both areas <= union instead, which is closer.
TAMIS_HD Over over_threshold(const DuplicateBox& box, const DuplicateBounds& node, double threshold) {
  const bool crowd = box.crowd || node.most.crowd, loose = box.loose || node.most.loose;
  if (threshold >= 0) {
    const double w = smaller(box.x2, node.most.x2) - larger(box.x1, node.least.x1);
    const double h = smaller(box.y2, node.most.y2) - larger(box.y1, node.least.y1);
    if (w <= 0 || h <= 0) return Over::none;
    const double whole = crowd ? smaller(box.area, node.least.area) : larger(box.area, node.least.area);
    if (!loose && h * w < kSlack * threshold * whole) return Over::none;
  }
  const double areas = box.area + node.most.area;
  if (loose || !(areas < __builtin_huge_val())) return Over::some;
  const double w = smaller(box.x2, node.least.x2) - larger(box.x1, node.most.x1);
  const double h = smaller(box.y2, node.least.y2) - larger(box.y1, node.most.y1);
  if (w <= 0 || h <= 0) return 0 > threshold ? Over::all : Over::some;
  const double inter = h * w, whole = areas - inter;
  const double greatest = crowd ? larger(whole, larger(box.area, node.most.area)) : whole;
  return inter / greatest > threshold ? Over::all : Over::some;
}

}  // namespace tamis::TAMIS_ISA
