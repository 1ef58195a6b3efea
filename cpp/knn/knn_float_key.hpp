// A test in float32 that may drop a pair before its exact key is computed, and rows of float16 as they are stored.
#pragma once
#include "knn/knn_math.hpp"

namespace tamis::TAMIS_ISA {

// A float16 as it is stored.
struct Half {
  uint16_t bits;
  TAMIS_HD explicit operator float() const {
    const uint32_t size = (bits & 0x7fffu) << 13, odd = size >= 0x0f800000u ? 0x70000000u : 0;  // infinity and NaN
    const float f = __builtin_bit_cast(float, size + odd) * 0x1p112f;
    return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, f) | (bits & 0x8000u) << 16);
  }
  TAMIS_HD explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

// Of a finite float16.
TAMIS_HD float lane_of(Half x) {
  const float size = __builtin_bit_cast(float, (x.bits & 0x7fffu) << 13) * 0x1p112f;
  return __builtin_bit_cast(float, __builtin_bit_cast(uint32_t, size) | (x.bits & 0x8000u) << 16);
}
TAMIS_HD float lane_of(float x) { return x; }

// The squared distance in float32, good to a factor of 1 +- 1e-7 * (d / 16 + 64) where `kScaled` is false; scaled rows
// may be `scaled_slack` off in distance besides.
template <bool kScaled, class T>
TAMIS_HD float float_key(const RowOf<T>& a, const RowOf<T>& b, const float* offset, int64_t d) {
  const float sa = static_cast<float>(a.scale), sb = static_cast<float>(b.scale);
  float lanes[kKeyLanes] = {};  // arrays: GCC keeps a vector of so many on the stack
  int64_t k = 0;
  for (; k + kKeyLanes <= d; k += kKeyLanes)
    for (int i = 0; i < kKeyLanes; ++i) {
      const float x = lane_of(a.x[k + i]), y = lane_of(b.x[k + i]);
      const float apart = kScaled ? (x - offset[k + i]) * sa - (y - offset[k + i]) * sb : x - y;
      lanes[i] += apart * apart;
    }
  float sum = 0;
  for (int i = 0; i < kKeyLanes; ++i) sum += lanes[i];
  for (; k < d; ++k) {
    const float x = static_cast<float>(a.x[k]), y = static_cast<float>(b.x[k]);
    const float apart = kScaled ? (x - offset[k]) * sa - (y - offset[k]) * sb : x - y;
    sum += apart * apart;
  }
  return sum;
}

// Rows about an offset whose rounding to float32 took `lost` off: they are moved by lost * scale, both in one
// direction, and what is computed is of a norm of 1 + lost * scale.
TAMIS_HD double scaled_slack(double a, double b, double lost) {
  const double apart = a < b ? b - a : a - b;
  return 6e-7 * (1 + lost * (a + b)) + lost * apart;
}

// True where a float32 key proves that the exact one, whose distance may be `slack` off, is above `limit`. An overflow
// proves nothing.
template <bool kScaled>
TAMIS_HD bool above(float key, double limit, int64_t d, double slack) {
  const double least = static_cast<double>(key) * (1 - 1e-7 * (static_cast<double>(d) / kKeyLanes + 64));
  const double reach = kScaled ? __builtin_sqrt(limit) + slack : 0;
  return key <= 3e38f && least > (kScaled ? reach * reach : limit);
}

// What the exact key is at most; squares may have been too small for float32.
template <bool kScaled>
TAMIS_HD double at_most(float key, int64_t d, double slack) {
  if (!(key <= 3e38f)) return __builtin_huge_val();
  const double lost = 2e-38 * static_cast<double>(d);
  const double most = static_cast<double>(key) * (1 + 1e-7 * (static_cast<double>(d) / kKeyLanes + 64)) + lost;
  if (!kScaled) return most;
  const double reach = __builtin_sqrt(most) + slack;
  return reach * reach;
}

}  // namespace tamis::TAMIS_ISA
