#include "matching/matching.hpp"
#include "matching/matching_math.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr int64_t kVectorFrom = 12;  // ground truths; below this the scalar loop, which skips the division, is faster

const double* iou_row(const MatchGroup& group, const Detection& detection) {
  if (detection.given_iou != nullptr) return detection.given_iou;
  const Corners det = corners(detection.box);
  const double *x1 = group.x1, *y1 = group.y1, *x2 = group.x2, *y2 = group.y2, *area = group.area;
  const uint8_t* crowd = group.crowd;
  double* __restrict iou = group.iou;
  const int64_t n = group.n_gts;
  if (n < kVectorFrom) {
    for (int64_t g = 0; g < n; ++g) {
      const bool apart = det.x2 < x1[g] || x2[g] < det.x1 || det.y2 < y1[g] || y2[g] < det.y1;
      iou[g] = apart ? 0.0 : coco_iou(det, {x1[g], y1[g], x2[g], y2[g], area[g]}, crowd[g] != 0);
    }
  } else {
    for (int64_t g = 0; g < n; ++g) iou[g] = coco_iou(det, {x1[g], y1[g], x2[g], y2[g], area[g]}, crowd[g] != 0);
  }
  return iou;
}

// The ground truths that reach the lowest threshold.
int64_t find_candidates(const MatchGroup& group, const double* iou) {
  int64_t n = 0;
  bool has_nan = false;
  for (int64_t g = 0; g < group.n_gts; ++g) {
    group.candidates[n] = static_cast<int32_t>(g);
    n += !(iou[g] < group.lowest_threshold);
    has_nan |= iou[g] != iou[g];
  }
  if (!has_nan) return n;
  // once a NaN is the best so far, nothing is below it: every later ground truth counts
  for (int64_t g = 0; g < group.n_gts; ++g) group.candidates[g] = static_cast<int32_t>(g);
  return group.n_gts;
}

// One word of thresholds, in every area range.
void choose_word(const MatchGroup& group, const double* iou, int64_t n, int64_t word, bool claims) {
  const int64_t words = words_for(group.n_thresholds), first = word * kWordBits;
  const int64_t left = group.n_thresholds - first, bits = left < kWordBits ? left : kWordBits;
  for (int64_t c = 0; c < n; ++c) group.reach[c] = in_reach(iou[group.candidates[c]], group.thresholds + first, bits);
  for (int64_t a = 0; a < group.n_areas; ++a) {
    uint64_t* taken = group.taken + a * group.n_gts * words + word;
    for (int64_t c = 0; c < n; ++c) {
      const int32_t g = group.candidates[c];
      group.free[c] = group.crowd[g] != 0 ? ~uint64_t{0} : ~taken[g * words];
    }
    uint64_t* chosen = group.chosen + a * words + word;
    choose(n, group.candidates, iou, group.ignore + a * group.n_gts, group.reach, group.free, chosen,
           group.n_areas * words);
    if (!claims) continue;
    for (int64_t c = 0; c < n; ++c) taken[group.candidates[c] * words] |= chosen[c * group.n_areas * words];
  }
}

}  // namespace

void match_next(const MatchGroup& group, const Detection& det, int32_t* gt, uint64_t* at, int64_t* n) {
  const double* iou = iou_row(group, det);
  const int64_t candidates = find_candidates(group, iou);
  const int64_t words = words_for(group.n_thresholds), cells = group.n_areas * words;
  for (int64_t word = 0; word < words && candidates > 0; ++word) choose_word(group, iou, candidates, word, det.claims);
  int64_t entries = 0;
  for (int64_t c = 0; c < candidates; ++c) {
    uint64_t any = 0;
    gt[entries] = group.candidates[c];
    for (int64_t i = 0; i < cells; ++i) {
      at[entries * cells + i] = group.chosen[c * cells + i];
      any |= group.chosen[c * cells + i];
    }
    entries += any != 0;
  }
  *n = entries;
}

}  // namespace tamis::TAMIS_ISA
