// Exact nearest neighbours of the rows of x, and all pairs within a radius, without an n x n matrix.
//
//   y = (x - offset) * scale[:, None]                    # plain rows, or unit rows about a point for cosine
//   key[i, j] = ((y[i] - y[j]) ** 2).sum()               # squared_distance, or
//   key[i, j] = -(y[i] * y[j]).sum()                     # inner_product
//   neighbours of i = the k smallest (key[i, j], j), j != i in a self search
//
// A pair is dropped only when a lower bound of its key, rounding included, exceeds what both its rows still look
// for; what is left is computed in float64 from the rows themselves, always in the same order. So keys and indices
// are the same bits for any thread count, block order, filter and instruction set, and ties go to the lower index.
//
// Filters (knn_cpu.cpp and, where the CPU has them, knn_vnni.cpp and knn_amx.cpp, or knn_neon.cpp):
//   codes   rows minus the mean, mixed by an orthonormal transform and rounded to int8; tiles of integer dot
//           products over a short prefix (leading directions, or some mixed coordinates where only a few rows ask, and
//           the norm of the rest) or over the whole row
//   floats  tiles of float32 dot products, for data where int8 bounds say nothing, and for small problems
//   fine    of what survives codes in a search for neighbours: int16 dot products of rows made all at once, or block by
//           block (knn_fine.hpp)
// Codes in order also leave out two blocks of rows, or a row and a panel of 64 others, that lie apart
// (knn_centres.hpp).
//
// Layout: rows are (n, d), row-major, float16, float32 or float64, finite. Cost: n * m * (prefix or d) integer
// multiply-adds plus d float64 ones for each pair that no bound drops. Memory: n * (d + prefix + 64 + 16 k) bytes with
// codes, up to 1 GiB for pairs of cells (38 MB for 3 million rows) and 256 MiB for rows in 16 bits; n * (60 + 16 k)
// with floats; and 16 bytes for each pair of a radius search.
#pragma once
#include <cstdint>

#include "core/isa.hpp"

