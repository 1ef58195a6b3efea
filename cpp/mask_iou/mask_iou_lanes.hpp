// A regular mask out of its text, sixteen characters or runs at a time: a fifth of the time of one by one.
#pragma once
#include "mask_iou/mask_iou.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr int kMostContinued = 5;  // characters before a number's last, so that it has 30 bits at most
constexpr int64_t kMostColumns = 1 << 20;

// More layers where `same_column` has a longer row of ones: of runs that begin in the column where the one before ends.
// The least bits are those of the block before.
inline int64_t layers_of(uint32_t same_column, int64_t layers) {
  uint32_t rows = same_column;
  for (int64_t i = 1; i < layers; ++i) rows &= rows << 1;
  for (; rows != 0; rows &= rows << 1) ++layers;
  return layers;
}

// The box of out->n runs whose rows are known.
inline void set_box(const uint32_t* ends, uint32_t height, uint32_t top, uint32_t bottom, RegularMask* out) {
  const uint32_t left = ends[0] / height, right = (ends[out->n / 2 * 2 - 1] - 1) / height;
  out->box[0] = left;
  out->box[1] = top;
  out->box[2] = right - left + 1;
  out->box[3] = bottom - top + 1;
}

}  // namespace
}  // namespace tamis::TAMIS_ISA

#if defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>

namespace tamis::TAMIS_ISA {
namespace {

typedef __m512i Lanes;  // sixteen of 32 bits

inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>(n < 16 ? (1u << n) - 1 : 0xffff); }

template <int kBy>
inline Lanes moved_up(Lanes x, Lanes before) {  // lane i is lane i - kBy
  return _mm512_alignr_epi32(x, before, 16 - kBy);
}

inline Lanes five_bits(__m128i characters) {
  const Lanes values = _mm512_cvtepu8_epi32(_mm_sub_epi8(characters, _mm_set1_epi8('0')));
  return _mm512_and_si512(values, _mm512_set1_epi32(0x1f));
}

// Numbers up to the end or a zero; -1: one is cut short or too long.
inline int64_t read_numbers(const char* at, const char* end, uint32_t* to) {
  int64_t n = 0;
  uint32_t continued = 0;  // which characters have the number go on: of this block in the upper bits, of the last below
  uint32_t open = 0;
  for (bool more = at != end; more; at += 16) {
    uint32_t in = first_lanes(end - at);
    const __m128i text = _mm_maskz_loadu_epi8(static_cast<__mmask16>(in), at);
    const uint32_t zeros = _mm_cmpeq_epi8_mask(text, _mm_setzero_si128());  // past the end too
    if (zeros != 0) in = (zeros & (0 - zeros)) - 1;
    more = zeros == 0 && end - at > 16;
    const __m128i goes_on = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    const uint32_t on = _mm_test_epi8_mask(goes_on, _mm_set1_epi8(0x20)) & in, last = in & ~on;
    continued = continued >> 16 | on << 16;
    if (in != 0) open = on > in >> 1;
    const Lanes sign = _mm512_set1_epi32(0x10);
    Lanes value = _mm512_sub_epi32(_mm512_xor_si512(five_bits(text), sign), sign);
    uint32_t chain = last;
    for (int k = 1; k <= 2 || chain != 0; ++k) {  // two without a look, as most blocks have a number of two or three
      chain &= continued >> (16 - k);
      if (k > kMostContinued && chain != 0) return -1;
      const auto lanes = static_cast<__mmask16>(chain);
      value = _mm512_mask_or_epi32(value, lanes, _mm512_slli_epi32(value, 5),
                                   five_bits(_mm_maskz_loadu_epi8(lanes, at - k)));
    }
    _mm512_storeu_si512(to + n, _mm512_maskz_compress_epi32(static_cast<__mmask16>(last), value));
    n += __builtin_popcount(last);
  }
  return open != 0 ? -1 : n;
}

// Numbers, of which all but the first three are differences, to the ends of their runs; false: some run but the first
// is empty, or the ends wrap around.
inline bool numbers_to_ends(uint32_t* runs, int64_t n) {
  const Lanes zero = _mm512_setzero_si512(), top = _mm512_set1_epi32(15);
  const Lanes last_two = _mm512_set4_epi32(15, 14, 15, 14);
  Lanes two_before = zero, end = zero;  // of the last block, in all lanes
  if (n > 2) runs[2] -= runs[0];
  uint32_t bad = 0;
  for (int64_t i = 0; i < n; i += 16) {
    Lanes x = _mm512_loadu_si512(runs + i);
    x = _mm512_add_epi32(x, moved_up<2>(x, zero));
    x = _mm512_add_epi32(x, moved_up<4>(x, zero));
    x = _mm512_add_epi32(x, moved_up<8>(x, zero));
    x = _mm512_add_epi32(x, two_before);
    two_before = _mm512_permutexvar_epi32(last_two, x);
    x = _mm512_add_epi32(x, moved_up<1>(x, zero));
    x = _mm512_add_epi32(x, moved_up<2>(x, zero));
    x = _mm512_add_epi32(x, moved_up<4>(x, zero));
    x = _mm512_add_epi32(x, moved_up<8>(x, zero));
    x = _mm512_add_epi32(x, end);
    const uint32_t rises = _mm512_cmpgt_epu32_mask(x, moved_up<1>(x, end));
    bad |= ~(rises | (i == 0)) & first_lanes(n - i);
    end = _mm512_permutexvar_epi32(top, x);
    _mm512_storeu_si512(runs + i, x);
  }
  return bad == 0;
}

// Pixels to columns and rows, of fewer than 2^31 pixels: the quotient of floats is off by one at most.
struct Splitter {
  Lanes height;
  __m512 inverse;

