#include "matching/matching.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/grain.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "matching/matching_math.hpp"
#include "matching/matching_scatter.hpp"

namespace tamis {
namespace {

constexpr int64_t kGroupsAtOnce = 64;
constexpr int64_t kPairSteps = 32, kJoinSteps = 8;
constexpr int64_t kPrefetchAhead = 8;  // detections; without it matching takes a fifth longer
constexpr int64_t kDetsAtOnce = 1 << 14;

struct KeptDetection {
  int64_t place;  // in the problem's order
  int64_t input;  // by input index
};

// Ground truths of one image and class stand together, as columns; groups come image by image, as detections mostly
// do in memory.
struct Groups {
  Vector<int64_t> gt;            // gt indices, by image, category, input order
  Vector<int64_t> gt_bounds;     // (groups + 1)
  Vector<int32_t> category;      // (groups,)
  Vector<int64_t> image_bounds;  // (images + 1) bounds of groups
  Vector<double> x1, y1, x2, y2, area;
  Vector<uint8_t> crowd;
  Vector<int64_t> det_bounds;   // (groups + 1)
  Unset<KeptDetection> det;     // best score first
  Vector<int64_t> pair_bounds;  // (groups + 1), where similarities are given

  int64_t count() const { return category.size(); }
  int64_t n_dets() const { return det_bounds.back(); }
};

void group_gts(const MatchProblem& p, Groups& groups) {
  Vector<int64_t> splits;
  groups.gt = order_by_group({p.n_gts, p.gt_image, p.gt_category, p.n_images, p.n_categories}, splits);
  const int64_t n = groups.gt.size();
  groups.image_bounds.assign(1, 0);
  for (int64_t image = 0; image < p.n_images; ++image) {
    for (int64_t i = splits[image]; i < splits[image + 1]; ++i) {
      const int32_t category = p.gt_category[groups.gt[i]];
      if (i > splits[image] && category == groups.category.back()) continue;
      groups.category.push_back(category);
      groups.gt_bounds.push_back(i);
    }
    groups.image_bounds.push_back(groups.count());
  }
  groups.gt_bounds.push_back(n);
  groups.crowd.resize(n);
  for (int64_t i = 0; i < n; ++i) groups.crowd[i] = p.gt_crowd[groups.gt[i]];
  if (p.gt_boxes == nullptr) return;
  for (auto* column : {&groups.x1, &groups.y1, &groups.x2, &groups.y2, &groups.area}) column->resize(n);
  for (int64_t i = 0; i < n; ++i) {
    const host::Corners c = host::corners(p.gt_boxes + 4 * groups.gt[i]);
    groups.x1[i] = c.x1;
    groups.y1[i] = c.y1;
    groups.x2[i] = c.x2;
    groups.y2[i] = c.y2;
    groups.area[i] = c.area;
  }
}

// Hands each kept detection to the group of its image and class, where there is one.
void group_dets(const MatchProblem& p, Groups& groups) {
  Vector<int32_t> group_of(p.n_dets, -1);  // by input index: in memory order
  parallel_for(p.n_dets, kDetsAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t image = p.det_image[i], category = p.det_category[i];
      if (image < 0) continue;
      int32_t found = -1;  // without a branch, as nothing predicts it
      for (int64_t g = groups.image_bounds[image]; g < groups.image_bounds[image + 1]; ++g)
        found = groups.category[g] == category ? static_cast<int32_t>(g) : found;
      group_of[i] = found;
    }
  });
  groups.det = Unset<KeptDetection>(p.n_kept);
  groups.det_bounds = scatter(
      p.n_kept, groups.count(), [&](int64_t i) { return group_of[p.det_index[i]]; },
      [&](int64_t i, int64_t place) { groups.det[place] = {i, p.det_index[i]}; });
}

Groups group_all(const MatchProblem& p) {
  TAMIS_CHECK(p.n_gts < std::numeric_limits<int32_t>::max(), "matching: over 2^31 ground truths");
  Groups groups;
  group_gts(p, groups);
  group_dets(p, groups);
  if (p.similarity == nullptr) return groups;
  groups.pair_bounds.assign(1, 0);
  for (int64_t g = 0; g < groups.count(); ++g)
    groups.pair_bounds.push_back(groups.pair_bounds[g] + (groups.det_bounds[g + 1] - groups.det_bounds[g]) *
                                                             (groups.gt_bounds[g + 1] - groups.gt_bounds[g]));
  TAMIS_CHECK(groups.pair_bounds.back() == p.n_similarities, "matching: similarities must be those of all pairs");
  return groups;
}

