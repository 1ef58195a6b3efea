#include "core/cuda.hpp"
#include "mask_iou/mask_iou_cuda.hpp"

namespace tamis::cuda {
namespace {

constexpr int kWarps = kThreads / kWarpSize;

// A block for each mask, whose warps draw one run each, side by side.
__global__ void __launch_bounds__(kThreads)
    decode_kernel(DeviceMasks masks, int64_t pixels, uint8_t* __restrict__ out) {
  const int64_t i = blockIdx.x;
  const host::Runs mask = host::placed_mask(masks.masks, masks.ends, masks.splits, masks.room, i);
  for (int64_t run = 1 + 2 * int64_t(threadIdx.x / kWarpSize); run < mask.n; run += 2 * kWarps) {
    const int64_t end = mask.ends[run] < pixels ? int64_t(mask.ends[run]) : pixels;
    for (int64_t p = int64_t(mask.ends[run - 1]) + threadIdx.x % kWarpSize; p < end; p += kWarpSize)
      out[i * pixels + p] = 1;
  }
}

}  // namespace

void mask_decode(const DeviceMasks& masks, int64_t pixels, uint8_t* out, cudaStream_t stream) {
  launch({"DeviceMasks.decode", blocks_for(masks.n, 1), stream}, decode_kernel, masks, pixels, out);
}

}  // namespace tamis::cuda
