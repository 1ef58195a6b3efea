// Built with AMX, run only where the CPU has it and the system grants it: 32 x 32 dot products in four tile registers.
#include <immintrin.h>

#include "knn/knn.hpp"

namespace tamis::amx {
namespace {

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

inline uint32_t* keep(const KnnTile<int32_t>& t, const int32_t* dots, int64_t row, int64_t column, uint32_t* out) {
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i rest0 = _mm512_loadu_si512(t.column_rest + column);
  const __m512i rest1 = _mm512_loadu_si512(t.column_rest + column + 16);
  const __m512i limit0 = _mm512_loadu_si512(t.column_limit + column);
  const __m512i limit1 = _mm512_loadu_si512(t.column_limit + column + 16);
  for (int64_t i = 0; i < 32; ++i) {
    const __m512i limit = _mm512_set1_epi32(t.row_limit[row + i]), rest = _mm512_set1_epi32(t.row_rest[row + i]);
    const __m512i least0 = _mm512_min_epi32(_mm512_add_epi32(limit, rest0), _mm512_add_epi32(rest, limit0));
    const __m512i least1 = _mm512_min_epi32(_mm512_add_epi32(limit, rest1), _mm512_add_epi32(rest, limit1));
    const __mmask16 m0 = _mm512_cmpge_epi32_mask(_mm512_load_si512(dots + 32 * i), least0);
    const __mmask16 m1 = _mm512_cmpge_epi32_mask(_mm512_load_si512(dots + 32 * i + 16), least1);
    if ((m0 | m1) == 0) continue;
    const __m512i id = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>((row + i) << 16 | column)));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m0, id));
    out += __builtin_popcount(m0);
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(m1, _mm512_add_epi32(id, _mm512_set1_epi32(16))));
    out += __builtin_popcount(m1);
  }
  return out;
}

// Tiles 0 to 3: the dot products of 32 rows and 32 columns.
inline void multiply(const KnnTile<int32_t>& t, int64_t row, int64_t column, size_t stride) {
  const uint8_t* a = static_cast<const uint8_t*>(t.rows) + row * t.stride;
  const int8_t* b = static_cast<const int8_t*>(t.columns) + 4 * column;
  // each half of the columns brings in half of the next 32 rows, which are in L2 at best
  const uint8_t* next = a + (32 + column / 2) * t.stride;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t g = 0; g < t.groups; g += 16, a += 64, b += 16 * 4 * kKnnPanel, next += 16 * 64) {
    for (int64_t line = 0; line < 16; ++line) __builtin_prefetch(next + 64 * line);
    _tile_loadd(4, a, stride);
    _tile_loadd(6, b, 4 * kKnnPanel);
    _tile_dpbusd(0, 4, 6);
    _tile_loadd(7, b + 64, 4 * kKnnPanel);
    _tile_dpbusd(1, 4, 7);
    _tile_loadd(5, a + 16 * t.stride, stride);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
}

}  // namespace

void tile_codes(const KnnTile<int32_t>& t, uint32_t* survivors, int64_t* count) {
  const TileShapes shapes;
  _tile_loadconfig(&shapes);
  alignas(64) int32_t dots[32 * 32];
  uint32_t* out = survivors;
  const size_t stride = static_cast<size_t>(t.stride);
  int64_t last_row = -1, last_column = 0;  // of the products in `dots`
  for (int64_t row = 0; row < t.n_rows; row += 32)
    for (int64_t column = 0; column < kKnnPanel; column += 32) {
      multiply(t, row, column, stride);
      // while the tiles work, the products before them are looked at
      if (last_row >= 0) out = keep(t, dots, last_row, last_column, out);
      _tile_stored(0, dots, 128);
      _tile_stored(1, dots + 16, 128);
      _tile_stored(2, dots + 512, 128);
      _tile_stored(3, dots + 528, 128);
      last_row = row;
      last_column = column;
    }
  if (last_row >= 0) out = keep(t, dots, last_row, last_column, out);
  _tile_release();
  *count = out - survivors;
}

}  // namespace tamis::amx
