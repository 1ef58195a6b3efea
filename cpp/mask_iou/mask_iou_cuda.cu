#include "core/cuda_block.hpp"
#include "mask_iou/mask_iou_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

__global__ void __launch_bounds__(kThreads) read_kernel(const char* text, const int64_t* size, DeviceMasks out) {
  const int64_t i = thread_number();
  if (i >= out.n) return;
  Runs runs{};
  runs.height = size[2 * i];
  runs.width = size[2 * i + 1];
  const int64_t from = out.splits[i], to = out.splits[i + 1];
  if (from >= 0 && from <= to && to <= out.room) read_runs(text + from, text + to, out.ends + from, &runs);
  measure(&runs);
  out.masks[i] = runs;
}

__device__ Runs mask_of(const DeviceMasks& all, int64_t i) {
  return placed_mask(all.masks, all.ends, all.splits, all.room, i);
}

// Of masks whose boxes touch, by all lanes of a warp; the first has the result.
__device__ double iou_of(const Runs& a, const Runs& b, bool crowd, int lane) {
  uint32_t common = 0, all = 0;
  if (a.regular && b.regular) {
    common = warp_sum(common_pixels_part(a, b, lane, kWarpSize));
    all = a.area + b.area - common;
  } else if (lane == 0) {
    walk_common(a, b, &common, &all);
  }
  return mask_ratio(common, all, a.area, crowd);
}

__global__ void __launch_bounds__(kThreads) pairs_kernel(DeviceMaskPairs p, double* __restrict__ out) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int64_t i = thread_number();
  const Pair pair = i < p.n ? p.pairs.at(i) : Pair{0, 0};
  const bool touch = i < p.n && boxes_touch(p.a.masks[pair.a].box, p.b.masks[pair.b].box);
  if (i < p.n && !touch) out[i] = 0;
  for (unsigned left = __ballot_sync(kWarp, touch); left != 0; left &= left - 1) {
    const int from = __ffs(left) - 1;
    const int64_t a = __shfl_sync(kWarp, pair.a, from), b = __shfl_sync(kWarp, pair.b, from);
    const bool crowd = p.b_crowd != nullptr && p.b_crowd[b] != 0;
    const double iou = iou_of(mask_of(p.a, a), mask_of(p.b, b), crowd, lane);
    if (lane == 0) out[i + from] = iou;
  }
}

}  // namespace

void mask_read(const char* text, const int64_t* size, const DeviceMasks& out, cudaStream_t stream) {
  launch({"Masks.to_device", blocks_for(out.n, kThreads), stream}, read_kernel, text, size, out);
}

void mask_iou_batched(const DeviceMaskPairs& pairs, double* out, cudaStream_t stream) {
  launch({"mask_iou", blocks_for(pairs.n, kThreads), stream}, pairs_kernel, pairs, out);
}

}  // namespace tamis::cuda
