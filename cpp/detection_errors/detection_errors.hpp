// What is wrong with each detection, by the rules of TIDE (Bolya et al., ECCV 2020) as tidecv 1.0.1 applies them.
//
//   for d in dets of the image, best score first:       # own, other: IoU with the regular ground truths of its class,
//     if max(own[free]) >= foreground: right, takes it  #             and of the other classes; the first among equals
//     kind[d] = Loc if background <= max(own) <= foreground else Cls if max(other) >= foreground else Dupe if
//               max(own) > foreground else Bkg if max(own, other) <= background else Both
//     ignored[d] = not right and max(inter / area(d) of the crowds of its class) > foreground
//   fixes[d] = d is the first Loc or Cls whose nearest ground truth is this one, and nothing took it
//
// IoU is pycocotools' on xywh float64 (matching_math.hpp), or given. 0 < background <= foreground; boxes are finite.
// Exact, whatever the threads. Cost: one IoU a pair of an image; memory: one row of ground truths a thread.
#pragma once
#include <cstdint>

namespace tamis {

// Detections and ground truths of each image, by input index; detections best score first.
struct ErrorProblem {
  int64_t n_images;
  const int64_t *det, *det_splits, *gt, *gt_splits;
  const int32_t *det_label, *gt_label;  // these and all below by input index
  const double *det_boxes, *gt_boxes;   // null where the IoU is given
  const uint8_t* gt_crowd;
  const double* similarity;  // of the pairs of each image, row-major, one image after the other; or null
  double foreground, background;
};

// Detections that are in no image keep what is there.
struct ErrorColumns {
  int8_t* kind;  // see detection_errors_math.hpp
  uint8_t* ignored;
  uint8_t* fixes;
  int64_t* target;  // ground truth that a detection is about, -1: none
  int8_t* gt_state;
};

void detection_errors(const ErrorProblem& problem, const ErrorColumns& out);

}  // namespace tamis
