#include "oks/oks.hpp"
#include "oks/oks_math.hpp"

namespace tamis::TAMIS_ISA {
namespace {

// The squared distance of a detection's keypoint from the ground truth's, or from its doubled box where none is
// visible.
template <bool kSeen>
TAMIS_HD double distance(const OksTarget& gt, const double* det, int64_t i) {
  const double x = det[i], y = det[padded(gt.n_keypoints) + i], *box = gt.box;
  if (kSeen) return squared(x - gt.x[i], y - gt.y[i]);
  return squared(beyond_doubled(x, box[0], box[2]), beyond_doubled(y, box[1], box[3]));
}

template <bool kSeen>
TAMIS_HD void write_terms(const OksTarget& gt, const double* det, double* __restrict terms) {
  for (int64_t i = 0; i < gt.n_keypoints; ++i)
    terms[i] = minus_exponent(distance<kSeen>(gt, det, i), gt.variances[i], gt.area);
  int64_t n = 0;
  for (int64_t i = 0; i < gt.n_keypoints && kSeen; ++i) {
    terms[n] = terms[i];
    n += !(gt.reach[i] < 0);
  }
}

template <bool kSeen>
TAMIS_HD void count_far(const OksTarget& gt, const double* det, OksReach* found) {
  int64_t far = 0, odd = 0;
  const int64_t n = padded(gt.n_keypoints);
  for (int64_t i = 0; i < n; ++i) {
    const double squared = distance<kSeen>(gt, det, i);
    far += squared > gt.reach[i];
    odd += squared != squared;
  }
  *found = {far, odd};
}

}  // namespace

void oks_terms(const OksTarget& gt, const double* det, double* terms) {
  if (gt.n_seen > 0)
    write_terms<true>(gt, det, terms);
  else
    write_terms<false>(gt, det, terms);
}

void oks_reach(const OksTarget& gt, const double* det, OksReach* found) {
  if (gt.n_seen > 0)
    count_far<true>(gt, det, found);
  else
    count_far<false>(gt, det, found);
}

}  // namespace tamis::TAMIS_ISA
