// Walks a part of plain results. The character at its end is a comma or bracket of the file, so that nothing but
// structure has to look out for it.
#pragma once
#include <bit>
#include <charconv>
#include <cstring>
#include <string>

#include "coco_json/coco_json.hpp"
#include "core/hd.hpp"

namespace tamis {

class Cursor {
 public:
  explicit Cursor(std::string_view part) : at_(part.data()), end_(part.data() + part.size()) {}

  TAMIS_HD bool at_end() {
    while (at_ != end_ && is_blank(*at_)) ++at_;
    return at_ == end_;
  }

  TAMIS_HD bool take(char c) {
    if (at_end() || *at_ != c) return false;
    ++at_;
    return true;
  }

  TAMIS_HD bool take_word(std::string_view word) {
    if (size_t(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0) return false;
    at_ += word.size();
    return true;
  }

  bool take_integer(int64_t max, int64_t& out) {
    const bool negative = take('-');
    Digits digits;
    if (!take_digits(digits) || digits.has_places || has_exponent() || digits.value > uint64_t(max)) return false;
    out = negative ? -int64_t(digits.value) : int64_t(digits.value);
    return true;
  }

  // As Python's float: the quotient of two exact numbers is rounded once, and so is what from_chars makes.
  TAMIS_HD bool take_number(int64_t max_integer, double& out, bool& is_integer) {
    const bool negative = take('-');
    Digits digits;
    if (!take_few_digits(digits)) {
      Cursor other(*this);  // copy, so that *this can stay in registers
      const bool good = other.take_any_number(negative, max_integer, out, is_integer);
      *this = other;
      return good;
    }
    is_integer = !digits.has_places;
    const double whole = static_cast<double>(digits.value) / kPowers[digits.places];
    out = negative && (digits.has_places || digits.value > 0) ? -whole : whole;
    return true;
  }

  // A list of n numbers; bit i of `integers` is set where number i is one.
  bool take_numbers(int64_t n, int64_t max_integer, double* to, uint8_t* integers) {
    if (at_end() || *at_ != '[') return false;
    ShortNumbers taken;
    take_short_numbers(at_, end_, n, to, integers, &taken);
    Cursor cursor(*this);
    cursor.at_ = taken.stop;
    for (int64_t i = taken.n; i < n; ++i) {
      bool is_integer = false;
      if (!cursor.take(i == 0 ? '[' : ',') || !cursor.take_number(max_integer, to[i], is_integer)) return false;
      integers[i / 8] = static_cast<uint8_t>(integers[i / 8] | is_integer << i % 8);
    }
    *this = cursor;
    return take(']');
  }

  // The characters up to a quote, appended without their escapes.
  bool take_counts(char*& to) {
    for (;;) {
      const char* stop = nullptr;
      copy_printable(at_, end_, to, &stop);
      to += stop - at_;
      at_ = stop;
      if (take_word("\"")) return true;
      if (!take_word("\\\\")) return false;
      *to++ = '\\';
    }
  }

 private:
  static constexpr int kMostDigits = 18;  // of a number that fits 64 bits whatever they are
  static constexpr uint64_t kExact = uint64_t{1} << 53;
  static constexpr double kPowers[kMostDigits + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                                      1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

  struct Digits {
    uint64_t value = 0;
    int64_t places = 0;  // after the point
    bool has_places = false;
  };

  TAMIS_HD static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  TAMIS_HD static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  // What stands before an exponent. False: more digits than `value` holds; or none as JSON has them, and none is taken.
  bool take_digits(Digits& to) {
    to = {};
    const char* first = at_;
    for (; is_digit(*at_); ++at_) to.value = 10 * to.value + uint64_t(*at_ - '0');
    bool good = at_ != first && (*first != '0' || at_ - first == 1);
    if (good && *at_ == '.') {
      const char* point = at_++;
      for (; is_digit(*at_); ++at_) to.value = 10 * to.value + uint64_t(*at_ - '0');
      to.places = at_ - point - 1;
      to.has_places = true;
      good = to.places > 0;
    }
    if (!good) at_ = first;
    return good && at_ - first <= kMostDigits + to.has_places;
  }

  bool take_any_number(bool negative, int64_t max_integer, double& out, bool& is_integer) {
    const char* first = at_;
    Digits digits;
    const bool fits = take_digits(digits);
    if (at_ == first) return false;
    is_integer = !digits.has_places && !has_exponent();
    if (is_integer) {
      if (!fits || digits.value > uint64_t(max_integer)) return false;
      out = static_cast<double>(negative ? -int64_t(digits.value) : int64_t(digits.value));
      return true;
    }
    if (fits && !has_exponent() && digits.value <= kExact)
      out = static_cast<double>(digits.value) / kPowers[digits.places];
    else if ((has_exponent() && !take_exponent()) || !round(first, out))
      return false;
    out = negative ? -out : out;
    return true;
  }

  // Up to seven characters at once: no branch then depends on how many they are. Nothing is taken where it is not so.
  TAMIS_HD bool take_few_digits(Digits& to) {
    if (std::endian::native != std::endian::little || end_ - at_ < 8) return false;
    uint64_t digits;
    std::memcpy(&digits, at_, 8);
    digits ^= 0x3030303030303030u;
    const uint64_t others = (((digits & 0x7f7f7f7f7f7f7f7fu) + 0x7676767676767676u) | digits) & 0x8080808080808080u;
    if (others == 0) return false;
    int length = std::countr_zero(others) / 8, n = length;
    to.has_places = at_[length] == '.';
    if (length == 0 || (*at_ == '0' && length > 1)) return false;
    if (to.has_places) {
      const uint64_t after = others & (others - 1);
      length = std::countr_zero(after) / 8;
      if (after == 0 || length == n + 1) return false;
      const uint64_t whole = (uint64_t{1} << 8 * n) - 1;
      digits = (digits & whole) | (digits >> 8 & ~whole);
      to.places = length - n - 1;
      n = length - 1;
    }
    if (at_[length] == 'e' || at_[length] == 'E') return false;
    digits <<= 64 - 8 * n;
    digits = digits * 2561 >> 8 & 0x00ff00ff00ff00ffu;  // pairs, fours, all
    digits = digits * 6553601 >> 16 & 0x0000ffff0000ffffu;
    to.value = digits * 42949672960001u >> 32;
    at_ += length;
    return true;
  }

  bool has_exponent() const { return *at_ == 'e' || *at_ == 'E'; }

  bool take_exponent() {
    ++at_;
    if (*at_ == '+' || *at_ == '-') ++at_;
    const char* first = at_;
    while (is_digit(*at_)) ++at_;
    return at_ != first;
  }

  // False: too large, too small, or no such function in this library.
  bool round([[maybe_unused]] const char* first, [[maybe_unused]] double& out) const {
#if defined(__cpp_lib_to_chars)
    return std::from_chars(first, at_, out).ec == std::errc();
#else
    return false;
#endif
  }

  const char *at_, *end_;
};

}  // namespace tamis