  void operator()(Lanes pixel, Lanes& column, Lanes& row) const {
    const Lanes one = _mm512_set1_epi32(1), zero = _mm512_setzero_si512();
    column = _mm512_cvttps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(pixel), inverse));
    row = _mm512_sub_epi32(pixel, _mm512_mullo_epi32(column, height));
    const __mmask16 over = _mm512_cmpge_epi32_mask(row, height), under = _mm512_cmplt_epi32_mask(row, zero);
    column = _mm512_mask_add_epi32(column, over, column, one);
    row = _mm512_mask_sub_epi32(row, over, row, height);
    column = _mm512_mask_sub_epi32(column, under, column, one);
    row = _mm512_mask_add_epi32(row, under, row, height);
  }
};

inline void measure_lanes(const uint32_t* ends, uint32_t height, RegularMask* out) {
  const Splitter split{_mm512_set1_epi32(static_cast<int>(height)), _mm512_set1_ps(1 / static_cast<float>(height))};
  const Lanes even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const Lanes one = _mm512_set1_epi32(1), odd = _mm512_add_epi32(even, one);
  const int64_t n = out->n / 2;
  Lanes area = _mm512_setzero_si512(), low = split.height, high = area, last_column = _mm512_set1_epi32(-1);
  uint32_t crossings = 0, same_column = 0;
  out->layers = 1;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 in = first_lanes(n - i);
    const Lanes a = _mm512_loadu_si512(ends + 2 * i), b = _mm512_loadu_si512(ends + 2 * i + 16);
    const Lanes first = _mm512_permutex2var_epi32(a, even, b), end = _mm512_permutex2var_epi32(a, odd, b);
    Lanes x0, y0, x1, y1;
    split(first, x0, y0);
    split(_mm512_sub_epi32(end, one), x1, y1);
    area = _mm512_mask_add_epi32(area, in, area, _mm512_sub_epi32(end, first));
    low = _mm512_mask_min_epu32(low, in, low, y0);
    high = _mm512_mask_max_epu32(high, in, high, y1);
    crossings |= _mm512_mask_cmpneq_epi32_mask(in, x0, x1);
    const uint32_t same = _mm512_mask_cmpeq_epi32_mask(in, x0, moved_up<1>(x1, last_column));
    same_column = same << 16 | same_column >> 16;
    out->layers = layers_of(same_column, out->layers);
    last_column = x1;
  }
  const bool whole = crossings != 0;
  const uint32_t top = whole ? 0 : _mm512_reduce_min_epu32(low);
  const uint32_t bottom = whole ? height - 1 : _mm512_reduce_max_epu32(high);
  out->area = static_cast<uint32_t>(_mm512_reduce_add_epi32(area));
  set_box(ends, height, top, bottom, out);
}

}  // namespace
}  // namespace tamis::TAMIS_ISA

#define TAMIS_MASK_LANES
#elif defined(__AVX2__)
#include "mask_iou/mask_iou_eight.hpp"
#define TAMIS_MASK_LANES
#endif
