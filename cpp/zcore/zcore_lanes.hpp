// Turning blocks of values, and comparing 64 of them, on whatever vectors the including file has.
#pragma once
#include <cstdint>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace tamis::TAMIS_ISA {
namespace {

inline double magnitude(double v) { return __builtin_fabs(v); }
inline float magnitude(float v) { return __builtin_fabsf(v); }

// Of 64 values, the bits of those that are at most `limit`.
#if defined(__AVX512DQ__)
inline void at_most(const float* v, float limit, uint64_t* out) {
  const __m512 all = _mm512_set1_ps(limit);
  for (int i = 0; i < 4; ++i) {
    const __mmask16 part = _mm512_cmp_ps_mask(_mm512_loadu_ps(v + 16 * i), all, _CMP_LE_OQ);
    __builtin_memcpy(reinterpret_cast<char*>(out) + 2 * i, &part, 2);  // straight from its register
  }
}
inline void at_most(const double* v, double limit, uint64_t* out) {
  const __m512d all = _mm512_set1_pd(limit);
  for (int i = 0; i < 8; ++i) {
    const __mmask8 part = _mm512_cmp_pd_mask(_mm512_loadu_pd(v + 8 * i), all, _CMP_LE_OQ);
    __builtin_memcpy(reinterpret_cast<char*>(out) + i, &part, 1);
  }
}
#elif defined(__AVX__)
inline void at_most(const float* v, float limit, uint64_t* out) {
  const __m256 all = _mm256_set1_ps(limit);
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i)
    bits |= uint64_t(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(v + 8 * i), all, _CMP_LE_OQ))) << (8 * i);
  *out = bits;
}
inline void at_most(const double* v, double limit, uint64_t* out) {
  const __m256d all = _mm256_set1_pd(limit);
  uint64_t bits = 0;
  for (int i = 0; i < 16; ++i)
    bits |= uint64_t(_mm256_movemask_pd(_mm256_cmp_pd(_mm256_loadu_pd(v + 4 * i), all, _CMP_LE_OQ))) << (4 * i);
  *out = bits;
}
#elif defined(__SSE2__)
inline void at_most(const float* v, float limit, uint64_t* out) {
  const __m128 all = _mm_set1_ps(limit);
  uint64_t bits = 0;
  for (int i = 0; i < 16; ++i) bits |= uint64_t(_mm_movemask_ps(_mm_cmple_ps(_mm_loadu_ps(v + 4 * i), all))) << (4 * i);
  *out = bits;
}
inline void at_most(const double* v, double limit, uint64_t* out) {
  const __m128d all = _mm_set1_pd(limit);
  uint64_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= uint64_t(_mm_movemask_pd(_mm_cmple_pd(_mm_loadu_pd(v + 2 * i), all))) << (2 * i);
  *out = bits;
}
#else
template <class T>
inline void at_most(const T* v, T limit, uint64_t* out) {
  uint64_t bits = 0;
  for (int i = 0; i < 64; ++i) bits |= uint64_t(v[i] <= limit) << i;
  *out = bits;
}
#endif

// Of 64 rows of two columns, the bits of those that are at most `limit` from a place.
#if defined(__AVX512DQ__)
inline void near_two(const float* a, const float* b, float at, float bt, float limit, uint64_t* out) {
  const __m512 ats = _mm512_set1_ps(at), bts = _mm512_set1_ps(bt), all = _mm512_set1_ps(limit);
  for (int i = 0; i < 4; ++i) {
    const __m512 x = _mm512_abs_ps(_mm512_sub_ps(ats, _mm512_loadu_ps(a + 16 * i))),
                 y = _mm512_abs_ps(_mm512_sub_ps(bts, _mm512_loadu_ps(b + 16 * i)));
    const __mmask16 part = _mm512_cmp_ps_mask(_mm512_add_ps(x, y), all, _CMP_LE_OQ);
    __builtin_memcpy(reinterpret_cast<char*>(out) + 2 * i, &part, 2);
  }
}
#elif defined(__AVX2__)
inline void near_two(const float* a, const float* b, float at, float bt, float limit, uint64_t* out) {
  const __m256 ats = _mm256_set1_ps(at), bts = _mm256_set1_ps(bt), all = _mm256_set1_ps(limit),
               sign = _mm256_set1_ps(-0.0f);
  const auto eight = [&](int i) {
    const __m256 x = _mm256_andnot_ps(sign, _mm256_sub_ps(ats, _mm256_loadu_ps(a + 8 * i))),
                 y = _mm256_andnot_ps(sign, _mm256_sub_ps(bts, _mm256_loadu_ps(b + 8 * i)));
    return _mm256_castps_si256(_mm256_cmp_ps(_mm256_add_ps(x, y), all, _CMP_LE_OQ));
  };
  const auto bits = [&](int i) {  // of 32 rows, whose masks are packed lane by lane
    const __m256i packed =
        _mm256_packs_epi16(_mm256_packs_epi32(eight(i), eight(i + 1)), _mm256_packs_epi32(eight(i + 2), eight(i + 3)));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_permutevar8x32_epi32(packed, order)));
  };
  *out = bits(0) | uint64_t(bits(4)) << 32;
}
#endif
template <class T>
inline void near_two(const T* a, const T* b, T at, T bt, T limit, uint64_t* out) {
  alignas(64) T sums[64];
  for (int i = 0; i < 64; ++i) sums[i] = magnitude(a[i] - at) + magnitude(b[i] - bt);
  at_most(sums, limit, out);
}

