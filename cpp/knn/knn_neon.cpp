// Dot products of bytes on 64-bit ARM: 8 x 8 of them in 16 registers. Compiled twice, run only where the CPU has them:
// as `dotprod`, where both sides are int8 (bytes of 7 bits are), and as `i8mm`, which multiplies bytes by int8.
#include <arm_neon.h>

#include "knn/knn.hpp"

namespace tamis::TAMIS_KNN_NEON {
namespace {

constexpr int64_t kRows = 8, kColumns = 8;

#if defined(__ARM_FEATURE_MATMUL_INT8)
template <int kGroup>
inline int32x4_t add_group(int32x4_t sums, int8x16_t columns, uint8x16_t row) {
  return vsudotq_laneq_s32(sums, columns, row, kGroup);
}
inline int32x4_t add_dots(int32x4_t sums, uint8x16_t row, uint8x16_t column) {
  return vusdotq_s32(sums, row, vreinterpretq_s8_u8(veorq_u8(column, vdupq_n_u8(0x80))));
}
#else
template <int kGroup>
inline int32x4_t add_group(int32x4_t sums, int8x16_t columns, uint8x16_t row) {
  return vdotq_laneq_s32(sums, columns, vreinterpretq_s8_u8(row), kGroup);
}
inline int32x4_t add_dots(int32x4_t sums, uint8x16_t row, uint8x16_t column) {
  return vdotq_s32(sums, vreinterpretq_s8_u8(row), vreinterpretq_s8_u8(vsubq_u8(column, vdupq_n_u8(64))));
}
#endif

template <int kGroup>
inline void add_column(const int8_t* columns, const uint8x16_t* rows, int32x4_t (*dots)[2]) {
  const int8x16_t left = vld1q_s8(columns), right = vld1q_s8(columns + 16);
#pragma GCC unroll 8
  for (int64_t i = 0; i < kRows; ++i) {
    dots[i][0] = add_group<kGroup>(dots[i][0], left, rows[i]);
    dots[i][1] = add_group<kGroup>(dots[i][1], right, rows[i]);
  }
}

inline uint32_t* keep(const KnnTile<int32_t>& t, const int32x4_t* dots, int64_t row, int64_t column, uint32_t* out) {
  const int32x4_t limit = vdupq_n_s32(t.row_limit[row]), rest = vdupq_n_s32(t.row_rest[row]);
  uint32x4_t near[2];
  for (int64_t j = 0; j < 2; ++j) {
    const int32x4_t by_row = vaddq_s32(limit, vld1q_s32(t.column_rest + column + 4 * j));
    const int32x4_t by_column = vaddq_s32(rest, vld1q_s32(t.column_limit + column + 4 * j));
    near[j] = vcgeq_s32(dots[j], vminq_s32(by_row, by_column));
  }
  if (vmaxvq_u32(vorrq_u32(near[0], near[1])) == 0) return out;
  uint32_t found[kColumns];
  vst1q_u32(found, near[0]);
  vst1q_u32(found + 4, near[1]);
  for (int64_t j = 0; j < kColumns; ++j) {
    *out = static_cast<uint32_t>(row << 16 | (column + j));
    out += found[j] & 1;
  }
  return out;
}

// kRows rows (`stride` bytes apart) with kColumns columns of a panel of kPanel
template <int64_t kPanel>
inline void multiply(const uint8_t* a, int64_t stride, const int8_t* b, int64_t groups, int32x4_t (*dots)[2]) {
  for (int64_t g = 0; g < groups; g += 4, a += 16, b += 16 * kPanel) {
    uint8x16_t rows[kRows];
#pragma GCC unroll 8
    for (int64_t i = 0; i < kRows; ++i) rows[i] = vld1q_u8(a + i * stride);
    add_column<0>(b, rows, dots);
    add_column<1>(b + 4 * kPanel, rows, dots);
    add_column<2>(b + 8 * kPanel, rows, dots);
    add_column<3>(b + 12 * kPanel, rows, dots);
  }
}

inline uint32_t* block(const KnnTile<int32_t>& t, int64_t row, int64_t column, uint32_t* out) {
  int32x4_t dots[kRows][2] = {};
  multiply<kKnnPanel>(static_cast<const uint8_t*>(t.rows) + row * t.stride, t.stride,
                      static_cast<const int8_t*>(t.columns) + 4 * column, t.groups, dots);
  for (int64_t i = 0; i < kRows; ++i) out = keep(t, dots[i], row + i, column, out);
  return out;
}

}  // namespace

void tile_codes(const KnnTile<int32_t>& tile, uint32_t* survivors, int64_t* count) {
  uint32_t* out = survivors;
  for (int64_t r = 0; r < tile.n_rows; r += kRows)
    for (int64_t c = 0; c < kKnnPanel; c += kColumns) out = block(tile, r, c, out);
  *count = out - survivors;
}

void dot_codes(const KnnDots<uint8_t>& p, int32_t* out) {
  for (int64_t i = 0; i < p.n; ++i) {
    const uint8_t* a = p.rows + (p.pairs[i] >> 16) * p.width;
    const uint8_t* b = p.columns + (p.pairs[i] & 0xffff) * p.width;
    int32x4_t even = {}, odd = {};
    for (int64_t k = 0; k < p.width; k += 32) {
      even = add_dots(even, vld1q_u8(a + k), vld1q_u8(b + k));
      odd = add_dots(odd, vld1q_u8(a + k + 16), vld1q_u8(b + k + 16));
    }
    out[i] = vaddvq_s32(vaddq_s32(even, odd));
  }
}

void dense_codes(const KnnDense& dense, int32_t* out) {
  for (int64_t r = 0; r < dense.n_rows; r += kRows)
    for (int64_t c = 0; c < kKnnDense; c += kColumns) {
      int32x4_t dots[kRows][2] = {};
      multiply<kKnnDense>(dense.rows + r * dense.stride, dense.stride, dense.columns + 4 * c, dense.groups, dots);
      for (int64_t i = 0; i < kRows; ++i)
        for (int64_t j = 0; j < 2; ++j) vst1q_s32(out + (r + i) * kKnnDense + c + 4 * j, dots[i][j]);
    }
}

}  // namespace tamis::TAMIS_KNN_NEON
