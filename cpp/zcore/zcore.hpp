// Zero-shot coreset scores: what each draw finds nearest gains, what crowds around that loses (arXiv 2411.15349).
//
//   e = x[:, dims]; near = argmin(abs(e - point).sum(1)); score[near] += 1       # for each draw (dims, point)
//   d = abs(e - e[near]).sum(1); nn = argsort(d, stable), near left out, the first `redundancy_nn`
//   if d[nn[0]] == 0: score[nn[0]] -= 1
//   else: w = d[nn] ** -redundancy_exp; score[nn] -= w / w.sum()
//
// Layout: x (n, d) row-major, float32 or float64, finite; dims (draws, k) int32; points (draws, k) float64.
// Distances to a point are float64, those among rows are of the dtype of x; ties go to the lower row. Weights are
// relative to the nearest distance, so nothing underflows, and summed as integers. Scores are sums of int64 in units of
// 2 ** -30: the same bits for any order, number of threads and instruction set.
//
// How: a sample of the rows says how far a draw must look. Then the rows pass by once, tile by tile, each tile turned
// into columns that stay in a cache while all draws look at them; what is within reach of a draw is logged, and settles
// it: the nearest row so far sets the reach, and a radius around it that should hold the neighbours. Every sixth row
// passes first, and says more of the radius. Rarely it is too little or too much, and the rows pass by again for such
// draws.
// Cost: n * k differences a draw. Memory: a sample of about a 48th of the rows, for each thread a tile and 8 n bytes,
// and the logs of the draws (ZcoreRun).
#pragma once
#include <cstdint>
#include <memory>

#include "core/isa.hpp"
#include "core/vector.hpp"
#include "zcore/zcore_math.hpp"

namespace tamis {

constexpr int64_t kZcoreUnit = int64_t(1) << 30;
constexpr int64_t kZcoreBlock = 16;        // columns that are turned together
constexpr int64_t kZcoreMostHeight = 512;  // rows of a tile

// Rows of d values, `stride` apart.
template <class T>
struct ZcoreRows {
  const T* x;
  int64_t n, d, stride;
};
// n rows of x from `first` on, `step` apart, as columns, `stride` apart; values up to the next multiple of 64 rows may
// be read.
template <class T>
struct ZcoreTile {
  const T* columns;
  int64_t first, step, n, stride;
};

// What a column has: its ends, and how many values are below a ball and in it.
template <class T>
struct ZcoreSpread {
  T least, most;
  int64_t below, within;
  bool finite;
};

// Search state of one draw on one thread: rows within `limit` are logged; `limit` shrinks when a nearer row is found
// (zcore_limit). More than `most` logged rows are too many.
template <class T>
struct ZcoreBall {
  T limit, more, nearest;
  uint32_t count, most;
};
constexpr int64_t kZcoreTogether = 8;  // draws that are logged together

// What a group of draws has logged of some rows: draw i counts[i] entries, those of draw 0 first. The rows, counted
// from `first` on in steps of `step`, follow the page, and after zcore_words(n) words the values: n of the first word,
// n of the second and so on.
struct ZcorePage {
  int64_t n, first, step;
  uint16_t counts[kZcoreTogether];
};
constexpr int64_t zcore_words(int64_t n) { return (n + 3) / 4 * 2; }  // of 4 bytes, an even number

template <class T>
struct ZcoreLogging {
  ZcoreBall<T>* balls;
  bool values;  // the k values of a row, or else its distance
  void* log;
  ZcorePage* (*add)(void* log, int64_t group, int64_t n, const ZcoreTile<T>& of);  // with room for n entries
  void (*crowded)(void* log, int64_t draw);
};

#define TAMIS_ZCORE_KERNELS(T)                                                                                        \
  /* Rows into columns `stride` apart, block by block of columns where `wanted`. */                                   \
  TAMIS_KERNEL(zcore_turn, (const ZcoreRows<T>& rows, const uint8_t* wanted, T* out, int64_t stride),                 \
               (rows, wanted, out, stride))                                                                           \
  TAMIS_KERNEL(zcore_spread, (const T* column, int64_t n, T centre, T reach, ZcoreSpread<T>* spread),                 \
               (column, n, centre, reach, spread))                                                                    \
  /* Logs what of the tile is within the limits.          */                                                          \
  TAMIS_KERNEL(                                                                                                       \
      zcore_scan,                                                                                                     \
      (const ZcoreTile<T>& tile, const ZcorePlace<T>* places, int64_t k, int64_t draws, const ZcoreLogging<T>& to),   \
      (tile, places, k, draws, to))                                                                                   \
  /* Distances of n rows, given as columns, to a place. */                                                            \
  TAMIS_KERNEL(zcore_distances, (const T* const* columns, const ZcorePlace<T>* places, int64_t k, int64_t n, T* out), \
               (columns, places, k, n, out))                                                                          \
  TAMIS_KERNEL(zcore_distances_to_point,                                                                              \
               (const T* const* columns, const double* point, int64_t k, int64_t n, double* out),                     \
               (columns, point, k, n, out))                                                                           \
  /* The first place of the least value. */                                                                           \
  TAMIS_KERNEL(zcore_least, (const T* values, int64_t n, int64_t* place), (values, n, place))                         \
  TAMIS_KERNEL(zcore_count, (const T* values, int64_t n, T limit, int64_t* within), (values, n, limit, within))       \
  /* A limit that `rank` to `rank + more` of n are within, or, where `more` is negative, the value of that rank. */   \
  TAMIS_KERNEL(zcore_rank, (const T* values, int64_t n, int64_t rank, int64_t more, T* out),                          \
               (values, n, rank, more, out))                                                                          \
  /* Moves the `wanted` nearest of n to the front. */                                                                 \
  TAMIS_KERNEL(zcore_keep_nearest, (T * distances, uint32_t* rows, int64_t n, int64_t wanted),                        \
               (distances, rows, n, wanted))                                                                          \
  /* out[i] = the share in units of distances[i]; none is 0. */                                                       \
  TAMIS_KERNEL(zcore_shares, (const T* distances, int64_t n, double exponent, double* weights, int64_t* out),         \
               (distances, n, exponent, weights, out))
TAMIS_ZCORE_KERNELS(float)
TAMIS_ZCORE_KERNELS(double)
#undef TAMIS_ZCORE_KERNELS

// What is computed of the rows once: a sample, and, where it is asked for, the span of each column.
template <class T>
class ZcoreTable {
 public:
  ZcoreTable(const T* x, int64_t n, int64_t d, int64_t neighbours);  // for draws with so many neighbours
  void find_spans();