// The matches of a run of groups, kept apart until all are there so that their order does not depend on threads.
struct Run {
  Vector<int64_t> place;    // of each kept detection that matches
  Vector<int64_t> entries;  // their number
  Vector<int32_t> gt;
  Vector<uint64_t> at;

  void add(int64_t kept, int64_t n, const int64_t* gt_index, const int32_t* local, const uint64_t* words,
           int64_t cells) {
    if (n == 0) return;
    place.push_back(kept);
    entries.push_back(n);
    for (int64_t i = 0; i < n; ++i) gt.push_back(static_cast<int32_t>(gt_index[local[i]]));
    at.insert(at.end(), words, words + n * cells);
  }
};

Matches join(Vector<Run>& runs, int64_t n_kept, int64_t cells) {
  Vector<int64_t> rows(1, 0), entries(1, 0);  // before each run
  for (const Run& run : runs) {
    rows.push_back(rows.back() + run.place.size());
    entries.push_back(entries.back() + run.gt.size());
  }
  Matches matches;
  matches.row.assign(n_kept, -1);
  matches.first.resize(rows.back() + 1);
  matches.gt.resize(entries.back());
  matches.at.resize(entries.back() * cells);
  matches.first.back() = entries.back();
  parallel_for(runs.size(), grain_of(runs.size(), kJoinSteps * rows.back(), 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Run run = std::exchange(runs[i], {});  // its memory is freed when it has been copied
      for (int64_t r = 0, entry = entries[i]; r < run.place.size(); entry += run.entries[r++]) {
        matches.row[run.place[r]] = static_cast<int32_t>(rows[i] + r);
        matches.first[rows[i] + r] = entry;
      }
      std::copy(run.gt.begin(), run.gt.end(), matches.gt.begin() + entries[i]);
      std::copy(run.at.begin(), run.at.end(), matches.at.begin() + entries[i] * cells);
    }
  });
  return matches;
}

// What one group needs in addition to its columns, reused from group to group.
struct Scratch {
  Vector<double> iou;
  Vector<uint8_t> ignore;
  Vector<int32_t> candidates, gt;
  Vector<uint64_t> taken, reach, free, chosen, at;
  Steps steps;

  void attach(MatchGroup& group) {
    const int64_t n = group.n_gts, cells = group.n_areas * words_for(group.n_thresholds);
    iou.resize(n);
    candidates.resize(n);
    gt.resize(n);
    reach.resize(n);
    free.resize(n);
    chosen.resize(n * cells);
    at.resize(n * cells);
    taken.assign(n * cells, 0);
    group.iou = iou.data();
    group.candidates = candidates.data();
    group.reach = reach.data();
    group.free = free.data();
    group.chosen = chosen.data();
    group.taken = taken.data();
  }
};

void match_one(const MatchProblem& p, const Groups& groups, int64_t g, double lowest, Scratch& s, Run& run) {
  const int64_t gt_first = groups.gt_bounds[g], n_gts = groups.gt_bounds[g + 1] - gt_first;
  const int64_t det_first = groups.det_bounds[g], det_last = groups.det_bounds[g + 1];
  if (det_first == det_last) return;
  const int64_t* gt_index = groups.gt.data() + gt_first;
  s.ignore.resize(p.n_areas * n_gts);
  for (int64_t a = 0; a < p.n_areas; ++a)
    for (int64_t i = 0; i < n_gts; ++i) s.ignore[a * n_gts + i] = p.gt_ignore[a * p.n_gts + gt_index[i]];
  MatchGroup group{};
  group.n_gts = n_gts;
  group.n_areas = p.n_areas;
  group.n_thresholds = p.n_thresholds;
  if (p.similarity == nullptr) {
    group.x1 = groups.x1.data() + gt_first;
    group.y1 = groups.y1.data() + gt_first;
    group.x2 = groups.x2.data() + gt_first;
    group.y2 = groups.y2.data() + gt_first;
    group.area = groups.area.data() + gt_first;
  }
  group.crowd = groups.crowd.data() + gt_first;
  group.ignore = s.ignore.data();
  group.thresholds = p.thresholds;
  group.lowest_threshold = lowest;
  s.attach(group);
  for (int64_t d = det_first; d < det_last; ++d) {
    s.steps.took(8 + n_gts);  // one image and class can hold enough boxes for minutes
    const auto [place, i] = groups.det[d];
    Detection detection{nullptr, nullptr, p.det_claims == nullptr || p.det_claims[i] != 0};
    if (p.similarity == nullptr) {
      const int64_t ahead = std::min(d + kPrefetchAhead, groups.n_dets() - 1);
      __builtin_prefetch(p.det_boxes + 4 * groups.det[ahead].input);
      detection.box = p.det_boxes + 4 * i;
    } else {
      detection.given_iou = p.similarity + groups.pair_bounds[g] + (d - det_first) * n_gts;
    }
    int64_t n = 0;
    match_next(group, detection, s.gt.data(), s.at.data(), &n);
    run.add(place, n, gt_index, s.gt.data(), s.at.data(), p.n_areas * words_for(p.n_thresholds));
  }
}