namespace tamis {

enum class KnnMetric { squared_distance, inner_product };

struct KnnRows {
  const float* f32 = nullptr;  // one of the three
  const double* f64 = nullptr;
  const uint16_t* f16 = nullptr;   // IEEE float16, turned into float32 where they are read
  const double* scale = nullptr;   // (n,), 1 / |x - offset|, or null: y = x
  const double* offset = nullptr;  // (d,), given exactly when scale is
  const float* rounded = nullptr;  // (d,), the offset in float32, for tests of float32 rows, and
  double lost = 0;                 // the norm of what that rounding took off
  int64_t n = 0, d = 0;
};

// A strip of rows against 64 packed columns: (row, column) survives where
//   dot(row, column) >= min(row_limit[row] + column_rest[column], row_rest[row] + column_limit[column]).
// Codes are bytes q + bias in `rows` and int8 q in `columns`, four to a group; floats are one to a group.
template <class T>
struct KnnTile {
  const void* rows;
  const void* columns;  // (groups, 64, 4 bytes), 64-byte aligned
  int64_t stride;       // bytes from row to row
  int64_t groups;       // a multiple of 16 for codes
  int64_t n_rows;       // a multiple of 32; of kKnnRowStep for floats
  const T *row_limit, *row_rest, *column_limit, *column_rest;
};
constexpr int64_t kKnnPanel = 64;
constexpr int64_t kKnnRowStep = 96;  // strips of floats come in so many; so many rows of codes lie beyond the last

// Rows of `groups` * 4 bytes to a panel of 64 columns as above, zeros beyond `n`; codes (bias not 0) lose their bias.
struct KnnPanel {
  const uint8_t* rows;
  int64_t n, groups;
  int32_t bias;
};
TAMIS_KERNEL(pack_panel, (const KnnPanel& panel, uint8_t* out), (panel, out))

// Survivors are written as row << 16 | column.
TAMIS_KERNEL(tile_codes, (const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count), (tile, survivors, count))
TAMIS_KERNEL(tile_floats, (const KnnTile<float>& tile, uint32_t* survivors, int64_t* count), (tile, survivors, count))

// out[p] = sum(rows[i] * columns[j]) for the pair p = (i, j). Both are int16, or bytes q + bias, of which the columns
// lose their bias.
template <class T>
struct KnnDots {
  const T *rows, *columns;
  int64_t width;  // a multiple of 64 bytes
  const uint32_t* pairs;
  int64_t n;
};
TAMIS_KERNEL(dot_codes, (const KnnDots<uint8_t>& pairs, int32_t* out), (pairs, out))
TAMIS_KERNEL(fine_dots, (const KnnDots<int16_t>& pairs, int32_t* out), (pairs, out))

// out[16 * i + j] = sum(rows[i] * columns[j]), rows of bytes and columns of int8.
struct KnnDense {
  const uint8_t* rows;
  int64_t stride, n_rows;  // a multiple of 8
  const int8_t* columns;   // (groups, 16, 4), 64-byte aligned
  int64_t groups;          // a multiple of 16
};
constexpr int64_t kKnnDense = 16;
TAMIS_KERNEL(dense_codes, (const KnnDense& dense, int32_t* out), (dense, out))

// The same three kernels for CPUs with AVX-512 VNNI or AMX, or ARM's dot products or I8MM.
namespace dotprod {
void tile_codes(const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count);
void dot_codes(const KnnDots<uint8_t>& pairs, int32_t* out);
void dense_codes(const KnnDense& dense, int32_t* out);
}  // namespace dotprod
namespace i8mm {
void tile_codes(const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count);
void dot_codes(const KnnDots<uint8_t>& pairs, int32_t* out);
void dense_codes(const KnnDense& dense, int32_t* out);
}  // namespace i8mm
namespace vnni {
void tile_codes(const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count);
void dot_codes(const KnnDots<uint8_t>& pairs, int32_t* out);
void dense_codes(const KnnDense& dense, int32_t* out);
}  // namespace vnni
namespace amx {
void tile_codes(const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count);
}

// How codes are compared here: bytes are q + bias with |q| <= bias - 1, so that no kernel can overflow.
struct KnnCodeKernels {
  void (*tile)(const KnnTile<int32_t>&, uint32_t*, int64_t*);
  void (*dot)(const KnnDots<uint8_t>&, int32_t*);
  void (*dense)(const KnnDense&, int32_t*);
  int32_t bias;
  const char* name;
};
KnnCodeKernels knn_code_kernels();
void cap_knn_codes(int level);  // tests: 0 none of these, 1 up to VNNI or dot products, 2 all (the default)

// How far the rows of some pieces lie towards 16 centres: beyond[i, j] = dense[16 * i + j] - own[i]
struct KnnBeyond {
  const int32_t *dense, *own;
  const int32_t* ends;  // (pieces,), of the rows
  int64_t pieces;
};
// out[16 * p + j] = max(beyond[i, j]) over the rows i of piece p
TAMIS_KERNEL(farthest_of_pieces, (const KnnBeyond& rows, int32_t* out), (rows, out))
// near[i] has bit j where beyond[i, j] >= least[16 * p + j] of its piece p; *count of them in all
TAMIS_KERNEL(near_rows, (const KnnBeyond& rows, const int32_t* least, uint32_t* near, int64_t* count),
             (rows, least, near, count))

// Both sides of the test above for n rows of codes in a search by distance: a row that looks no further than `reach`
// (in z) needs, with |q|^2 and sum(q) in `squares` and `sums`, and `lost` of it and of the other side,
//   limit = floor((squares - ((reach + lost + other_lost) / step) ** 2) / 2) + shift * sums,  rest = the same less
//   reach
struct KnnLimits {
  const float *reach, *lost;
  const int32_t *squares, *sums;
  double other_lost, step;
  int32_t shift;  // the bias for columns, 0 for rows
  int64_t n;
};
constexpr int32_t kKnnNever = 800000000;    // above any dot product of codes, and twice it still fits int32
constexpr int32_t kKnnAlways = -500000000;  // below any
TAMIS_KERNEL(code_limits, (const KnnLimits& limits, int32_t* limit, int32_t* rest), (limits, limit, rest))

// keys[p] for pairs (left[p] of a, right[p] of b), in float64; infinity may stand for one above limits[p].
struct KnnKeyPairs {
  const KnnRows &a, &b;
  const int64_t *left, *right;
  int64_t n;
  KnnMetric metric;
  const double* limits = nullptr;  // (n,) or null: none
  double* ready = nullptr;         // (d,) to work in, for scaled rows
};
TAMIS_KERNEL(exact_keys, (const KnnKeyPairs& pairs, double* keys), (pairs, keys))

// Upper bounds of the same keys of squared distances, in float32 where the rows are.
TAMIS_KERNEL(keys_at_most, (const KnnKeyPairs& pairs, double* keys), (pairs, keys))

// sums[i * m + q] = sum((rows[i] - queries[q]) ** 2) in float32; with `dots` sum(rows[i] * queries[q]), and
// squares[i] = sum(rows[i] ** 2).
struct KnnFew {
  const float *rows, *queries;  // (n, d), (m, d)
  int64_t n, m, d;
  bool dots;
};
TAMIS_KERNEL(few_keys, (const KnnFew& few, float* sums, float* squares), (few, sums, squares))

// norms[i - begin] of x - offset for the rows [begin, end), their sums by column where `sums` (d,) is not null,
// and the first row with a NaN or infinity in *bad (untouched if there is none).
TAMIS_KERNEL(scan_rows, (const KnnRows& rows, int64_t begin, int64_t end, double* norms, double* sums, int64_t* bad),
             (rows, begin, end, norms, sums, bad))

// Norms of all rows into `norms`, column sums added to `sums` unless null; the first row with a NaN or infinity, or -1.
int64_t scan_matrix(const KnnRows& rows, double* norms, double* sums);

// out (n, d) = (y[which] - mean) * gain in float32; `which` null: rows first, first + 1, ...
struct KnnCentre {
  const double* mean;
  double gain;
};
TAMIS_KERNEL(centre_rows,
             (const KnnRows& rows, const int64_t* which, int64_t first, int64_t n, const KnnCentre& centre, float* out),
             (rows, which, first, n, centre, out))

// In place, the same orthonormal transform for every row: spreads large single coordinates over many.
TAMIS_KERNEL(mix_rows, (float* z, int64_t n, int64_t d), (z, n, d))
// out (n, p) = z (n, d) @ basis (d, p)
TAMIS_KERNEL(project_rows, (const float* z, int64_t n, int64_t d, const float* basis, int64_t p, float* out),
             (z, n, d, basis, p, out))

// One row of `width` floats to `padded` bytes round(v / step) + bias; their sum, sum of squares and the norm of what
// rounding lost.
struct KnnRounded {
  int32_t sum, squares;
  float lost;
};
TAMIS_KERNEL(round_row,
             (const float* v, int64_t width, int64_t padded, float step, int32_t bias, uint8_t* out,
              KnnRounded* rounded),
             (v, width, padded, step, bias, out, rounded))

// The same to int16, without a bias.
TAMIS_KERNEL(fine_row, (const float* v, int64_t width, int64_t padded, float step, int16_t* out, KnnRounded* rounded),
             (v, width, padded, step, out, rounded))

// best[16 * i + j] is raised to dense[16 * i + j] - half[j] where that is more, and which[16 * i + j] set to `group`.
struct KnnNearer {
  const int32_t *dense, *half;
  int64_t n;
  int32_t group;
};
TAMIS_KERNEL(nearer_means, (const KnnNearer& rows, int32_t* best, int32_t* which), (rows, best, which))

// Some rows of a table of bytes, as they are ordered (knn_order.cpp).
struct KnnCodeRows {
  const uint8_t* bytes;
  int64_t stride, width;
  const int64_t* rows;
  int64_t n;
};
// out[i] = the row's product with a direction, its lanes added in the same order everywhere
TAMIS_KERNEL(project_codes, (const KnnCodeRows& rows, const float* direction, float* out), (rows, direction, out))
// out[i] = the row's squared distance from one
TAMIS_KERNEL(distances_of_codes, (const KnnCodeRows& rows, const uint8_t* from, int32_t* out), (rows, from, out))
// to[k] += the column's bytes
TAMIS_KERNEL(add_codes, (const KnnCodeRows& rows, int32_t* to), (rows, to))

}  // namespace tamis
