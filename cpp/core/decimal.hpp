// Decimal texts to doubles, correctly rounded as Python's float() is, without a library's general routine.
//
// digits * 10 ** power for digits < 2 ** 64 and |power| <= 55 is one product of 64 by 128 bits: D. Lemire, "Number
// Parsing at a Gigabyte per Second" (2021); that it never needs a slower way is shown in N. Mushtak and D. Lemire,
// "Fast Number Parsing Without Fallback" (2022).
#pragma once
#include <bit>
#include <cstdint>

#include "core/hd.hpp"

namespace tamis {

inline constexpr int64_t kMostPower = 55;   // the largest power of 5 that 128 bits hold
inline constexpr int64_t kSafeDigits = 19;  // of a number that fits 64 bits whatever they are

namespace decimal {

using Wide = unsigned __int128;

constexpr Wide five_to(int64_t power) {
  Wide out = 1;
  for (int64_t i = 0; i < power; ++i) out *= 5;
  return out;
}

constexpr int bits_of(Wide x) {
  const auto high = static_cast<uint64_t>(x >> 64);
  return high != 0 ? 128 - std::countl_zero(high) : 64 - std::countl_zero(static_cast<uint64_t>(x));
}

// The first 128 bits of 1 / divisor, for an odd divisor: long division.
constexpr Wide reciprocal(Wide divisor) {
  Wide out = 0, rest = Wide{1} << (bits_of(divisor) - 1);
  for (int i = 0; i < 128; ++i) {
    const bool carry = rest >> 127 != 0;
    rest <<= 1;
    out <<= 1;
    if (carry || rest >= divisor) rest -= divisor, out |= 1;
  }
  return out;
}

struct Halves {
  uint64_t high, low;
};

// 5 ** power from its first bit on; where a product could be exact, that of a quotient is rounded up.
struct Fives {
  Halves of[2 * kMostPower + 1];
};
constexpr Fives kFives = [] {
  Fives out{};
  for (int64_t power = -kMostPower; power <= kMostPower; ++power) {
    const Wide five = five_to(power < 0 ? -power : power);
    const Wide bits = power < 0 ? reciprocal(five) + (power >= -27) : five << (128 - bits_of(five));
    out.of[power + kMostPower] = {static_cast<uint64_t>(bits >> 64), static_cast<uint64_t>(bits)};
  }
  return out;
}();

// Not of the function that reads it: there it would be built on the stack at each call.
constexpr uint64_t kTens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

// The high bit of each byte that, its '0' taken away by xor, is not a digit.
TAMIS_HD uint64_t others_of(uint64_t digits) {
  return (((digits & 0x7f7f7f7f7f7f7f7fu) + 0x7676767676767676u) | digits) & 0x8080808080808080u;
}

// Eight digits, the first in the lowest byte: pairs, fours, all.
TAMIS_HD uint64_t eight_digits(uint64_t digits) {
  digits = digits * 2561 >> 8 & 0x00ff00ff00ff00ffu;
  digits = digits * 6553601 >> 16 & 0x0000ffff0000ffffu;
  return digits * 42949672960001u >> 32;
}

}  // namespace decimal

// digits * 10 ** power, to nearest, ties to even.
TAMIS_HD double scaled(uint64_t digits, int64_t power) {
  using decimal::Wide;
  if (digits == 0) return 0;
  const int zeros = __builtin_clzll(digits);
  digits <<= zeros;
  const decimal::Halves five = decimal::kFives.of[power + kMostPower];
  Wide product = Wide{digits} * five.high;
  if ((static_cast<uint64_t>(product >> 64) & 0x1ff) == 0x1ff) product += Wide{digits} * five.low >> 64;
  const auto high = static_cast<uint64_t>(product >> 64), low = static_cast<uint64_t>(product);
  const auto upper = static_cast<int>(high >> 63);
  uint64_t mantissa = high >> (upper + 9);  // 54 bits: one to round by
  if (low <= 1 && power >= -4 && power <= 23 && (mantissa & 3) == 1 && mantissa << (upper + 9) == high)
    mantissa &= ~uint64_t{1};  // halfway between two, and the lower is even
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  const int64_t exponent = (217706 * power >> 16) + upper - zeros + 63;  // 217706 / 65536: log2(10)
  // the mantissa's own first bit is the one that is added to the exponent, or two where rounding has carried
  const uint64_t bits = (static_cast<uint64_t>(exponent + 1022) << 52) + mantissa;
  double out;
  __builtin_memcpy(&out, &bits, sizeof(out));
  return out;
}

// Appends the digits from `at` on to `value`, modulo 2 ** 64; where they end.
TAMIS_HD const char* take_digits(const char* at, const char* end, uint64_t& value) {
  while (std::endian::native == std::endian::little && end - at >= 8) {
    uint64_t digits;
    __builtin_memcpy(&digits, at, 8);
    digits ^= 0x3030303030303030u;
    const uint64_t others = decimal::others_of(digits);
    if (others != 0) {
      const int n = __builtin_ctzll(others) / 8;
      value = value * decimal::kTens[n] + decimal::eight_digits(digits << 8 << (56 - 8 * n));
      return at + n;
    }
    value = value * 100000000 + decimal::eight_digits(digits);
    at += 8;
  }
  for (; at != end && static_cast<unsigned char>(*at - '0') < 10; ++at) value = 10 * value + uint64_t(*at - '0');
  return at;
}

}  // namespace tamis
