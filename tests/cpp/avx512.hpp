// AVX-512, VNNI and AMX for code compiled to AVX2: what SIMDe has, and loops for what it lacks. Included before
// everything else in the sources that need them, so that the suite can run them on any CPU, and under sanitizers.
#pragma once
#pragma GCC system_header
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

namespace avx512 {

using Ints = simde__m512i;
using Floats = simde__m512;
using Doubles = simde__m512d;
using Half = simde__m256i;
using Quarter = simde__m128i;

template <class E, int kN>
struct Lanes {
  E at[kN];

  template <class V>
  static Lanes of(const V& v) {
    static_assert(sizeof(V) == sizeof(at));
    Lanes lanes;
    std::memcpy(lanes.at, &v, sizeof(at));
    return lanes;
  }
  template <class V>
  V as() const {
    static_assert(sizeof(V) == sizeof(at));
    V v;
    std::memcpy(&v, at, sizeof(at));
    return v;
  }
};

// f(lane of v) for lanes whose bit is set, 0 elsewhere.
template <class To, class From, int kN, class Out, class V, class F>
Out map(uint64_t mask, const V& v, const F& f) {
  const auto from = Lanes<From, kN>::of(v);
  Lanes<To, kN> to{};
  for (int i = 0; i < kN; ++i)
    if (mask >> i & 1) to.at[i] = f(from.at[i]);
  return to.template as<Out>();
}
template <class E, int kN, class V, class F>
uint64_t compare(uint64_t mask, const V& a, const V& b, const F& f) {
  const auto x = Lanes<E, kN>::of(a), y = Lanes<E, kN>::of(b);
  uint64_t bits = 0;
  for (int i = 0; i < kN; ++i) bits |= uint64_t(f(x.at[i], y.at[i])) << i;
  return bits & mask;
}
template <class E, int kN, class F>
E reduce(E first, const Ints& v, const F& f) {
  for (const E one : Lanes<E, kN>::of(v).at) first = f(first, one);
  return first;
}
// Nothing is read or written where a bit is not set.
template <class E, int kN, class V>
V load(uint64_t mask, const void* from) {
  Lanes<E, kN> lanes{};
  for (int i = 0; i < kN; ++i)
    if (mask >> i & 1) std::memcpy(&lanes.at[i], static_cast<const E*>(from) + i, sizeof(E));
  return lanes.template as<V>();
}
template <class E, int kN, class V>
void store(void* to, uint64_t mask, const V& v) {
  const auto lanes = Lanes<E, kN>::of(v);
  for (int i = 0; i < kN; ++i)
    if (mask >> i & 1) std::memcpy(static_cast<E*>(to) + i, &lanes.at[i], sizeof(E));
}

constexpr uint64_t kAll = ~uint64_t{0};
constexpr auto kEqual = [](auto x, auto y) { return x == y; };
constexpr auto kOther = [](auto x, auto y) { return x != y; };
constexpr auto kBelow = [](auto x, auto y) { return x < y; };
constexpr auto kUpTo = [](auto x, auto y) { return x <= y; };
constexpr auto kAbove = [](auto x, auto y) { return x > y; };

inline uint16_t compare_floats(uint16_t mask, const Floats& a, const Floats& b, int how) {
  if (how == _CMP_LT_OQ) return uint16_t(compare<float, 16>(mask, a, b, kBelow));
  if (how == _CMP_LE_OQ) return uint16_t(compare<float, 16>(mask, a, b, kUpTo));
  __builtin_trap();
}
inline Floats widened(const Half& v) {
  Quarter part[2];
  std::memcpy(part, &v, sizeof(part));
  float out[16];
  for (int i = 0; i < 2; ++i) _mm256_storeu_ps(out + 8 * i, _mm256_cvtph_ps(part[i]));
  return load<float, 16, Floats>(kAll, out);
}
inline Ints aligned_right(const Ints& high, const Ints& low, int n) {
  uint32_t both[32];
  std::memcpy(both, &low, 64);
  std::memcpy(both + 16, &high, 64);
  return load<uint32_t, 16, Ints>(kAll, both + n);
}
inline Ints compressed(uint64_t mask, const Ints& v) {
  const auto from = Lanes<uint8_t, 64>::of(v);
  Lanes<uint8_t, 64> to{};
  for (int i = 0, n = 0; i < 64; ++i)
    if (mask >> i & 1) to.at[n++] = from.at[i];
  return to.as<Ints>();
}
inline Floats gathered(const Floats& other, uint16_t mask, const Ints& at, const void* from, int scale) {
  const auto place = Lanes<int32_t, 16>::of(at);
  auto to = Lanes<float, 16>::of(other);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) std::memcpy(&to.at[i], static_cast<const char*>(from) + int64_t{place.at[i]} * scale, 4);
  return to.as<Floats>();
}

// Eight tiles of 16 lines of 64 bytes, as every use configures them.
struct Tile {
  uint8_t line[16][64];
};
inline thread_local Tile tiles[8];

inline void tile_load(int tile, const void* from, int64_t stride) {
  for (int i = 0; i < 16; ++i) std::memcpy(tiles[tile].line[i], static_cast<const char*>(from) + i * stride, 64);
}
inline void tile_store(int tile, void* to, int64_t stride) {
  for (int i = 0; i < 16; ++i) std::memcpy(static_cast<char*>(to) + i * stride, tiles[tile].line[i], 64);
}
inline void tile_multiply(int out, int rows, int columns) {  // bytes by int8
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      int32_t sum;
      std::memcpy(&sum, &tiles[out].line[i][4 * j], 4);
      for (int k = 0; k < 64; ++k)
        sum += int{tiles[rows].line[i][k]} * static_cast<int8_t>(tiles[columns].line[k / 4][4 * j + k % 4]);
      std::memcpy(&tiles[out].line[i][4 * j], &sum, 4);
    }
}

}  // namespace avx512

