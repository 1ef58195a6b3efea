// Object keypoint similarity of COCO, all pairs of each group.
//
//   seen = gt.v > 0
//   dx, dy = det.x - gt.x, det.y - gt.y            # where any is seen, else how far det lies beyond the doubled box:
//   dx = max(0, x - w - det.x) + max(0, det.x - (x + 2 * w))                                            # dy likewise
//   e = (dx * dx + dy * dy) / variances / (gt.area + spacing(1)) / 2
//   oks = sum(exp(-e[seen or all])) / count                                                   # variances: (2 sigma)^2
//
// Layout: keypoints (n, k, 3) float64 x, y, v; boxes (m, 4) xywh. NaN goes through, as in NumPy.
// Exact: NumPy's own bits, which is why it is asked for the exponentials: its vector code and libm differ in one of 20.
// Sums are NumPy's pairwise ones. Cost: two divisions and an exponential a keypoint. Memory: 4 MB.
#pragma once
#include <cstdint>
#include <functional>

#include "core/isa.hpp"

namespace tamis {

// Rows of `det` and of `gt` of the same group; an index is null where they stand in group order.
struct OksPairs {
  int64_t n_keypoints, n_groups;
  const double* det;
  const int64_t *det_index, *det_splits;
  const double *gt, *gt_boxes, *gt_area;
  const int64_t *gt_index, *gt_splits;
  const double* variances;  // (k,)
};

// out: (rows, columns) of each group, one after the other. `exp` replaces values by their exponentials, in place, and
// is called on all threads.
void oks(const OksPairs& pairs, const std::function<void(double*, int64_t)>& exp, double* out);

// -e of one pair, for each keypoint that counts.
struct OksTarget {
  const double *keypoints, *box;
  double area;
  int64_t n_keypoints, n_seen;
  const double* variances;
};
TAMIS_KERNEL(oks_pair, (const OksTarget& gt, const double* det, double* terms), (gt, det, terms))

}  // namespace tamis
