// What the kernels of the room share: exact keys by half a warp, and the scores of a tile by tensor cores.
#pragma once
#include "core/cuda_block.hpp"
#include "core/cuda_hopper.hpp"
#include "knn/knn_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

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

__device__ inline ScoreRow score_row(const KnnScores& rows, int64_t row) {
  return {rows.half[row], rows.norm[row], rows.lost[row]};
}

// A table holds for each of its tiles 8 halves of all kKnnTile rows, then the next 8: a slice of a tile is one piece.
constexpr int kPieces = kKnnSlice / 8;  // of 8 halves, a row has in a slice
struct alignas(16) Slice {
  uint4 pieces[kPieces * kKnnTile];
};
struct Slices {
  Slice rows, columns;
};

__device__ const Slice* slices_of(const KnnScores& rows, int64_t row) {
  return reinterpret_cast<const Slice*>(rows.z + row * rows.width);
}

constexpr int kTensorStages = 3, kHopperStages = 6;  // slices of a tile on their way, by mma and by wgmma

// Scores come in fours: of rows `row` and row + 8, of columns `column` and column + 1, all within the tile, as sums
// {row, column}, {row, column + 1}, {row + 8, column}, {row + 8, column + 1}. each_four(tiles, memory, meanwhile, take)
// calls meanwhile() while the first slices are on their way, then take(row)(column, sums) for all of them.
#if defined(TAMIS_HOPPER)
constexpr int kStages = kHopperStages;

template <class Meanwhile, class Take>
__device__ void each_four(const Tiles& t, void* memory, const Meanwhile& meanwhile, const Take& take) {
  __shared__ CopyBarrier here[kStages];
  Slices* const slices = static_cast<Slices*>(memory);
  const Slice *rows = slices_of(t.rows, t.top_of_block()), *columns = slices_of(t.columns, t.left_of_block());
  const int count = static_cast<int>(t.rows.width / kKnnSlice), warp = static_cast<int>(threadIdx.x) / 32;
  const bool fetches = threadIdx.x == 0;
  const auto fetch = [&](int i) {
    CopyBarrier& bar = here[i % kStages];
    bar.expect(sizeof(Slices));
    bar.copy(&slices[i % kStages].rows, rows + i, sizeof(Slice));
    bar.copy(&slices[i % kStages].columns, columns + i, sizeof(Slice));
  };
  if (fetches) {
    for (CopyBarrier& bar : here) bar.begin();
    show_barriers();
  }
  __syncthreads();
  for (int i = 0; fetches && i < kStages && i < count; ++i) fetch(i);
  meanwhile();
  float sums[64] = {};
  hold(sums);
  for (int i = 0; i < count; ++i) {
    const Slices& slice = slices[i % kStages];
    here[i % kStages].wait(i / kStages);
    begin_products();
#pragma unroll
    for (int k = 0; k < kPieces; k += 2)  // four warps have 64 rows
      multiply_add(sums, halves_at(slice.rows.pieces + k * kKnnTile + warp / 4 * 64, kKnnTile * sizeof(uint4)),
                   halves_at(slice.columns.pieces + k * kKnnTile, kKnnTile * sizeof(uint4)));
    queue_products();
    finish_products<1>();  // slice i - 1 is done with
    const int next = i - 1 + kStages;
    if (i == 0 || next >= count) continue;
    __syncthreads();  // by all threads
    if (fetches) fetch(next);
  }
  finish_products<0>();
  hold(sums);
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const auto of_row = take(warp * 16 + lane / 4);
#pragma unroll
  for (int j = 0; j < 16; ++j) {
    const float four[4] = {sums[4 * j], sums[4 * j + 1], sums[4 * j + 2], sums[4 * j + 3]};
    of_row(8 * j + lane % 4 * 2, four);
  }
}
#else
constexpr int kStages = kTensorStages;
constexpr int kDown = 4, kAcross = 4;  // a warp has so many times 16 x 8 scores; 2 are above each other, 4 abreast

// Where a piece lies in shared memory, so that the eight of two rows are in banks of their own.
__device__ int place_of(int row, int piece) { return piece * static_cast<int>(kKnnTile) + (row ^ 2 * piece); }

__device__ void fetch(const Slice* from, Slice* to) {
#pragma unroll
  for (int pass = 0; pass < kPieces * kKnnTile / kThreads; ++pass) {
    const int i = static_cast<int>(threadIdx.x) + pass * kThreads, row = i % kKnnTile, piece = i / kKnnTile;
    __pipeline_memcpy_async(&to->pieces[place_of(row, piece)], &from->pieces[i], sizeof(uint4));
  }
}

