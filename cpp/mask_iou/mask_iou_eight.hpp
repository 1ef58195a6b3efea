// What mask_iou_lanes.hpp has for AVX-512, for AVX2: eight runs, or sixteen characters as two eights.
#pragma once
#include <immintrin.h>

#include <array>
#include <cstring>

#include "mask_iou/mask_iou.hpp"

namespace tamis::TAMIS_ISA {
namespace {

typedef __m256i Lanes;  // eight of 32 bits

// For each set of eight lanes their numbers, the others after them: to move what is wanted to the front.
constexpr auto kFront = [] {
  std::array<std::array<uint8_t, 8>, 256> front{};
  for (uint32_t set = 0; set < 256; ++set)
    for (uint32_t lane = 0, n = 0; lane < 8; ++lane)
      if ((set >> lane & 1) != 0) front[set][n++] = static_cast<uint8_t>(lane);
  return front;
}();

inline int64_t store_some(uint32_t* to, Lanes values, uint32_t set) {
  const __m128i front = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kFront[set].data()));
  _mm256_storeu_si256(reinterpret_cast<Lanes*>(to), _mm256_permutevar8x32_epi32(values, _mm256_cvtepu8_epi32(front)));
  return __builtin_popcount(set);
}

inline __m128i characters_at(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }

// Bytes with all bits where a character has the number go on.
inline __m128i go_on(__m128i text) {
  const __m128i bit = _mm_slli_epi16(_mm_sub_epi8(text, _mm_set1_epi8('0')), 2);
  return _mm_cmpgt_epi8(_mm_setzero_si128(), bit);
}

// A piece of a text with what comes before it, and zeros after it: it may be read around.
class TextWindow {
 public:
  static constexpr int64_t kMost = 4096;

  TextWindow() { std::memset(text_ + kMost, 0, kBefore); }  // what take() has before the first piece
  // The next characters, as many as there is room for, from begin() on.
  void take(const char*& at, const char* end) {
    std::memcpy(text_, text_ + kMost, kBefore);
    n_ = end - at < kMost ? end - at : kMost;
    std::memcpy(text_ + kBefore, at, static_cast<size_t>(n_));
    std::memset(text_ + kBefore + n_, 0, kAfter);
    at += n_;
  }
  const char* begin() const { return text_ + kBefore; }
  const char* end() const { return begin() + n_; }

 private:
  static constexpr int64_t kBefore = 16, kAfter = 16;
  char text_[kBefore + kMost + kAfter];
  int64_t n_ = 0;
};

// Numbers up to the end or a zero; -1: one is cut short or too long.
inline int64_t read_numbers(const char* at, const char* end, uint32_t* to) {
  int64_t n = 0;
  bool open = false, more = true;
  TextWindow window;
  while (more && at != end) {
    window.take(at, end);
    for (const char* w = window.begin(); more && w < window.end(); w += 16) {
      const __m128i text = characters_at(w);
      const auto zeros = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_setzero_si128())));
      const uint32_t in = zeros != 0 ? (zeros & (0 - zeros)) - 1 : 0xffff;
      more = zeros == 0;
      __m128i chain = go_on(text);  // of numbers that end here, those that have a character more
      const uint32_t on = static_cast<uint32_t>(_mm_movemask_epi8(chain)) & in, last = in & ~on;
      if (in != 0) open = on > in >> 1;
      chain = _mm_andnot_si128(chain, _mm_set1_epi8(-1));
      // five bits with their sign; they are those of a character less '0'
      const __m128i five = _mm_set1_epi8(0x1f), half = _mm_set1_epi8(0x10);
      const __m128i top = _mm_sub_epi8(_mm_and_si128(text, five), half);
      Lanes low = _mm256_cvtepi8_epi32(top), high = _mm256_cvtepi8_epi32(_mm_srli_si128(top, 8));
      for (int k = 1;; ++k) {
        const __m128i before = characters_at(w - k);
        chain = _mm_and_si128(chain, go_on(before));
        // two without a look, as most blocks have a number of two or three
        if (k > 2 && (static_cast<uint32_t>(_mm_movemask_epi8(chain)) & last) == 0) break;
        if (k > kMostContinued) return -1;
        const __m128i bits = _mm_and_si128(_mm_xor_si128(before, half), five);
        const auto longer = [](Lanes value, __m128i more_bits, __m128i where) {
          const Lanes all = _mm256_or_si256(_mm256_slli_epi32(value, 5), _mm256_cvtepu8_epi32(more_bits));
          return _mm256_blendv_epi8(value, all, _mm256_cvtepi8_epi32(where));
        };
        low = longer(low, bits, chain);
        high = longer(high, _mm_srli_si128(bits, 8), _mm_srli_si128(chain, 8));
      }
      n += store_some(to + n, low, last & 0xff);
      n += store_some(to + n, high, last >> 8);
    }
  }
  return open ? -1 : n;
}

// Lanes of the lower half, four times one pair or eight times one lane of it, in the upper; zeros below.
template <int kOrder>
inline Lanes lower_to_upper(Lanes x) {
  return _mm256_shuffle_epi32(_mm256_permute2x128_si256(x, x, 0x08), kOrder);
}

inline Lanes lanes_below(int64_t n) {  // all bits in the first n
  const Lanes lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? static_cast<int>(n) : 8), lane);
}

inline uint32_t bits_of(Lanes x) { return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(x))); }

