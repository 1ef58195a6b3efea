// FiftyOne's matchers of detections to ground truths, all images, classes and IoU thresholds in one pass.
//
//   for each image, and group in order of first appearance (ground truths first), threshold t:
//     gts = those of the group, crowds last (stable)
//     for d in dets sorted by descending confidence (stable; none and 0 count as -1), at most max_dets:
//       best = the gt of largest IoU >= t, not yet taken unless crowd; the last among equal IoUs;
//              a crowd only of d's own label, and not after a regular one
//
// The rule `open_images` rounds IoUs to 1e-10 and lets a detection match the gt of largest IoU only: where that one
// is taken it matches none, unless a crowd. Two rules of pycocotools are not here: area ranges, and that a detection
// on a crowd is ignored. IoU is FiftyOne's compute_bbox_iou on xywh float64, operation by operation: 0 where the boxes
// do not overlap (boxes that do not even touch are not candidates), inter / det area for a crowd, at most 1.
//
// Layout: rows of image i are splits[i] to splits[i + 1] - 1; boxes (n, 4) float64; labels int32, -1 for none, which
// is a label like any other. Coordinates are finite, sides 0 or more, confidences not NaN. Exact, whatever the threads.
// Cost: one IoU per pair of the same image and group. Memory: 12 T bytes for each box.
#pragma once
#include <cstdint>

namespace tamis {

enum class FiftyoneRule { coco, open_images };

struct FiftyoneLabels {
  int64_t n;
  const int64_t* splits;  // (images + 1,)
  const double* boxes;    // not read where pairs are given
  const int32_t* labels;
  const int32_t* groups;     // match within one; the labels, or all 0
  const double* confidence;  // of detections; none as -1
  const uint8_t* crowd;      // of ground truths
};

// Similarities to match by instead of the boxes, in the order in which they are tried, for the detections of images
// that are `given`.
struct GivenPairs {
  const uint8_t* given;   // (images,)
  const int64_t* splits;  // (dets + 1,)
  const int32_t* gts;     // ground truth, of the same image and group
  const double* iou;
};

struct FiftyoneProblem {
  FiftyoneRule rule;
  int64_t n_images, max_dets, n_thresholds;
  FiftyoneLabels dets, gts;
  GivenPairs pairs;
  const double* thresholds;
};

struct FiftyoneMatches {
  int64_t* order;   // (dets + gts,) as FiftyOne lists them: a detection d as d, a ground truth g as ~g; per group the
                    // detections by confidence (those beyond max_dets after all others), then the ground truths
  uint8_t* kept;    // (dets,) 0: beyond max_dets
  int32_t* det_gt;  // (T, dets) ground truth or -1
  double* det_iou;  // (T, dets)
  int32_t* gt_det;  // (T, gts) first detection or -1
  double* gt_iou;   // (T, gts)
};
void fiftyone_match(const FiftyoneProblem& problem, const FiftyoneMatches& out);

}  // namespace tamis
