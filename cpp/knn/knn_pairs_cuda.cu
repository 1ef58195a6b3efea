#include <algorithm>

#include "knn/knn_tile_cuda.hpp"

namespace tamis::cuda {
namespace {

constexpr int kHalvesPerBlock = kThreads / kKeyLanes;
constexpr int64_t kKeyBlocks = 4096;  // at most

__global__ void __launch_bounds__(kThreads)
    reach_kernel(KnnScores rows, int64_t begin, int64_t n, double reach, ScoreLimit* limits) {
  const int64_t i = thread_number(), row = begin + i;
  if (i >= n) return;
  limits[i] = limit_of_reach(score_row(rows, row), reach, rows.width, false);
  if (row >= rows.n) limits[i] = {kNever, 0, 0};
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2) candidates_kernel(Tiles tiles, KnnDevicePairs<T> s) {
  // in a self search a pair is seen from its lower position
  if (s.self && tiles.left_of_block() + kKnnTile <= tiles.top_of_block()) return;
  TAMIS_DYNAMIC_SHARED(memory);
  each_near(tiles, memory, s.limits, [&](int64_t row, int64_t column, float) {
    if (s.self && column <= row) return;
    const unsigned long long slot = atomicAdd(s.counts, 1ull);
    if (slot >= static_cast<unsigned long long>(s.capacity)) return;
    s.candidates[2 * slot] = static_cast<uint32_t>(row);
    s.candidates[2 * slot + 1] = static_cast<uint32_t>(column);
  });
}

template <bool kScaled, class T>
__global__ void __launch_bounds__(kThreads) keys_kernel(KnnDevicePairs<T> s) {
  const int64_t n = s.counts[0] < static_cast<unsigned long long>(s.capacity) ? s.counts[0] : s.capacity;
  const int64_t half = threadIdx.x / kKeyLanes;
  const int64_t step = int64_t{gridDim.x} * kHalvesPerBlock;
  for (int64_t first = blockIdx.x * int64_t(kHalvesPerBlock); first < n; first += step) {
    const int64_t at = first + half < n ? first + half : n - 1;
    int64_t left = s.rows.order.row(s.candidates[2 * at]), right = s.columns.order.row(s.candidates[2 * at + 1]);
    const double key = key_of<false, kScaled>(row_of(s.queries, left), row_of(s.x, right), s.x);
    if (threadIdx.x % kKeyLanes != 0 || first + half >= n || !(key <= s.radius)) continue;
    const unsigned long long slot = atomicAdd(s.counts + 1, 1ull);
    const bool swapped = s.self && right < left;
    s.pairs[2 * slot] = swapped ? right : left;
    s.pairs[2 * slot + 1] = swapped ? left : right;
    s.keys[slot] = key;
  }
}

}  // namespace

template <class T>
void knn_pairs(const KnnDevicePairs<T>& s, const KnnPart& part, cudaStream_t stream) {
  const int64_t rows = part.end - part.begin, down = rows / kKnnTile;
  launch({"knn", blocks_for(rows, kThreads), stream}, reach_kernel, s.rows, part.begin, rows, s.reach, s.limits);
  const Tiles tiles{s.rows, s.columns, part.begin, part.left, down, false};
  const Launch on{"knn", blocks_for(down * ((part.right - part.left) / kKnnTile), 1), stream, tile_memory()};
  launch(on, candidates_kernel<T>, tiles, s);
  const auto kernel = s.x.scale != nullptr ? keys_kernel<true, T> : keys_kernel<false, T>;
  const int64_t most =
      std::min(rows, s.rows.n - part.begin) * std::min(part.right - part.left, s.columns.n - part.left);
  const int64_t blocks = std::min(kKeyBlocks, most / kHalvesPerBlock + 1);
  launch({"knn", blocks_for(blocks, 1), stream}, kernel, s);
}

template void knn_pairs(const KnnDevicePairs<float>&, const KnnPart&, cudaStream_t);
template void knn_pairs(const KnnDevicePairs<double>&, const KnnPart&, cudaStream_t);

}  // namespace tamis::cuda
