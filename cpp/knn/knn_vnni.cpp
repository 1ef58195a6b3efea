// Built with AVX-512 VNNI, run only where the CPU has it: 6 x 64 dot products in 24 registers.
#include <immintrin.h>

#include "knn/knn.hpp"

namespace tamis::vnni {
namespace {

constexpr int64_t kRows = 6, kDenseRows = 8;

inline __m512i group_of(const uint8_t* p) {
  int four;
  __builtin_memcpy(&four, p, 4);
  __m512i wide = _mm512_set1_epi32(four);
#if !defined(TAMIS_EMULATE_AVX512)
  asm("" : "+v"(wide));  // kept in a register for the four uses, not folded into each as a broadcast load
#endif
  return wide;
}

inline uint32_t* keep(const KnnTile<int32_t>& t, const __m512i* dots, int64_t row, uint32_t* out) {
  const __m512i limit = _mm512_set1_epi32(t.row_limit[row]), rest = _mm512_set1_epi32(t.row_rest[row]);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __mmask16 masks[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i by_row = _mm512_add_epi32(limit, _mm512_loadu_si512(t.column_rest + 16 * j));
    const __m512i by_column = _mm512_add_epi32(rest, _mm512_loadu_si512(t.column_limit + 16 * j));
    masks[j] = _mm512_cmpge_epi32_mask(dots[j], _mm512_min_epi32(by_row, by_column));
  }
  if ((masks[0] | masks[1] | masks[2] | masks[3]) == 0) return out;
  for (int j = 0; j < 4; ++j) {
    const __m512i id = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>(row << 16 | 16 * j)));
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi32(masks[j], id));
    out += __builtin_popcount(masks[j]);
  }
  return out;
}

template <int64_t kSome>
inline uint32_t* block(const KnnTile<int32_t>& t, int64_t row, uint32_t* out) {
  const uint8_t* a = static_cast<const uint8_t*>(t.rows) + row * t.stride;
  const int8_t* b = static_cast<const int8_t*>(t.columns);
  __m512i dots[kSome][4] = {};
  for (int64_t g = 0; g < t.groups; ++g, a += 4, b += 4 * kKnnPanel) {
    const __m512i b0 = _mm512_load_si512(b), b1 = _mm512_load_si512(b + 64);
    const __m512i b2 = _mm512_load_si512(b + 128), b3 = _mm512_load_si512(b + 192);
#pragma GCC unroll 6
    for (int64_t i = 0; i < kSome; ++i) {
      const __m512i one = group_of(a + i * t.stride);
      dots[i][0] = _mm512_dpbusd_epi32(dots[i][0], one, b0);
      dots[i][1] = _mm512_dpbusd_epi32(dots[i][1], one, b1);
      dots[i][2] = _mm512_dpbusd_epi32(dots[i][2], one, b2);
      dots[i][3] = _mm512_dpbusd_epi32(dots[i][3], one, b3);
    }
  }
#pragma GCC unroll 6
  for (int64_t i = 0; i < kSome; ++i) out = keep(t, dots[i], row + i, out);
  return out;
}

}  // namespace

void tile_codes(const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count) {
  uint32_t* out = survivors;
  int64_t r = 0;
  for (; r + kRows <= tile.n_rows; r += kRows) out = block<kRows>(tile, r, out);
  for (; r < tile.n_rows; r += 2) out = block<2>(tile, r, out);
  *count = out - survivors;
}

void dot_codes(const KnnDots<uint8_t>& p, int32_t* out) {
  const __m512i flip = _mm512_set1_epi8(static_cast<char>(0x80));
  for (int64_t i = 0; i < p.n; ++i) {
    const uint8_t* a = p.rows + (p.pairs[i] >> 16) * p.width;
    const uint8_t* b = p.columns + (p.pairs[i] & 0xffff) * p.width;
    __m512i even = _mm512_setzero_si512(), odd = even;
    int64_t k = 0;
    for (; k + 128 <= p.width; k += 128) {
      even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(a + k), _mm512_xor_si512(_mm512_loadu_si512(b + k), flip));
      odd = _mm512_dpbusd_epi32(odd, _mm512_loadu_si512(a + k + 64),
                                _mm512_xor_si512(_mm512_loadu_si512(b + k + 64), flip));
    }
    if (k < p.width)
      even = _mm512_dpbusd_epi32(even, _mm512_loadu_si512(a + k), _mm512_xor_si512(_mm512_loadu_si512(b + k), flip));
    out[i] = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
  }
}

void dense_codes(const KnnDense& dense, int32_t* out) {
  for (int64_t r = 0; r < dense.n_rows; r += kDenseRows) {
    const uint8_t* a = dense.rows + r * dense.stride;
    __m512i dots[kDenseRows] = {};
    for (int64_t g = 0; g < dense.groups; ++g, a += 4) {
      const __m512i column = _mm512_load_si512(dense.columns + 64 * g);
#pragma GCC unroll 8
      for (int64_t i = 0; i < kDenseRows; ++i)
        dots[i] = _mm512_dpbusd_epi32(dots[i], group_of(a + i * dense.stride), column);
    }
#pragma GCC unroll 8
    for (int64_t i = 0; i < kDenseRows; ++i) _mm512_storeu_si512(out + kKnnDense * (r + i), dots[i]);
  }
}

}  // namespace tamis::vnni
