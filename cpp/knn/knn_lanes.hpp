// The register blocks of the tiles, on whatever vectors the instruction set of the including file has. All codes here
// are 7 bits (bias 64): two products of a byte pair then fit int16, which AVX2's multiply needs.
#pragma once
#include <cstdint>

#include "knn/knn.hpp"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace tamis::TAMIS_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16, kFloatRows = 6, kFloatColumns = 64;
typedef __m512 Floats;
inline Floats fma_lanes(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8, kFloatRows = 6, kFloatColumns = 16;
typedef __m256 Floats;
inline Floats fma_lanes(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
#else
constexpr int64_t kLanes = 4, kFloatRows = 3, kFloatColumns = 16;
typedef float Floats __attribute__((vector_size(16)));
inline Floats fma_lanes(Floats a, Floats b, Floats c) { return a * b + c; }
#endif
typedef Floats LooseFloats __attribute__((aligned(4), may_alias));

inline Floats load_lanes(const float* p) { return *reinterpret_cast<const LooseFloats*>(p); }
inline void store_lanes(float* p, Floats v) { *reinterpret_cast<LooseFloats*>(p) = v; }

typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef int32_t LooseInts __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
inline Ints load_lanes(const int32_t* p) { return *reinterpret_cast<const LooseInts*>(p); }
inline void store_lanes(int32_t* p, Ints v) { *reinterpret_cast<LooseInts*>(p) = v; }

template <int64_t kRows>
inline void project_block(const float* z, int64_t d, const float* basis, int64_t p, float (*sum)[3 * kLanes]) {
  Floats acc[kRows][3] = {};
  for (int64_t k = 0; k < d; ++k) {
    const float* b = basis + k * p;
    const Floats b0 = load_lanes(b), b1 = load_lanes(b + kLanes), b2 = load_lanes(b + 2 * kLanes);
    for (int64_t i = 0; i < kRows; ++i) {
      const Floats a = z[i * d + k] - Floats{};
      acc[i][0] = fma_lanes(a, b0, acc[i][0]);
      acc[i][1] = fma_lanes(a, b1, acc[i][1]);
      acc[i][2] = fma_lanes(a, b2, acc[i][2]);
    }
  }
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < 3; ++j) store_lanes(sum[i] + j * kLanes, acc[i][j]);
}

// Some rows (`d` apart) with some queries (the same): all their sums side by side in registers.
template <bool kDot, int64_t kRows, int64_t kQueries>
inline void few_block(const float* a, const float* b, int64_t d, float (*sum)[kQueries]) {
  Floats acc[kRows][kQueries] = {};
  int64_t k = 0;
  for (; k + kLanes <= d; k += kLanes) {
    Floats wide[kQueries];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kQueries; ++j) wide[j] = load_lanes(b + j * d + k);
#pragma GCC unroll 4
    for (int64_t i = 0; i < kRows; ++i) {
      const Floats one = load_lanes(a + i * d + k);
#pragma GCC unroll 4
      for (int64_t j = 0; j < kQueries; ++j) {
        const Floats apart = one - wide[j];
        acc[i][j] = kDot ? fma_lanes(one, wide[j], acc[i][j]) : fma_lanes(apart, apart, acc[i][j]);
      }
    }
  }
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kQueries; ++j) {
      float lanes[kLanes];
      store_lanes(lanes, acc[i][j]);
      for (int64_t half = kLanes / 2; half > 0; half /= 2)
        for (int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
      float all = lanes[0];
      for (int64_t at = k; at < d; ++at) {
        const float x = a[i * d + at], y = b[j * d + at];
        all += kDot ? x * y : (x - y) * (x - y);
      }
      sum[i][j] = all;
    }
}

// A bit for each lane that is -1, of lanes that are -1 or 0.
inline uint32_t bits_of(Ints lanes) {
#if defined(__AVX512DQ__)
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(lanes));
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(lanes)));
#elif defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(lanes)));
#else
  uint32_t bits = 0;
  for (int64_t i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(lanes[i] != 0) << i;
  return bits;
#endif
}

