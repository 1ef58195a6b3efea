#include <numeric>

#include "box_iou/box_iou_cuda.hpp"
#include "core/bits.hpp"
#include "core/cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int kTileRows = 64;         // boxes of a in shared memory
constexpr int64_t kFewColumns = 256;  // narrower matrices would leave most of a tile's threads idle

template <class T>
struct Wide {  // the numbers of one 16-byte store
  static constexpr int kCount = 16 / sizeof(T);
  alignas(16) T values[kCount];
};

// `ratio` by the steps of the device's own division, but without its branches: for those it would have taken, `sure`
// ends, and what was found is void.
template <class T>
struct Quotients {
  bool sure = true;
  __device__ T operator()(T part, T whole) { return ratio(part, whole); }
};
template <>
__device__ inline float Quotients<float>::operator()(float part, float whole) {
  constexpr uint32_t kLeast = 0x21800000, kMost = 0x5d800000;  // the bits of 2 ** -60 and 2 ** 60
  const uint32_t p = bits_as<uint32_t>(part), w = bits_as<uint32_t>(whole);
  sure = sure && w - kLeast < kMost - kLeast && p <= w && p - 1 >= kLeast - 1;  // part may be 0
  const float first = near_reciprocal(whole), one = fmaf(first, fmaf(-whole, first, 1.0f), first);
  const float found = part * one;
  return fmaf(one, fmaf(-whole, found, part), found);
}

// One tile of the matrix: a thread keeps its boxes of b in registers and walks down the rows. `cycle` is after how many
// rows the first elements lie alike within 16 bytes again: rows that do are taken together, with columns shifted so
// that every store is a wide one.
template <BoxKind kind, class T>
__global__ void __launch_bounds__(kThreads)
    tile_kernel(BoxFormat format, const T* __restrict__ a, int64_t n, const T* __restrict__ b, int64_t m,
                int64_t tiles_across, int cycle, T* __restrict__ out) {
  constexpr int kCount = Wide<T>::kCount;
  __shared__ Box<T> rows[kTileRows];
  const int64_t top = blockIdx.x / tiles_across * kTileRows;
  const int64_t left = blockIdx.x % tiles_across * (kThreads * kCount);
  const int height = static_cast<int>(smaller<int64_t>(kTileRows, n - top));
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < height) rows[thread] = load_box<kind>(a + 4 * (top + thread), format);
  __syncthreads();

  for (int first = 0; first < cycle; ++first) {
    T* to = out + (top + first) * m;
    const int past = static_cast<int>(reinterpret_cast<uintptr_t>(to) / sizeof(T) % kCount);
    const int shift = (kCount - past) % kCount;
    if (left == 0 && thread < shift && thread < m) {  // the columns before the first wide store
      const Box<T> narrow = load_box<kind>(b + 4 * thread, format);
      for (int i = first; i < height; i += cycle) to[(i - first) * m + thread] = overlap<kind>(rows[i], narrow);
    }
    const int64_t column = left + shift + thread * kCount;
    if (column >= m) continue;
    Box<T> mine[kCount];
#pragma unroll
    for (int k = 0; k < kCount; ++k) mine[k] = load_box<kind>(b + 4 * smaller<int64_t>(column + k, m - 1), format);
    to += column;
#pragma unroll 2
    for (int i = first; i < height; i += cycle, to += cycle * m) {
      Wide<T> line;
      Quotients<T> divide;
#pragma unroll
      for (int k = 0; k < kCount; ++k) line.values[k] = overlap<kind>(rows[i], mine[k], divide);
      if (!divide.sure) {
#pragma unroll
        for (int k = 0; k < kCount; ++k) line.values[k] = overlap<kind>(rows[i], mine[k]);
      }
      if (column + kCount <= m) {
        *reinterpret_cast<Wide<T>*>(to) = line;
      } else {
#pragma unroll
        for (int k = 0; k < kCount; ++k)
          if (column + k < m) to[k] = line.values[k];
      }
    }
  }
}

