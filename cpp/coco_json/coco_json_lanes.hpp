// Numbers out of a register of text: eight short ones at once, or one of any length without a branch.
#pragma once
#include "coco_json/coco_json.hpp"
#include "core/decimal.hpp"
#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512CD__) && defined(__AVX512VL__)
#define TAMIS_TEXT_LANES 64
#include <immintrin.h>
#elif defined(__AVX2__)
#define TAMIS_TEXT_LANES 32
#include <immintrin.h>
#endif

#if defined(TAMIS_TEXT_LANES)
namespace tamis::TAMIS_ISA {
namespace {

constexpr int64_t kAtOnce = 64;  // characters
constexpr int kLanes = 8;        // numbers, of eight characters each

inline __m256i half_text(const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
inline __m256i are_digits(__m256i values) {
  return _mm256_cmpeq_epi8(_mm256_min_epu8(values, _mm256_set1_epi8(9)), values);
}
inline uint32_t top_bits(__m256i lanes) { return static_cast<uint32_t>(_mm256_movemask_epi8(lanes)); }

#if TAMIS_TEXT_LANES == 64
using Text = __m512i;
inline Text text_at(const char* at) { return _mm512_loadu_si512(at); }
inline Text text_at(const char* at, int64_t n) {  // zeros after n characters
  return _mm512_maskz_loadu_epi8(~uint64_t{0} >> (kAtOnce - n), at);
}
inline uint64_t equal(Text text, char c) { return _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8(c)); }
inline uint64_t unlike(Text a, Text b) { return _mm512_cmpneq_epi8_mask(a, b); }
inline uint64_t digits_of(Text text) {
  return _mm512_cmple_epu8_mask(_mm512_sub_epi8(text, _mm512_set1_epi8('0')), _mm512_set1_epi8(9));
}
inline uint64_t below_blank(Text text) { return _mm512_cmplt_epi8_mask(text, _mm512_set1_epi8(' ')); }
inline void copy_text(Text text, const char*, int64_t n, char* to) {
  if (n > 0) _mm512_mask_storeu_epi8(to, ~uint64_t{0} >> (kAtOnce - n), text);
}
#else
struct Text {
  __m256i low, high;
};
inline Text text_at(const char* at) { return {half_text(at), half_text(at + 32)}; }
inline Text text_at(const char* at, int64_t n) {  // zeros after n characters
  if (n == kAtOnce) return text_at(at);
  char some[kAtOnce] = {};
  __builtin_memcpy(some, at, static_cast<size_t>(n));
  return text_at(some);
}
inline uint64_t top_bits(__m256i low, __m256i high) { return top_bits(low) | uint64_t{top_bits(high)} << 32; }
template <class Test>
inline uint64_t bits_of(Text text, const Test& test) {
  return top_bits(test(text.low), test(text.high));
}
inline uint64_t equal(Text text, char c) {
  return bits_of(text, [all = _mm256_set1_epi8(c)](__m256i half) { return _mm256_cmpeq_epi8(half, all); });
}
inline uint64_t unlike(Text a, Text b) {
  return ~top_bits(_mm256_cmpeq_epi8(a.low, b.low), _mm256_cmpeq_epi8(a.high, b.high));
}
inline uint64_t digits_of(Text text) {
  return bits_of(text, [](__m256i half) { return are_digits(_mm256_xor_si256(half, _mm256_set1_epi8('0'))); });
}
inline uint64_t below_blank(Text text) {  // as signed characters
  return bits_of(text, [](__m256i half) { return _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), half); });
}
inline void copy_text(Text text, const char* from, int64_t n, char* to) {
  if (n < kAtOnce) {
    __builtin_memcpy(to, from, static_cast<size_t>(n));
    return;
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), text.low);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), text.high);
}
#endif

// Which characters of a block are what.
struct Block {
  uint64_t digits, zeros, points, signs, blanks, commas, close;

  explicit Block(Text text)
      : digits(digits_of(text)),
        zeros(equal(text, '0')),
        points(equal(text, '.')),
        signs(equal(text, '-')),
        blanks(equal(text, ' ')),
        commas(equal(text, ',')),
        close(equal(text, ']')) {}

