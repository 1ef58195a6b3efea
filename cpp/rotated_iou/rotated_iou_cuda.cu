#include "core/cuda.hpp"
#include "rotated_iou/rotated_iou_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int kWarps = kThreads / kWarpSize;
constexpr int kEach = 2;              // columns of a thread of a tile
constexpr int64_t kFewColumns = 256;  // narrower matrices would leave most of a tile's threads idle
constexpr int64_t kManyTiles = 4096;  // tiles are lower where there would be fewer
constexpr int64_t kLowest = 8, kHighest = 128;
constexpr int kSteps = 8;  // of a warp along a flat output

struct Near {
  int64_t a, b, at;  // rows, and where the result goes
};

// Pairs of a warp whose bounding boxes overlap: up to kEach times kWarpSize are added, then full sets are finished. All
// lanes call these together.
constexpr int kRoom = (kEach + 1) * kWarpSize;
template <RotatedKind kind, class T>
struct NearPairs {
  const RotatedBox* __restrict__ a;
  const RotatedBox* __restrict__ b;
  T* __restrict__ out;
  Near* entries;  // kRoom, in shared memory
  int n = 0;

  __device__ void add(bool near, const Near& pair) {
    const int place = warp_place(near, &n);
    if (near) entries[place] = pair;
  }
  // All there are if it is the end, else until there is no full set.
  __device__ void finish(bool end) {
    while (n >= (end ? 1 : kWarpSize)) {
      const int first = n < kWarpSize ? 0 : n - kWarpSize, at = first + static_cast<int>(threadIdx.x) % kWarpSize;
      __syncwarp();
      if (at < n) {
        const Near pair = entries[at];
        out[pair.at] = static_cast<T>(rotated_overlap<kind>(pair_of(a[pair.a], b[pair.b])));
      }
      __syncwarp();
      n = first;
    }
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads) prepare_kernel(const T* __restrict__ boxes, int64_t n, RotatedBox* out) {
  const int64_t i = thread_number();
  if (i < n) out[i] = load_rotated_box(boxes + 5 * i);
}

// A thread keeps its boxes of b in registers and walks down the rows of a tile.
template <RotatedKind kind, class T>
__global__ void __launch_bounds__(kThreads)
    tile_kernel(const RotatedBox* __restrict__ a, int64_t n, const RotatedBox* __restrict__ b, int64_t m,
                int64_t across, int64_t height, T* __restrict__ out) {
  __shared__ Near entries[kWarps][kRoom];
  const int64_t top = blockIdx.x / across * height, bottom = smaller(top + height, n);
  const int64_t left = blockIdx.x % across * (kThreads * kEach) + threadIdx.x;
  RotatedBox mine[kEach];
  for (int k = 0; k < kEach; ++k) mine[k] = b[smaller(left + k * kThreads, m - 1)];
  NearPairs<kind, T> queue{a, b, out, entries[threadIdx.x / kWarpSize]};
  for (int64_t row = top; row < bottom; ++row) {
    const RotatedBox box = a[row];
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      const int64_t column = left + k * kThreads, at = row * m + column;
      const bool real = column < m, near = real && bounds_overlap(box, mine[k]);
      if (real && !near) out[at] = T(0);
      queue.add(near, {row, column, at});
    }
    queue.finish(false);
  }
  queue.finish(true);
}

template <RotatedKind kind, class T, class Pairs>
__global__ void __launch_bounds__(kThreads)
    flat_kernel(const RotatedBox* __restrict__ a, const RotatedBox* __restrict__ b, Pairs pairs, int64_t total,
                T* __restrict__ out) {
  __shared__ Near entries[kWarps][kRoom];
  const int64_t warp = blockIdx.x * int64_t(kWarps) + threadIdx.x / kWarpSize;
  NearPairs<kind, T> queue{a, b, out, entries[threadIdx.x / kWarpSize]};
  for (int step = 0; step < kSteps; ++step) {
    const int64_t i = (warp * kSteps + step) * kWarpSize + threadIdx.x % kWarpSize;
    const bool real = i < total;
    const Pair pair = real ? pairs.at(i) : Pair{0, 0};
    const bool near = real && bounds_overlap(a[pair.a], b[pair.b]);
    if (real && !near) out[i] = T(0);
    queue.add(near, {pair.a, pair.b, i});
    queue.finish(false);
  }
  queue.finish(true);
}

