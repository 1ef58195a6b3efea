#include "core/cuda_block.hpp"
#include "knn/knn_cuda.hpp"
#include "knn/knn_tile_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr uint32_t kAllRows = 0xffffffff;  // as a count: the list was too short
constexpr int kMostEntries = 16;           // of a list of at most 512 or 4096, for one thread of a warp or block

template <class T>
__global__ void __launch_bounds__(kThreads)
    scan_kernel(KnnMatrix<T> x, double* __restrict__ norms, unsigned long long* __restrict__ stats) {
  const int64_t row = thread_number() / kKeyLanes, lane = threadIdx.x % kKeyLanes;
  const int64_t at = row < x.n ? row : x.n - 1;
  const RowOf<T> mine{x.x + at * x.d, 1.0};
  const double squares = x.offset != nullptr ? key_lane<true, true>(mine, mine, x.offset, x.d, lane)
                                             : key_lane<true, false>(mine, mine, x.offset, x.d, lane);
  double spoilt = 0;
  for (int64_t k = lane; k < x.d; k += kKeyLanes) spoilt += static_cast<double>(mine.x[k]) * 0.0;
  const double sum = sum_of_lanes(squares), bad = sum_of_lanes(spoilt);
  if (lane != 0 || row >= x.n) return;
  const double norm = sqrt(sum);
  norms[row] = norm;
  if (!(bad == 0)) {
    atomicMin(stats, static_cast<unsigned long long>(row));
  } else {
    atomicMax(stats + 1, static_cast<unsigned long long>(bits_as<uint64_t>(norm)));
    if (norm == 0) atomicAdd(stats + 2, 1ull);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    encode_kernel(KnnMatrix<T> x, const double* __restrict__ centre, double gain, bool dots, KnnScores out) {
  const int64_t position = thread_number() / 32;
  if (position >= out.padded) return;
  const bool real = position < out.n;
  const int64_t row = real ? out.order.row(position) : 0;
  const RowOf<T> mine = row_of(x, row);
  const bool nowhere = real && x.scale != nullptr && mine.scale == 0;
  double squares = 0, lost = 0;
  for (int64_t k = threadIdx.x % 32; k < out.width; k += 32) {
    const bool inside = real && !nowhere && k < x.d;
    // a row without direction is a unit row in a dimension beyond those of x: as far from all others as cosine says
    const double v = inside ? (mine.at(k, x.offset) - centre[k]) * gain : nowhere && k == x.d ? gain : 0.0;
    const uint16_t bits = half_bits(static_cast<float>(v));
    const double rounded = static_cast<double>(half_value(bits));
    out.z[place_in_table(position, k, out.width)] = bits;
    squares += rounded * rounded;
    lost += (v - rounded) * (v - rounded);
  }
  squares = warp_sum(squares);
  lost = warp_sum(lost);
  if (threadIdx.x % 32 != 0) return;
  const float norm = static_cast<float>(sqrt(squares) * (1 + 1e-6)), off = static_cast<float>(sqrt(lost) * (1 + 1e-6));
  out.half[position] = dots ? 0.0f : static_cast<float>(0.5 * squares);
  out.norm[position] = norm;
  out.lost[position] = off;
  const ScoreColumn column = score_column(score_row(out, position), out.width, dots);
  out.low[position] = real ? column.half : kNever;
  out.gap[position] = column.gap;
  out.lost[position] = column.lost;
  out.slack[position] = column.slack;
}

__global__ void __launch_bounds__(kThreads) begin_kernel(KnnScores rows, int64_t begin, int64_t n, KnnLists lists) {
  const int64_t i = thread_number();
  if (i >= n) return;
  lists.limits[i] = {begin + i < rows.n ? kNoLimit : kNever, 0, 0};
  lists.counts[i] = 0;
}

template <bool kDots>
__global__ void __launch_bounds__(kThreads, 2) sample_kernel(Tiles tiles, KnnLists lists) {
  TAMIS_DYNAMIC_SHARED(memory);
  const int64_t top = tiles.top_of_block(), left = tiles.left_of_block();
  const KnnScores& columns = tiles.columns;
  const auto take = [&](int row) {
    const ScoreRow rows[2] = {score_row(tiles.rows, top + row), score_row(tiles.rows, top + row + 8)};
    return [&, row, rows](int column, const float (&sums)[4]) {
      const int64_t first = left + column;
      float far[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t at = first + i % 2;
        const ScoreColumn other{0, columns.gap[at], columns.lost[at], columns.slack[at]};
        const float most = farthest(rows[i / 2], other, sums[i] - columns.low[at], columns.width, kDots);
        far[i] = at < columns.n && !(tiles.without_self && top + row + i / 2 * 8 == at) ? most : kNever;
      }
      float2* to = reinterpret_cast<float2*>(lists.sampled + (top - tiles.top + row) * lists.sample + first);
      to[0] = float2{far[0], far[1]};
      to[4 * lists.sample] = float2{far[2], far[3]};
    };
  };
  each_four(tiles, memory, [] {}, take);
}

__global__ void __launch_bounds__(kThreads, 2) filter_kernel(Tiles tiles, KnnLists lists) {
  TAMIS_DYNAMIC_SHARED(memory);
  each_near(tiles, memory, lists.limits, [&](int64_t row, int64_t column, float score) {
    if (tiles.without_self && row == column) return;
    const int64_t list = row - tiles.top;
    const uint32_t slot = atomicAdd(lists.counts + list, 1u);
    if (slot < lists.room) lists.entries[list * lists.room + slot] = {score, static_cast<uint32_t>(column)};
  });
}

// Limits

// A row's limit by how far at most its k-th neighbour is, if that says more than the limit before; each(take) gives a
// thread's own distances, in the order of floats.
template <class Team, class Each>
__device__ ScoreLimit next_limit(const KnnScores& rows, int64_t row, ScoreLimit before, const Each& each, int64_t k,
                                 bool dots) {
  Range range{0xffffffff, 0};
  each([&](uint32_t key) {
    if (key < ordered(kNever)) range.take({key, key});
  });
  range = Team::range(range);
  const auto count = [&](uint32_t limit) {
    int mine = 0;
    each([&](uint32_t key) { mine += key <= limit; });
    return mine;
  };
  if (Team::sum(count(range.most)) < k) return before;
  const double reach = static_cast<double>(from_ordered(bound_by<Team>(count, static_cast<int>(k), range)));
  const ScoreLimit limit = limit_of_reach(score_row(rows, row), reach, rows.width, dots);
  return limit.least > before.least ? limit : before;
}

struct Looking {
  KnnScores rows, columns;
  int64_t begin, k;
  bool dots;
};

__global__ void __launch_bounds__(kThreads) sampled_limit_kernel(Looking look, KnnLists lists) {
  const int64_t i = blockIdx.x;
  const ScoreLimit before = lists.limits[i];
  if (before.least == kNever) return;
  const float* far = lists.sampled + i * lists.sample;
  const auto each = [&](const auto& take) {
    for (int64_t j = threadIdx.x; j < lists.sample; j += kThreads) take(ordered(far[j]));
  };
  const ScoreLimit limit = next_limit<Block>(look.rows, look.begin + i, before, each, look.k, look.dots);
  if (threadIdx.x == 0) lists.limits[i] = limit;
}

// Drops what a new limit rules out; a list that was too short is given up.
template <class Team>
__global__ void __launch_bounds__(kThreads) shorten_kernel(Looking look, KnnLists lists) {
  __shared__ uint32_t all_kept[kThreads / Team::kSize];
  const int team = static_cast<int>(threadIdx.x) / Team::kSize, lane = static_cast<int>(threadIdx.x) % Team::kSize;
  const int64_t i = blockIdx.x * int64_t{kThreads / Team::kSize} + team;
  uint32_t& kept = all_kept[team];
  const uint32_t listed = lists.counts[i];
  if (listed == kAllRows || listed < look.k) return;
  if (listed > lists.room) {
    Team::wait();  // every thread has read the count
    if (lane == 0) {
      lists.counts[i] = kAllRows;
      lists.limits[i].least = kNever;
    }
    return;
  }
  KnnEntry* entries = lists.entries + i * lists.room;
  const ScoreRow row = score_row(look.rows, look.begin + i);
  KnnEntry mine[kMostEntries];
  uint32_t far[kMostEntries];  // in the order of floats; above all where there is no entry
  ScoreColumn columns[kMostEntries];
#pragma unroll
  for (int j = 0; j < kMostEntries; ++j) {
    far[j] = 0xffffffff;
    if (lane + j * Team::kSize >= listed) continue;
    mine[j] = entries[lane + j * Team::kSize];
    const uint32_t at = mine[j].column;
    columns[j] = {0, look.columns.gap[at], look.columns.lost[at], look.columns.slack[at]};
    far[j] = ordered(farthest(row, columns[j], mine[j].score, look.columns.width, look.dots));
  }
  const auto each = [&](const auto& take) {
#pragma unroll
    for (int j = 0; j < kMostEntries; ++j) take(far[j]);
  };
  const ScoreLimit limit = next_limit<Team>(look.rows, look.begin + i, lists.limits[i], each, look.k, look.dots);
  if (lane == 0) kept = 0;
  Team::wait();
#pragma unroll
  for (int j = 0; j < kMostEntries; ++j)
    if (far[j] != 0xffffffff && may_be_near(mine[j].score, columns[j], limit)) entries[atomicAdd(&kept, 1u)] = mine[j];
  Team::wait();
  if (lane != 0) return;
  lists.counts[i] = kept;
  lists.limits[i] = limit;
}

void shorten(const Looking& look, const KnnLists& lists, int64_t rows, cudaStream_t stream) {
  if (lists.room <= kMostEntries * Warp::kSize)
    launch({"knn", blocks_for(rows * Warp::kSize, kThreads), stream}, shorten_kernel<Warp>, look, lists);
  else
    launch({"knn", blocks_for(rows, 1), stream}, shorten_kernel<Block>, look, lists);
}

// The exact end: keys of what is listed, or of all rows, in batches that are sorted and cut to the k best.
template <bool kDot, bool kScaled, class T>
__global__ void __launch_bounds__(kThreads) exact_kernel(KnnDeviceSearch<T> s, int64_t begin) {
  TAMIS_DYNAMIC_SHARED(memory);
  __shared__ int used;
  double* const keys = reinterpret_cast<double*>(memory);
  uint32_t* const found = reinterpret_cast<uint32_t*>(keys + s.lists.room);
  const int64_t i = blockIdx.x;
  if (begin + i >= s.rows.n) return;
  const int64_t row = s.rows.order.row(begin + i), room = s.lists.room - s.k;
  const bool all = s.lists.counts[i] == kAllRows;
  const int64_t total = all ? s.x.n : s.lists.counts[i];
  const int half = static_cast<int>(threadIdx.x) / kKeyLanes, lane = static_cast<int>(threadIdx.x) % kKeyLanes;
  const RowOf<T> mine = row_of(s.queries, row);
  int best = 0;  // sorted ones in front
  for (int64_t first = 0; first < total; first += room) {
    if (threadIdx.x == 0) used = best;
    __syncthreads();
    const int64_t end = first + room < total ? first + room : total;
    for (int64_t j = first; j < end; j += kThreads / kKeyLanes) {
      const int64_t at = j + half < end ? j + half : end - 1;
      const int64_t other = all ? at : s.columns.order.row(s.lists.entries[i * s.lists.room + at].column);
      const RowOf<T> theirs = row_of(s.x, other);
      const double key = key_of<kDot, kScaled>(mine, theirs, s.x);
      const bool taken = lane == 0 && j + half < end && !(s.without_self && other == row);
      const uint32_t number = static_cast<uint32_t>(other);
      if (!taken || (best == s.k && (key > keys[best - 1] || (key == keys[best - 1] && number > found[best - 1]))))
        continue;
      const int slot = atomicAdd(&used, 1);
      keys[slot] = key;
      found[slot] = number;
    }
    __syncthreads();
    int size = 1;
    while (size < used) size *= 2;
    for (int j = used + static_cast<int>(threadIdx.x); j < size; j += kThreads) {
      keys[j] = bits_as<double>(uint64_t(0x7ff0000000000000));  // infinity
      found[j] = kAllRows;
    }
    block_sort(keys, found, size);
    best = used < s.k ? used : static_cast<int>(s.k);
    __syncthreads();
  }
  for (int j = static_cast<int>(threadIdx.x); j < best; j += kThreads) {
    s.output[row * s.k + j] = output_of(keys[j], s.how);
    s.indices[row * s.k + j] = found[j];
  }
}

template <class T>
void finish(const KnnDeviceSearch<T>& s, int64_t begin, int64_t rows, cudaStream_t stream) {
  const size_t shared = static_cast<size_t>(s.lists.room) * (sizeof(double) + sizeof(uint32_t));
  const Launch on{"knn", blocks_for(rows, 1), stream, shared};
  const bool scaled = s.x.scale != nullptr;
  if (s.dots)
    launch(on, exact_kernel<true, false, T>, s, begin);
  else if (scaled)
    launch(on, exact_kernel<false, true, T>, s, begin);
  else
    launch(on, exact_kernel<false, false, T>, s, begin);
}

}  // namespace

template <class T>
void knn_scan(const KnnMatrix<T>& x, double* norms, unsigned long long* stats, cudaStream_t stream) {
  launch({"knn", blocks_for(x.n * kKeyLanes, kThreads), stream}, scan_kernel<T>, x, norms, stats);
}

template <class T>
void knn_encode(const KnnMatrix<T>& x, const double* centre, double gain, bool dots, const KnnScores& out,
                cudaStream_t stream) {
  launch({"knn", blocks_for(out.padded * 32, kThreads), stream}, encode_kernel<T>, x, centre, gain, dots, out);
}

template <class T>
void knn_search(const KnnDeviceSearch<T>& s, int64_t begin, int64_t rows, cudaStream_t stream) {
  const int64_t down = rows / kKnnTile, columns = s.columns.padded;
  const size_t memory = tile_memory();
  const auto over = [&](int64_t left, int64_t right) {
    return Launch{"knn", blocks_for(down * ((right - left) / kKnnTile), 1), stream, memory};
  };
  const Looking look{s.rows, s.columns, begin, s.k, s.dots};
  launch({"knn", blocks_for(rows, kThreads), stream}, begin_kernel, s.rows, begin, rows, s.lists);
  Tiles tiles{s.rows, s.columns, begin, 0, down, s.without_self};
  if (columns > s.lists.room) {
    launch(over(0, s.lists.sample), s.dots ? sample_kernel<true> : sample_kernel<false>, tiles, s.lists);
    launch({"knn", blocks_for(rows, 1), stream}, sampled_limit_kernel, look, s.lists);
  }
  // each piece is as wide as all before it, so that about k of its columns are among the best so far
  for (int64_t done = 0; done < columns;) {
    const int64_t wide = done == 0 ? s.lists.sample : done;
    const int64_t end = columns < done + wide ? columns : done + wide;
    tiles.left = done;
    launch(over(done, end), filter_kernel, tiles, s.lists);
    shorten(look, s.lists, rows, stream);
    done = end;
  }
  finish(s, begin, rows, stream);
}

#define TAMIS_KNN(T)                                                                                          \
  template void knn_scan(const KnnMatrix<T>&, double*, unsigned long long*, cudaStream_t);                    \
  template void knn_encode(const KnnMatrix<T>&, const double*, double, bool, const KnnScores&, cudaStream_t); \
  template void knn_search(const KnnDeviceSearch<T>&, int64_t, int64_t, cudaStream_t);
TAMIS_KNN(float)
TAMIS_KNN(double)

}  // namespace tamis::cuda
