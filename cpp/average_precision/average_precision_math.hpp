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

// How a detection counts at one threshold. `match`: ground truth or -1.
struct Verdict {
  bool tp, fp;
};
TAMIS_HD Verdict judge(int32_t match, const uint8_t* gt_ignore, const uint8_t* gt_counts, bool outside) {
  const bool matched = match >= 0 && (gt_counts == nullptr || gt_counts[match] != 0);
  const bool ignored = (match >= 0 && gt_ignore[match] != 0) || (!matched && outside);
  return {matched && !ignored, !matched && !ignored};
}

}  // namespace tamis::TAMIS_ISA
