#include "duplicates/duplicates_cuda.hpp"

#include "core/cuda_block.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int kWarpSize = 32;

template <class T>
__device__ double iou_of_rows(const SimpleDuplicates<T>& p, int64_t a, int64_t b) {
  const auto box = [&](int64_t row) {
    return load_duplicate_box(p.boxes + 4 * row, p.format, p.crowd != nullptr && p.crowd[row] != 0);
  };
  return duplicate_iou(box(smaller(a, b)), box(larger(a, b)));
}

template <class T>
__device__ bool over(const SimpleDuplicates<T>& p, int64_t row, int64_t other) {
  if (p.labels != nullptr && p.labels[row] != p.labels[other]) return false;
  return row != other && iou_of_rows(p, row, other) > p.threshold;
}

// A box is a duplicate if an earlier one of its image is over the threshold.
template <class T>
__global__ void __launch_bounds__(kThreads) mark_kernel(SimpleDuplicates<T> p, uint8_t* duplicate) {
  const int64_t row = (blockIdx.x * int64_t(kThreads) + threadIdx.x) / kWarpSize;
  if (row >= p.n) return;
  const int64_t lane = threadIdx.x % kWarpSize;
  int found = 0;
  for (int64_t first = p.splits[image_of_row(p.splits, p.images, row)]; first < row && found == 0; first += kWarpSize)
    found = warp_sum(first + lane < row && over(p, row, first + lane) ? 1 : 0);
  if (lane == 0) duplicate[row] = found > 0;
}

// It repeats the first box over the threshold that is no duplicate itself, else the first over the threshold.
template <class T>
__global__ void __launch_bounds__(kThreads) name_kernel(SimpleDuplicates<T> p, DuplicateMarks out) {
  const int64_t row = (blockIdx.x * int64_t(kThreads) + threadIdx.x) / kWarpSize;
  if (row >= p.n || out.duplicate[row] == 0) return;
  const int64_t image = image_of_row(p.splits, p.images, row), end = p.splits[image + 1];
  int64_t original = end, any = end;
  for (int64_t j = p.splits[image] + threadIdx.x % kWarpSize; j < end; j += kWarpSize) {
    if (j >= original || !over(p, row, j)) continue;
    any = smaller(any, j);
    if (out.duplicate[j] == 0) original = j;
  }
  for (int step = kWarpSize / 2; step > 0; step /= 2) {
    original = smaller(original, __shfl_xor_sync(kWarp, original, step));
    any = smaller(any, __shfl_xor_sync(kWarp, any, step));
  }
  if (threadIdx.x % kWarpSize != 0) return;
  out.of[row] = original < end ? original : any;
  out.iou[row] = iou_of_rows(p, row, out.of[row]);
}

}  // namespace

template <class T>
void find_duplicate_boxes(const SimpleDuplicates<T>& p, const DuplicateMarks& out, cudaStream_t stream) {
  const Launch on{"find_duplicate_boxes", blocks_for(p.n, kThreads / kWarpSize), stream};
  launch(on, mark_kernel<T>, p, out.duplicate);
  launch(on, name_kernel<T>, p, out);
}

template void find_duplicate_boxes(const SimpleDuplicates<float>&, const DuplicateMarks&, cudaStream_t);
template void find_duplicate_boxes(const SimpleDuplicates<double>&, const DuplicateMarks&, cudaStream_t);

}  // namespace tamis::cuda
