#include "detection_errors/detection_errors.hpp"

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "detection_errors/detection_errors_math.hpp"
#include "matching/matching_math.hpp"

namespace tamis {
namespace {

constexpr int64_t kImagesAtOnce = 32;

// A ground truth of the image at hand.
struct Target {
  host::Corners box;
  int32_t label;
  bool crowd, taken;
};

void load(const ErrorProblem& p, int64_t image, Vector<Target>& targets) {
  targets.clear();
  for (int64_t i = p.gt_splits[image]; i < p.gt_splits[image + 1]; ++i) {
    const int64_t g = p.gt[i];
    const host::Corners box = p.similarity ? host::Corners{} : host::corners(p.gt_boxes + 4 * g);
    targets.push_back({box, p.gt_label[g], p.gt_crowd[g] != 0, false});
  }
}

bool apart(const host::Corners& a, const host::Corners& b) {
  return a.x2 < b.x1 || b.x2 < a.x1 || a.y2 < b.y1 || b.y2 < a.y1;
}

host::Nearest nearest_to(const ErrorProblem& p, int64_t det, const double* given, const Vector<Target>& targets) {
  const host::Corners box = given ? host::Corners{} : host::corners(p.det_boxes + 4 * det);
  host::Nearest nearest;
  for (int64_t i = 0; i < targets.size(); ++i) {
    const Target& t = targets[i];
    if (!given && apart(box, t.box)) continue;
    const double iou = given ? given[i] : host::coco_iou(box, t.box, t.crowd);
    host::compare(&nearest, iou, i, t.label == p.det_label[det], t.crowd, t.taken);
  }
  return nearest;
}

// The first wrong detection, best score first, that would find a ground truth nothing found.
void find_fixes(const ErrorProblem& p, int64_t image, const ErrorColumns& out) {
  for (int64_t i = p.gt_splits[image]; i < p.gt_splits[image + 1]; ++i)
    out.gt_state[p.gt[i]] = p.gt_crowd[p.gt[i]] ? host::kCrowd : host::kMissed;
  const int64_t first = p.det_splits[image], last = p.det_splits[image + 1];
  for (int64_t i = first; i < last; ++i)
    if (out.kind[p.det[i]] == host::kRight) out.gt_state[out.target[p.det[i]]] = host::kFound;
  for (int64_t i = first; i < last; ++i) {
    const int64_t d = p.det[i], g = out.target[d];
    const bool fixable = out.kind[d] == host::kLocation || out.kind[d] == host::kClass;
    out.fixes[d] = fixable && out.gt_state[g] == host::kMissed;
    if (out.fixes[d]) out.gt_state[g] = host::kFixable;
  }
}

}  // namespace

void detection_errors(const ErrorProblem& p, const ErrorColumns& out) {
  Vector<int64_t> pairs(1, 0);  // where the similarities of each image begin
  for (int64_t i = 0; i < p.n_images; ++i)
    pairs.push_back(pairs.back() + (p.det_splits[i + 1] - p.det_splits[i]) * (p.gt_splits[i + 1] - p.gt_splits[i]));
  parallel_for(p.n_images, kImagesAtOnce, [&](int64_t begin, int64_t end) {
    Vector<Target> targets;
    Steps steps;
    for (int64_t image = begin; image < end; ++image) {
      load(p, image, targets);
      const int64_t first = p.det_splits[image], width = targets.size();
      for (int64_t i = first; i < p.det_splits[image + 1]; ++i) {
        steps.took(8 + width);  // one image can hold enough boxes for minutes
        const int64_t d = p.det[i];
        const double* given = p.similarity ? p.similarity + pairs[image] + (i - first) * width : nullptr;
        const host::Nearest nearest = nearest_to(p, d, given, targets);
        const host::Finding finding = host::judge(nearest, p.foreground, p.background);
        const bool right = finding.kind == host::kRight;
        if (right) targets[finding.gt].taken = true;
        out.kind[d] = finding.kind;
        out.ignored[d] = !right && nearest.crowd > p.foreground;
        out.target[d] = finding.gt < 0 ? -1 : p.gt[p.gt_splits[image] + finding.gt];
      }
      find_fixes(p, image, out);
    }
  });
}

}  // namespace tamis
