#include "oks/oks.hpp"
#include "oks/oks_math.hpp"

namespace tamis::TAMIS_ISA {

void oks_pair(const OksTarget& gt, const double* det, double* terms) {
  if (gt.n_seen > 0) {
    for (int64_t i = 0; i < gt.n_keypoints; ++i) {
      const double *g = gt.keypoints + 3 * i, *d = det + 3 * i;
      if (g[2] > 0) *terms++ = minus_exponent(d[0] - g[0], d[1] - g[1], gt.variances[i], gt.area);
    }
    return;
  }
  for (int64_t i = 0; i < gt.n_keypoints; ++i) {
    const double dx = beyond_doubled(det[3 * i], gt.box[0], gt.box[2]);
    const double dy = beyond_doubled(det[3 * i + 1], gt.box[1], gt.box[3]);
    terms[i] = minus_exponent(dx, dy, gt.variances[i], gt.area);
  }
}

}  // namespace tamis::TAMIS_ISA
