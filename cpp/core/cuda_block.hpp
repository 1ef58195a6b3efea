// What the threads of one block do together. All kThreads of them call these at the same point.
#pragma once
#include "core/cuda.hpp"

namespace tamis::cuda {

template <class T>
__device__ T warp_sum(T mine) {  // the same in every lane
  for (int step = 16; step > 0; step /= 2) mine += __shfl_xor_sync(kWarp, mine, step);
  return mine;
}

template <class T>
__device__ T warp_most(T mine) {
  for (int step = 16; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kWarp, mine, step);
    mine = mine < other ? other : mine;
  }
  return mine;
}

template <class T>
__device__ T block_sum(T mine) {
  __shared__ T parts[kThreads / 32];
  mine = warp_sum(mine);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
  __syncthreads();
  T sum = parts[0];
  for (int i = 1; i < kThreads / 32; ++i) sum += parts[i];
  __syncthreads();
  return sum;
}

template <class T>
__device__ T block_least(T mine) {
  __shared__ T parts[kThreads];
  parts[threadIdx.x] = mine;
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (threadIdx.x < half && parts[threadIdx.x + half] < parts[threadIdx.x])
      parts[threadIdx.x] = parts[threadIdx.x + half];
    __syncthreads();
  }
  const T least = parts[0];
  __syncthreads();
  return least;
}

struct Range {
  uint32_t least, most;  // 0xffffffff and 0: nothing yet
  __device__ void take(const Range& other) {
    least = other.least < least ? other.least : least;
    most = other.most > most ? other.most : most;
  }
};

__device__ inline Range warp_range(Range mine) {
  for (int step = 16; step > 0; step /= 2)
    mine.take({__shfl_xor_sync(kWarp, mine.least, step), __shfl_xor_sync(kWarp, mine.most, step)});
  return mine;
}

__device__ inline Range block_range(Range mine) {
  __shared__ Range parts[kThreads / 32];
  mine = warp_range(mine);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = mine;
  __syncthreads();
  for (const Range& part : parts) mine.take(part);
  __syncthreads();
  return mine;
}

// Who works on one thing together: a warp, where it has little to do, or a block.
struct Warp {
  static constexpr int kSize = 32;
  static __device__ void wait() { __syncwarp(); }
  static __device__ int sum(int mine) { return warp_sum(mine); }
  static __device__ Range range(Range mine) { return warp_range(mine); }
};
struct Block {
  static constexpr int kSize = kThreads;
  static __device__ void wait() { __syncthreads(); }
  static __device__ int sum(int mine) { return block_sum(mine); }
  static __device__ Range range(Range mine) { return block_range(mine); }
};

// How many of at(0), ..., at(n - 1) are not above `limit`.
template <class Key, class At>
__device__ int64_t block_count(const At& at, int64_t n, Key limit) {
  int64_t count = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) count += !(limit < at(i));
  return block_sum(count);
}

// The least key from `low` to `high` that at least `rank` are not above; `high` if there is none. count(key) is how
// many a thread finds of its own.
template <class Key, class Count>
__device__ Key block_rank_by(const Count& count, int64_t rank, Key low, Key high) {
  while (low < high) {
    const Key middle = low + (high - low) / 2;
    if (block_sum<int64_t>(count(middle)) >= rank)
      high = middle;
    else
      low = middle + 1;
  }
  return high;
}

// A key of a range that the `rank` least and, but for equals, no others are not above: sooner found than the least of
// them. At least `rank` must not be above the greatest.
template <class Team, class Count>
__device__ uint32_t bound_by(const Count& count, int rank, Range range) {
  while (range.least < range.most) {
    const uint32_t middle = range.least + (range.most - range.least) / 2;
    const int found = Team::sum(count(middle));
    if (found == rank) return middle;
    if (found > rank)
      range.most = middle;
    else
      range.least = middle + 1;
  }
  return range.most;
}

// As `block_rank_by`, among at(0), ..., at(n - 1).
template <class Key, class At>
__device__ Key block_rank(const At& at, int64_t n, int64_t rank, Key low, Key high) {
  const auto count = [&](Key limit) {
    int64_t mine = 0;
    for (int64_t i = threadIdx.x; i < n; i += kThreads) mine += !(limit < at(i));
    return mine;
  };
  return block_rank_by(count, rank, low, high);
}

// Ascending by key, then by row; `size` is a power of two.
__device__ inline void block_sort(double* keys, uint32_t* rows, int size) {
  for (int span = 2; span <= size; span *= 2)
    for (int step = span / 2; step > 0; step /= 2) {
      __syncthreads();
      for (int i = static_cast<int>(threadIdx.x); i < size / 2; i += kThreads) {
        const int low = i / step * step * 2 + i % step, high = low + step;
        const bool after = keys[low] > keys[high] || (keys[low] == keys[high] && rows[low] > rows[high]);
        if (after != ((low & span) == 0)) continue;
        const double key = keys[low];
        keys[low] = keys[high];
        keys[high] = key;
        const uint32_t row = rows[low];
        rows[low] = rows[high];
        rows[high] = row;
      }
    }
  __syncthreads();
}

}  // namespace tamis::cuda