// A lane's piece serves four times two k: which product comes when does not matter, as long as both sides agree.
__device__ void multiply(const Slices& slice, int down, int across, float (&sums)[kDown][kAcross][4]) {
  const int row = static_cast<int>(threadIdx.x) % 32 / 4, piece = static_cast<int>(threadIdx.x) % 4;
  uint4 right[kAcross];
#pragma unroll
  for (int c = 0; c < kAcross; ++c) right[c] = slice.columns.pieces[place_of(across + 8 * c + row, piece)];
#pragma unroll
  for (int r = 0; r < kDown; ++r) {
    const uint4 upper = slice.rows.pieces[place_of(down + 16 * r + row, piece)];
    const uint4 lower = slice.rows.pieces[place_of(down + 16 * r + 8 + row, piece)];
#pragma unroll
    for (int c = 0; c < kAcross; ++c) {
      multiply_add(sums[r][c], upper.x, lower.x, upper.y, lower.y, right[c].x, right[c].y);
      multiply_add(sums[r][c], upper.z, lower.z, upper.w, lower.w, right[c].z, right[c].w);
    }
  }
}

template <class Meanwhile, class Take>
__device__ void each_four(const Tiles& t, void* memory, const Meanwhile& meanwhile, const Take& take) {
  Slices* const slices = static_cast<Slices*>(memory);
  const Slice *rows = slices_of(t.rows, t.top_of_block()), *columns = slices_of(t.columns, t.left_of_block());
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int down = warp / 4 * 64, across = warp % 4 * 32;
  const int count = static_cast<int>(t.rows.width / kKnnSlice);
  float sums[kDown][kAcross][4] = {};
  const auto fetch_both = [&](int i) {
    if (i < count) {
      fetch(rows + i, &slices[i % kStages].rows);
      fetch(columns + i, &slices[i % kStages].columns);
    }
    __pipeline_commit();
  };
  for (int i = 0; i < kStages - 1; ++i) fetch_both(i);
  meanwhile();
  for (int i = 0; i < count; ++i) {
    __pipeline_wait_prior(kStages - 2);  // slice i is there
    __syncthreads();                     // for all threads, and slice i - 1 is done with
    fetch_both(i + kStages - 1);
    multiply(slices[i % kStages], down, across, sums);
  }
#pragma unroll
  for (int r = 0; r < kDown; ++r) {
    const auto of_row = take(down + 16 * r + lane / 4);
#pragma unroll
    for (int c = 0; c < kAcross; ++c) of_row(across + 8 * c + lane % 4 * 2, sums[r][c]);
  }
}
#endif

inline size_t tile_memory() {  // the dynamic shared memory of both
#if defined(TAMIS_EMULATION)
  return kTensorStages * sizeof(Slices);
#else
  int device = 0, major = 0;
  check(cudaGetDevice(&device), "knn");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "knn");
  return static_cast<size_t>(major == 9 ? kHopperStages : kTensorStages) * sizeof(Slices);
#endif
}

// take(row, column, score) for all scores of a tile that may belong to neighbours, rows and columns as positions in
// their tables; limits: of the rows from t.top.
template <class Take>
__device__ void each_near(const Tiles& t, void* memory, const ScoreLimit* limits, const Take& take) {
  __shared__ float low[kKnnTile], most_lost[kKnnTile / 32], most_slack[kKnnTile / 32];
  const int64_t top = t.top_of_block(), left = t.left_of_block();
  const ScoreLimit* const limit = limits + (top - t.top);
  const auto meanwhile = [&] {
    const int i = static_cast<int>(threadIdx.x) % kKnnTile;
    if (threadIdx.x >= kKnnTile) {
      fetch_soon(limit + i);
      return;
    }
    low[i] = t.columns.low[left + i];
    const float lost = warp_most(t.columns.lost[left + i]), slack = warp_most(t.columns.slack[left + i]);
    most_lost[i / 32] = lost;
    most_slack[i / 32] = slack;
  };
  each_four(t, memory, meanwhile, [&](int row) {
    // what no column's errors make good is out at once: most scores are
    float lost = most_lost[0], slack = most_slack[0];
    for (int i = 1; i < kKnnTile / 32; ++i) {
      lost = fmaxf(lost, most_lost[i]);
      slack = fmaxf(slack, most_slack[i]);
    }
    const float upper = least_score(limit[row], lost, slack), lower = least_score(limit[row + 8], lost, slack);
    return [&, row, upper, lower](int column, const float (&sums)[4]) {
      const float scores[4] = {sums[0] - low[column], sums[1] - low[column + 1], sums[2] - low[column],
                               sums[3] - low[column + 1]};
      if (!(fmaxf(scores[0], scores[1]) > upper || fmaxf(scores[2], scores[3]) > lower)) return;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t at = left + column + i % 2;
        const ScoreColumn other{0, 0, t.columns.lost[at], t.columns.slack[at]};
        if (may_be_near(scores[i], other, limit[row + i / 2 * 8])) take(top + row + i / 2 * 8, at, scores[i]);
      }
    };
  });
}

}  // namespace
}  // namespace tamis::cuda
