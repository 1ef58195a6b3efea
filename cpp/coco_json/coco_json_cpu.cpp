// A register of text at a time: a list of numbers takes an eighth of the time of one by one.
#include "coco_json/coco_json.hpp"
#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512CD__)
#include <immintrin.h>
#endif

namespace tamis::TAMIS_ISA {

#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512CD__)
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
bool is_nested(const Block& block, const Structure& found, const Structure& before, uint64_t part) {
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

__m512i last_characters(const char* base, uint64_t ends) {
  int64_t lanes[kLanes];
  for (int i = 0; i < kLanes; ++i, ends &= ends - 1) __builtin_memcpy(&lanes[i], base + _tzcnt_u64(ends) - 8, 8);
  return _mm512_set_epi64(lanes[7], lanes[6], lanes[5], lanes[4], lanes[3], lanes[2], lanes[1], lanes[0]);
}

struct Converted {
  __m512d values;
  __mmask8 plain, integers;  // which have at most seven characters and one point, and which have none
};

// Numbers that end with their lanes.
Converted convert(__m512i text) {
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

}  // namespace

void take_short_numbers(const char* at, const char* end, int64_t n, double* out, uint8_t* integers,
                        ShortNumbers* taken) {
  taken->n = 0;
  for (bool more = true; more && taken->n < n && end - at > kAtOnce;) {
    const char* base = at + 1;
    const Block block(_mm512_loadu_si512(base));
    const uint64_t in_list = block.close ^ (block.close - 1);  // up to the first bracket
    const uint64_t ends = (block.commas | block.close) & in_list;
    const int64_t wanted = n - taken->n < kLanes ? n - taken->n : kLanes, there = _mm_popcnt_u64(ends);
    const int64_t count = there < wanted ? there : wanted;
    if (count == 0) break;
    const auto last = _tzcnt_u64(_pdep_u64(uint64_t{1} << (count - 1), ends));
    const uint64_t part = ~uint64_t{0} >> (63 - last);
    if (!block.is_plain(part, ends)) break;
    const auto lanes = static_cast<__mmask8>((1u << count) - 1);
    const Converted found = convert(last_characters(base, ends & part));
    if ((found.plain & lanes) != lanes) break;
    _mm512_mask_storeu_pd(out + taken->n, lanes, found.values);
    const unsigned bits = unsigned(found.integers & lanes) << taken->n % 8;
    integers[taken->n / 8] = static_cast<uint8_t>(integers[taken->n / 8] | bits);
    if (bits >> 8 != 0) integers[taken->n / 8 + 1] = static_cast<uint8_t>(bits >> 8);
    taken->n += count;
    at = base + last;
    more = *at == ',';
  }
  taken->stop = at;
}

void skip_number_lists(const char* at, const char* end, const char** stop) {
  constexpr int64_t kMostNested = 8;
  *stop = nullptr;
  Structure before{0, 1, 0};
  int64_t depth = 1;
  for (const char* base = at + 1; base < end;) {
    const int64_t left = end - base < kAtOnce ? end - base : kAtOnce;
    const __m512i text = _mm512_maskz_loadu_epi8(~uint64_t{0} >> (kAtOnce - left), base);
    const Block block(text);
    const Structure found{block.commas, Block::find(text, '['), block.close};
    if (found.all() == 0) return;
    int last = 63 - static_cast<int>(_lzcnt_u64(found.all()));
    for (uint64_t brackets = found.open | found.close; brackets != 0 && depth > 0; brackets &= brackets - 1) {
      const int place = static_cast<int>(_tzcnt_u64(brackets));
      depth += found.at(place).open != 0 ? 1 : -1;
      if (depth > kMostNested) return;
      if (depth == 0) last = place;
    }
    if (!is_nested(block, found, before, ~uint64_t{0} >> (63 - last))) return;
    base += last + 1;
    if (depth == 0) *stop = base;
    if (depth == 0) return;
    before = found.at(last);
  }
}

void copy_printable(const char* at, const char* end, char* to, const char** stop) {
  const __m512i blank = _mm512_set1_epi8(' '), quote = _mm512_set1_epi8('"'), escape = _mm512_set1_epi8('\\');
  for (; at != end; at += kAtOnce, to += kAtOnce) {
    const int64_t left = end - at < kAtOnce ? end - at : kAtOnce;
    const uint64_t part = ~uint64_t{0} >> (kAtOnce - left);
    const __m512i text = _mm512_maskz_loadu_epi8(part, at);
    const uint64_t other = part & (_mm512_cmplt_epi8_mask(text, blank) | _mm512_cmpeq_epi8_mask(text, quote) |
                                   _mm512_cmpeq_epi8_mask(text, escape));  // bytes from 128 on are negative
    _mm512_mask_storeu_epi8(to, other == 0 ? part : (other & (0 - other)) - 1, text);
    if (other == 0 && left == kAtOnce) continue;
    *stop = at + (other == 0 ? left : int64_t(_tzcnt_u64(other)));
    return;
  }
  *stop = end;
}
#else
void take_short_numbers(const char* at, const char*, int64_t, double*, uint8_t*, ShortNumbers* taken) {
  *taken = {at, 0};
}

void skip_number_lists(const char*, const char*, const char** stop) { *stop = nullptr; }

void copy_printable(const char* at, const char* end, char* to, const char** stop) {
  constexpr uint64_t kHigh = 0x8080808080808080u, kOnes = 0x0101010101010101u;
  for (uint64_t eight; end - at >= 8; at += 8, to += 8) {  // a borrow comes only from a byte that stops it anyway
    __builtin_memcpy(&eight, at, 8);
    const uint64_t quotes = eight ^ kOnes * '"', escapes = eight ^ kOnes * '\\';
    if (((eight | (eight - kOnes * ' ') | (quotes - kOnes) | (escapes - kOnes)) & kHigh) != 0) break;
    __builtin_memcpy(to, &eight, 8);
  }
  while (at != end && static_cast<signed char>(*at) >= ' ' && *at != '"' && *at != '\\') *to++ = *at++;
  *stop = at;
}
#endif

}  // namespace tamis::TAMIS_ISA
