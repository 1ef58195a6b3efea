// The arithmetic of a draw: its random numbers, how far it must look, and weights whose sum is the same in any order.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis {

constexpr int kZcoreEight = 8;  // halves the device reads at once

template <class T>
struct ZcorePlace {
  T centre;
  int32_t column;
};

}  // namespace tamis

namespace tamis::TAMIS_ISA {

// Philox 4x64 with 10 rounds: four random words for each counter, the generator NumPy has by that name.
struct Philox {
  uint64_t word[4];
};

TAMIS_HD Philox philox(uint64_t key0, uint64_t key1, uint64_t counter0, uint64_t counter1) {
  Philox c{{counter0, counter1, 0, 0}};
  for (int round = 0; round < 10; ++round) {
    const auto wide0 = static_cast<unsigned __int128>(0xD2E7470EE14C6C93) * c.word[0];
    const auto wide2 = static_cast<unsigned __int128>(0xCA5A826395121157) * c.word[2];
    c = {{static_cast<uint64_t>(wide2 >> 64) ^ c.word[1] ^ key0, static_cast<uint64_t>(wide2),
          static_cast<uint64_t>(wide0 >> 64) ^ c.word[3] ^ key1, static_cast<uint64_t>(wide0)}};
    key0 += 0x9E3779B97F4A7C15;
    key1 += 0xBB67AE8584CAA73B;
  }
  return c;
}

// Word `at` of draw `draw`: it depends on the seed and on these two alone.
TAMIS_HD uint64_t random_word(uint64_t seed, int64_t draw, int64_t at) {
  return philox(seed, 0, static_cast<uint64_t>(at / 4), static_cast<uint64_t>(draw)).word[at % 4];
}

TAMIS_HD int64_t random_below(uint64_t word, int64_t n) {
  return static_cast<int64_t>((static_cast<unsigned __int128>(word) * static_cast<unsigned __int128>(n)) >> 64);
}

TAMIS_HD double unit_interval(uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

// `k` different columns of d, all sets equally likely (Floyd).
TAMIS_HD void random_columns(uint64_t seed, int64_t draw, int64_t k, int64_t d, int32_t* out) {
  for (int64_t j = 0; j < k; ++j) {
    const int64_t last = d - k + j;
    int32_t pick = static_cast<int32_t>(random_below(random_word(seed, draw, j), last + 1));
    for (int64_t i = 0; i < j; ++i)
      if (out[i] == pick) {
        pick = static_cast<int32_t>(last);
        break;
      }
    out[j] = pick;
  }
}

// The triangular distribution between low and high with its peak at `mode`, at the share u in [0, 1).
TAMIS_HD double triangular(double low, double mode, double high, double u) {
  const double base = high - low;
  if (!(base > 0)) return low;
  const double share = (mode - low) / base;
  return u <= share ? low + base * __builtin_sqrt(u * share) : high - base * __builtin_sqrt((1 - u) * (1 - share));
}

// How far from a point, as floats measure, the rows are that may be nearest to it, or within a radius of the nearest,
// when a row is at this distance; `more` is zcore_more(radius). Generous with the rounding of k sums.
template <class T>
TAMIS_HD T zcore_limit(T distance, T more, int64_t k) {
  return distance * (1 + static_cast<T>(5e-7) * static_cast<T>(k + 2)) + more;
}
template <class T>
TAMIS_HD T zcore_more(T radius, const double* point, int64_t k) {
  double size = 0;  // points are rounded, too
  for (int64_t j = 0; j < k; ++j) size += __builtin_fabs(point[j]);
  return radius * (1 + static_cast<T>(5e-7) * static_cast<T>(k + 2)) + static_cast<T>(1e-6 * size);
}

// Distances and rows as one integer.

constexpr uint32_t kZcoreInfinity = 0x7f800000;  // the bits of a float32 distance that is above all

TAMIS_HD uint64_t zcore_key(float distance, uint32_t row) {
  uint32_t bits;
  __builtin_memcpy(&bits, &distance, sizeof(bits));
  return static_cast<uint64_t>(bits) << 32 | row;
}
TAMIS_HD unsigned __int128 zcore_key(double distance, uint32_t row) {
  uint64_t bits;
  __builtin_memcpy(&bits, &distance, sizeof(bits));
  return static_cast<unsigned __int128>(bits) << 32 | row;
}
TAMIS_HD double zcore_distance(uint64_t key) {
  const uint32_t bits = static_cast<uint32_t>(key >> 32);
  float distance;
  __builtin_memcpy(&distance, &bits, sizeof(bits));
  return static_cast<double>(distance);
}
TAMIS_HD double zcore_distance(unsigned __int128 key) {
  const uint64_t bits = static_cast<uint64_t>(key >> 32);
  double distance;
  __builtin_memcpy(&distance, &bits, sizeof(bits));
  return distance;
}

// The filter of the device: values less the median of their column, times a power of two that brings the largest below
// 2 ** 15, rounded to float16.
TAMIS_HD float zcore_scaled(double value, double median, double scale) {
  return static_cast<float>((value - median) * scale);
}

// No row within `distance` of a point, as it is computed, has halves whose differences to the scaled point sum to more;
// `size` is the sum of the scaled point's coordinates without their signs. A half is off by 2 ** -11 of the value, or
// by 2 ** -25; a value is no larger than the point's and their difference; the rest is for k sums of floats.
TAMIS_HD float zcore_half_bound(double distance, double scale, double size, int64_t k) {
  constexpr double kStep = 0x1.02p-11;
  const double columns = static_cast<double>(k);
  const double bound = distance * scale * (1 + kStep) + size * kStep + columns * 0x1p-23;
  return static_cast<float>(bound * (1 + (columns + 2) * 2e-7));
}

// The rank in a sample below which the nearest `wanted` rows of n are, but for chance beyond so many of its deviations.
TAMIS_HD int64_t zcore_sampled_rank(int64_t wanted, int64_t sampled, int64_t n, double deviations) {
  const double expected = static_cast<double>(wanted) * static_cast<double>(sampled) / static_cast<double>(n);
  return static_cast<int64_t>(expected + deviations * __builtin_sqrt(expected) + 2);
}

TAMIS_HD double zcore_weight(double nearest, double distance, double exponent) {
  const double share = nearest / distance, square = share * share;
  return exponent == 4 ? square * square : __builtin_pow(share, exponent);
}
// Weights, 1 at most, are summed in integers of this size: so many of them fit 64 bits.
TAMIS_HD double zcore_weight_unit(int64_t wanted) {
  double unit = 0x1p40;
  for (; wanted > int64_t(1) << 21; wanted /= 2) unit *= 0.5;
  return unit;
}
TAMIS_HD int64_t zcore_rounded(double value) {  // not below 0: an addition has the same bits everywhere
  const double raised = value + 0.5;
  return static_cast<int64_t>(raised);
}

}  // namespace tamis::TAMIS_ISA
