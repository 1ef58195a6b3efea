// Bytes side by side, on whatever vectors the instruction set of the including file has.
#pragma once
#include <cstdint>

#include "zcore/zcore.hpp"
#if defined(__SSSE3__)
#include <immintrin.h>
#endif

namespace tamis::TAMIS_ISA {
namespace {

#if defined(__AVX512BW__)
typedef __m512i Bytes;
inline Bytes load_bytes(const uint8_t* p) { return _mm512_load_si512(p); }
inline Bytes all_bytes(int v) { return _mm512_set1_epi8(static_cast<char>(v)); }
inline Bytes table_bytes(const uint8_t* p) {
  return _mm512_maskz_broadcast_i32x4(-1, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Bytes look_up(Bytes table, Bytes at) { return _mm512_shuffle_epi8(table, at); }
inline Bytes sub_bytes(Bytes a, Bytes b) { return _mm512_sub_epi8(a, b); }
inline Bytes add_saturated(Bytes a, Bytes b) { return _mm512_adds_epu8(a, b); }
inline Bytes smaller_bytes(Bytes a, Bytes b) { return _mm512_min_epu8(a, b); }
inline Bytes and_bytes(Bytes a, Bytes b) { return _mm512_and_si512(a, b); }
inline Bytes shift_pairs(Bytes a, int by) { return _mm512_srl_epi16(a, _mm_cvtsi32_si128(by)); }
inline uint64_t at_most(Bytes a, Bytes b) { return _mm512_cmple_epu8_mask(a, b); }
#elif defined(__AVX2__)
typedef __m256i Bytes;
inline Bytes load_bytes(const uint8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
inline Bytes all_bytes(int v) { return _mm256_set1_epi8(static_cast<char>(v)); }
inline Bytes table_bytes(const uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Bytes look_up(Bytes table, Bytes at) { return _mm256_shuffle_epi8(table, at); }
inline Bytes sub_bytes(Bytes a, Bytes b) { return _mm256_sub_epi8(a, b); }
inline Bytes add_saturated(Bytes a, Bytes b) { return _mm256_adds_epu8(a, b); }
inline Bytes smaller_bytes(Bytes a, Bytes b) { return _mm256_min_epu8(a, b); }
inline Bytes and_bytes(Bytes a, Bytes b) { return _mm256_and_si256(a, b); }
inline Bytes shift_pairs(Bytes a, int by) { return _mm256_srl_epi16(a, _mm_cvtsi32_si128(by)); }
inline uint64_t at_most(Bytes a, Bytes b) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(a, b), a)));
}
#elif defined(__SSSE3__)
typedef __m128i Bytes;
inline Bytes load_bytes(const uint8_t* p) { return _mm_load_si128(reinterpret_cast<const __m128i*>(p)); }
inline Bytes all_bytes(int v) { return _mm_set1_epi8(static_cast<char>(v)); }
inline Bytes table_bytes(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline Bytes look_up(Bytes table, Bytes at) { return _mm_shuffle_epi8(table, at); }
inline Bytes sub_bytes(Bytes a, Bytes b) { return _mm_sub_epi8(a, b); }
inline Bytes add_saturated(Bytes a, Bytes b) { return _mm_adds_epu8(a, b); }
inline Bytes smaller_bytes(Bytes a, Bytes b) { return _mm_min_epu8(a, b); }
inline Bytes and_bytes(Bytes a, Bytes b) { return _mm_and_si128(a, b); }
inline Bytes shift_pairs(Bytes a, int by) { return _mm_srl_epi16(a, _mm_cvtsi32_si128(by)); }
inline uint64_t at_most(Bytes a, Bytes b) {
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(a, b), a)));
}
#else
struct Bytes {
  uint8_t v[16];
};
template <class F>
inline Bytes each_byte(F f) {
  Bytes out;
  for (int i = 0; i < 16; ++i) out.v[i] = static_cast<uint8_t>(f(i));
  return out;
}
inline Bytes load_bytes(const uint8_t* p) {
  return each_byte([&](int i) { return p[i]; });
}
inline Bytes all_bytes(int v) {
  return each_byte([&](int) { return v; });
}
inline Bytes table_bytes(const uint8_t* p) { return load_bytes(p); }
inline Bytes look_up(const Bytes& table, const Bytes& at) {
  return each_byte([&](int i) { return table.v[at.v[i]]; });
}
inline Bytes sub_bytes(const Bytes& a, const Bytes& b) {
  return each_byte([&](int i) { return a.v[i] - b.v[i]; });
}
inline Bytes add_saturated(const Bytes& a, const Bytes& b) {
  return each_byte([&](int i) { return a.v[i] + b.v[i] < 255 ? a.v[i] + b.v[i] : 255; });
}
inline Bytes smaller_bytes(const Bytes& a, const Bytes& b) {
  return each_byte([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Bytes and_bytes(const Bytes& a, const Bytes& b) {
  return each_byte([&](int i) { return a.v[i] & b.v[i]; });
}
inline Bytes shift_pairs(const Bytes& a, int by) {  // what comes in from a neighbour byte is masked anyway
  return each_byte([&](int i) { return a.v[i] >> by; });
}
inline uint64_t at_most(const Bytes& a, const Bytes& b) {
  uint64_t out = 0;
  for (int i = 0; i < 16; ++i) out |= uint64_t(a.v[i] <= b.v[i]) << i;
  return out;
}
#endif
constexpr int64_t kByteLanes = sizeof(Bytes);

// Of 16 rows of 16 bytes, `row` apart, column j to `out + j * column`, for the first `width` columns.
inline void transpose_bytes(const uint8_t* rows, int64_t row, uint8_t* out, int64_t column, int64_t width) {
#if defined(__SSE2__)
  __m128i a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + i * row));
  for (int round = 0; round < 4; ++round) {  // each moves one bit of the place from row to column
    for (int i = 0; i < 8; ++i) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    for (int i = 0; i < 16; ++i) a[i] = b[i];
  }
  for (int j = 0; j < width; ++j) _mm_storeu_si128(reinterpret_cast<__m128i*>(out + j * column), a[j]);
#else
  for (int j = 0; j < width; ++j)
    for (int i = 0; i < 16; ++i) out[j * column + i] = rows[i * row + j];
#endif
}

// Lower bounds of one column for the codes of some rows.
struct Aimed {
  Bytes table, first, mask, last;
  int shift;

  explicit Aimed(const ZcoreAim& aim)
      : table(table_bytes(aim.least)),
        first(all_bytes(aim.first)),
        mask(all_bytes(255 >> aim.shift)),
        last(all_bytes(kZcoreLevels - 1)),
        shift(aim.shift) {}

  template <bool kShift>
  inline Bytes least(const uint8_t* codes) const {
    Bytes level = sub_bytes(load_bytes(codes), first);
    if (kShift) level = and_bytes(shift_pairs(level, shift), mask);
    return look_up(table, smaller_bytes(level, last));
  }
};

// Which of 64 codes, or of the first n, are in [from, from + width].
inline uint64_t codes_in(const uint8_t* codes, int64_t n, Bytes from, Bytes width) {
  uint64_t within = 0;
  for (int64_t lane = 0; lane < 64; lane += kByteLanes)
    within |= at_most(sub_bytes(load_bytes(codes + lane), from), width) << lane;
  return n < 64 ? within & ((uint64_t(1) << n) - 1) : within;
}

// base + the position of each bit of m.
#if defined(__AVX512VBMI2__)
inline uint32_t* write_bits(uint64_t m, uint32_t base, uint32_t* out) {
  alignas(64) static constexpr uint8_t kPlaces[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                      16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                                      32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                                      48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
  const int n = __builtin_popcountll(m);
  const __m512i first = _mm512_set1_epi32(static_cast<int>(base));
  const __m512i places = _mm512_maskz_compress_epi8(m, _mm512_load_si512(kPlaces));
  _mm512_storeu_si512(out, _mm512_add_epi32(first, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places))));
  if (n > 16) {
    _mm512_storeu_si512(out + 16, _mm512_add_epi32(first, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(places, 1))));
    _mm512_storeu_si512(out + 32, _mm512_add_epi32(first, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(places, 2))));
    _mm512_storeu_si512(out + 48, _mm512_add_epi32(first, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(places, 3))));
  }
  return out + n;
}
#else  // four at a time: most words have fewer
inline uint32_t* write_bits(uint64_t m, uint32_t base, uint32_t* out) {
  const int n = __builtin_popcountll(m);
  for (int done = 0; done < n; done += 4)
    for (int i = 0; i < 4; ++i) {
      out[done + i] = base + static_cast<uint32_t>(__builtin_ctzll(m | (uint64_t(1) << 63)));
      m &= m - 1;
    }
  return out + n;
}
#endif

}  // namespace
}  // namespace tamis::TAMIS_ISA
