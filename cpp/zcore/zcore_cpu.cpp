#include "core/bits.hpp"
#include "zcore/zcore.hpp"
#include "zcore/zcore_lanes.hpp"

namespace tamis::TAMIS_ISA {
namespace {

template <class T>
inline T smaller(T a, T b) {
  return a < b ? a : b;
}
template <class T>
inline T larger(T a, T b) {
  return a > b ? a : b;
}
inline double magnitude(double v) { return __builtin_fabs(v); }
inline float magnitude(float v) { return __builtin_fabsf(v); }

// Reductions of floats lane by lane: compilers may not reorder them by themselves.
constexpr int64_t kLanes = 32;

template <class T>
inline void ends_of(const T* values, int64_t n, T* least, T* most) {
  alignas(64) T low[kLanes], high[kLanes];
  for (int64_t j = 0; j < kLanes; ++j) {
    low[j] = *least;
    high[j] = *most;
  }
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) {
      low[j] = smaller(values[i + j], low[j]);
      high[j] = larger(values[i + j], high[j]);
    }
  for (; i < n; ++i) {
    low[0] = smaller(values[i], low[0]);
    high[0] = larger(values[i], high[0]);
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2)
    for (int64_t j = 0; j < half; ++j) {
      low[j] = smaller(low[j + half], low[j]);
      high[j] = larger(high[j + half], high[j]);
    }
  *least = low[0];
  *most = high[0];
}

// The first place of the least of n values.
template <class T>
inline int64_t place_of_least(const T* values, int64_t n) {
  T least = values[0], most = least;
  ends_of(values, n, &least, &most);
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t found;
    at_most(values + i, least, &found);
    if (found != 0) return i + __builtin_ctzll(found);
  }
  while (i < n - 1 && !(values[i] <= least)) ++i;
  return smaller(i, n - 1);
}

// Tiles

template <class T>
void turn(const T* rows, int64_t n, int64_t d, const uint8_t* wanted, T* out, int64_t stride) {
  constexpr int64_t kHeight = 16, kAhead = 512;
  for (int64_t row = 0; row < n; row += kHeight)
    for (int64_t column = 0; column < d; column += kZcoreBlock) {
      if (!wanted[column / kZcoreBlock]) continue;
      const T* from = rows + row * d + column;
      T* to = out + column * stride + row;
      const int64_t height = smaller(kHeight, n - row), width = smaller(kZcoreBlock, d - column);
      for (int64_t i = 0; i < height; ++i) __builtin_prefetch(from + i * d + kAhead, 0, 2);
      if (height == kHeight && width == kZcoreBlock)
        for (int64_t j = 0; j < kZcoreBlock; j += kSquare)
          for (int64_t i = 0; i < kHeight; i += kSquare) turn_square(from + i * d + j, d, to + j * stride + i, stride);
      else
        for (int64_t j = 0; j < width; ++j)
          for (int64_t i = 0; i < height; ++i) to[j * stride + i] = from[i * d + j];
    }
}

template <class T>
void spread(const T* column, int64_t n, T centre, T reach, ZcoreSpread<T>* out) {
  int32_t below = 0, within = 0, good = 0;  // a tile has fewer rows
  for (int64_t i = 0; i < n; ++i) {
    const T v = column[i];
    const int32_t in = magnitude(v - centre) <= reach;
    good += v * T(0) == T(0);
    within += in;
    below += (v < centre) & (in ^ 1);
  }
  ends_of(column, n, &out->least, &out->most);
  out->finite &= good == n;
  out->below += below;
  out->within += within;
}

// Draws

// The columns of a draw and its place in them; kDims: k, or 0 for any.
template <int kDims, class T>
struct Aim {
  const ZcoreTile<T>& tile;
  const ZcorePlace<T>* places;
  int64_t k;

  int64_t dims() const { return kDims > 0 ? kDims : k; }
  const T* column(int64_t j) const { return tile.columns + places[j].column * tile.stride; }
  void distances(int64_t row, int64_t n, T* out) const {
    if constexpr (kDims == 2) {
      const T *a = column(0) + row, *b = column(1) + row;
      const T at = places[0].centre, bt = places[1].centre;
      for (int64_t i = 0; i < n; ++i) out[i] = magnitude(a[i] - at) + magnitude(b[i] - bt);
    } else {
      for (int64_t i = 0; i < n; ++i) out[i] = magnitude(column(0)[row + i] - places[0].centre);
      for (int64_t j = 1; j < dims(); ++j)
        for (int64_t i = 0; i < n; ++i) out[i] += magnitude(column(j)[row + i] - places[j].centre);
    }
  }
};

// Some draws and some rows of a tile together: first what is within reach of which, without a branch, then the log.
constexpr int64_t kRows = 256;