  // Whether a part that begins after a bracket or comma and ends with one is numbers as JSON has them, each ended by
  // one of `ends`, and perhaps blanks before them.
  bool is_plain(uint64_t part, uint64_t ends) const {
    const uint64_t number = digits | points | signs, follows = number << 1;
    const uint64_t first_digit = (digits & ~follows) | signs << 1, after_fraction = ((points << 1) + digits) & ~digits;
    const uint64_t bad = ~(number | ends | blanks) | ((~number & follows) ^ ends) |
                         ((points << 1 | signs << 1) & ~digits) | (points & ~(digits << 1)) | (signs & follows) |
                         (first_digit & zeros & digits >> 1) | (points & after_fraction);
    return (bad & part) == 0;
  }
};

// What stands at a place of structure, and of a block the places after it.
struct Structure {
  uint64_t comma, open, close;

  Structure at(int place) const { return {comma >> place & 1, open >> place & 1, close >> place & 1}; }
  Structure shifted(const Structure& before) const {
    return {comma << 1 | before.comma, open << 1 | before.open, close << 1 | before.close};
  }
  uint64_t all() const { return comma | open | close; }
};

// Whether a part that ends with structure is numbers in lists, as JSON has them; `before` stands before it.
inline bool is_nested(const Block& block, const Structure& found, const Structure& before, uint64_t part) {
  const Structure after = found.shifted(before);
  const uint64_t digits = block.digits, points = block.points, signs = block.signs;
  const uint64_t number = digits | points | signs, follows = number << 1,
                 may_begin = after.comma | after.open | block.blanks << 1;
  const uint64_t first_digit = (digits & ~follows) | signs << 1, after_fraction = ((points << 1) + digits) & ~digits;
  uint64_t run = digits & digits >> 1;  // where 2, 4, 8, 16 digits begin
  run &= run >> 2, run &= run >> 4, run &= run >> 8;
  const uint64_t bad = ~(number | found.all() | block.blanks) | (((number & ~follows) | found.open) & ~may_begin) |
                       (block.blanks & ~after.comma) | ((found.close | found.comma) & ~(follows | after.close)) |
                       ((points << 1 | signs << 1) & ~digits) | (points & ~(digits << 1)) | (signs & follows) |
                       (first_digit & block.zeros & digits >> 1) | (points & after_fraction) | run;
  return (bad & part) == 0;
}

struct Converted {
  uint32_t is_short, integers;  // which have at most seven characters, and which have no point
};

