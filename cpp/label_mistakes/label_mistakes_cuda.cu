#include "core/cuda.hpp"
#include "label_mistakes/label_mistakes_cuda.hpp"
#include "label_mistakes/label_mistakes_math.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

// What is said of one ground truth; the row of its detection is in range.
__device__ void judge(const MatchedRows& p, const DeviceMistakes& out, int64_t g) {
  const int64_t d = p.det[g];
  const double nan = __builtin_nan("");
  out.label[g] = out.place[g] = nan;
  out.spurious[g] = p.judged[g] != 0 && d < 0;
  if (p.judged[g] == 0 || d < 0) return;
  if (!(p.iou[d] * 0.0 == 0)) atomic_min_row(out.bad + 2, d);
  if (!(p.certain[d] * 0.0 == 0)) atomic_min_row(out.bad + 3, d);
  out.label[g] = mistaken_label(p.labels[d] == p.gt_labels[g], p.certain[d]);
  out.place[g] = mistaken_place(p.iou[d], p.certain[d], p.least_iou);
}

__global__ void __launch_bounds__(kThreads) mistakes_kernel(MatchedRows p, DeviceMistakes out) {
  const int64_t image = thread_number();
  if (image >= p.images) return;
  double worst = -1;
  int64_t spurious = 0, missing = 0;
  for (int64_t g = p.gt_splits[image]; g < p.gt_splits[image + 1]; ++g) {
    if (p.det[g] >= p.n) {
      atomic_min_row(out.bad + 1, g);
      continue;
    }
    judge(p, out, g);
    if (out.label[g] > worst) worst = out.label[g];
    spurious += out.spurious[g];
  }
  for (int64_t d = p.splits[image]; d < p.splits[image + 1]; ++d) {
    if (p.gt[d] >= p.m) atomic_min_row(out.bad, d);
    out.missing[d] = p.gt[d] < 0 && p.confidence[d] > p.missing_confidence;
    missing += out.missing[d];
  }
  out.worst[image] = worst;
  out.n_missing[image] = missing;
  out.n_spurious[image] = spurious;
}

}  // namespace

void mistakes_of_matches(const MatchedRows& rows, const DeviceMistakes& out, cudaStream_t stream) {
  launch({"mistakes_of_matches", blocks_for(rows.images, kThreads), stream}, mistakes_kernel, rows, out);
}

}  // namespace tamis::cuda