template <int kDims, bool kValues, class T>
inline void log(const ZcoreTile<T>& t, const ZcorePlace<T>* places, int64_t k, int64_t draw, const uint32_t* hits,
                int64_t n, const T* distances, const ZcoreLogging<T>& to) {
  uint32_t* page = to.add(to.log, draw / kZcoreTogether, n, t.first);
  T* values = reinterpret_cast<T*>(page + zcore_even(n));
  for (int64_t i = 0; i < n; ++i) page[i] = hits[i];
  if (!kValues) {
    for (int64_t i = 0; i < n; ++i) values[i] = distances[(hits[i] >> 16) * kRows + hits[i] % kRows];
    return;
  }
  for (int64_t j = 0; j < (kDims > 0 ? kDims : k); ++j) {
    const T* columns[kZcoreTogether];
    for (int64_t i = 0; i <= hits[n - 1] >> 16; ++i)
      columns[i] = t.columns + places[(draw + i) * k + j].column * t.stride;
    for (int64_t i = 0; i < n; ++i) values[j * n + i] = columns[hits[i] >> 16][hits[i] & 0xffff];
  }
  for (int64_t i = 0; i < n; ++i) {
    ZcoreBall<T>& ball = to.balls[draw + (hits[i] >> 16)];
    const T distance = distances[(hits[i] >> 16) * kRows + hits[i] % kRows];
    if (distance < ball.nearest) {
      ball.nearest = distance;
      ball.limit = smaller(ball.limit, zcore_limit(distance, ball.more, k));
    }
  }
}

template <int kDims, bool kValues, class T>
void scan(const ZcoreTile<T>& t, const ZcorePlace<T>* places, int64_t k, int64_t draws, const ZcoreLogging<T>& to) {
  alignas(64) T distances[kZcoreTogether * kRows];
  alignas(64) uint64_t within[kZcoreTogether * kRows / 64] = {};
  uint32_t hits[kZcoreTogether * kRows + 64];
  for (int64_t draw = 0; draw < draws; draw += kZcoreTogether) {
    const int64_t some = smaller(kZcoreTogether, draws - draw);
    for (int64_t row = 0; row < t.n; row += kRows) {
      const int64_t n = smaller(kRows, (t.n - row + 63) / 64 * 64), blocks = n / 64;
      for (int64_t i = 0; i < some; ++i) {
        Aim<kDims, T>{t, places + (draw + i) * k, k}.distances(row, n, distances + i * kRows);
        for (int64_t j = 0; j < blocks; ++j)
          at_most(distances + i * kRows + j * 64, to.balls[draw + i].limit, within + i * blocks + j);
      }
      if (t.n - row < n)
        for (int64_t i = 1; i <= some; ++i) within[i * blocks - 1] &= (uint64_t(1) << (t.n - row) % 64) - 1;
      uint32_t* end = hits;
      for (int64_t i = 0; i < some; ++i) {
        const uint32_t* begin = end;
        for (int64_t j = 0; j < blocks; ++j)
          end = write_bits(within[i * blocks + j], static_cast<uint32_t>(i << 16 | (row + j * 64)), end);
        to.balls[draw + i].count += static_cast<uint32_t>(end - begin);
      }
      if (end == hits) continue;
      log<kDims, kValues>(t, places, k, draw, hits, end - hits, distances, to);
      for (int64_t i = draw; i < draw + some; ++i)
        if (to.balls[i].count > to.balls[i].most) to.crowded(to.log, i);
    }
  }
}

template <class T>
void distances_of(const T* const* columns, const ZcorePlace<T>* places, int64_t k, int64_t n, T* out) {
  if (k == 2) {
    const T *a = columns[0], *b = columns[1];
    const T at = places[0].centre, bt = places[1].centre;
    for (int64_t i = 0; i < n; ++i) out[i] = magnitude(a[i] - at) + magnitude(b[i] - bt);
    return;
  }
  for (int64_t i = 0; i < n; ++i) out[i] = magnitude(columns[0][i] - places[0].centre);
  for (int64_t j = 1; j < k; ++j)
    for (int64_t i = 0; i < n; ++i) out[i] += magnitude(columns[j][i] - places[j].centre);
}

template <class T>
void distances_to_point(const T* const* columns, const double* point, int64_t k, int64_t n, double* out) {
  for (int64_t j = 0; j < k; ++j) {
    const T* x = columns[j];
    if (j == 0)
      for (int64_t i = 0; i < n; ++i) out[i] = magnitude(static_cast<double>(x[i]) - point[j]);
    else
      for (int64_t i = 0; i < n; ++i) out[i] += magnitude(static_cast<double>(x[i]) - point[j]);
  }
}

template <class T>
inline int64_t count_within(const T* values, int64_t n, T limit) {
  int64_t all = 0;
  for (int64_t begin = 0; begin < n; begin += 1 << 20) {
    int32_t some = 0;
    const int64_t end = smaller<int64_t>(n, begin + (1 << 20));
    for (int64_t i = begin; i < end; ++i) some += values[i] <= limit;
    all += some;
  }
  return all;
}