// base + the position of each bit of m; up to 3 more are written.
inline uint16_t* write_bits(uint64_t m, uint16_t base, uint16_t* out) {
  const int n = __builtin_popcountll(m);
  int done = 0;
  do {  // four at a time: most words have fewer
    for (int i = 0; i < 4; ++i) {
      out[done + i] = static_cast<uint16_t>(base + __builtin_ctzll(m | (uint64_t(1) << 63)));
      m &= m - 1;
    }
    done += 4;
  } while (done < n);
  return out + n;
}

// Places of draws and rows, kPlaceRows * draw + row, for eight draws; up to kReadMore of them more are read.
constexpr unsigned kPlaceBits = 9;
constexpr int64_t kPlaceRows = 1 << kPlaceBits, kReadMore = 16;

// One column of the draws at some places: its values, and how far they are from a centre, added to `distances` but for
// the first column. Whether a distance is now below `nearest`. All but `at` are by draw.
template <bool kFirst, class T>
inline bool measure_column(const T* from, const int64_t* starts, const T* centres, const T* nearest, const uint16_t* at,
                           int64_t n, T* values, T* distances) {
  int32_t below = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int draw = at[i] / kPlaceRows;
    const T value = from[starts[draw] + at[i] % kPlaceRows];
    const T distance = (kFirst ? T(0) : distances[i]) + magnitude(value - centres[draw]);
    values[i] = value;
    distances[i] = distance;
    below |= distance < nearest[draw];
  }
  return below != 0;
}
#if defined(__AVX512DQ__)
template <bool kFirst>
inline bool measure_column(const float* from, const int64_t* starts, const float* centres, const float* nearest,
                           const uint16_t* at, int64_t n, float* values, float* distances) {
  const __m512i wide = _mm512_loadu_si512(starts),
                lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0);
  if (_mm512_cmpge_epi64_mask(wide, _mm512_set1_epi64(1 << 30)) != 0)
    return measure_column<kFirst, float>(from, starts, centres, nearest, at, n, values, distances);
  const __m512i add = _mm512_sub_epi32(_mm512_castsi256_si512(_mm512_maskz_cvtepi64_epi32(0xff, wide)),
                                       _mm512_maskz_slli_epi32(0xff, lane, kPlaceBits));
  const __m512 middles = _mm512_maskz_loadu_ps(0xff, centres), limits = _mm512_maskz_loadu_ps(0xff, nearest);
  int below = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 some = static_cast<__mmask16>(n - i < 16 ? (1 << (n - i)) - 1 : 0xffff);
    const __m512i place =
        _mm512_maskz_cvtepu16_epi32(some, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + i)));
    const __m512i draw = _mm512_maskz_srli_epi32(some, place, kPlaceBits);
    const __m512i address = _mm512_add_epi32(place, _mm512_maskz_permutexvar_epi32(some, draw, add));
    const __m512 value = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), some, address, from, 4);
    __m512 distance = _mm512_abs_ps(_mm512_sub_ps(value, _mm512_maskz_permutexvar_ps(some, draw, middles)));
    if (!kFirst) distance = _mm512_add_ps(_mm512_maskz_loadu_ps(some, distances + i), distance);
    _mm512_mask_storeu_ps(values + i, some, value);
    _mm512_mask_storeu_ps(distances + i, some, distance);
    below |= _mm512_mask_cmp_ps_mask(some, distance, _mm512_maskz_permutexvar_ps(some, draw, limits), _CMP_LT_OQ);
  }
  return below != 0;
}
#endif

// A square of values, rows `row` apart, to columns `column` apart.
#if defined(__SSE2__)
constexpr int64_t kSquare = 4;
inline void turn_square(const float* rows, int64_t row, float* out, int64_t column) {
  __m128 a = _mm_loadu_ps(rows), b = _mm_loadu_ps(rows + row), c = _mm_loadu_ps(rows + 2 * row),
         d = _mm_loadu_ps(rows + 3 * row);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out, a);
  _mm_storeu_ps(out + column, b);
  _mm_storeu_ps(out + 2 * column, c);
  _mm_storeu_ps(out + 3 * column, d);
}
inline void turn_square(const double* rows, int64_t row, double* out, int64_t column) {
  for (int i = 0; i < 4; i += 2)
    for (int j = 0; j < 4; j += 2) {
      const __m128d a = _mm_loadu_pd(rows + i * row + j), b = _mm_loadu_pd(rows + (i + 1) * row + j);
      _mm_storeu_pd(out + j * column + i, _mm_unpacklo_pd(a, b));
      _mm_storeu_pd(out + (j + 1) * column + i, _mm_unpackhi_pd(a, b));
    }
}
#else
constexpr int64_t kSquare = 1;
template <class T>
inline void turn_square(const T* rows, int64_t, T* out, int64_t) {
  *out = *rows;
}
#endif

}  // namespace
}  // namespace tamis::TAMIS_ISA
