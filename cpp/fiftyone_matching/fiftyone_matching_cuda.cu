#include "core/cuda.hpp"
#include "fiftyone_matching/fiftyone_matching_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

// Appends those of the image's ground truths, crowds or the others, that a detection may take; by all lanes.
__device__ int64_t add_candidates(const DeviceFiftyoneProblem& p, int64_t image, const double* det, bool crowds,
                                  Candidate* candidates, int64_t n) {
  const int64_t end = p.gts.splits[image + 1];
  for (int64_t start = p.gts.splits[image]; start < end; start += kWarpSize) {
    const int64_t g = start + threadIdx.x % kWarpSize;
    bool near = false;
    double iou = 0;
    if (g < end && (p.crowd[g] != 0) == crowds && fiftyone_touch(det, p.gts.boxes + 4 * g)) {
      iou = fiftyone_iou(det, p.gts.boxes + 4 * g, crowds);
      near = crowds || !(iou < p.threshold);
    }
    const int64_t place = warp_place(near, &n);
    if (near) candidates[place] = {static_cast<int32_t>(g), iou};
  }
  return n;
}

__global__ void __launch_bounds__(kThreads) match_kernel(DeviceFiftyoneProblem p, DeviceFiftyoneMatches out) {
  const int64_t image = thread_number() / kWarpSize;
  if (image >= p.images) return;
  Candidate* candidates = p.candidates + p.gts.splits[image];
  const Standing standing{p.crowd, p.gts.labels, out.gt_det};
  for (int64_t place = p.dets.splits[image]; place < p.dets.splits[image + 1]; ++place) {
    const int64_t det = p.order[place];
    const double* box = p.dets.boxes + 4 * det;
    const int64_t regular = add_candidates(p, image, box, false, candidates, 0);
    const int64_t n = add_candidates(p, image, box, true, candidates, regular);
    __syncwarp();
    const bool first = threadIdx.x % kWarpSize == 0;
    const int64_t best = first ? choose_coco(candidates, n, p.threshold, p.dets.labels[det], standing) : -1;
    if (best >= 0) {
      const Candidate taken = candidates[best];
      out.det_gt[det] = taken.gt;
      out.det_iou[det] = taken.iou;
      if (out.gt_det[taken.gt] < 0) out.gt_det[taken.gt] = static_cast<int32_t>(det);  // a crowd remembers the first
    }
    __syncwarp();  // the candidates are free again
  }
}

}  // namespace

void fiftyone_match(const DeviceFiftyoneProblem& problem, const DeviceFiftyoneMatches& out, cudaStream_t stream) {
  launch({"label_mistakes", blocks_for(problem.images, kThreads / kWarpSize), stream}, match_kernel, problem, out);
}

}  // namespace tamis::cuda