// Lane i is lane i - 1, the first the last of `before`.
inline Lanes moved_up(Lanes x, Lanes before) {
  const Lanes up = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
  return _mm256_permutevar8x32_epi32(_mm256_blend_epi32(x, before, 0x80), up);
}

// Numbers, of which all but the first three are differences, to the ends of their runs; false: some run but the first
// is empty, or an end is not below 2^31.
inline bool numbers_to_ends(uint32_t* runs, int64_t n) {
  const Lanes last_two = _mm256_setr_epi32(6, 7, 6, 7, 6, 7, 6, 7), top = _mm256_set1_epi32(7);
  Lanes two_before = _mm256_setzero_si256(), end = two_before;  // of the last block, in all lanes
  if (n > 2) runs[2] -= runs[0];
  uint32_t bad = runs[0] >> 31;
  for (int64_t i = 0; i < n; i += 8) {
    Lanes x = _mm256_loadu_si256(reinterpret_cast<const Lanes*>(runs + i));
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
    x = _mm256_add_epi32(x, lower_to_upper<0xee>(x));
    x = _mm256_add_epi32(x, two_before);
    two_before = _mm256_permutevar8x32_epi32(x, last_two);
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 4));
    x = _mm256_add_epi32(x, _mm256_slli_si256(x, 8));
    x = _mm256_add_epi32(x, lower_to_upper<0xff>(x));
    x = _mm256_add_epi32(x, end);
    const uint32_t rises = bits_of(_mm256_cmpgt_epi32(x, moved_up(x, end)));
    bad |= ~(rises | (i == 0)) & bits_of(lanes_below(n - i));
    end = _mm256_permutevar8x32_epi32(x, top);
    _mm256_storeu_si256(reinterpret_cast<Lanes*>(runs + i), x);
  }
  return bad == 0;
}

// Pixels to columns and rows, of fewer than 2^31 pixels: the quotient of floats is off by one at most.
struct Splitter {
  Lanes height;
  __m256 inverse;

  void operator()(Lanes pixel, Lanes& column, Lanes& row) const {
    column = _mm256_cvttps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(pixel), inverse));
    row = _mm256_sub_epi32(pixel, _mm256_mullo_epi32(column, height));
    const Lanes below = _mm256_cmpgt_epi32(height, row), under = _mm256_srai_epi32(row, 31);
    const Lanes over = _mm256_andnot_si256(below, _mm256_set1_epi32(-1));  // masks are -1: taken off, they add
    column = _mm256_add_epi32(_mm256_sub_epi32(column, over), under);
    row = _mm256_sub_epi32(row, _mm256_and_si256(over, height));
    row = _mm256_add_epi32(row, _mm256_and_si256(under, height));
  }
};

inline void measure_lanes(const uint32_t* ends, uint32_t height, RegularMask* out) {
  const Splitter split{_mm256_set1_epi32(static_cast<int>(height)), _mm256_set1_ps(1 / static_cast<float>(height))};
  const Lanes one = _mm256_set1_epi32(1);
  const int64_t n = out->n / 2;
  Lanes area = _mm256_setzero_si256(), low = split.height, high = area, last_column = _mm256_set1_epi32(-1);
  Lanes crossings = area;
  uint32_t same_column = 0;
  out->layers = 1;
  for (int64_t i = 0; i < n; i += 8) {
    const Lanes in = lanes_below(n - i);
    const __m256 a = _mm256_loadu_ps(reinterpret_cast<const float*>(ends + 2 * i)),
                 b = _mm256_loadu_ps(reinterpret_cast<const float*>(ends + 2 * i + 8));
    const auto apart = [](__m256 x) { return _mm256_permute4x64_epi64(_mm256_castps_si256(x), 0xd8); };
    const Lanes first = apart(_mm256_shuffle_ps(a, b, 0x88)), end = apart(_mm256_shuffle_ps(a, b, 0xdd));
    Lanes x0, y0, x1, y1;
    split(first, x0, y0);
    split(_mm256_sub_epi32(end, one), x1, y1);
    area = _mm256_add_epi32(area, _mm256_and_si256(in, _mm256_sub_epi32(end, first)));
    low = _mm256_blendv_epi8(low, _mm256_min_epi32(low, y0), in);
    high = _mm256_blendv_epi8(high, _mm256_max_epi32(high, y1), in);
    crossings = _mm256_or_si256(crossings, _mm256_andnot_si256(_mm256_cmpeq_epi32(x0, x1), in));
    const uint32_t same = bits_of(_mm256_and_si256(in, _mm256_cmpeq_epi32(x0, moved_up(x1, last_column))));
    same_column = same << 24 | same_column >> 8;
    out->layers = layers_of(same_column, out->layers);
    last_column = x1;
  }
  alignas(32) uint32_t areas[8], lows[8], highs[8];
  _mm256_store_si256(reinterpret_cast<Lanes*>(areas), area);
  _mm256_store_si256(reinterpret_cast<Lanes*>(lows), low);
  _mm256_store_si256(reinterpret_cast<Lanes*>(highs), high);
  uint32_t pixels = 0, top = height, bottom = 0;
  for (int i = 0; i < 8; ++i) {
    pixels += areas[i];
    top = lows[i] < top ? lows[i] : top;
    bottom = highs[i] > bottom ? highs[i] : bottom;
  }
  if (bits_of(crossings) != 0) top = 0, bottom = height - 1;
  out->area = pixels;
  set_box(ends, height, top, bottom, out);
}

}  // namespace
}  // namespace tamis::TAMIS_ISA