// A bit for each of 16 values where value - own >= least.
inline uint32_t at_least(const int32_t* values, int32_t own, const int32_t* least) {
  const Ints all = own - Ints{};
  uint32_t bits = 0;
  for (int64_t j = 0; j < 16; j += kLanes) bits |= bits_of(load_lanes(values + j) - all >= load_lanes(least + j)) << j;
  return bits;
}

// Appends the survivors among kWidth dots of one row. Spelled with vectors: GCC takes so short a loop apart.
template <int64_t kWidth, class T>
inline uint32_t* keep(const KnnTile<T>& t, const T* dots, int64_t row, int64_t column, uint32_t* out) {
  using Wide = decltype(load_lanes(dots));
  const Wide limit = t.row_limit[row] - Wide{}, rest = t.row_rest[row] - Wide{};
  uint64_t kept = 0;
  for (int64_t j = 0; j < kWidth; j += kLanes) {
    const Wide dot = load_lanes(dots + j), by_row = limit + load_lanes(t.column_rest + column + j),
               by_column = rest + load_lanes(t.column_limit + column + j);
    kept |= uint64_t(bits_of((dot >= by_row) | (dot >= by_column))) << j;
  }
  for (; kept != 0; kept &= kept - 1) *out++ = static_cast<uint32_t>(row << 16 | (column + __builtin_ctzll(kept)));
  return out;
}

inline uint32_t* float_block(const KnnTile<float>& t, int64_t row, int64_t column, uint32_t* out) {
  constexpr int64_t kWide = kFloatColumns / kLanes;
  const float* a = static_cast<const float*>(t.rows) + row * (t.stride / 4);
  const float* b = static_cast<const float*>(t.columns) + column;
  const int64_t stride = t.stride / 4;
  Floats acc[kFloatRows][kWide] = {};
  for (int64_t k = 0; k < t.groups; ++k, b += kKnnPanel) {
    Floats wide[kWide];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kWide; ++j) wide[j] = load_lanes(b + j * kLanes);
#pragma GCC unroll 6
    for (int64_t i = 0; i < kFloatRows; ++i) {
      const Floats one = a[i * stride + k] - Floats{};
#pragma GCC unroll 4
      for (int64_t j = 0; j < kWide; ++j) acc[i][j] = fma_lanes(one, wide[j], acc[i][j]);
    }
  }
  float dots[kFloatColumns];
  for (int64_t i = 0; i < kFloatRows; ++i) {
    for (int64_t j = 0; j < kWide; ++j) store_lanes(dots + j * kLanes, acc[i][j]);
    out = keep<kFloatColumns>(t, dots, row + i, column, out);
  }
  return out;
}

#if defined(__AVX2__)
constexpr int64_t kCodeRows = 4, kCodeColumns = 16;

inline __m256i group_of(const uint8_t* p) {
  return _mm256_set1_epi32(*reinterpret_cast<const int __attribute__((aligned(1), may_alias))*>(p));
}

// Of kCodeRows rows (`stride` bytes apart) and kCodeColumns columns of a panel of kPanel.
template <int64_t kPanel>
inline void code_dots(const uint8_t* a, int64_t stride, const int8_t* columns, int64_t groups, int32_t* dots) {
  constexpr int64_t kGroup = kPanel * 4 / 32;
  const __m256i* b = reinterpret_cast<const __m256i*>(columns);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i acc[kCodeRows][2] = {};
  for (int64_t g = 0; g < groups; g += 2, b += 2 * kGroup) {
    const __m256i b00 = b[0], b01 = b[1], b10 = b[kGroup], b11 = b[kGroup + 1];
#pragma GCC unroll 4
    for (int64_t i = 0; i < kCodeRows; ++i) {
      const __m256i a0 = group_of(a + i * stride + 4 * g), a1 = group_of(a + i * stride + 4 * g + 4);
      const __m256i s0 = _mm256_add_epi16(_mm256_maddubs_epi16(a0, b00), _mm256_maddubs_epi16(a1, b10));
      const __m256i s1 = _mm256_add_epi16(_mm256_maddubs_epi16(a0, b01), _mm256_maddubs_epi16(a1, b11));
      acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(s0, ones));
      acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(s1, ones));
    }
  }
  for (int64_t i = 0; i < kCodeRows; ++i)
    for (int64_t j = 0; j < 2; ++j)
      _mm256_storeu_si256(reinterpret_cast<__m256i_u*>(dots + i * kCodeColumns + 8 * j), acc[i][j]);
}