template <RotatedKind kind, class T>
__global__ void __launch_bounds__(kThreads)
    paired_kernel(const T* __restrict__ a, const T* __restrict__ b, int64_t n, T* __restrict__ out) {
  const int64_t i = thread_number();
  if (i >= n) return;
  const RotatedBox p = load_rotated_box(a + 5 * i), q = load_rotated_box(b + 5 * i);
  out[i] = bounds_overlap(p, q) ? static_cast<T>(rotated_overlap<kind>(pair_of(p, q))) : T(0);
}

template <RotatedKind kind, class T, class Pairs>
void flat(const RotatedBox* a, const RotatedBox* b, const Pairs& pairs, int64_t total, T* out, cudaStream_t stream) {
  const unsigned grid = blocks_for(total, kThreads * kSteps);
  launch({"rotated_box_iou", grid, stream}, flat_kernel<kind, T, Pairs>, a, b, pairs, total, out);
}

template <RotatedKind kind, class T>
void tiles(const RotatedBox* a, int64_t n, const RotatedBox* b, int64_t m, T* out, cudaStream_t stream) {
  if (n == 0 || m < kFewColumns) return flat<kind>(a, b, AllPairs{m}, n * m, out, stream);
  const int64_t across = blocks_for(m, kThreads * kEach);
  const int64_t height = smaller(larger(n * across / kManyTiles, kLowest), kHighest);
  const unsigned grid = blocks_for(across * blocks_for(n, height), 1);
  launch({"rotated_box_iou", grid, stream}, tile_kernel<kind, T>, a, n, b, m, across, height, out);
}

}  // namespace

template <class T>
void rotated_prepare(const T* boxes, int64_t n, RotatedBox* out, cudaStream_t stream) {
  launch({"rotated_box_iou", blocks_for(n, kThreads), stream}, prepare_kernel<T>, boxes, n, out);
}

template <class T>
void rotated_box_iou(RotatedKind kind, const RotatedBox* a, int64_t n, const RotatedBox* b, int64_t m, T* out,
                     cudaStream_t stream) {
  if (kind == RotatedKind::iou)
    tiles<RotatedKind::iou>(a, n, b, m, out, stream);
  else
    tiles<RotatedKind::iof>(a, n, b, m, out, stream);
}

template <class T>
void rotated_box_iou_paired(RotatedKind kind, const T* a, const T* b, int64_t n, T* out, cudaStream_t stream) {
  constexpr auto kIou = RotatedKind::iou, kIof = RotatedKind::iof;
  const auto kernel = kind == kIou ? paired_kernel<kIou, T> : paired_kernel<kIof, T>;
  launch({"rotated_box_iou_paired", blocks_for(n, kThreads), stream}, kernel, a, b, n, out);
}

template <class T>
void rotated_box_iou_batched(RotatedKind kind, const RotatedBox* a, const RotatedBox* b, const RotatedSplits& splits,
                             int64_t total, T* out, cudaStream_t stream) {
  const BatchedPairs pairs{splits.a, splits.b, splits.out, splits.images};
  if (kind == RotatedKind::iou)
    flat<RotatedKind::iou>(a, b, pairs, total, out, stream);
  else
    flat<RotatedKind::iof>(a, b, pairs, total, out, stream);
}

#define TAMIS_ROTATED_IOU(T)                                                                                     \
  template void rotated_prepare(const T*, int64_t, RotatedBox*, cudaStream_t);                                   \
  template void rotated_box_iou(RotatedKind, const RotatedBox*, int64_t, const RotatedBox*, int64_t, T*,         \
                                cudaStream_t);                                                                   \
  template void rotated_box_iou_paired(RotatedKind, const T*, const T*, int64_t, T*, cudaStream_t);              \
  template void rotated_box_iou_batched(RotatedKind, const RotatedBox*, const RotatedBox*, const RotatedSplits&, \
                                        int64_t, T*, cudaStream_t);
TAMIS_ROTATED_IOU(float)
TAMIS_ROTATED_IOU(double)

}  // namespace tamis::cuda
