// Zero-shot coreset scores: what each draw finds nearest gains, what crowds around that loses (arXiv 2411.15349).
//
//   e = x[:, dims]; near = argmin(abs(e - point).sum(1)); score[near] += 1       # for each draw (dims, point)
//   d = abs(e - e[near]).sum(1); nn = argsort(d, stable), near left out, the first `redundancy_nn`
//   if d[nn[0]] == 0: score[nn[0]] -= 1
//   else: w = d[nn] ** -redundancy_exp; score[nn] -= w / w.sum()
//
// Layout: x (n, d) row-major, float32 or float64, finite; dims (draws, k) int32; points (draws, k) float64.
// Distances to a point are float64, those among rows are of the dtype of x; ties go to the lower row. Weights are
// float64, relative to the nearest distance, so nothing underflows. Scores are sums of int64 in units of 2 ** -30:
// the same bits for any order, number of threads and instruction set.
//
// How: values become codes of one byte (zcore_math.hpp); a sample of the rows says how
// far a draw must look, and one pass over the codes drops what is surely farther, for many draws tile by tile. What is
// left is measured exactly. The first pass finds the nearest row of each draw, the second its neighbours.
// Cost: 2 * n * k byte operations and some redundancy_nn exact distances a draw. Memory: n * d bytes of codes, a sample
// of about a 48th of the rows, and for each thread 8 n bytes and the lists of its draws (ZcoreRun).
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "core/aligned.hpp"
#include "core/isa.hpp"
#include "zcore/zcore_math.hpp"

namespace tamis {

constexpr int64_t kZcoreUnit = int64_t(1) << 30;

// Rows [first, first + n) of x and their codes, columns `height` bytes apart; a part is what stays in a cache as
// floats.
template <class T>
struct ZcoreTile {
  const T* rows;
  const uint8_t* codes;
  int64_t first, n, height, part, d;
};

// How values become codes, column by column.
template <class T>
struct ZcoreCoding {
  const T *low, *inverse;
};

// Codes of n rows into `codes`; least and most (d,) of the rows; the first row not finite into *bad, if any.
#define TAMIS_ZCORE_ENCODE(T)                                                                                    \
  TAMIS_KERNEL(                                                                                                  \
      zcore_encode,                                                                                              \
      (const ZcoreTile<T>& tile, const ZcoreCoding<T>& coding, uint8_t* codes, T* least, T* most, int64_t* bad), \
      (tile, coding, codes, least, most, bad))
TAMIS_ZCORE_ENCODE(float)
TAMIS_ZCORE_ENCODE(double)
#undef TAMIS_ZCORE_ENCODE

// Rows [0, n) of one column of a tile whose codes are in [first, last]: how many, and where.
TAMIS_KERNEL(zcore_count_codes, (const uint8_t* codes, int64_t n, uint8_t first, uint8_t last, int64_t* count),
             (codes, n, first, last, count))
TAMIS_KERNEL(zcore_find_codes,
             (const uint8_t* codes, int64_t n, uint8_t first, uint8_t last, uint32_t* rows, int64_t* count),
             (codes, n, first, last, rows, count))

// Draws on their way through the tiles, `k` aims each.
struct ZcoreDraws {
  ZcoreAim* aims;
  int64_t k, n;
  ZcoreEdges edges;
};
constexpr int64_t kZcoreMostDraws = 12288;  // a draw and a row of a tile are 16 bits each of a survivor

// Rows of a tile that may be within reach, draw << 16 | row, by part of the tile, and in it by draw and row.
struct ZcoreSurvivors {
  uint32_t* entries;  // (parts, room)
  int64_t room;
  int64_t* counts;  // (parts,)
};
struct ZcoreCodes {
  const uint8_t *codes, *next;  // the tile, and the one after it or null
  int64_t n, height, part, d;
};
TAMIS_KERNEL(zcore_scan, (const ZcoreCodes& tile, const ZcoreDraws& draws, const ZcoreSurvivors& survivors),
             (tile, draws, survivors))
namespace vbmi2 {
void zcore_scan(const ZcoreCodes& tile, const ZcoreDraws& draws, const ZcoreSurvivors& survivors);
}
void cap_zcore_scan(bool plain);  // tests: true for the scan that every CPU has

// What the draws look around, and what they have found.
struct ZcoreNearest {
  double distance;
  int64_t row;
};
template <class T>
struct ZcoreNeighbour {
  T distance;
  uint32_t row;
};
template <class T>
struct ZcoreList {
  ZcoreNeighbour<T>* found;  // rows ascending, room for one more than `capacity`
  T limit;                   // the largest distance still wanted; negative: nothing is
  uint32_t n;
  uint32_t own;  // the row they are neighbours of
};
struct ZcoreLength {
  int64_t wanted, capacity;  // a list that is full keeps its `wanted` nearest
};

#define TAMIS_ZCORE_TILES(T)                                                                                         \
  /* Lowers `nearest` to the best of the survivors where it is better; aims follow. */                               \
  TAMIS_KERNEL(zcore_nearest,                                                                                        \
               (const ZcoreTile<T>& tile, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n,             \
                const ZcorePlace<double>* places, ZcoreNearest* nearest),                                            \
               (tile, draws, survivors, n, places, nearest))                                                         \
  /* Adds the survivors within the limit. */                                                                         \
  TAMIS_KERNEL(zcore_neighbours,                                                                                     \
               (const ZcoreTile<T>& tile, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n,             \
                const ZcorePlace<T>* places, ZcoreList<T>* lists, const ZcoreLength& length),                        \
               (tile, draws, survivors, n, places, lists, length))                                                   \
  /* out[i] = the share in units of distances[i], 0 unless it is one of the `wanted` nearest. */                     \
  TAMIS_KERNEL(zcore_shares,                                                                                         \
               (const T* distances, int64_t n, int64_t wanted, double exponent, double* weights, int64_t* out),      \
               (distances, n, wanted, exponent, weights, out))                                                       \
  /* Distances of m rows, given as columns, to a point, and the place of the least. */                               \
  TAMIS_KERNEL(zcore_distances,                                                                                      \
               (const T* const* columns, const ZcorePlace<T>* places, int64_t k, int64_t m, T* out, int64_t* least), \
               (columns, places, k, m, out, least))                                                                  \
  /* A distance that `rank` to `rank + more` of m are within, or the least that at least `rank` are. */              \
  TAMIS_KERNEL(zcore_rank, (const T* distances, int64_t m, int64_t rank, int64_t more, T* out),                      \
               (distances, m, rank, more, out))
TAMIS_ZCORE_TILES(float)
TAMIS_ZCORE_TILES(double)
#undef TAMIS_ZCORE_TILES

// What is computed of the rows once: their codes, a sample, and the span of each column.
template <class T>
class ZcoreTable {
 public:
  ZcoreTable(const T* x, int64_t n, int64_t d, int64_t neighbours);  // for draws with so many neighbours