// One thread for each element of a flat output.
template <BoxKind kind, class T, class Pairs>
__global__ void __launch_bounds__(kThreads)
    flat_kernel(BoxFormat format, const T* __restrict__ a, const T* __restrict__ b, Pairs pairs, int64_t total,
                T* __restrict__ out) {
  const int64_t i = thread_number();
  if (i >= total) return;
  const Pair pair = pairs.at(i);
  out[i] = overlap<kind>(load_box<kind>(a + 4 * pair.a, format), load_box<kind>(b + 4 * pair.b, format));
}

template <BoxKind kind, class T, class Pairs>
void flat(BoxFormat format, const T* a, const T* b, const Pairs& pairs, int64_t total, T* out, cudaStream_t stream) {
  launch({"box_iou", blocks_for(total, kThreads), stream}, flat_kernel<kind, T, Pairs>, format, a, b, pairs, total,
         out);
}

template <BoxKind kind, class T>
void tiles(BoxFormat format, const T* a, int64_t n, const T* b, int64_t m, T* out, cudaStream_t stream) {
  constexpr int64_t kCount = Wide<T>::kCount;
  if (n == 0 || m < kFewColumns) return flat<kind>(format, a, b, AllPairs{m}, n * m, out, stream);
  const int64_t across = blocks_for(m, kThreads * kCount);
  const unsigned grid = blocks_for(across * blocks_for(n, kTileRows), 1);
  const int cycle = static_cast<int>(kCount / std::gcd(m, kCount));
  launch({"box_iou", grid, stream}, tile_kernel<kind, T>, format, a, n, b, m, across, cycle, out);
}

template <BoxKind kind>
struct Kind {
  static constexpr BoxKind value = kind;
};

template <class F>
void for_kind(BoxKind kind, const F& f) {
  switch (kind) {
    case BoxKind::iou:
      return f(Kind<BoxKind::iou>());
    case BoxKind::giou:
      return f(Kind<BoxKind::giou>());
    case BoxKind::diou:
      return f(Kind<BoxKind::diou>());
    case BoxKind::ciou:
      return f(Kind<BoxKind::ciou>());
    case BoxKind::iof:
      return f(Kind<BoxKind::iof>());
  }
}

}  // namespace

template <class T>
void box_iou(BoxKind kind, BoxFormat format, const T* a, int64_t n, const T* b, int64_t m, T* out,
             cudaStream_t stream) {
  for_kind(kind, [&](auto k) { tiles<decltype(k)::value>(format, a, n, b, m, out, stream); });
}

template <class T>
void box_iou_paired(BoxKind kind, BoxFormat format, const T* a, const T* b, int64_t n, T* out, cudaStream_t stream) {
  for_kind(kind, [&](auto k) { flat<decltype(k)::value>(format, a, b, PairedRows{}, n, out, stream); });
}

template <class T>
void box_iou_batched(BoxKind kind, BoxFormat format, const T* a, const int64_t* a_splits, const T* b,
                     const int64_t* b_splits, int64_t images, const int64_t* out_splits, int64_t total, T* out,
                     cudaStream_t stream) {
  const BatchedPairs pairs{a_splits, b_splits, out_splits, images};
  for_kind(kind, [&](auto k) { flat<decltype(k)::value>(format, a, b, pairs, total, out, stream); });
}

#define TAMIS_BOX_IOU(T)                                                                                         \
  template void box_iou(BoxKind, BoxFormat, const T*, int64_t, const T*, int64_t, T*, cudaStream_t);             \
  template void box_iou_paired(BoxKind, BoxFormat, const T*, const T*, int64_t, T*, cudaStream_t);               \
  template void box_iou_batched(BoxKind, BoxFormat, const T*, const int64_t*, const T*, const int64_t*, int64_t, \
                                const int64_t*, int64_t, T*, cudaStream_t);
TAMIS_BOX_IOU(float)
TAMIS_BOX_IOU(double)

}  // namespace tamis::cuda