// The least IoU that can match: -inf if a threshold is NaN, which nothing is below.
double lowest_threshold(const double* thresholds, int64_t n) {
  double lowest = std::numeric_limits<double>::infinity();
  for (int64_t t = 0; t < n; ++t) {
    if (thresholds[t] != thresholds[t]) return -std::numeric_limits<double>::infinity();
    lowest = std::min(lowest, thresholds[t]);
  }
  return lowest;
}

}  // namespace

PairGroups pair_groups(const MatchProblem& p) {
  Groups groups = group_all(p);
  PairGroups pairs;
  pairs.det.reserve(groups.n_dets());
  for (int64_t d = 0; d < groups.n_dets(); ++d) pairs.det.push_back(groups.det[d].input);
  pairs.det_splits = std::move(groups.det_bounds);
  pairs.gt = std::move(groups.gt);
  pairs.gt_splits = std::move(groups.gt_bounds);
  return pairs;
}

Matches match_detections(const MatchProblem& p) {
  const Groups groups = group_all(p);
  const double lowest = lowest_threshold(p.thresholds, p.n_thresholds);
  int64_t pairs = groups.n_dets();
  for (int64_t g = 0; g < groups.count(); ++g)
    pairs += (groups.det_bounds[g + 1] - groups.det_bounds[g]) * (groups.gt_bounds[g + 1] - groups.gt_bounds[g]);
  const int64_t at_once = grain_of(groups.count(), kPairSteps * pairs, kGroupsAtOnce);
  Vector<Run> runs((groups.count() + at_once - 1) / at_once);
  parallel_for(groups.count(), at_once, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t g = begin; g < end; ++g) match_one(p, groups, g, lowest, scratch, runs[begin / at_once]);
  });
  return join(runs, p.n_kept, p.n_areas * words_for(p.n_thresholds));
}

void coco_iou(const double* dets, int64_t n_dets, const double* gts, int64_t n_gts, const uint8_t* crowd, double* out) {
  parallel_for(n_dets, 1 + 65536 / (n_gts + 1), [&](int64_t begin, int64_t end) {
    for (int64_t d = begin; d < end; ++d) {
      const host::Corners det = host::corners(dets + 4 * d);
      for (int64_t g = 0; g < n_gts; ++g)
        out[d * n_gts + g] = host::coco_iou(det, host::corners(gts + 4 * g), crowd[g] != 0);
    }
  });
}

void match_given(const GivenProblem& p, int32_t* out) {
  const int64_t words = words_for(p.n_thresholds);
  MatchGroup group{};
  group.n_gts = p.n_gts;
  group.n_areas = p.n_areas;
  group.n_thresholds = p.n_thresholds;
  group.crowd = p.gt_crowd;
  group.ignore = p.gt_ignore;
  group.thresholds = p.thresholds;
  group.lowest_threshold = lowest_threshold(p.thresholds, p.n_thresholds);
  Scratch s;
  s.attach(group);
  std::fill_n(out, p.n_areas * p.n_thresholds * p.n_dets, -1);
  for (int64_t d = 0; d < p.n_dets; ++d) {
    int64_t n = 0;
    s.steps.took(8 + p.n_gts * p.n_areas);
    match_next(group, {nullptr, p.similarity + d * p.n_gts, p.det_claims[d] != 0}, s.gt.data(), s.at.data(), &n);
    for (int64_t e = 0; e < n; ++e)
      for (int64_t a = 0; a < p.n_areas; ++a)
        for (int64_t t = 0; t < p.n_thresholds; ++t)
          if (s.at[(e * p.n_areas + a) * words + t / kWordBits] >> (t % kWordBits) & 1)
            out[(a * p.n_thresholds + t) * p.n_dets + d] = s.gt[e];
  }
}

}  // namespace tamis