  int64_t n() const { return n_; }
  int64_t d() const { return d_; }
  int64_t bad() const { return bad_; }  // the first row that is not finite, or -1; then nothing else is there
  const std::vector<double>& low() const { return low_; }
  const std::vector<double>& median() const { return median_; }
  const std::vector<double>& high() const { return high_; }

  int64_t tiles() const { return (n_ + height_ - 1) / height_; }
  int64_t height() const { return height_; }
  int64_t part() const { return part_; }
  int64_t parts() const { return height_ / part_; }
  ZcoreTile<T> tile(int64_t i) const;
  ZcoreCodes codes(int64_t i) const;
  ZcoreEdges edges() const { return {edges_.data(), slack_.data()}; }
  const T* x() const { return x_; }
  const T* sample(int64_t column) const { return sample_.data() + column * sampled_; }
  int64_t sampled() const { return sampled_; }
  int64_t sampled_row(int64_t i) const;

 private:
  void draw_sample();
  void make_coding();
  void encode();
  void find_medians();
  int64_t count_codes(int64_t column, uint8_t first, uint8_t last) const;
  uint8_t code_at(int64_t column, int64_t rank, int64_t* before) const;

  const T* x_;
  int64_t n_, d_, part_, height_, sampled_, bad_ = -1;
  std::vector<T> sample_;  // (d, sampled)
  std::vector<T> code_low_, code_inverse_;
  std::vector<double> edges_, slack_, low_, median_, high_;
  Aligned<uint8_t> codes_;  // (tiles, d, height)
};

// Draws scored on all threads.
struct ZcoreRule {
  int64_t neighbours;
  double exponent;
};
template <class T>
class ZcoreRun {
 public:
  ZcoreRun(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k);
  ~ZcoreRun();
  int64_t slice() const;  // draws that fill all threads once
  void add(const int32_t* dims, const double* points, int64_t draws);
  void write(int64_t* sums) const;

 private:
  class Worker;
  const ZcoreTable<T>& table_;
  const ZcoreRule rule_;
  const int64_t k_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> idle_;
};

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