// By halving the span of bit patterns; the counts are all there is to do, and they vectorise.
template <class T>
inline T rank_of(const T* values, int64_t n, int64_t rank, int64_t more) {
  T least = values[0], most = least;
  ends_of(values, n, &least, &most);
  auto low = ordered(least), high = ordered(most);
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    const int64_t within = count_within(values, n, from_ordered(middle));
    if (within >= rank)
      high = middle;
    else
      low = middle + 1;
    if (within >= rank && within <= rank + more) break;
  }
  return from_ordered(high);
}

// Moves the `wanted` nearest to the front; of rows at the last distance the first ones are kept.
template <class T>
void keep_nearest(T* distances, uint32_t* rows, int64_t n, int64_t wanted) {
  const T last = rank_of(distances, n, wanted, 0);
  int64_t before = 0, ties = 0;
  for (int64_t i = 0; i < n; ++i) {
    before += distances[i] < last;
    ties += distances[i] == last;
  }
  uint32_t low = 0, high = ~uint32_t(0);  // the last row that is kept of those at the last distance
  while (before + ties > wanted && low < high) {
    const uint32_t middle = low + (high - low) / 2;
    int64_t within = before;
    for (int64_t i = 0; i < n; ++i) within += (distances[i] == last) & (rows[i] <= middle);
    if (within >= wanted)
      high = middle;
    else
      low = middle + 1;
  }
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T distance = distances[i];
    const uint32_t row = rows[i];
    distances[kept] = distance;
    rows[kept] = row;
    kept += (distance < last) | ((distance == last) & (row <= high));
  }
}

template <class T>
void shares(const T* distances, int64_t n, double exponent, double* weights, int64_t* out) {
  T least = distances[0], most = least;
  ends_of(distances, n, &least, &most);
  const double nearest = static_cast<double>(least);
  if (exponent == 4)
    for (int64_t i = 0; i < n; ++i) weights[i] = zcore_weight(nearest, static_cast<double>(distances[i]), 4);
  else
    for (int64_t i = 0; i < n; ++i) weights[i] = zcore_weight(nearest, static_cast<double>(distances[i]), exponent);
  const double unit = zcore_weight_unit(n);
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += zcore_rounded(weights[i] * unit);
  const double share = static_cast<double>(kZcoreUnit) / (static_cast<double>(sum) / unit);
  for (int64_t i = 0; i < n; ++i) out[i] = zcore_rounded(weights[i] * share);
}

}  // namespace

#define TAMIS_ZCORE(T)                                                                                                 \
  void zcore_turn(const T* rows, int64_t n, int64_t d, const uint8_t* wanted, T* out, int64_t stride) {                \
    turn(rows, n, d, wanted, out, stride);                                                                             \
  }                                                                                                                    \
  void zcore_spread(const T* column, int64_t n, T centre, T reach, ZcoreSpread<T>* out) {                              \
    spread(column, n, centre, reach, out);                                                                             \
  }                                                                                                                    \
  void zcore_scan(const ZcoreTile<T>& tile, const ZcorePlace<T>* places, int64_t k, int64_t draws,                     \
                  const ZcoreLogging<T>& to) {                                                                         \
    if (k == 2 && to.values)                                                                                           \
      scan<2, true>(tile, places, k, draws, to);                                                                       \
    else if (k == 2)                                                                                                   \
      scan<2, false>(tile, places, k, draws, to);                                                                      \
    else if (to.values)                                                                                                \
      scan<0, true>(tile, places, k, draws, to);                                                                       \
    else                                                                                                               \
      scan<0, false>(tile, places, k, draws, to);                                                                      \
  }                                                                                                                    \
  void zcore_distances(const T* const* columns, const ZcorePlace<T>* places, int64_t k, int64_t n, T* out) {           \
    distances_of(columns, places, k, n, out);                                                                          \
  }                                                                                                                    \
  void zcore_distances_to_point(const T* const* columns, const double* point, int64_t k, int64_t n, double* out) {     \
    distances_to_point(columns, point, k, n, out);                                                                     \
  }                                                                                                                    \
  void zcore_least(const T* values, int64_t n, int64_t* place) { *place = place_of_least(values, n); }                 \
  void zcore_count(const T* values, int64_t n, T limit, int64_t* within) { *within = count_within(values, n, limit); } \
  void zcore_rank(const T* values, int64_t n, int64_t rank, int64_t more, T* out) {                                    \
    *out = rank_of(values, n, rank, more);                                                                             \
  }                                                                                                                    \
  void zcore_keep_nearest(T* distances, uint32_t* rows, int64_t n, int64_t wanted) {                                   \
    keep_nearest(distances, rows, n, wanted);                                                                          \
  }                                                                                                                    \
  void zcore_shares(const T* distances, int64_t n, double exponent, double* weights, int64_t* out) {                   \
    shares(distances, n, exponent, weights, out);                                                                      \
  }
TAMIS_ZCORE(float)
TAMIS_ZCORE(double)

}  // namespace tamis::TAMIS_ISA
