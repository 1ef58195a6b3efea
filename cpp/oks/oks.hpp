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
// Sums are NumPy's pairwise ones. A pair that is surely below `least` is 0 instead: most are, as a person's keypoints
// are far from those of others. Cost: a squared distance a keypoint, and for the other pairs two divisions and an
// exponential. Memory: 200 KB a thread, and 24 bytes a keypoint of a group's ground truths.
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
  double least;             // similarities below it need not be told apart; -inf or NaN: all are wanted
};

// out: (rows, columns) of each group, consecutively. `exp` replaces values by their exponentials, in place, and
// is called on all threads.
void oks(const OksPairs& pairs, const std::function<void(double*, int64_t)>& exp, double* out);

// Columns of keypoints are as long as whole registers are.
constexpr int64_t padded(int64_t n_keypoints) { return (n_keypoints + 7) / 8 * 8; }

// A ground truth as columns of its keypoints. `reach` is below 0 for those that do not count, and for what is beyond
// the last (see reach_of).
struct OksTarget {
  const double *x, *y, *reach, *box;
  double area;
  int64_t n_keypoints, n_seen;
  const double* variances;
};
inline int64_t terms_counted(const OksTarget& gt) { return gt.n_seen > 0 ? gt.n_seen : gt.n_keypoints; }

// -e of one pair for each keypoint that counts, in the first of `terms`, which has room for all. det: columns x and y.
TAMIS_KERNEL(oks_terms, (const OksTarget& gt, const double* det, double* terms), (gt, det, terms))
// Of the columns of one pair: how many distances are out of reach, and how many are NaN.
struct OksReach {
  int64_t far, odd;
};
TAMIS_KERNEL(oks_reach, (const OksTarget& gt, const double* det, OksReach* found), (gt, det, found))

}  // namespace tamis