#if TAMIS_TEXT_LANES == 64
// Numbers that end with their lanes, to the `room` places of `out`: of lanes without a number too, whatever that gives.
inline Converted convert(const int64_t* ending, int room, double* out) {
  const __m512i text = _mm512_loadu_si512(ending);
  const __m512i ones = _mm512_set1_epi64(-1), digits = _mm512_xor_si512(text, _mm512_set1_epi8('0'));
  const __mmask64 point = _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('.'));
  const __mmask64 other = _mm512_cmpgt_epu8_mask(digits, _mm512_set1_epi8(9)) & ~point;
  const __m512i length = _mm512_lzcnt_epi64(_mm512_movm_epi8(other));  // in bits, as all that follows
  const __m512i outside = _mm512_srlv_epi64(ones, length);
  const __m512i points = _mm512_andnot_si512(outside, _mm512_movm_epi8(point));
  const __m512i places = _mm512_lzcnt_epi64(points);
  const __m512i from_point = _mm512_srlv_epi64(ones, places);  // and what stands before it
  const __m512i whole = _mm512_srli_epi64(from_point, 8);
  const __m512i inside = _mm512_andnot_si512(outside, digits);
  const __m512i joined =
      _mm512_or_si512(_mm512_andnot_si512(from_point, inside), _mm512_slli_epi64(_mm512_and_si512(whole, inside), 8));
  const __m512i pairs = _mm512_maddubs_epi16(joined, _mm512_set1_epi16(0x010a));
  const __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00010064));
  const __m512i value =
      _mm512_add_epi64(_mm512_mul_epu32(fours, _mm512_set1_epi64(10000)), _mm512_srli_epi64(fours, 32));
  const __m512d powers = _mm512_set_pd(1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0);
  const __m512d power = _mm512_permutexvar_pd(_mm512_srli_epi64(places, 3), powers);  // the eighth is the first
  const __m512d size = _mm512_div_pd(_mm512_cvtepi64_pd(value), power);
  const __m512i sign = _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8('-')));
  const __mmask8 negative = _mm512_cmpeq_epi64_mask(_mm512_lzcnt_epi64(sign), length);
  const __mmask8 has_point = _mm512_test_epi64_mask(points, points);
  const __mmask8 has_sign = negative & (has_point | _mm512_test_epi64_mask(value, value));
  const __m512i bits = _mm512_castpd_si512(size);
  const __mmask8 short_enough = _mm512_test_epi64_mask(_mm512_movm_epi8(other), ones);
  const __m512i signed_bits = _mm512_mask_xor_epi64(bits, has_sign, bits, _mm512_set1_epi64(INT64_MIN));
  _mm512_mask_storeu_pd(out, static_cast<__mmask8>((1u << room) - 1), _mm512_castsi512_pd(signed_bits));
  return {static_cast<uint32_t>(short_enough), static_cast<uint32_t>(~has_point & 0xff)};
}
#else
inline Converted convert_four(__m256i text, double* out) {
  const __m256i zero = _mm256_setzero_si256();
  const auto set = [&](__m256i lanes) {  // of each lane the first bit
    return static_cast<uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(lanes)));
  };
  const auto smeared = [](__m256i lanes) {  // to all bytes before
    lanes = _mm256_or_si256(lanes, _mm256_srli_epi64(lanes, 8));
    lanes = _mm256_or_si256(lanes, _mm256_srli_epi64(lanes, 16));
    return _mm256_or_si256(lanes, _mm256_srli_epi64(lanes, 32));
  };
  const auto last = [](__m256i lanes) { return _mm256_andnot_si256(_mm256_srli_epi64(lanes, 8), lanes); };
  const __m256i digits = _mm256_xor_si256(text, _mm256_set1_epi8('0'));
  const __m256i point = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('.'));
  const __m256i digit_or_point = _mm256_or_si256(are_digits(digits), point);
  const __m256i outside = smeared(_mm256_andnot_si256(digit_or_point, _mm256_set1_epi8(-1)));
  const __m256i points = _mm256_andnot_si256(outside, point);
  const __m256i no_point = _mm256_cmpeq_epi64(points, zero);
  const __m256i from_point =  // and what stands before it
      _mm256_andnot_si256(no_point, _mm256_or_si256(points, _mm256_add_epi64(points, _mm256_set1_epi64x(-1))));
  const __m256i whole = _mm256_srli_epi64(from_point, 8);
  const __m256i inside = _mm256_andnot_si256(outside, digits);
  const __m256i joined =
      _mm256_or_si256(_mm256_andnot_si256(from_point, inside), _mm256_slli_epi64(_mm256_and_si256(whole, inside), 8));
  const __m256i pairs = _mm256_maddubs_epi16(joined, _mm256_set1_epi16(0x010a));
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
  const __m256i value =
      _mm256_add_epi64(_mm256_mul_epu32(fours, _mm256_set1_epi64x(10000)), _mm256_srli_epi64(fours, 32));
  const __m256d two_52 = _mm256_set1_pd(0x1p52);  // whose last bits are an integer
  const __m256d number =
      _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(value, _mm256_castpd_si256(two_52))), two_52);
  // by how many characters there are up to the point, and 0 where there is none; floats hold these powers exactly
  const __m256 powers = _mm256_setr_ps(1e0F, 1e7F, 1e6F, 1e5F, 1e4F, 1e3F, 1e2F, 1e1F);
  const __m256i before = _mm256_sad_epu8(_mm256_and_si256(from_point, _mm256_set1_epi8(1)), zero);
  const __m256i four = _mm256_permutevar8x32_epi32(before, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
  const __m128 power = _mm256_castps256_ps128(_mm256_permutevar8x32_ps(powers, four));  // the eighth is the first
  const __m256d size = _mm256_div_pd(number, _mm256_cvtps_pd(power));
  const __m256i sign = _mm256_and_si256(last(outside), _mm256_cmpeq_epi8(text, _mm256_set1_epi8('-')));
  const __m256i nothing = _mm256_and_si256(no_point, _mm256_cmpeq_epi64(value, zero));  // an integer 0 has no sign
  const __m256i is_negative =
      _mm256_andnot_si256(_mm256_or_si256(_mm256_cmpeq_epi64(sign, zero), nothing), _mm256_set1_epi64x(INT64_MIN));
  _mm256_storeu_pd(out, _mm256_xor_pd(size, _mm256_castsi256_pd(is_negative)));
  return {set(_mm256_slli_epi64(outside, 56)), set(no_point)};
}
inline Converted convert(const int64_t* ending, int room, double* out) {
  double all[kLanes];
  double* const to = room < kLanes ? all : out;
  const auto* from = reinterpret_cast<const __m256i*>(ending);
  const Converted low = convert_four(_mm256_loadu_si256(from), to);
  const Converted high = convert_four(_mm256_loadu_si256(from + 1), to + 4);
  for (int i = 0; room < kLanes && i < room; ++i) out[i] = all[i];
  return {low.is_short | high.is_short << 4, low.integers | high.integers << 4};
}
#endif

