// What the kernels of the room share: exact keys by half a warp, and the scores of a tile by tensor cores.
#pragma once
#include "core/cuda.hpp"
#include "knn/knn_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int kStages = 3;             // slices of a tile on their way
constexpr int kDown = 4, kAcross = 4;  // a warp has so many times 16 x 8 scores; 2 are above each other, 4 abreast

// Two pairs of rows a warp, half a warp each: the sum that `exact_key` gives, in the first lane of the half.
__device__ double sum_of_lanes(double mine) {
  for (int half = kKeyLanes / 2; half > 0; half /= 2) mine += __shfl_down_sync(kWarp, mine, half, kKeyLanes);
  return mine;
}

template <class T>
__device__ RowOf<T> row_of(const KnnMatrix<T>& m, int64_t row) {
  return {m.x + row * m.d, m.scale != nullptr ? m.scale[row] : 1.0};
}

// The key that `exact_key` gives, in the first lane of the half; rows without direction share one of their own.
template <bool kDot, bool kScaled, class T>
__device__ double key_of(const RowOf<T>& a, const RowOf<T>& b, const KnnMatrix<T>& x) {
  const int lane = static_cast<int>(threadIdx.x) % kKeyLanes;
  const double key = sum_of_lanes(key_lane<kDot, kScaled>(a, b, x.offset, x.d, lane));
  if (kScaled && (a.scale == 0 || b.scale == 0)) return a.scale == b.scale ? 0 : kZeroRowKey;
  return kDot ? -key : key;
}

// The scores of one tile

struct Tiles {
  KnnScores rows, columns;
  int64_t top, left, down;  // the first row and column, and how many tiles stand on top of each other
  bool without_self;
  __device__ int64_t top_of_block() const { return top + blockIdx.x % down * kKnnTile; }
  __device__ int64_t left_of_block() const { return left + blockIdx.x / down * kKnnTile; }
};

struct alignas(16) Slice {  // a row's kKnnSlice halves in four pieces: 64 bytes, so that lanes meet all banks once
  uint4 rows[kKnnTile * 4], columns[kKnnTile * 4];
};

__device__ void fetch(const Tiles& t, int64_t row, int64_t column, int slice, Slice* to) {
#pragma unroll
  for (int pass = 0; pass < kKnnTile * 4 / kThreads; ++pass) {
    const int i = static_cast<int>(threadIdx.x) + pass * kThreads;
    const int64_t at = slice * kKnnSlice + i % 4 * 8;
    __pipeline_memcpy_async(&to->rows[i], t.rows.z + (row + i / 4) * t.rows.width + at, sizeof(uint4));
    __pipeline_memcpy_async(&to->columns[i], t.columns.z + (column + i / 4) * t.columns.width + at, sizeof(uint4));
  }
}

// A lane's piece serves four times two k: which product comes when does not matter, as long as both sides agree.
__device__ void multiply(const Slice& slice, int down, int across, float (&sums)[kDown][kAcross][4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  uint4 right[kAcross];
#pragma unroll
  for (int c = 0; c < kAcross; ++c) right[c] = slice.columns[(across + 8 * c) * 4 + lane];
#pragma unroll
  for (int r = 0; r < kDown; ++r) {
    const uint4 upper = slice.rows[(down + 16 * r) * 4 + lane], lower = slice.rows[(down + 16 * r + 8) * 4 + lane];
#pragma unroll
    for (int c = 0; c < kAcross; ++c) {
      multiply_add(sums[r][c], upper.x, lower.x, upper.y, lower.y, right[c].x, right[c].y);
      multiply_add(sums[r][c], upper.z, lower.z, upper.w, lower.w, right[c].z, right[c].w);
    }
  }
}

__device__ inline ScoreRow score_row(const KnnScores& rows, int64_t row) {
  return {rows.half[row], rows.norm[row], rows.lost[row]};
}

struct Line {  // a lane's scores of one row, of columns two by two
  static constexpr int kCount = 2 * kAcross;
  float scores[kCount], lost[kCount], slack[kCount];
  int64_t row, first;
  __device__ int64_t column(int i) const { return first + i / 2 * 8 + i % 2; }
  __device__ bool within(int i, const ScoreLimit& limit) const {
    return may_be_near(scores[i], {0, 0, lost[i], slack[i]}, limit);
  }
};

// take(line) for all scores of a tile, columns and rows as positions in their tables.
template <class Take>
__device__ void each_line(const Tiles& t, const Take& take) {
  __shared__ Slice slices[kStages];
  const int64_t top = t.top_of_block(), left = t.left_of_block();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int down = warp / 4 * 64, across = warp % 4 * 32;
  const int count = static_cast<int>(t.rows.width / kKnnSlice);
  float sums[kDown][kAcross][4] = {};
  for (int i = 0; i < kStages - 1; ++i) {
    if (i < count) fetch(t, top, left, i, slices + i);
    __pipeline_commit();
  }
  for (int i = 0; i < count; ++i) {
    __pipeline_wait_prior(kStages - 2);  // slice i is there
    __syncthreads();                     // for all threads, and slice i - 1 is done with
    const int next = i + kStages - 1;
    if (next < count) fetch(t, top, left, next, slices + next % kStages);
    __pipeline_commit();
    multiply(slices[i % kStages], down, across, sums);
  }
  Line line;
  line.first = left + across + lane % 4 * 2;
  float half[Line::kCount];
#pragma unroll
  for (int i = 0; i < Line::kCount; ++i) {
    half[i] = t.columns.low[line.column(i)];
    line.lost[i] = t.columns.lost[line.column(i)];
    line.slack[i] = t.columns.slack[line.column(i)];
  }
#pragma unroll
  for (int r = 0; r < 2 * kDown; ++r) {
    line.row = top + down + lane / 4 + 8 * r;
#pragma unroll
    for (int i = 0; i < Line::kCount; ++i) line.scores[i] = sums[r / 2][i / 2][r % 2 * 2 + i % 2] - half[i];
    take(line);
  }
}

}  // namespace
}  // namespace tamis::cuda
