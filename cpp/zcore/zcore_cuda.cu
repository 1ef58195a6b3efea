#include "zcore/zcore_cuda.hpp"

#include "core/bits.hpp"
#include "core/cuda_block.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int kTile = 32;
constexpr int kBins = 4096;     // of float32 distances by their exponent and four more bits
constexpr int kBinShift = 19;
constexpr int kBinsEach = kBins / kThreads;

__device__ int64_t thread_number() { return blockIdx.x * int64_t(kThreads) + threadIdx.x; }

template <class T>
__global__ void __launch_bounds__(kThreads)
    columns_kernel(const T* __restrict__ x, ZcoreColumns<T> out, int64_t across, unsigned long long* bad) {
  __shared__ T tile[kTile][kTile + 1];
  const int64_t top = blockIdx.x / across * kTile, left = blockIdx.x % across * kTile;
  const int lane = static_cast<int>(threadIdx.x) % kTile, line = static_cast<int>(threadIdx.x) / kTile;
  for (int i = line; i < kTile; i += kThreads / kTile) {
    const int64_t row = top + i, column = left + lane;
    if (row >= out.n || column >= out.d) continue;
    const T value = x[row * out.d + column];
    if (!(value * T(0) == T(0))) atomicMin(bad, static_cast<unsigned long long>(row));
    tile[i][lane] = value;
  }
  __syncthreads();
  for (int i = line; i < kTile; i += kThreads / kTile) {
    const int64_t row = top + lane, column = left + i;
    if (row < out.n && column < out.d) out.values[column * out.n + row] = tile[lane][i];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) sample_kernel(ZcoreColumns<T> x, ZcoreColumns<T> out) {
  const int64_t i = thread_number();
  if (i >= out.n * out.d) return;
  const int64_t column = i / out.n, row = i % out.n * x.n / out.n;
  out.values[i] = x.values[column * x.n + row];
}

// One block a column; ranks by halving the span of values, as integers of their order.
template <class T>
__global__ void __launch_bounds__(kThreads) spans_kernel(ZcoreColumns<T> x, ZcoreSpans out) {
  using Bits = decltype(ordered(T()));
  const int64_t column = blockIdx.x, n = x.n;
  const T* values = x.values + column * n;
  const auto at = [&](int64_t i) { return ordered(values[i]); };
  Bits least = ~Bits(0), most = ~Bits(0);  // the complement of the largest
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    const Bits bits = at(i);
    least = bits < least ? bits : least;
    most = ~bits < most ? ~bits : most;
  }
  const Bits low = block_least(least), high = ~block_least(most);
  const Bits lower = block_rank(at, n, (n - 1) / 2 + 1, low, high);
  Bits upper = lower;
  if (block_count(at, n, lower) < n / 2 + 1) {
    Bits next = high;
    for (int64_t i = threadIdx.x; i < n; i += kThreads)
      if (at(i) > lower && at(i) < next) next = at(i);
    upper = block_least(next);
  }
  if (threadIdx.x != 0) return;
  out.low[column] = static_cast<double>(from_ordered(low));
  out.high[column] = static_cast<double>(from_ordered(high));
  out.median[column] = 0.5 * static_cast<double>(from_ordered(lower)) + 0.5 * static_cast<double>(from_ordered(upper));
}

__global__ void __launch_bounds__(kThreads)
    draws_kernel(ZcoreSpans spans, int64_t d, uint64_t seed, int64_t first, ZcoreDeviceDraws out) {
  const int64_t i = thread_number(), k = out.k;
  if (i >= out.n) return;
  int32_t* dims = out.dims + i * k;
  random_columns(seed, first + i, k, d, dims);
  for (int64_t j = 0; j < k; ++j) {
    const int32_t c = dims[j];
    const double share = unit_interval(random_word(seed, first + i, k + j));
    out.points[i * k + j] = triangular(spans.low[c], spans.median[c], spans.high[c], share);
  }
}

__global__ void __launch_bounds__(kThreads) start_kernel(uint64_t seed, double* out, int64_t n) {
  const int64_t i = thread_number();
  if (i < n) out[i] = unit_interval(random_word(seed, -1 - i, 0));
}

// Scoring

// L1 distances in C of rows to a point, or to row `own` where there is none; kTwo: in two columns.
template <bool kTwo, class C, class T>
class Distance {
 public:
  __device__ Distance(const ZcoreColumns<T>& x, const int32_t* dims, int64_t k, const double* point, int64_t own)
      : x_(x), dims_(dims), k_(k), point_(point), own_(own) {
    left_ = column(0);
    right_ = column(kTwo ? 1 : 0);
    left_centre_ = centre(0);
    right_centre_ = centre(kTwo ? 1 : 0);
  }
  // among the rows of `rows`: x itself or the sample
  __device__ C operator()(int64_t i) const { return measure(x_, left_, right_, i); }
  __device__ C of_sample(const ZcoreColumns<T>& rows, int64_t i) const {
    return measure(rows, rows.values + dims_[0] * rows.n, rows.values + dims_[kTwo ? 1 : 0] * rows.n, i);
  }

