// Device twin of knn.hpp: the same k nearest rows, queued on a stream, without a wait.
//
// A filter of float16 on tensor cores (knn_score_math.hpp) looks at all pairs, tile by tile, and notes what may be
// among the k nearest of a row; limits come from a sample first, then from what was noted. What is left in the end is
// computed in float64 as on the CPU, in the same order, so keys and indices are the same bits. A row with too many
// equally near others for its list is compared with all rows instead.
//
// Memory: 2 n d bytes for the table (d rounded up to 32), and for each row of a block 4 * 4096 bytes of sampled scores
// (more for k > 512) and a list of 8 * max(256, 4 k) bytes.
#pragma once
#include <cstdint>

#include "knn/knn_score_math.hpp"

typedef struct CUstream_st* cudaStream_t;

namespace tamis::cuda {

constexpr int64_t kKnnTile = 128;  // rows and columns of a tile: tables are padded to it
constexpr int64_t kKnnSlice = 32;  // dimensions a tile takes in at a time: so are their rows

template <class T>
struct KnnMatrix {
  const T* x;
  int64_t n, d;
  const double* scale;   // (n,), 0 for a row without direction, or null
  const double* offset;  // (d,) or null
};

// norms[i] of x - offset; stats: the first row with a NaN or infinity (n: none), the bits of the largest norm, and how
// many norms are 0.
template <class T>
void knn_scan(const KnnMatrix<T>& x, double* norms, unsigned long long* stats, cudaStream_t stream);

struct KnnScores {  // rows in `order`, padded to whole tiles
  uint16_t* z;      // (padded, width) halves, as `place_in_table` says
  float *half, *norm, *lost;
  float *low, *gap, *slack;  // ScoreColumn has these, and lost
  int64_t n, padded, width;
  host::KnnOrder order;
};
template <class T>
void knn_encode(const KnnMatrix<T>& x, const double* centre, double gain, bool dots, const KnnScores& out,
                cudaStream_t stream);

// 8 halves of all rows of a tile stand together, then their next 8.
TAMIS_HD int64_t place_in_table(int64_t position, int64_t k, int64_t width) {
  const int64_t tile = position / kKnnTile, row = position % kKnnTile;
  return (tile * (width / 8) + k / 8) * kKnnTile * 8 + row * 8 + k % 8;
}

struct KnnEntry {
  float score;
  uint32_t column;
};
struct KnnLists {
  float* sampled;            // (rows, sample) how far at most
  int64_t sample;            // columns, a multiple of a tile
  host::ScoreLimit* limits;  // (rows,)
  uint32_t* counts;          // (rows,)
  KnnEntry* entries;         // (rows, room)
  int64_t room;              // a power of two from 256 to 4096, at least 4 k
};
template <class T>
struct KnnDeviceSearch {
  KnnMatrix<T> x, queries;
  KnnScores columns, rows;
  KnnLists lists;
  int64_t k;
  bool dots;
  bool without_self;  // a row is none of its own neighbours: queries are x
  host::KnnOutput how;
  double* output;  // (queries, k)
  int64_t* indices;
};
// The rows of the table from `begin`, a whole number of tiles, no more than there are lists.
template <class T>
void knn_search(const KnnDeviceSearch<T>& search, int64_t begin, int64_t rows, cudaStream_t stream);

// All pairs with keys of at most `radius`, by squared distance; in a self search left < right.
template <class T>
struct KnnDevicePairs {
  KnnMatrix<T> x, queries;
  KnnScores columns, rows;
  bool self;                 // queries are x
  double radius, reach;      // the latter in z
  host::ScoreLimit* limits;  // (rows,)
  uint32_t* candidates;      // (capacity, 2) positions
  int64_t capacity;
  unsigned long long* counts;  // candidates and pairs: 0 at the start; with more candidates than capacity all is void
  int64_t* pairs;              // (capacity, 2): the row of the queries, and that of x
  double* keys;                // (capacity,)
};
struct KnnPart {  // of all tiles: rows and columns of the tables
  int64_t begin, end, left, right;
};
template <class T>
void knn_pairs(const KnnDevicePairs<T>& search, const KnnPart& part, cudaStream_t stream);

}  // namespace tamis::cuda