inline int32_t row_dot(const uint8_t* a, const uint8_t* b, int64_t width) {
  const __m256i ones = _mm256_set1_epi16(1), bias = _mm256_set1_epi8(64);
  __m256i acc = {};
  for (int64_t k = 0; k < width; k += 32) {
    const __m256i q = _mm256_sub_epi8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + k)), bias);
    const __m256i s = _mm256_maddubs_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a + k)), q);
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(s, ones));
  }
  alignas(32) int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), acc);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + lanes[4] + lanes[5] + lanes[6] + lanes[7];
}

inline int32_t row_dot(const int16_t* a, const int16_t* b, int64_t width) {
  __m256i even = {}, odd = {};
  const auto two = [&](int64_t k) {
    return _mm256_madd_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(a + k)),
                             _mm256_loadu_si256(reinterpret_cast<const __m256i_u*>(b + k)));
  };
  for (int64_t k = 0; k < width; k += 32) {
    even = _mm256_add_epi32(even, two(k));
    odd = _mm256_add_epi32(odd, two(k + 16));
  }
  const __m256i all = _mm256_add_epi32(even, odd);
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}
#else
constexpr int64_t kCodeRows = 1, kCodeColumns = 16;

template <int64_t kPanel>
inline void code_dots(const uint8_t* a, int64_t, const int8_t* b, int64_t groups, int32_t* dots) {
  int32_t sums[kCodeColumns] = {};
  for (int64_t g = 0; g < groups; ++g, a += 4, b += 4 * kPanel)
    for (int64_t j = 0; j < kCodeColumns; ++j)
      sums[j] += a[0] * b[4 * j] + a[1] * b[4 * j + 1] + a[2] * b[4 * j + 2] + a[3] * b[4 * j + 3];
  for (int64_t j = 0; j < kCodeColumns; ++j) dots[j] = sums[j];
}

inline int32_t row_dot(const uint8_t* a, const uint8_t* b, int64_t width) {
  int32_t sum = 0;
  for (int64_t k = 0; k < width; ++k) sum += a[k] * (b[k] - 64);
  return sum;
}

inline int32_t row_dot(const int16_t* a, const int16_t* b, int64_t width) {
  uint32_t sum = 0;  // wraps: of rows that another thread has changed it may be anything
  for (int64_t k = 0; k < width; ++k) sum += static_cast<uint32_t>(a[k] * b[k]);
  return static_cast<int32_t>(sum);
}
#endif

inline uint32_t* code_block(const KnnTile<int32_t>& t, int64_t row, int64_t column, uint32_t* out) {
  alignas(32) int32_t dots[kCodeRows * kCodeColumns];
  code_dots<kKnnPanel>(static_cast<const uint8_t*>(t.rows) + row * t.stride, t.stride,
                       static_cast<const int8_t*>(t.columns) + 4 * column, t.groups, dots);
  for (int64_t i = 0; i < kCodeRows; ++i) out = keep<kCodeColumns>(t, dots + i * kCodeColumns, row + i, column, out);
  return out;
}

#if defined(__SSE2__)
// Four columns of four groups, turned round in registers.
inline void pack_square(const uint32_t* from, int64_t stride, __m128i bias, uint32_t* to) {
  __m128i row[4];
  for (int i = 0; i < 4; ++i)
    row[i] = _mm_sub_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * stride)), bias);
  const __m128i a = _mm_unpacklo_epi32(row[0], row[1]), b = _mm_unpacklo_epi32(row[2], row[3]);
  const __m128i c = _mm_unpackhi_epi32(row[0], row[1]), d = _mm_unpackhi_epi32(row[2], row[3]);
  const __m128i turned[] = {_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b), _mm_unpacklo_epi64(c, d),
                            _mm_unpackhi_epi64(c, d)};
  for (int g = 0; g < 4; ++g) _mm_store_si128(reinterpret_cast<__m128i*>(to + g * kKnnPanel), turned[g]);
}
#endif

}  // namespace
}  // namespace tamis::TAMIS_ISA
