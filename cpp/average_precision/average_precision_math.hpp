// The arithmetic of a precision-recall curve.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

TAMIS_HD double precision_of(int64_t tp, int64_t fp) {
  const double t = static_cast<double>(tp), f = static_cast<double>(fp);
  return t / (f + t + 0x1p-52);  // numpy.spacing(1)
}

// The least number of true positives whose recall is at least `threshold`. Above 1 it can still be met: a ground
// truth that a match leaves free is found twice.
TAMIS_HD int64_t needed_for_recall(double threshold, int64_t n_regular) {
  const double n = static_cast<double>(n_regular);
  if (threshold <= 0) return 0;
  if (!(threshold * n < 0x1p62)) return int64_t{1} << 62;  // NaN too: never met
  int64_t count = static_cast<int64_t>(threshold * n);
  while (count > 0 && static_cast<double>(count - 1) / n >= threshold) --count;
  while (static_cast<double>(count) / n < threshold) ++count;
  return count;
}

// How a detection counts: bit t for threshold t. In neither: as a false positive.
struct Verdict {
  uint64_t tp, ignored;
};
// One match more: at the thresholds `bits` to a ground truth that is ignored, or counts as none.
TAMIS_HD void judge_match(uint64_t bits, bool gt_ignored, bool gt_counts, Verdict* verdict) {
  verdict->ignored |= gt_ignored ? bits : 0;
  verdict->tp |= !gt_ignored && gt_counts ? bits : 0;
}
// A detection out of the area range does not count unless it is a true positive.
TAMIS_HD void judge_outside(Verdict* verdict) { verdict->ignored |= ~verdict->tp; }

}  // namespace tamis::TAMIS_ISA
