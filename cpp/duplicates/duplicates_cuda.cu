#include "core/cuda_block.hpp"
#include "duplicates/duplicates_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

// That of masks may be lower where it is not over the threshold.
template <class T>
__device__ double iou_of(const DeviceBoxRows<T>& rows, int64_t first, int64_t later, bool crowd, double) {
  const auto box = [&](int64_t row) { return load_duplicate_box(rows.data + 4 * row, rows.format, crowd); };
  return duplicate_iou(box(first), box(later));
}
__device__ double iou_of(const DeviceRotatedRows& rows, int64_t first, int64_t later, bool crowd, double) {
  return duplicate_iou(rows.data[first], rows.data[later], crowd);
}
__device__ double iou_of(const DeviceMaskRows& rows, int64_t first, int64_t later, bool crowd, double threshold) {
  const auto mask = [&](int64_t row) { return placed_mask(rows.masks, rows.ends, rows.splits, rows.room, row); };
  return duplicate_iou(mask(first), mask(later), crowd, threshold);
}

template <class Rows>
__device__ double iou_of_rows(const SimpleDuplicates<Rows>& p, int64_t a, int64_t b) {
  const int64_t first = smaller(a, b);
  return iou_of(p.rows, first, larger(a, b), p.crowd != nullptr && p.crowd[first] != 0, p.threshold);
}

template <class Rows>
__device__ bool over(const SimpleDuplicates<Rows>& p, int64_t row, int64_t other) {
  if (p.labels != nullptr && p.labels[row] != p.labels[other]) return false;
  return row != other && iou_of_rows(p, row, other) > p.threshold;
}

// A box is a duplicate if an earlier one of its image is over the threshold.
template <class Rows>
__global__ void __launch_bounds__(kThreads) mark_kernel(SimpleDuplicates<Rows> p, uint8_t* duplicate) {
  const int64_t row = thread_number() / kWarpSize;
  if (row >= p.n) return;
  const int64_t lane = threadIdx.x % kWarpSize;
  int found = 0;
  for (int64_t first = p.splits[image_of_row(p.splits, p.images, row)]; first < row && found == 0; first += kWarpSize)
    found = warp_sum(first + lane < row && over(p, row, first + lane) ? 1 : 0);
  if (lane == 0) duplicate[row] = found > 0;
}

// It repeats the first box over the threshold that is not a duplicate itself, else the first over the threshold.
template <class Rows>
__global__ void __launch_bounds__(kThreads) name_kernel(SimpleDuplicates<Rows> p, DuplicateMarks out) {
  const int64_t row = thread_number() / kWarpSize;
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

template <class Rows>
void find_duplicate_boxes(const SimpleDuplicates<Rows>& p, const DuplicateMarks& out, cudaStream_t stream) {
  const Launch on{"find_duplicate_boxes", blocks_for(p.n, kThreads / kWarpSize), stream};
  launch(on, mark_kernel<Rows>, p, out.duplicate);
  launch(on, name_kernel<Rows>, p, out);
}

template void find_duplicate_boxes(const SimpleDuplicates<DeviceBoxRows<float>>&, const DuplicateMarks&, cudaStream_t);
template void find_duplicate_boxes(const SimpleDuplicates<DeviceBoxRows<double>>&, const DuplicateMarks&, cudaStream_t);
template void find_duplicate_boxes(const SimpleDuplicates<DeviceRotatedRows>&, const DuplicateMarks&, cudaStream_t);
template void find_duplicate_boxes(const SimpleDuplicates<DeviceMaskRows>&, const DuplicateMarks&, cudaStream_t);

}  // namespace tamis::cuda