#undef _mm512_madd_epi16  // SIMDe's alias has too many arguments
#undef _mm_cmpeq_epi8_mask
#undef _mm_test_epi8_mask
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#define _mm_cmpeq_epi8_mask(a, b) uint16_t(avx512::compare<int8_t, 16>(avx512::kAll, a, b, avx512::kEqual))
#define _mm_test_epi8_mask(a, b) \
  uint16_t(avx512::compare<int8_t, 16>(avx512::kAll, a, b, [](int x, int y) { return (x & y) != 0; }))
#define _mm512_cmpgt_epu32_mask(a, b) uint16_t(avx512::compare<uint32_t, 16>(avx512::kAll, a, b, avx512::kAbove))
#define _mm512_cmplt_epi32_mask(a, b) uint16_t(avx512::compare<int32_t, 16>(avx512::kAll, a, b, avx512::kBelow))
#define _mm512_cmpneq_epi8_mask(a, b) avx512::compare<int8_t, 64>(avx512::kAll, a, b, avx512::kOther)
#define _mm512_mask_cmpneq_epi32_mask(m, a, b) uint16_t(avx512::compare<int32_t, 16>(m, a, b, avx512::kOther))
#define _mm512_mask_cmp_ps_mask(m, a, b, how) avx512::compare_floats(m, a, b, how)
#define _mm512_cvtepi32_ps(v) \
  avx512::map<float, int32_t, 16, avx512::Floats>(avx512::kAll, v, [](int32_t x) { return float(x); })
#define _mm512_cvtepi64_pd(v) \
  avx512::map<double, int64_t, 8, avx512::Doubles>(avx512::kAll, v, [](int64_t x) { return double(x); })
#define _mm512_cvttps_epi32(v) \
  avx512::map<int32_t, float, 16, avx512::Ints>(avx512::kAll, v, [](float x) { return _mm_cvttss_si32(_mm_set_ss(x)); })
#define _mm512_cvtepu8_epi32(v) \
  avx512::map<int32_t, uint8_t, 16, avx512::Ints>(avx512::kAll, v, [](uint8_t x) { return int32_t(x); })
#define _mm512_maskz_cvtepu16_epi32(m, v) \
  avx512::map<int32_t, uint16_t, 16, avx512::Ints>(m, v, [](uint16_t x) { return int32_t(x); })
#define _mm512_maskz_cvtepi64_epi32(m, v) \
  avx512::map<int32_t, int64_t, 8, avx512::Half>(m, v, [](int64_t x) { return int32_t(x); })
#define _mm512_cvtph_ps(v) avx512::widened(v)
#define _mm512_lzcnt_epi64(v)                                      \
  avx512::map<int64_t, uint64_t, 8, avx512::Ints>(avx512::kAll, v, \
                                                  [](uint64_t x) { return x ? __builtin_clzll(x) : 64; })
#define _mm512_maskz_slli_epi32(m, v, n) \
  avx512::map<uint32_t, uint32_t, 16, avx512::Ints>(m, v, [](uint32_t x) { return x << (n); })
#define _mm512_maskz_srli_epi32(m, v, n) \
  avx512::map<uint32_t, uint32_t, 16, avx512::Ints>(m, v, [](uint32_t x) { return x >> (n); })
#define _mm512_reduce_add_epi32(v) \
  int32_t(avx512::reduce<uint32_t, 16>(0, v, [](uint32_t a, uint32_t b) { return a + b; }))
#define _mm512_reduce_max_epu32(v) \
  avx512::reduce<uint32_t, 16>(0, v, [](uint32_t a, uint32_t b) { return a < b ? b : a; })
#define _mm512_reduce_min_epu32(v) \
  avx512::reduce<uint32_t, 16>(~0u, v, [](uint32_t a, uint32_t b) { return b < a ? b : a; })
#define _mm512_alignr_epi32(high, low, n) avx512::aligned_right(high, low, n)
#define _mm512_maskz_compress_epi8(m, v) avx512::compressed(m, v)
#define _mm512_mask_i32gather_ps(other, m, at, from, scale) avx512::gathered(other, m, at, from, scale)
#undef _mm_maskz_loadu_epi8
#define _mm_maskz_loadu_epi8(m, from) avx512::load<uint8_t, 16, avx512::Quarter>(m, from)
#define _mm512_maskz_loadu_epi8(m, from) avx512::load<uint8_t, 64, avx512::Ints>(m, from)
#define _mm512_maskz_loadu_ps(m, from) avx512::load<float, 16, avx512::Floats>(m, from)
#define _mm512_mask_storeu_epi8(to, m, v) avx512::store<uint8_t, 64>(to, m, v)
#define _mm512_mask_storeu_ps(to, m, v) avx512::store<float, 16>(to, m, v)
#define _mm512_mask_storeu_pd(to, m, v) avx512::store<double, 8>(to, m, v)
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbusd
#undef _tile_zero
#define _tile_loadconfig(shapes) static_cast<void>(shapes)
#define _tile_release() static_cast<void>(0)
#define _tile_zero(tile) (avx512::tiles[tile] = {})
#define _tile_loadd(tile, from, stride) avx512::tile_load(tile, from, int64_t(stride))
#define _tile_stored(tile, to, stride) avx512::tile_store(tile, to, int64_t(stride))
#define _tile_dpbusd(out, rows, columns) avx512::tile_multiply(out, rows, columns)

#define __AVX512F__ 1
#define __AVX512CD__ 1
#define __AVX512BW__ 1
#define __AVX512DQ__ 1
#define __AVX512VL__ 1
