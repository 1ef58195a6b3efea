// One detection's nearest ground truths, and what they say of it.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// The codes of the outputs.
constexpr int8_t kNotSeen = -2, kRight = -1, kClass = 0, kLocation = 1, kBoth = 2, kDuplicate = 3, kBackground = 4;
constexpr int8_t kFound = 0, kFixable = 1, kMissed = 2, kCrowd = 3;

// The largest IoU so far and its ground truth, the first among equals.
struct Largest {
  double iou = 0;
  int64_t gt = -1;
};
TAMIS_HD void raise(Largest* best, double iou, int64_t gt) {
  if (iou > best->iou) *best = {iou, gt};
}

struct Nearest {
  Largest own, other;  // of the detection's class, and of other classes
  Largest free;        // of its class, not taken yet
  double crowd = 0;    // over the detection's own area
};
TAMIS_HD void compare(Nearest* nearest, double iou, int64_t gt, bool own_class, bool crowd, bool taken) {
  if (crowd) {
    if (own_class && iou > nearest->crowd) nearest->crowd = iou;
  } else if (own_class) {
    raise(&nearest->own, iou, gt);
    if (!taken) raise(&nearest->free, iou, gt);
  } else {
    raise(&nearest->other, iou, gt);
  }
}

struct Finding {
  int8_t kind;
  int64_t gt;  // the ground truth it is about, -1: none
};
TAMIS_HD Finding judge(const Nearest& n, double foreground, double background) {
  if (n.free.iou >= foreground) return {kRight, n.free.gt};
  if (background <= n.own.iou && n.own.iou <= foreground) return {kLocation, n.own.gt};
  if (n.other.iou >= foreground) return {kClass, n.other.gt};
  if (n.own.iou >= foreground) return {kDuplicate, n.own.gt};  // of its class all in reach are taken
  if (n.own.iou <= background && n.other.iou <= background) return {kBackground, -1};
  return {kBoth, -1};
}

}  // namespace tamis::TAMIS_ISA
