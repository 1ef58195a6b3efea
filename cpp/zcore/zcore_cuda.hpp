// Device twin of zcore.hpp: draws scored on a stream, without a wait, one block of threads a draw.
//
// The rows lie there once more as columns of float16 (2 n d bytes), so a draw reads k of these from end to end: once
// for the row nearest to its point, once for that row's neighbours, which a sample tells how far to look for. What
// float16, with all its errors, does not exclude is computed from the rows as on the CPU, so the draws, the covering
// rows and the neighbours are the same. Weights are summed as integers, the same for any order; a share may be one unit
// of 2 ** -30 off the CPU's.
#pragma once
#include <cstdint>

#include "zcore/zcore_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

constexpr long long kZcoreUnit = 1ll << 30;
constexpr int64_t kZcoreBlocks = 4096;  // draws in flight, some waves of them: the last is seldom full
constexpr int64_t kZcoreSpare = 4;      // times as many places as neighbours in a list

template <class T>
struct ZcoreKeyOf;  // a distance and a row in one integer, in the order of both
template <>
struct ZcoreKeyOf<float> {
  using Type = uint64_t;
};
template <>
struct ZcoreKeyOf<double> {
  using Type = unsigned __int128;
};

template <class T>
struct ZcoreRows {
  const T* values;  // (n, d)
  int64_t n, d;
};
template <class T>
struct ZcoreColumns {
  T* values;  // (d, n)
  int64_t n, d;
};

// The columns of x from `first` on; *bad: the first row with a NaN or infinity there, unless it is lower.
template <class T>
void zcore_columns(const ZcoreRows<T>& x, int64_t first, const ZcoreColumns<T>& out, unsigned long long* bad,
                   cudaStream_t stream);
// Every n / m-th row of the columns.
template <class T>
void zcore_sample(const ZcoreColumns<T>& x, const ZcoreColumns<T>& out, cudaStream_t stream);

struct ZcoreHalves {
  uint16_t* values;       // (d, stride), aligned to 16 bytes, as zcore_scaled makes them
  int64_t stride;         // n or more, a multiple of kZcoreEight
  const double* medians;  // (d,)
  double scale;
};
template <class T>
void zcore_halves(const ZcoreRows<T>& x, const ZcoreHalves& out, cudaStream_t stream);

struct ZcoreSpans {
  double *low, *median, *high;  // (d,)
};
template <class T>
void zcore_spans(const ZcoreColumns<T>& x, const ZcoreSpans& out, cudaStream_t stream);

struct ZcoreDeviceDraws {
  int32_t* dims;   // (n, k)
  double* points;  // (n, k)
  int64_t n, k;
};
void zcore_draws(const ZcoreSpans& spans, int64_t d, uint64_t seed, int64_t first, const ZcoreDeviceDraws& out,
                 cudaStream_t stream);
void zcore_start(uint64_t seed, double* out, int64_t n, cudaStream_t stream);

template <class T>
struct ZcoreScoring {
  ZcoreRows<T> x;
  ZcoreHalves halves;
  ZcoreColumns<T> sample;
  int64_t wanted;  // neighbours, n - 1 at most
  double exponent;
  typename ZcoreKeyOf<T>::Type* lists;  // (blocks, capacity)
  int64_t blocks, capacity;
  unsigned long long* sums;  // (n,) int64 in units; added to
};
template <class T>
void zcore_score(const ZcoreScoring<T>& scoring, const ZcoreDeviceDraws& draws, cudaStream_t stream);

}  // namespace tamis::cuda
