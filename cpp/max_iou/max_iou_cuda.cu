#include "core/cuda.hpp"
#include "max_iou/max_iou_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

// A warp for each box: its lanes share out the other boxes of the image.
template <class T>
__global__ void __launch_bounds__(kThreads) max_kernel(BoxFormat format, MaxIouSets<T> sets, T* __restrict__ out) {
  const int64_t row = thread_number() / kWarpSize;
  if (row >= sets.n) return;
  const int64_t image = image_of_row(sets.set.splits, sets.images, row), end = sets.others.splits[image + 1];
  const Box<T> box = load_box<BoxKind::iou>(sets.set.boxes + 4 * row, format);
  T best = 0;
  for (int64_t j = sets.others.splits[image] + threadIdx.x % kWarpSize; j < end; j += kWarpSize)
    best = larger(counted_iou(format, box, sets.set, row, sets.others, j, sets.within), best);
  for (int step = kWarpSize / 2; step > 0; step /= 2) best = larger(__shfl_xor_sync(kWarp, best, step), best);
  if (threadIdx.x % kWarpSize == 0) out[row] = smaller(best, T(1));
}

}  // namespace

template <class T>
void max_iou(BoxFormat format, const MaxIouSets<T>& sets, T* out, cudaStream_t stream) {
  launch({"max_iou", blocks_for(sets.n, kThreads / kWarpSize), stream}, max_kernel<T>, format, sets, out);
}

template void max_iou(BoxFormat, const MaxIouSets<float>&, float*, cudaStream_t);
template void max_iou(BoxFormat, const MaxIouSets<double>&, double*, cudaStream_t);

}  // namespace tamis::cuda
