// Order-preserving float-to-integer keys, and float32 <-> float16 conversion.
#pragma once
#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

template <class To, class From>
TAMIS_HD To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To bits;
  __builtin_memcpy(&bits, &value, sizeof(To));
  return bits;
}

TAMIS_HD uint32_t ordered(float value) {
  const uint32_t bits = bits_as<uint32_t>(value);
  return bits >> 31 ? ~bits : bits | 0x80000000;
}
TAMIS_HD uint64_t ordered(double value) {
  const uint64_t bits = bits_as<uint64_t>(value);
  return bits >> 63 ? ~bits : bits | 0x8000000000000000;
}
TAMIS_HD float from_ordered(uint32_t bits) { return bits_as<float>(bits >> 31 ? bits & 0x7fffffff : ~bits); }
TAMIS_HD double from_ordered(uint64_t bits) { return bits_as<double>(bits >> 63 ? bits & 0x7fffffffffffffff : ~bits); }

// To the nearest half, ties to even; |value| < 65504.
TAMIS_HD uint16_t half_bits(float value) {
  const uint32_t bits = bits_as<uint32_t>(value), sign = bits >> 16 & 0x8000;
  const uint32_t size = bits & 0x7fffffff;
  if (size < 0x38800000) {  // below 2 ** -14 halves are evenly spaced, as are floats from 0.5 to 1
    const uint32_t shifted = bits_as<uint32_t>(bits_as<float>(size) + 0.5f);
    return static_cast<uint16_t>(sign | (shifted - 0x3f000000));
  }
  return static_cast<uint16_t>(sign | ((size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13));
}
TAMIS_HD float half_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, size = bits & 0x7fff;
  if (size < 0x400) {
    const float small = static_cast<float>(size) * 0x1p-24f;
    return sign ? -small : small;
  }
  return bits_as<float>(sign | ((size << 13) + 0x38000000));
}

}  // namespace tamis::TAMIS_ISA
