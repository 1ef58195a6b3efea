#include "matching/matching.hpp"

#include <algorithm>
#include <limits>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "matching/matching_math.hpp"

namespace tamis {
namespace {

constexpr int64_t kGroupsAtOnce = 64;

// Ground truths of one image and class stand together, as columns.
struct Groups {
  std::vector<int64_t> gt;                // gt indices, by category, image, input order
  std::vector<int64_t> gt_bounds;         // (groups + 1)
  std::vector<int64_t> category_bounds;   // (categories + 1) bounds of groups
  std::vector<double> x1, y1, x2, y2, area;
  std::vector<uint8_t> crowd;
  std::vector<int64_t> det_bounds;        // (groups + 1)
  std::vector<int64_t> det;               // kept places, best score first

  int64_t count() const { return static_cast<int64_t>(gt_bounds.size()) - 1; }
};

void group_gts(const MatchProblem& p, Groups& groups) {
  std::vector<int64_t> splits;
  groups.gt =
      order_by_group(p.n_gts, p.gt_category, p.gt_image, p.n_categories, p.n_images, splits);
  const int64_t n = static_cast<int64_t>(groups.gt.size());
  groups.category_bounds.assign(1, 0);
  for (int64_t k = 0; k < p.n_categories; ++k) {
    for (int64_t i = splits[size_t(k)]; i < splits[size_t(k) + 1]; ++i)
      if (i == splits[size_t(k)] ||
          p.gt_image[groups.gt[size_t(i)]] != p.gt_image[groups.gt[size_t(i) - 1]])
        groups.gt_bounds.push_back(i);
    groups.category_bounds.push_back(static_cast<int64_t>(groups.gt_bounds.size()));
  }
  groups.gt_bounds.push_back(n);
  for (auto* column : {&groups.x1, &groups.y1, &groups.x2, &groups.y2, &groups.area})
    column->resize(size_t(n));
  groups.crowd.resize(size_t(n));
  for (size_t i = 0; i < size_t(n); ++i) {
    const host::Corners c = host::corners(p.gt_boxes + 4 * groups.gt[i]);
    groups.x1[i] = c.x1;
    groups.y1[i] = c.y1;
    groups.x2[i] = c.x2;
    groups.y2[i] = c.y2;
    groups.area[i] = c.area;
    groups.crowd[i] = p.gt_crowd[groups.gt[i]];
  }
}

// Hands each kept detection to the group of its image and class, where there is one.
void group_dets(const MatchProblem& p, Groups& groups) {
  std::vector<int32_t> group_of(size_t(p.n_kept), -1);
  std::vector<int64_t> counts(size_t(groups.count()), 0);
  const int64_t grain = std::max<int64_t>(1, p.n_categories / (16 * num_threads()));
  parallel_for(p.n_categories, grain, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> group_at(size_t(p.n_images), -1);
    for (int64_t k = begin; k < end; ++k) {
      const int64_t first = groups.category_bounds[size_t(k)], last = groups.category_bounds[size_t(k) + 1];
      const auto image_of = [&](int64_t g) {
        return size_t(p.gt_image[groups.gt[size_t(groups.gt_bounds[size_t(g)])]]);
      };
      for (int64_t g = first; g < last; ++g) group_at[image_of(g)] = static_cast<int32_t>(g);
      for (int64_t i = p.det_splits[k]; i < p.det_splits[k + 1]; ++i) {
        const int32_t g = group_at[size_t(p.det_image[p.det_index[i]])];
        group_of[size_t(i)] = g;
        if (g >= 0) ++counts[size_t(g)];
      }
      for (int64_t g = first; g < last; ++g) group_at[image_of(g)] = -1;
    }
  });
  groups.det_bounds.assign(1, 0);
  for (const int64_t c : counts) groups.det_bounds.push_back(groups.det_bounds.back() + c);
  groups.det.resize(size_t(groups.det_bounds.back()));
  std::vector<int64_t> next(groups.det_bounds.begin(), groups.det_bounds.end() - 1);
  for (size_t i = 0; i < group_of.size(); ++i)
    if (group_of[i] >= 0) groups.det[size_t(next[size_t(group_of[i])]++)] = static_cast<int64_t>(i);
}

// The rows of a run of groups, kept apart until all are there so that their order does not depend on threads.
struct Rows {
  std::vector<int64_t> place;  // of the kept detection
  std::vector<int32_t> gt;
};

struct Scratch {
  std::vector<double> boxes, iou, best;
  std::vector<uint8_t> claims, ignore, taken;
  std::vector<int32_t> candidates, matched_det, matched_gt;
};

void match_one(const MatchProblem& p, const Groups& groups, int64_t g, double lowest, Scratch& s,
               Rows& rows) {
  const int64_t gt_first = groups.gt_bounds[size_t(g)], n_gts = groups.gt_bounds[size_t(g) + 1] - gt_first;
  const int64_t det_first = groups.det_bounds[size_t(g)], n_dets = groups.det_bounds[size_t(g) + 1] - det_first;
  if (n_dets == 0) return;
  const int64_t cells = p.n_areas * p.n_thresholds;
  s.boxes.resize(size_t(4 * n_dets));
  s.claims.resize(size_t(n_dets));
  for (int64_t d = 0; d < n_dets; ++d) {
    const int64_t i = p.det_index[groups.det[size_t(det_first + d)]];
    std::copy_n(p.det_boxes + 4 * i, 4, s.boxes.begin() + 4 * d);
    s.claims[size_t(d)] = p.det_claims == nullptr || p.det_claims[i] != 0;
  }
  s.ignore.resize(size_t(p.n_areas * n_gts));
  for (int64_t a = 0; a < p.n_areas; ++a)
    for (int64_t i = 0; i < n_gts; ++i)
      s.ignore[size_t(a * n_gts + i)] = p.gt_ignore[a * p.n_gts + groups.gt[size_t(gt_first + i)]];
  s.iou.resize(size_t(n_gts));
  s.candidates.resize(size_t(n_gts));
  s.best.resize(size_t(p.n_thresholds));
  s.taken.assign(size_t(n_gts * cells), 0);
  s.matched_det.resize(size_t(n_dets));
  s.matched_gt.resize(size_t(n_dets * cells));
  const MatchGroup group{n_dets, n_gts, p.n_areas, p.n_thresholds, s.boxes.data(), nullptr, s.claims.data(),
                         groups.x1.data() + gt_first, groups.y1.data() + gt_first,
                         groups.x2.data() + gt_first, groups.y2.data() + gt_first,
                         groups.area.data() + gt_first, groups.crowd.data() + gt_first,
                         s.ignore.data(), p.thresholds, lowest, s.iou.data(), s.candidates.data(),
                         s.taken.data(), s.best.data()};
  int64_t n_matched = 0;
  match_group(group, s.matched_det.data(), s.matched_gt.data(), &n_matched);
  for (int64_t r = 0; r < n_matched; ++r)
    rows.place.push_back(groups.det[size_t(det_first + s.matched_det[size_t(r)])]);
  const size_t before = rows.gt.size(), added = size_t(n_matched * cells);
  rows.gt.resize(before + added);
  for (size_t c = 0; c < added; ++c) {
    const int32_t local = s.matched_gt[c];
    rows.gt[before + c] = local < 0 ? -1 : static_cast<int32_t>(groups.gt[size_t(gt_first + local)]);
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

Matches match_detections(const MatchProblem& p) {
  TAMIS_CHECK(p.n_gts < std::numeric_limits<int32_t>::max(), "matching: over 2^31 ground truths");
  Groups groups;
  group_gts(p, groups);
  group_dets(p, groups);
  const double lowest = lowest_threshold(p.thresholds, p.n_thresholds);
  const int64_t runs = (groups.count() + kGroupsAtOnce - 1) / kGroupsAtOnce;
  std::vector<Rows> rows{size_t(runs)};
  parallel_for(groups.count(), kGroupsAtOnce, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t g = begin; g < end; ++g)
      match_one(p, groups, g, lowest, scratch, rows[size_t(begin / kGroupsAtOnce)]);
  });
  Matches matches;
  matches.row.assign(size_t(p.n_kept), -1);
  size_t cells = 0;
  for (const Rows& run : rows) cells += run.gt.size();
  matches.gt.reserve(cells);
  int32_t next = 0;
  for (Rows& run : rows) {
    for (const int64_t place : run.place) matches.row[size_t(place)] = next++;
    matches.gt.insert(matches.gt.end(), run.gt.begin(), run.gt.end());
    run = {};
  }
  return matches;
}

void coco_iou(const double* dets, int64_t n_dets, const double* gts, int64_t n_gts,
              const uint8_t* crowd, double* out) {
  parallel_for(n_dets, 1 + 65536 / (n_gts + 1), [&](int64_t begin, int64_t end) {
    for (int64_t d = begin; d < end; ++d) {
      const host::Corners det = host::corners(dets + 4 * d);
      for (int64_t g = 0; g < n_gts; ++g)
        out[d * n_gts + g] = host::coco_iou(det, host::corners(gts + 4 * g), crowd[g] != 0);
    }
  });
}

void match_given(const GivenProblem& p, int32_t* out) {
  const int64_t cells = p.n_areas * p.n_thresholds;
  std::vector<int32_t> candidates(size_t(p.n_gts)), det(size_t(p.n_dets)), gt(size_t(p.n_dets * cells));
  std::vector<uint8_t> taken(size_t(p.n_gts * cells), 0);
  std::vector<double> best(size_t(p.n_thresholds));
  MatchGroup group{};
  group.n_dets = p.n_dets;
  group.n_gts = p.n_gts;
  group.n_areas = p.n_areas;
  group.n_thresholds = p.n_thresholds;
  group.given_iou = p.similarity;
  group.det_claims = p.det_claims;
  group.crowd = p.gt_crowd;
  group.ignore = p.gt_ignore;
  group.thresholds = p.thresholds;
  group.lowest_threshold = lowest_threshold(p.thresholds, p.n_thresholds);
  group.candidates = candidates.data();
  group.taken = taken.data();
  group.best = best.data();
  int64_t rows = 0;
  match_group(group, det.data(), gt.data(), &rows);
  std::fill_n(out, cells * p.n_dets, -1);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cells; ++c) out[c * p.n_dets + det[size_t(r)]] = gt[size_t(r * cells + c)];
}

}  // namespace tamis
