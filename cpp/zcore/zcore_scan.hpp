// Which rows of a tile may be within reach of the draws, on whatever vectors the including file has.
#pragma once
#include <cstdint>

#include "zcore/zcore.hpp"
#include "zcore/zcore_lanes.hpp"

namespace tamis::TAMIS_ISA {
namespace {

template <class T>
inline T smaller(T a, T b) {
  return a < b ? a : b;
}

// One draw's survivors, a pointer into the entries of each part; kTwo: k is 2.
template <bool kTwo, bool kShift>
inline void scan_with(const ZcoreCodes& t, const ZcoreAim* aims, int64_t k, uint32_t draw, const ZcoreSurvivors& to) {
  const Bytes reach = all_bytes(kZcoreReach);
  const Aimed a(aims[0]), b(aims[kTwo ? 1 : 0]);
  const uint8_t *left = t.codes + aims[0].column * t.height, *right = t.codes + aims[kTwo ? 1 : 0].column * t.height;
  for (int64_t part = 0; part * t.part < t.n; ++part) {
    uint32_t* const begin = to.entries + part * to.room + to.counts[part];
    uint32_t* end = begin;
    for (int64_t row = part * t.part; row < smaller(t.n, (part + 1) * t.part); row += 64) {
      uint64_t within = 0;
      for (int64_t lane = 0; lane < 64; lane += kByteLanes) {
        Bytes sum = a.template least<kShift>(left + row + lane);
        if (kTwo)
          sum = add_saturated(sum, b.template least<kShift>(right + row + lane));
        else
          for (int64_t j = 1; j < k; ++j)
            sum = add_saturated(sum, Aimed(aims[j]).least<true>(t.codes + aims[j].column * t.height + row + lane));
        within |= at_most(sum, reach) << lane;
      }
      if (t.n - row < 64) within &= (uint64_t(1) << (t.n - row)) - 1;
      end = write_bits(within, draw << 16 | static_cast<uint32_t>(row), end);
    }
    to.counts[part] += end - begin;
  }
}

void scan(const ZcoreCodes& t, const ZcoreDraws& draws, const ZcoreSurvivors& to) {
  // the next tile comes in meanwhile, some lines with each draw
  const int64_t lines = t.next == nullptr ? 0 : t.d * t.height / 64, ahead = (lines + draws.n - 1) / draws.n;
  for (int64_t draw = 0; draw < draws.n; ++draw) {
    const ZcoreAim* aims = draws.aims + draw * draws.k;
    for (int64_t i = draw * ahead; i < smaller(lines, (draw + 1) * ahead); ++i)
      __builtin_prefetch(t.next + i * 64, 0, 2);
    const uint32_t number = static_cast<uint32_t>(draw);
    if (draws.k != 2)
      scan_with<false, true>(t, aims, draws.k, number, to);
    else if (aims[0].shift == 0 && aims[1].shift == 0)
      scan_with<true, false>(t, aims, 2, number, to);
    else
      scan_with<true, true>(t, aims, 2, number, to);
  }
}

}  // namespace
}  // namespace tamis::TAMIS_ISA
