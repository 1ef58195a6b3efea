// Walks plain results or a chunk of a dataset. The character at its end is a comma or bracket of the file, so that
// nothing but structure has to look out for it.
#pragma once
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <string>

#include "coco_json/coco_json.hpp"
#include "core/decimal.hpp"
#include "core/hd.hpp"

namespace tamis {

class Cursor {
 public:
  explicit Cursor(std::string_view part) : at_(part.data()), end_(at_ + part.size()) {}

  const char* at() const { return at_; }
  const char* end() const { return end_; }
  void move_to(const char* at) { at_ = at; }

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

  // As Python's float: the quotient of two exact numbers is rounded once, as are `scaled` and from_chars.
  TAMIS_HD bool take_number(int64_t max_integer, double& out, bool& is_integer) {
    const bool negative = take('-');
    Digits digits;
    if (!take_few_digits(digits)) {
      const Number other = Cursor(at_, end_).any_number(max_integer);  // a copy, so that *this can stay in registers
      if (other.stop == nullptr) return false;
      at_ = other.stop;
      is_integer = other.is_integer;
      out = negative && !(is_integer && other.value == 0) ? -other.value : other.value;
      return true;
    }
    is_integer = !digits.has_places;
    const double whole = static_cast<double>(digits.value) / kPowers[digits.places];
    out = negative && (digits.has_places || digits.value > 0) ? -whole : whole;
    return true;
  }

  // Up to n of the next numbers of a list, where they are short: 0 or more.
  int64_t take_short(int64_t n, double* to, uint8_t* integers) {
    ShortNumbers taken{at_ - 1, 0};
    if (--skip_short_ < 0) {
      take_short_numbers(taken.stop, end_, n, to, integers, &taken);
      skip_short_ = taken.n == 0 ? kShortSkipped : 0;
    }
    if (taken.n > 0) at_ = taken.stop;
    return taken.n;
  }

  // Past numbers that are not asked for.
  bool skip_numbers() {
    const char* stop = nullptr;
    if (*at_ == '[') skip_number_lists(at_, end_, &stop);
    at_ = stop == nullptr ? at_ : stop;
    return stop != nullptr;
  }

  // The characters up to a quote; false: one is an escape, a control or not ASCII.
  bool take_text(std::string_view& out) {
    const char* first = at_;
    while (at_ != end_ && static_cast<signed char>(*at_) >= ' ' && *at_ != '"' && *at_ != '\\') ++at_;
    out = {first, size_t(at_ - first)};
    return take_word("\"");
  }

  // A list of n numbers; bit i of `integers` is set where number i is one.
  bool take_numbers(int64_t n, int64_t max_integer, double* to, uint8_t* integers) {
    if (at_end() || *at_ != '[') return false;
    ShortNumbers taken{at_, 0};
    if (--skip_short_ < 0) {
      take_short_numbers(at_, end_, n, to, integers, &taken);
      skip_short_ = taken.n == 0 ? kShortSkipped : 0;
    }
    Cursor cursor(taken.stop, end_);  // its own, so that it can stay in registers
    for (int64_t i = taken.n; i < n; ++i) {
      bool is_integer = false;
      if (!cursor.take(i == 0 ? '[' : ',') || !cursor.take_number(max_integer, to[i], is_integer)) return false;
      integers[i / 8] = static_cast<uint8_t>(integers[i / 8] | is_integer << i % 8);
    }
    at_ = cursor.at_;
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
  Cursor(const char* at, const char* end) : at_(at), end_(end) {}

  static constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

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
    at_ = tamis::take_digits(first, end_, to.value);
    bool good = at_ != first && (*first != '0' || at_ - first == 1);
    if (good && *at_ == '.') {
      const char* point = at_++;
      at_ = tamis::take_digits(at_, end_, to.value);
      to.places = at_ - point - 1;
      to.has_places = true;
      good = to.places > 0;
    }
    if (!good) at_ = first;
    const int64_t n = at_ - first - to.has_places;
    return good && (n <= kSafeDigits || (*first == '0' && n - leading_zeros(first) <= kSafeDigits));
  }

  // Of 0.00012 four.
  int64_t leading_zeros(const char* first) const {
    const char* at = first + 2;
    while (at != at_ && *at == '0') ++at;
    return at - first - 1;
  }

  struct Number {  // without its sign
    double value;
    const char* stop;  // null: not one, too large, or too small
    bool is_integer;
  };
  Number any_number(int64_t max_integer) {
    constexpr Number kNone{0, nullptr, false};
    const char* first = at_;
    Digits digits;
    const bool fits = take_digits(digits);
    if (at_ == first) return kNone;
    if (!digits.has_places && !has_exponent()) {
      if (!fits || digits.value > uint64_t(max_integer)) return kNone;
      return {static_cast<double>(digits.value), at_, true};
    }
    int64_t power = 0;
    if (has_exponent() && !take_exponent(power)) return kNone;
    power -= digits.places;
    double value = 0;
    if (fits && power >= -kMostPower && power <= kMostPower)
      value = scaled(digits.value, power);
    else if (!round(first, value))
      return kNone;
    return {value, at_, false};
  }

  // Up to seven characters at once: no branch then depends on how many they are. Nothing is taken where it is not so.
  TAMIS_HD bool take_few_digits(Digits& to) {
    if (std::endian::native != std::endian::little || end_ - at_ < 8) return false;
    uint64_t digits;
    std::memcpy(&digits, at_, 8);
    digits ^= 0x3030303030303030u;
    const uint64_t others = decimal::others_of(digits);
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
    to.value = decimal::eight_digits(digits << (64 - 8 * n));
    at_ += length;
    return true;
  }

  bool has_exponent() const { return *at_ == 'e' || *at_ == 'E'; }

  bool take_exponent(int64_t& power) {
    constexpr int64_t kLarge = 1 << 20;
    const bool negative = *++at_ == '-';
    if (negative || *at_ == '+') ++at_;
    const char* first = at_;
    for (; is_digit(*at_); ++at_) power = std::min(kLarge, 10 * power + (*at_ - '0'));
    power = negative ? -power : power;
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
  int skip_short_ = 0;
};

}  // namespace tamis