 private:
  __device__ const T* column(int64_t j) const { return x_.values + dims_[j] * x_.n; }
  __device__ C centre(int64_t j) const {
    return point_ != nullptr ? static_cast<C>(point_[j]) : static_cast<C>(column(j)[own_]);
  }
  __device__ static C apart(T value, C centre) {
    const C difference = static_cast<C>(value) - centre;
    return difference <= 0 ? C(0) - difference : difference;  // never -0
  }
  __device__ C measure(const ZcoreColumns<T>& rows, const T* left, const T* right, int64_t i) const {
    C sum = apart(left[i], left_centre_);
    if constexpr (kTwo) {
      sum += apart(right[i], right_centre_);
    } else {
      for (int64_t j = 1; j < k_; ++j) sum += apart(rows.values[dims_[j] * rows.n + i], centre(j));
    }
    return sum;
  }

  const ZcoreColumns<T>& x_;
  const int32_t* dims_;
  int64_t k_;
  const double* point_;
  int64_t own_;
  const T *left_, *right_;
  C left_centre_, right_centre_;
};

struct Covering {
  double distance;
  int64_t row;
  __device__ bool operator<(const Covering& other) const {
    return distance != other.distance ? distance < other.distance : row < other.row;
  }
};

template <class D>
__device__ int64_t covering_row(const D& distance, int64_t n) {
  Covering best{distance(0), 0};
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    const Covering one{distance(i), i};
    if (one < best) best = one;
  }
  return block_least(best).row;
}

// A float32 distance that about `rank` sampled rows are within, as its bits.
template <class D, class Columns>
__device__ uint32_t sampled_reach(const D& distance, const Columns& sample, int64_t rank) {
  __shared__ int bins[kBins];
  __shared__ int starts[kThreads];
  __shared__ uint32_t reach;
  if (rank >= sample.n) return kZcoreInfinity;
  for (int i = static_cast<int>(threadIdx.x); i < kBins; i += kThreads) bins[i] = 0;
  __syncthreads();
  for (int64_t i = threadIdx.x; i < sample.n; i += kThreads) {
    const float far = static_cast<float>(distance.of_sample(sample, i));
    atomicAdd(&bins[bits_as<uint32_t>(far) >> kBinShift], 1);
  }
  __syncthreads();
  int mine = 0;
  for (int i = 0; i < kBinsEach; ++i) mine += bins[threadIdx.x * kBinsEach + i];
  starts[threadIdx.x] = mine;
  __syncthreads();
  if (threadIdx.x == 0) {
    int64_t before = 0;
    int thread = 0, bin = 0;
    while (thread < kThreads - 1 && before + starts[thread] < rank) before += starts[thread++];
    for (bin = thread * kBinsEach; bin < kBins - 1 && before + bins[bin] < rank; ++bin) before += bins[bin];
    const uint32_t end = static_cast<uint32_t>(bin + 1) << kBinShift;
    reach = end < kZcoreInfinity ? end : kZcoreInfinity;
  }
  __syncthreads();
  return reach;
}

template <class T>
struct Found {  // a list, its length, and a key that none of it is above
  typename ZcoreKeyOf<T>::Type *keys, limit;
  int64_t n;
};

// All rows but `own` within a limit, found so that there are at least `wanted` and no more than the list holds.
template <class T, class D>
__device__ Found<T> neighbours(const ZcoreScoring<T>& s, const D& distance, int64_t own, uint32_t reach) {
  using Key = typename ZcoreKeyOf<T>::Type;
  __shared__ int64_t count;
  Key* const keys = s.lists + blockIdx.x * s.capacity;
  const auto last_at = [](uint32_t bits) { return zcore_key(static_cast<T>(bits_as<float>(bits)), 0xffffffff); };
  Key low = 0, high = last_at(kZcoreInfinity), limit = last_at(reach);
  Key step = Key(2) << (32 + (sizeof(T) == 4 ? kBinShift : kBinShift + 29));  // an eighth of the distance
  for (bool bounded = false;;) {
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
#pragma unroll 4
    for (int64_t i = threadIdx.x; i < s.x.n; i += kThreads) {
      const Key key = zcore_key(distance(i), static_cast<uint32_t>(i));
      if (key > limit || i == own) continue;
      const int64_t slot = atomicAdd(reinterpret_cast<unsigned long long*>(&count), 1ull);
      if (slot < s.capacity) keys[slot] = key;
    }
    __syncthreads();
    const int64_t n = count;
    __syncthreads();
    if (n >= s.wanted && n <= s.capacity) return {keys, limit, n};
    if (n < s.wanted) low = limit + 1;
    else high = limit;
    bounded |= n > s.capacity;
    if (bounded || high - limit <= step) limit = low + (high - low) / 2;
    else limit += step;
    step *= 2;
  }
}

