// Numbers out of a register of text: eight short ones at once, or one of any length without a branch.
#pragma once
#include "coco_json/coco_json.hpp"
#include "core/decimal.hpp"
#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512CD__) && defined(__AVX512VL__)
#define TAMIS_TEXT_LANES
#include <immintrin.h>

namespace tamis::TAMIS_ISA {
namespace {

constexpr int64_t kAtOnce = 64;  // characters
constexpr int kLanes = 8;        // numbers, of eight characters each

// Which characters of a block are what.
struct Block {
  uint64_t digits, zeros, points, signs, blanks, commas, close;

  explicit Block(__m512i text)
      : digits(_mm512_cmple_epu8_mask(_mm512_sub_epi8(text, _mm512_set1_epi8('0')), _mm512_set1_epi8(9))),
        zeros(find(text, '0')),
        points(find(text, '.')),
        signs(find(text, '-')),
        blanks(find(text, ' ')),
        commas(find(text, ',')),
        close(find(text, ']')) {}

  static uint64_t find(__m512i text, char c) { return _mm512_cmpeq_epi8_mask(text, _mm512_set1_epi8(c)); }

  // Whether a part that begins after a bracket or comma and ends with one is numbers as JSON has them, each ended by
  // one of `ends`, and perhaps blanks before them.
  bool is_plain(uint64_t part, uint64_t ends) const {
    const uint64_t number = digits | points | signs, follows = number << 1;
    const uint64_t first_digit = (digits & ~follows) | signs << 1;
    const uint64_t bad = ~(number | ends | blanks) | ((~number & follows) ^ ends) |
                         ((points << 1 | signs << 1) & ~digits) | (points & ~(digits << 1)) | (signs & follows) |
                         (first_digit & zeros & digits >> 1);
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

inline __m512i last_characters(const char* base, uint64_t ends) {
  int64_t lanes[kLanes];
  for (int i = 0; i < kLanes; ++i, ends &= ends - 1) __builtin_memcpy(&lanes[i], base + _tzcnt_u64(ends) - 8, 8);
  return _mm512_set_epi64(lanes[7], lanes[6], lanes[5], lanes[4], lanes[3], lanes[2], lanes[1], lanes[0]);
}

struct Converted {
  __m512d values;
  __mmask8 plain, integers;  // which have at most seven characters and one point, and which have none
};

// Numbers that end with their lanes.
inline Converted convert(__m512i text) {
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
  const __m512i bits = _mm512_castpd_si512(size), first_point = _mm512_set1_epi64(int64_t(0xff) << 56);
  const __mmask8 one_point = _mm512_cmpeq_epi64_mask(points, _mm512_srlv_epi64(first_point, places));
  const __mmask8 short_enough = _mm512_test_epi64_mask(_mm512_movm_epi8(other), ones);
  return {_mm512_castsi512_pd(_mm512_mask_xor_epi64(bits, has_sign, bits, _mm512_set1_epi64(INT64_MIN))),
          static_cast<__mmask8>(short_enough & one_point), static_cast<__mmask8>(~has_point)};
}

constexpr int64_t kMostCharacters = 31;  // of a number, without its sign

struct Spelled {
  const char *first, *stop;
  int64_t max_integer;
};

// Whatever its length, by one path: two numbers of a list rarely have the same, and a branch costs more than the rest.
// False where it is not JSON, or is an integer beyond the largest, or has an exponent or over 19 digits.
inline bool convert_one(const Spelled& spelled, double* out, bool* is_integer) {
  const bool negative = *spelled.first == '-';
  const int64_t size = spelled.stop - spelled.first - negative;
  if (static_cast<uint64_t>(size - 1) >= kMostCharacters) return false;
  const auto all = ~uint32_t{0} << (32 - size);  // its last character is the last lane
  const __m256i zero = _mm256_set1_epi8('0'), text = _mm256_maskz_loadu_epi8(all, spelled.stop - 32);
  const uint32_t other = _mm256_mask_cmpgt_epu8_mask(all, _mm256_sub_epi8(text, zero), _mm256_set1_epi8(9));
  const uint32_t points = _mm256_mask_cmpeq_epi8_mask(all, text, _mm256_set1_epi8('.'));
  const uint32_t zeros = _mm256_mask_cmpeq_epi8_mask(all, text, zero);
  const bool has_point = other != 0;
  const auto first = all & (0 - all), second = first << 1;
  const bool leading_zero = (zeros & first) != 0 && (second & ~other) != 0;
  const uint32_t bad = (other ^ points) | (other & (other - 1)) | (other & (first | uint32_t{1} << 31));
  // the digits after the point stay, those before it move over it
  const uint32_t after = ~((points << 1) - 1), before = (all << has_point) & ~after;
  const __m256i joined = _mm256_maskz_xor_epi32(
      0xff, _mm256_mask_loadu_epi8(_mm256_mask_mov_epi8(zero, after, text), before, spelled.stop - 32 - has_point),
      zero);
  const __m256i pairs = _mm256_maddubs_epi16(joined, _mm256_set1_epi16(0x010a));
  const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));
  const __m256i eights = _mm256_madd_epi16(_mm256_packus_epi32(fours, fours), _mm256_set1_epi32(0x00012710));
  const auto high = static_cast<uint64_t>(_mm256_extract_epi64(eights, 0));
  const auto low = static_cast<uint64_t>(_mm256_extract_epi64(eights, 2));
  const uint64_t value = ((high >> 32) * 100000000 + (low & 0xffffffffu)) * 100000000 + (low >> 32);
  const int64_t digits = 32 - static_cast<int64_t>(_tzcnt_u32(_mm256_test_epi8_mask(joined, joined)));
  if (bad != 0 || leading_zero || digits > kSafeDigits) return false;
  if (!has_point && value > static_cast<uint64_t>(spelled.max_integer)) return false;
  const double number = scaled(value, has_point ? -static_cast<int64_t>(_lzcnt_u32(other)) : 0);
  *out = negative && (has_point || value > 0) ? -number : number;
  *is_integer = !has_point;
  return true;
}

// Where a number ends that begins here; null: not within a register.
inline const char* number_end(const char* first) {
  const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(first));
  const uint32_t digits = _mm256_cmple_epu8_mask(_mm256_sub_epi8(text, _mm256_set1_epi8('0')), _mm256_set1_epi8(9));
  const uint32_t others = ~(digits | _mm256_cmpeq_epi8_mask(text, _mm256_set1_epi8('.')) |
                            _mm256_cmpeq_epi8_mask(text, _mm256_set1_epi8('-')));
  return others == 0 ? nullptr : first + _tzcnt_u32(others);
}

}  // namespace
}  // namespace tamis::TAMIS_ISA
#endif
