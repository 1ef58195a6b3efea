#include "core/bits.hpp"
#include "core/cuda_block.hpp"
#include "zcore/zcore_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int kTile = 32;
constexpr int kBins = 4096;  // of float32 distances by their exponent and four more bits
constexpr int kBinShift = 19;
constexpr int kBinsEach = kBins / kThreads;
constexpr int kEight = kZcoreEight;  // halves of one 16-byte load

// put(column, row, value) for the columns of x from `first` to `end`, neighbouring rows by neighbouring threads.
template <class T, class Put>
__device__ void each_transposed(const ZcoreRows<T>& x, int64_t first, int64_t end, const Put& put) {
  __shared__ T tile[kTile][kTile + 1];
  const int64_t across = (end - first + kTile - 1) / kTile;
  const int64_t top = blockIdx.x / across * kTile, left = first + blockIdx.x % across * kTile;
  const int lane = static_cast<int>(threadIdx.x) % kTile, line = static_cast<int>(threadIdx.x) / kTile;
  for (int i = line; i < kTile; i += kThreads / kTile)
    if (top + i < x.n && left + lane < end) tile[i][lane] = x.values[(top + i) * x.d + left + lane];
  __syncthreads();
  for (int i = line; i < kTile; i += kThreads / kTile)
    if (top + lane < x.n && left + i < end) put(left + i, top + lane, tile[lane][i]);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    columns_kernel(ZcoreRows<T> x, int64_t first, ZcoreColumns<T> out, unsigned long long* bad) {
  each_transposed(x, first, first + out.d, [&](int64_t column, int64_t row, T value) {
    if (!(value * T(0) == T(0))) atomicMin(bad, static_cast<unsigned long long>(row));
    out.values[(column - first) * out.n + row] = value;
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) halves_kernel(ZcoreRows<T> x, ZcoreHalves out) {
  each_transposed(x, 0, x.d, [&](int64_t column, int64_t row, T value) {
    const float scaled = zcore_scaled(static_cast<double>(value), out.medians[column], out.scale);
    out.values[column * out.stride + row] = half_bits(scaled);
  });
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

// L1 distances in C to a point, or to a row where there is none.
template <class C, class T>
struct Distance {
  const int32_t* dims;
  int64_t k;
  const double* point;
  const T* row;

  __device__ C centre(int64_t j) const {
    return point != nullptr ? static_cast<C>(point[j]) : static_cast<C>(row[dims[j]]);
  }
  // of the row whose values are `step` apart
  __device__ C operator()(const T* values, int64_t step) const {
    C sum = 0;
    for (int64_t j = 0; j < k; ++j) {
      const C difference = static_cast<C>(values[dims[j] * step]) - centre(j);
      sum += difference <= 0 ? C(0) - difference : difference;  // never -0
    }
    return sum;
  }
};

// Which rows may be near a point, by their halves; kTwo: in two columns.
template <bool kTwo, class D>
class Filter {
 public:
  __device__ Filter(const ZcoreHalves& halves, const D& distance) : halves_(halves), distance_(distance) {
    for (int64_t j = 0; j < distance.k; ++j) size_ += static_cast<double>(fabsf(centre(j)));
    left_ = centre(0);
    right_ = centre(kTwo ? 1 : 0);
  }
  // f(i) for rows within `distance`, and some that are not
  template <class F>
  __device__ void each(int64_t n, double distance, const F& f) const {
    const float bound = zcore_half_bound(distance, halves_.scale, size_, distance_.k);
    constexpr int64_t kApart = kThreads * kEight;
    for (int64_t first = threadIdx.x * kEight; first < n; first += 2 * kApart) {
      const int64_t second = first + kApart;  // on its way at the same time; there may be no such rows
      unsigned left = near(first, bound) | near(smaller(second, halves_.stride - kEight), bound) << kEight;
      for (; left != 0; left &= left - 1) {
        const int bit = __ffs(left) - 1;
        const int64_t i = bit < kEight ? first + bit : second + bit - kEight;
        if (i < n) f(i);
      }
    }
  }

 private:
  __device__ float centre(int64_t j) const {
    const double at = static_cast<double>(distance_.centre(j));
    return zcore_scaled(at, halves_.medians[distance_.dims[j]], halves_.scale);
  }
  __device__ void add(float (&sums)[kEight], int64_t j, int64_t first, float centre) const {
    const uint16_t* column = halves_.values + distance_.dims[j] * halves_.stride;
    const uint4 eight = *reinterpret_cast<const uint4*>(column + first);
    const uint32_t words[kEight / 2] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
    for (int i = 0; i < kEight / 2; ++i) {
      float pair[2];
      halves_to_floats(words[i], pair);
      sums[2 * i] += fabsf(pair[0] - centre);
      sums[2 * i + 1] += fabsf(pair[1] - centre);
    }
  }
  __device__ static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
  __device__ unsigned near(int64_t first, float bound) const {
    float sums[kEight] = {};
    add(sums, 0, first, left_);
    if constexpr (kTwo) {
      add(sums, 1, first, right_);
    } else {
      for (int64_t j = 1; j < distance_.k; ++j) add(sums, j, first, centre(j));
    }
    unsigned found = 0;
#pragma unroll
    for (int i = 0; i < kEight; ++i) found |= static_cast<unsigned>(sums[i] <= bound) << i;
    return found;
  }

  const ZcoreHalves& halves_;
  const D& distance_;
  double size_ = 0;
  float left_, right_;
};

struct Covering {
  double distance;
  int64_t row;
  __device__ bool operator<(const Covering& other) const {
    return distance != other.distance ? distance < other.distance : row < other.row;
  }
};

template <class F, class D, class T>
__device__ int64_t covering_row(const ZcoreScoring<T>& s, const D& distance, const F& filter) {
  Covering best{distance(s.x.values, 1), 0};
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < s.sample.n; i += kThreads) {
    const double sampled = distance(s.sample.values + i, s.sample.n);
    if (sampled < best.distance) best = {sampled, s.x.n};  // whichever row it is
  }
  const double reach = block_least(best).distance;
  filter.each(s.x.n, reach, [&](int64_t i) {
    const Covering one{distance(s.x.values + i * s.x.d, 1), i};
    if (one < best) best = one;
  });
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
#pragma unroll 4
  for (int64_t i = threadIdx.x; i < sample.n; i += kThreads) {
    const float far = static_cast<float>(distance(sample.values + i, sample.n));
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
template <class T, class D, class F>
__device__ Found<T> neighbours(const ZcoreScoring<T>& s, const D& distance, const F& filter, int64_t own,
                               uint32_t reach) {
  using Key = typename ZcoreKeyOf<T>::Type;
  __shared__ int64_t count;
  Key* const keys = s.lists + blockIdx.x * s.capacity;
  const auto last_at = [](uint32_t bits) { return zcore_key(static_cast<T>(bits_as<float>(bits)), 0xffffffff); };
  Key low = 0, high = last_at(kZcoreInfinity), limit = last_at(reach);
  Key step = Key(2) << (32 + (sizeof(T) == 4 ? kBinShift : kBinShift + 29));  // an eighth of the distance
  for (bool bounded = false;;) {
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
    filter.each(s.x.n, zcore_distance(limit), [&](int64_t i) {
      const Key key = zcore_key(distance(s.x.values + i * s.x.d, 1), static_cast<uint32_t>(i));
      if (key > limit || i == own) return;
      const int64_t slot = atomicAdd(reinterpret_cast<unsigned long long*>(&count), 1ull);
      if (slot < s.capacity) keys[slot] = key;
    });
    __syncthreads();
    const int64_t n = count;
    __syncthreads();
    if (n >= s.wanted && n <= s.capacity) return {keys, limit, n};
    if (n < s.wanted)
      low = limit + 1;
    else
      high = limit;
    bounded |= n > s.capacity;
    if (bounded || high - limit <= step)
      limit = low + (high - low) / 2;
    else
      limit += step;
    step *= 2;
  }
}

template <class T>
__device__ void apply_penalty(const ZcoreScoring<T>& s, const Found<T>& found) {
  using Key = typename ZcoreKeyOf<T>::Type;
  Key least = found.limit;
  for (int64_t i = threadIdx.x; i < found.n; i += kThreads)
    if (found.keys[i] < least) least = found.keys[i];
  least = block_least(least);
  const double nearest = zcore_distance(least);
  if (nearest == 0) {  // a duplicate row takes the whole penalty
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
  const int64_t rank = zcore_sampled_rank(s.wanted, s.sample.n, s.x.n, 2);
  for (int64_t draw = blockIdx.x; draw < draws.n; draw += s.blocks) {
    const int32_t* dims = draws.dims + draw * draws.k;
    const Distance<double, T> to_point{dims, draws.k, draws.points + draw * draws.k, nullptr};
    const int64_t own = covering_row(s, to_point, Filter<kTwo, Distance<double, T>>(s.halves, to_point));
    if (threadIdx.x == 0) atomicAdd(s.sums + own, static_cast<unsigned long long>(kZcoreUnit));
    if (s.wanted == 0) continue;
    const Distance<T, T> to_row{dims, draws.k, nullptr, s.x.values + own * s.x.d};
    const uint32_t reach = sampled_reach(to_row, s.sample, rank);
    apply_penalty(s, neighbours(s, to_row, Filter<kTwo, Distance<T, T>>(s.halves, to_row), own, reach));
    __syncthreads();  // the list is free again
  }
}

unsigned tiles_of(int64_t rows, int64_t columns) {
  return blocks_for(blocks_for(rows, kTile) * int64_t(blocks_for(columns, kTile)), 1);
}

}  // namespace

template <class T>
void zcore_columns(const ZcoreRows<T>& x, int64_t first, const ZcoreColumns<T>& out, unsigned long long* bad,
                   cudaStream_t stream) {
  launch({"zcore", tiles_of(x.n, out.d), stream}, columns_kernel<T>, x, first, out, bad);
}

template <class T>
void zcore_sample(const ZcoreColumns<T>& x, const ZcoreColumns<T>& out, cudaStream_t stream) {
  launch({"zcore", blocks_for(out.n * out.d, kThreads), stream}, sample_kernel<T>, x, out);
}

template <class T>
void zcore_halves(const ZcoreRows<T>& x, const ZcoreHalves& out, cudaStream_t stream) {
  launch({"zcore", tiles_of(x.n, x.d), stream}, halves_kernel<T>, x, out);
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

#define TAMIS_ZCORE(T)                                                                                   \
  template void zcore_columns(const ZcoreRows<T>&, int64_t, const ZcoreColumns<T>&, unsigned long long*, \
                              cudaStream_t);                                                             \
  template void zcore_sample(const ZcoreColumns<T>&, const ZcoreColumns<T>&, cudaStream_t);              \
  template void zcore_halves(const ZcoreRows<T>&, const ZcoreHalves&, cudaStream_t);                     \
  template void zcore_spans(const ZcoreColumns<T>&, const ZcoreSpans&, cudaStream_t);                    \
  template void zcore_score(const ZcoreScoring<T>&, const ZcoreDeviceDraws&, cudaStream_t);
TAMIS_ZCORE(float)
TAMIS_ZCORE(double)

}  // namespace tamis::cuda
