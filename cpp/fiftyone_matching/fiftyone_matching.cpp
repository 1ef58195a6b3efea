#include "fiftyone_matching/fiftyone_matching.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "fiftyone_matching/fiftyone_matching_math.hpp"

namespace tamis {
namespace {

constexpr int64_t kImagesAtOnce = 16;

struct Group {
  int32_t key;
  Vector<int32_t> dets, gts;  // input order
};

// One image while it is matched; reused from image to image.
struct Scratch {
  Vector<Group> groups;
  int64_t n_groups = 0;
  Vector<int32_t> last_first;          // ground truths of a group, crowds last
  Vector<host::Candidate> candidates;  // of one group, detection by detection
  Vector<int64_t> bounds;
  Steps steps;

  Group& group_of(int32_t key) {
    for (int64_t i = 0; i < n_groups; ++i)
      if (groups[i].key == key) return groups[i];
    if (n_groups == groups.size()) groups.emplace_back();
    Group& fresh = groups[n_groups++];
    fresh.key = key;
    fresh.dets.clear();
    fresh.gts.clear();
    return fresh;
  }
};

void group_image(const FiftyoneProblem& p, int64_t image, Scratch& s) {
  s.n_groups = 0;
  for (int64_t i = p.gts.splits[image]; i < p.gts.splits[image + 1]; ++i)
    s.group_of(p.gts.groups[i]).gts.push_back(static_cast<int32_t>(i));
  for (int64_t i = p.dets.splits[image]; i < p.dets.splits[image + 1]; ++i)
    s.group_of(p.dets.groups[i]).dets.push_back(static_cast<int32_t>(i));
}

void find_candidates(const FiftyoneProblem& p, int64_t image, const Group& group, int64_t n_dets, Scratch& s) {
  const double lowest = *std::min_element(p.thresholds, p.thresholds + p.n_thresholds);
  const auto add = [&](int32_t gt, double iou) {  // a crowd ends the search however little it overlaps
    if (p.rule == FiftyoneRule::open_images) iou = host::rounded(iou);
    if (!(iou < lowest) || p.gts.crowd[gt]) s.candidates.push_back({gt, iou});
  };
  s.candidates.clear();
  s.bounds.assign(1, 0);
  for (int64_t i = 0; i < n_dets; ++i) {
    s.steps.took(8 + s.last_first.size());  // one image can hold enough boxes for minutes
    const int32_t d = group.dets[i];
    if (p.pairs.given[image]) {
      for (int64_t e = p.pairs.splits[d]; e < p.pairs.splits[d + 1]; ++e) add(p.pairs.gts[e], p.pairs.iou[e]);
    } else {
      const double* box = p.dets.boxes + 4 * d;
      for (const int32_t g : s.last_first) {
        const double* other = p.gts.boxes + 4 * g;
        if (host::fiftyone_touch(box, other)) add(g, host::fiftyone_iou(box, other, p.gts.crowd[g] != 0));
      }
    }
    s.bounds.push_back(s.candidates.size());
  }
}

void match_group(const FiftyoneProblem& p, const Group& group, int64_t n_dets, Scratch& s, const FiftyoneMatches& out) {
  const auto choose = p.rule == FiftyoneRule::coco ? host::choose_coco : host::choose_open_images;
  for (int64_t t = 0; t < p.n_thresholds; ++t) {
    int32_t* gt_det = out.gt_det + t * p.gts.n;
    const host::Standing standing{p.gts.crowd, p.gts.labels, gt_det};
    for (int64_t i = 0; i < n_dets; ++i) {
      const host::Candidate* candidates = s.candidates.data() + s.bounds[i];
      s.steps.took(8 + s.bounds[i + 1] - s.bounds[i]);
      const int32_t d = group.dets[i];
      const int64_t best =
          choose(candidates, s.bounds[i + 1] - s.bounds[i], p.thresholds[t], p.dets.labels[d], standing);
      if (best < 0) continue;
      const auto [gt, iou] = candidates[best];
      out.det_gt[t * p.dets.n + d] = gt;
      out.det_iou[t * p.dets.n + d] = iou;
      if (gt_det[gt] >= 0) continue;  // a crowd remembers the first
      gt_det[gt] = d;
      out.gt_iou[t * p.gts.n + gt] = iou;
    }
  }
}

void match_image(const FiftyoneProblem& p, int64_t image, Scratch& s, const FiftyoneMatches& out) {
  group_image(p, image, s);
  int64_t* order = out.order + p.dets.splits[image] + p.gts.splits[image];
  int64_t* last = out.order + p.dets.splits[image + 1] + p.gts.splits[image + 1];
  for (int64_t i = 0; i < s.n_groups; ++i) {
    Group& group = s.groups[i];
    const auto key = [&](int32_t d) { return p.dets.confidence[d] == 0 ? -1 : p.dets.confidence[d]; };
    std::stable_sort(group.dets.begin(), group.dets.end(), [&](int32_t a, int32_t b) { return key(a) > key(b); });
    const int64_t n_dets = std::min(p.max_dets, group.dets.size());
    s.last_first = group.gts;
    std::stable_partition(s.last_first.begin(), s.last_first.end(), [&](int32_t g) { return !p.gts.crowd[g]; });
    find_candidates(p, image, group, n_dets, s);
    match_group(p, group, n_dets, s, out);
    for (int64_t d = 0; d < group.dets.size(); ++d) {
      const bool kept = d < n_dets;
      out.kept[group.dets[d]] = kept;
      if (kept)
        *order++ = group.dets[d];
      else
        *--last = group.dets[d];
    }
    for (const int32_t g : group.gts) *order++ = ~static_cast<int64_t>(g);
  }
}

}  // namespace

void fiftyone_match(const FiftyoneProblem& p, const FiftyoneMatches& out) {
  std::fill_n(out.det_gt, p.n_thresholds * p.dets.n, -1);
  std::fill_n(out.gt_det, p.n_thresholds * p.gts.n, -1);
  std::fill_n(out.det_iou, p.n_thresholds * p.dets.n, 0.0);
  std::fill_n(out.gt_iou, p.n_thresholds * p.gts.n, 0.0);
  parallel_for(p.n_images, kImagesAtOnce, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t image = begin; image < end; ++image) match_image(p, image, scratch, out);
  });
}

}  // namespace tamis
