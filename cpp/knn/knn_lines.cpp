// The limits each side of a tile is tested against.
#include <algorithm>
#include <cmath>

#include "knn/knn_math.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {
namespace {

constexpr float kFloatNever = 1e38f;

// Of a NaN, which another thread may bring, the least.
double between(double limit, double always, double never) { return limit > always ? std::min(limit, never) : always; }

}  // namespace

// One entry of a line of codes.
void KnnSearch::set_entry(KnnLine<int32_t>& line, const KnnCodes& codes, const Side& side, int64_t i) const {
  const int64_t p = side.begin + i;
  const bool dots = plan_.metric == KnnMetric::inner_product;
  const host::CodeRow row{dots ? 0 : 0.5 * codes.squares[p], static_cast<double>(side.table.norm[p]),
                          static_cast<double>(codes.lost[p])};
  const double shift = side.is_column ? static_cast<double>(kernels_.bias) * codes.sum[p] : 0;
  const double lost = static_cast<double>(
      (&codes == &side.table.full ? side.other.full : side.other.prefix).block_lost[side.other_block]);
  double limit = kKnnNever;
  if (side.active)
    limit = host::code_limit(row, static_cast<double>(codes.step), key_limit(side.begin + i), plan_.gain, lost,
                             side.other_norm(), dots);
  line.limit[i] = static_cast<int32_t>(std::floor(between(limit, kKnnAlways, kKnnNever)) + shift);
  line.rest[i] = static_cast<int32_t>(std::floor(row.half) + shift);
}

// One entry of a line of floats. The slack covers d float32 multiply-adds in one chain, the sums of the test itself,
// and norms that are rounded up.
void KnnSearch::set_entry(KnnLine<float>& line, const Side& side, int64_t i) const {
  const double norm = static_cast<double>(side.table.norm[side.begin + i]);
  const double other = side.other_norm(), both = norm + other;
  const double slack = 6e-8 * (static_cast<double>(side.table.rows.d) + 16) * both * both + 1e-30;
  const bool dots = plan_.metric == KnnMetric::inner_product;
  const host::CodeRow row{dots ? 0 : 0.5 * norm * norm, norm, 0};
  double limit = kFloatNever;
  if (side.active) limit = host::code_limit(row, 1, key_limit(side.begin + i), plan_.gain, 0, other, dots) - slack;
  line.limit[i] = static_cast<float>(between(limit, -kFloatNever, kFloatNever));
  line.rest[i] = static_cast<float>(row.half - slack);
}

void KnnSearch::set_entries(Lines& lines, const Side& side, int64_t i) const {
  if (!plan_.codes) return set_entry(lines.floats, side, i);
  set_entry(lines.full, side.table.full, side, i);
  if (plan_.has_prefix()) set_entry(lines.prefix, side.table.prefix, side, i);
}

// A whole line of codes from how far its rows look.
void KnnSearch::set_codes(KnnLine<int32_t>& line, const KnnCodes& codes, const KnnCodes& other, const Side& side,
                          const float* reach) const {
  const int64_t at = side.begin;
  code_limits({reach, &codes.lost[at], &codes.squares[at], &codes.sum[at],
               static_cast<double>(other.block_lost[side.other_block]), static_cast<double>(codes.step),
               side.is_column ? kernels_.bias : 0, side.n},
              line.limit, line.rest);
}

// Whether all limits of a side follow from how far its rows look, the usual case.
bool KnnSearch::has_reach(const Side& side) const {
  return side.active && plan_.codes && plan_.metric == KnnMetric::squared_distance;
}

// How far they look, once for all limits: other threads lower it all the time. Returns the most.
float KnnSearch::read_reach(const Side& side, Lines& lines) const {
  float most = 0;
  if (!has_reach(side)) return most;
  for (int64_t i = 0; i < side.n; ++i) {
    lines.reach[i] = static_cast<float>(host::reach_of(key_limit(side.begin + i), plan_.gain) * 1.0000002);
    most = std::max(most, lines.reach[i]);
  }
  return most;
}

void KnnSearch::set_lines(Lines& lines, const Side& side) const {
  constexpr int64_t kEnd = kKnnBlock + kKnnRowStep;
  if (has_reach(side)) {
    set_codes(lines.full, side.table.full, side.other.full, side, lines.reach);
    if (plan_.has_prefix()) set_codes(lines.prefix, side.table.prefix, side.other.prefix, side, lines.reach);
  } else {
    for (int64_t i = 0; i < side.n; ++i) set_entries(lines, side, i);
  }
  for (KnnLine<int32_t>* line : {&lines.full, &lines.prefix}) {
    std::fill(line->limit + side.n, line->limit + kEnd, kKnnNever);
    std::fill(line->rest + side.n, line->rest + kEnd, kKnnNever);
  }
  std::fill(lines.floats.limit + side.n, lines.floats.limit + kEnd, kFloatNever);
  std::fill(lines.floats.rest + side.n, lines.floats.rest + kEnd, kFloatNever);
}

}  // namespace tamis