template <class T>
__device__ void pay(const ZcoreScoring<T>& s, const Found<T>& found) {
  using Key = typename ZcoreKeyOf<T>::Type;
  Key least = found.limit;
  for (int64_t i = threadIdx.x; i < found.n; i += kThreads)
    if (found.keys[i] < least) least = found.keys[i];
  least = block_least(least);
  const double nearest = zcore_distance(least);
  if (nearest == 0) {  // a row at the same place pays for all
    if (threadIdx.x == 0)
      atomicAdd(s.sums + static_cast<uint32_t>(least), static_cast<unsigned long long>(-kZcoreUnit));
    return;
  }
  const auto at = [&](int64_t i) { return found.keys[i]; };
  const Key last = found.n > s.wanted ? block_rank(at, found.n, s.wanted, least, found.limit) : found.limit;
  const double unit = zcore_weight_unit(s.wanted);
  int64_t mine = 0;
  for (int64_t i = threadIdx.x; i < found.n; i += kThreads)
    if (!(last < at(i))) mine += zcore_rounded(zcore_weight(nearest, zcore_distance(at(i)), s.exponent) * unit);
  const double share = static_cast<double>(kZcoreUnit) / (static_cast<double>(block_sum(mine)) / unit);
  for (int64_t i = threadIdx.x; i < found.n; i += kThreads) {
    if (last < at(i)) continue;
    const int64_t part = zcore_rounded(zcore_weight(nearest, zcore_distance(at(i)), s.exponent) * share);
    atomicAdd(s.sums + static_cast<uint32_t>(at(i)), static_cast<unsigned long long>(-part));
  }
}

template <bool kTwo, class T>
__global__ void __launch_bounds__(kThreads) score_kernel(ZcoreScoring<T> s, ZcoreDeviceDraws draws) {
  const int64_t rank = zcore_sampled_rank(s.wanted, s.sample.n, s.x.n);
  for (int64_t draw = blockIdx.x; draw < draws.n; draw += s.blocks) {
    const int32_t* dims = draws.dims + draw * draws.k;
    const Distance<kTwo, double, T> to_point(s.x, dims, draws.k, draws.points + draw * draws.k, 0);
    const int64_t own = covering_row(to_point, s.x.n);
    if (threadIdx.x == 0) atomicAdd(s.sums + own, static_cast<unsigned long long>(kZcoreUnit));
    if (s.wanted == 0) continue;
    const Distance<kTwo, T, T> to_row(s.x, dims, draws.k, nullptr, own);
    const uint32_t reach = sampled_reach(to_row, s.sample, rank);
    pay(s, neighbours(s, to_row, own, reach));
    __syncthreads();  // the list is free again
  }
}

}  // namespace

template <class T>
void zcore_columns(const T* x, const ZcoreColumns<T>& out, unsigned long long* bad, cudaStream_t stream) {
  const int64_t across = (out.d + kTile - 1) / kTile;
  launch({"zcore", blocks_for(across * ((out.n + kTile - 1) / kTile), 1), stream}, columns_kernel<T>, x, out, across,
         bad);
}

template <class T>
void zcore_sample(const ZcoreColumns<T>& x, const ZcoreColumns<T>& out, cudaStream_t stream) {
  launch({"zcore", blocks_for(out.n * out.d, kThreads), stream}, sample_kernel<T>, x, out);
}

template <class T>
void zcore_spans(const ZcoreColumns<T>& x, const ZcoreSpans& out, cudaStream_t stream) {
  launch({"zcore", blocks_for(x.d, 1), stream}, spans_kernel<T>, x, out);
}

void zcore_draws(const ZcoreSpans& spans, int64_t d, uint64_t seed, int64_t first, const ZcoreDeviceDraws& out,
                 cudaStream_t stream) {
  launch({"zcore", blocks_for(out.n, kThreads), stream}, draws_kernel, spans, d, seed, first, out);
}

void zcore_start(uint64_t seed, double* out, int64_t n, cudaStream_t stream) {
  launch({"zcore", blocks_for(n, kThreads), stream}, start_kernel, seed, out, n);
}

template <class T>
void zcore_score(const ZcoreScoring<T>& s, const ZcoreDeviceDraws& draws, cudaStream_t stream) {
  const int64_t blocks = draws.n < s.blocks ? draws.n : s.blocks;
  const auto kernel = draws.k == 2 ? score_kernel<true, T> : score_kernel<false, T>;
  launch({"zcore", blocks_for(blocks, 1), stream}, kernel, s, draws);
}

#define TAMIS_ZCORE(T)                                                                                        \
  template void zcore_columns(const T*, const ZcoreColumns<T>&, unsigned long long*, cudaStream_t);           \
  template void zcore_sample(const ZcoreColumns<T>&, const ZcoreColumns<T>&, cudaStream_t);                   \
  template void zcore_spans(const ZcoreColumns<T>&, const ZcoreSpans&, cudaStream_t);                         \
  template void zcore_score(const ZcoreScoring<T>&, const ZcoreDeviceDraws&, cudaStream_t);
TAMIS_ZCORE(float)
TAMIS_ZCORE(double)

}  // namespace tamis::cuda