constexpr int64_t kMostCharacters = 31;  // of a number, without its sign

struct Spelled {
  const char *first, *stop;
  int64_t max_integer;
};

inline __m256i last_lanes(int64_t n) {  // all bits of the last n of 32
  alignas(64) static constexpr int64_t kLanesAfter[8] = {0, 0, 0, 0, -1, -1, -1, -1};
  return half_text(reinterpret_cast<const char*>(kLanesAfter) + n);
}

// Whatever its length, by one path: two numbers of a list rarely have the same, and a branch costs more than the rest.
// 33 characters before its stop are read. False where it is not JSON, or is an integer beyond the largest, or has an
// exponent or over 19 digits.
inline bool convert_one(const Spelled& spelled, double* out, bool* is_integer) {
  const bool negative = *spelled.first == '-';
  const int64_t size = spelled.stop - spelled.first - negative;
  if (static_cast<uint64_t>(size - 1) >= kMostCharacters) return false;
  const auto all = ~uint32_t{0} << (32 - size);  // its last character is the last lane
  const __m256i zero = _mm256_set1_epi8('0'), values = _mm256_xor_si256(half_text(spelled.stop - 32), zero);
  const uint32_t other = ~top_bits(are_digits(values)) & all;
  const uint32_t points = top_bits(_mm256_cmpeq_epi8(values, _mm256_set1_epi8('.' ^ '0'))) & all;
  const uint32_t zeros = top_bits(_mm256_cmpeq_epi8(values, _mm256_setzero_si256()));
  const bool has_point = other != 0;
  const auto first = all & (0 - all), second = first << 1;
  const bool leading_zero = (zeros & first) != 0 && (second & ~other) != 0;
  const uint32_t bad = (other ^ points) | (other & (other - 1)) | (other & (first | uint32_t{1} << 31));
  // the digits after the point stay, those before it move over it
  const int64_t n_after = has_point ? __builtin_clz(other) : 0;
  const __m256i after = last_lanes(n_after), moved = _mm256_xor_si256(half_text(spelled.stop - 32 - has_point), zero);
  const __m256i joined = _mm256_and_si256(last_lanes(size - has_point), _mm256_blendv_epi8(moved, values, after));
  const __m256i pairs = _mm256_maddubs_epi16(joined, _mm256_set1_epi16(0x010a));
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
  const __m256i eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x00012710));
  const auto high = static_cast<uint64_t>(_mm256_extract_epi64(eights, 0));
  const auto low = static_cast<uint64_t>(_mm256_extract_epi64(eights, 2));
  const uint64_t value = ((high >> 32) * 100000000 + (low & 0xffffffffu)) * 100000000 + (low >> 32);
  const uint32_t blank = top_bits(_mm256_cmpeq_epi8(joined, _mm256_setzero_si256()));
  const int64_t digits = 32 - static_cast<int64_t>(_tzcnt_u32(~blank));
  if (bad != 0 || leading_zero || digits > kSafeDigits) return false;
  if (!has_point && value > static_cast<uint64_t>(spelled.max_integer)) return false;
  const double number = scaled(value, -n_after);
  *out = negative && (has_point || value > 0) ? -number : number;
  *is_integer = !has_point;
  return true;
}

// Where a number ends that begins here; null: not within a register.
inline const char* number_end(const char* first) {
  const __m256i text = half_text(first), values = _mm256_xor_si256(text, _mm256_set1_epi8('0'));
  const __m256i signs = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('-')),
                points = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('.'));
  const uint32_t others = ~top_bits(_mm256_or_si256(are_digits(values), _mm256_or_si256(signs, points)));
  return others == 0 ? nullptr : first + _tzcnt_u32(others);
}

}  // namespace
}  // namespace tamis::TAMIS_ISA
#endif