  int64_t n() const { return n_; }
  int64_t d() const { return d_; }
  int64_t bad() const { return bad_; }  // the first row that is not finite, or -1; then there are no spans
  const Vector<double>& low() const { return low_; }
  const Vector<double>& median() const { return median_; }
  const Vector<double>& high() const { return high_; }

  const T* x() const { return x_; }
  const T* sample(int64_t column) const { return sample_.data() + column * sampled_; }
  int64_t sampled() const { return sampled_; }
  int64_t sampled_row(int64_t i) const;

 private:
  class Worker;
  void draw_sample();
  int64_t first_bad(int64_t first, int64_t n) const;
  T value_at(int64_t column, int64_t rank, const ZcoreSpread<T>& all, const Vector<T>& near) const;

  const T* x_;
  int64_t n_, d_, sampled_, bad_ = -1;
  Vector<T> sample_;  // (d, sampled)
  Vector<double> low_, median_, high_;
};

template <class T>
class ZcoreWorker;

// Draws scored on all threads.
struct ZcoreRule {
  int64_t neighbours;
  double exponent;
};
// What draws make rows pay: those nearer than the limit, and the first `ties` of those at it, pay `share` times their
// weight; if the nearest is at the same place, the first such row pays all where `ties` is not 0.
template <class T>
struct ZcorePrices {
  const T *limit, *nearest;
  const double* share;
  const int64_t* ties;
};
template <class T>
class ZcoreRun {
 public:
  ZcoreRun(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k);
  ~ZcoreRun();
  int64_t slice() const;  // draws that pass the rows together
  void add(const int32_t* dims, const double* points, int64_t draws);

  // Draws over rows of which these are a part. The row of these that is nearest to each point:
  void nearest(const int32_t* dims, const double* points, int64_t draws, int64_t* rows);
  // The distances of the `neighbours` rows nearest to each place, NaN where there are fewer, but for the row own[i]:
  void around(const int32_t* dims, const double* places, const int64_t* own, int64_t draws, T* out);
  // Not more than `neighbours` rows pay.
  void apply_penalty(const int32_t* dims, const double* places, const int64_t* own, int64_t draws,
                     const ZcorePrices<T>& prices);

  void write(int64_t* sums) const;
  int64_t n() const { return table_.n(); }
  int64_t d() const { return table_.d(); }
  int64_t k() const { return k_; }
  int64_t neighbours() const { return rule_.neighbours; }

 private:
  class Slice;
  template <class Visit>
  void each_slice(const int32_t* dims, const double* points, int64_t draws, int64_t wanted, const Visit& visit);

  const ZcoreTable<T>& table_;
  const ZcoreRule rule_;
  const int64_t k_;
  Vector<std::unique_ptr<ZcoreWorker<T>>> workers_;
};

// Of each draw with `m` distances, NaN where there are fewer: the limit that its neighbours are within, the nearest,
// and what a weight of 1 pays. Where the nearest is at the same place the limit is 0.
template <class T>
void zcore_settle(const T* distances, int64_t draws, int64_t m, const ZcoreRule& rule, T* limit, T* nearest,
                  double* share);

void cap_zcore_log(int64_t bytes);  // tests: what all threads may log before draws are held to what they need

// dims and points of the draws [first, first + draws), each by its number and the seed alone.
struct ZcoreSpan {
  const double *low, *median, *high;  // (d,)
  int64_t d;
};
void zcore_draws(const ZcoreSpan& span, uint64_t seed, int64_t first, int64_t draws, int64_t k, int32_t* dims,
                 double* points);
// Uniform in [0, 1) for each row, by its number and the seed.
void zcore_start(uint64_t seed, int64_t n, double* out);

}  // namespace tamis
