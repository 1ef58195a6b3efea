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
constexpr int64_t kRows = kPlaceRows, kWords = kRows / 64;
static_assert(kZcoreTogether * kWords <= 64);

// Bits of some draws and the distances they come from.
template <class T>
struct Within {
  alignas(64) uint64_t bits[kZcoreTogether * kWords];
  alignas(64) T distances[kZcoreTogether * kRows];
};

template <int kDims, bool kValues, class T>
inline void log(const ZcoreTile<T>& t, int64_t row, const ZcorePlace<T>* places, int64_t k, int64_t draw, int64_t some,
                const Within<T>& within, const ZcoreLogging<T>& to) {
  uint64_t busy = 0;
  for (int64_t i = 0; i < some * kWords; ++i) busy |= uint64_t(within.bits[i] != 0) << i;
  if (busy == 0) return;
  // read as vectors below: by then these words have long left the store buffer
  const ZcorePlace<T>* first = places + draw * k;
  int64_t starts[kDims > 0 ? kDims : 1][kZcoreTogether] = {};
  T nearest[kZcoreTogether] = {};
  for (int64_t i = 0; i < some; ++i) {
    for (int64_t j = 0; j < kDims; ++j) starts[j][i] = first[i * k + j].column * t.stride + row;
    nearest[i] = to.balls[draw + i].nearest;
  }
  uint16_t at[kZcoreTogether * kRows + kReadMore], *end = at;
  for (; busy != 0; busy &= busy - 1) {
    const int64_t word = __builtin_ctzll(busy);
    end = write_bits(within.bits[word], static_cast<uint16_t>(word * 64), end);
  }
  const int64_t n = end - at;
  ZcorePage* page = to.add(to.log, draw / kZcoreTogether, n, t.first + row);
  for (int64_t i = 0; i < some; ++i) {
    int count = 0;
    for (int64_t j = 0; j < kWords; ++j) count += __builtin_popcountll(within.bits[i * kWords + j]);
    page->counts[i] = static_cast<uint16_t>(count);
    to.balls[draw + i].count += static_cast<uint32_t>(count);
  }
  uint16_t* rows = reinterpret_cast<uint16_t*>(page + 1);
  T* values = reinterpret_cast<T*>(rows + 2 * zcore_words(n));
  for (int64_t i = 0; i < n; ++i) rows[i] = at[i] % kRows;
  if (!kValues) {
    for (int64_t i = 0; i < n; ++i) values[i] = within.distances[at[i]];
    return;
  }
  for (int64_t j = 0; j < (kDims > 0 ? kDims : k); ++j) {
    int64_t* from = starts[kDims > 0 ? j : 0];
    for (int64_t i = 0; i < some && kDims == 0; ++i) from[i] = first[i * k + j].column * t.stride + row;
    take(t.columns, from, at, n, values + j * n);
  }
  if (!any_below(within.distances, nearest, at, n)) return;
  for (int64_t i = 0; i < n; ++i) {
    ZcoreBall<T>& ball = to.balls[draw + at[i] / kRows];
    const T distance = within.distances[at[i]];
    if (distance < ball.nearest) {
      ball.nearest = distance;
      ball.limit = smaller(ball.limit, zcore_limit(distance, ball.more, k));
    }
  }
}

template <int kDims, bool kValues, class T>
void scan(const ZcoreTile<T>& t, const ZcorePlace<T>* places, int64_t k, int64_t draws, const ZcoreLogging<T>& to) {
  Within<T> within;
  for (int64_t draw = 0; draw < draws; draw += kZcoreTogether) {
    const int64_t some = smaller(kZcoreTogether, draws - draw);
    for (int64_t row = 0; row < t.n; row += kRows) {
      const int64_t rows = smaller(kRows, t.n - row), words = (rows + 63) / 64;
      for (int64_t i = 0; i < some; ++i) {
        T* distances = within.distances + i * kRows;
        uint64_t* bits = within.bits + i * kWords;
        Aim<kDims, T>{t, places + (draw + i) * k, k}.distances(row, words * 64, distances);
        for (int64_t j = 0; j < words; ++j) at_most(distances + j * 64, to.balls[draw + i].limit, bits + j);
        if (rows % 64 > 0) bits[words - 1] &= (uint64_t(1) << rows % 64) - 1;
        for (int64_t j = words; j < kWords; ++j) bits[j] = 0;
      }
      log<kDims, kValues>(t, row, places, k, draw, some, within, to);
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

// By halving the span of bit patterns; the counts are all there is to do, and they vectorise. Where some ranks will do,
// every other step goes where they are if values are spread evenly.
template <class T>
inline T rank_of(const T* values, int64_t n, int64_t rank, int64_t more) {
  T least = values[0], most = least;
  ends_of(values, n, &least, &most);
  auto low = ordered(least), high = ordered(most);
  int64_t below = 0, up_to = n;  // values below `low`, and up to `high`
  for (bool even = more >= 0; low < high; even = !even && more >= 0) {
    auto middle = low + (high - low) / 2;
    if (even) {
      const T from = from_ordered(low), share = static_cast<T>(rank - below) / static_cast<T>(up_to - below);
      middle = smaller(larger(ordered(from + (from_ordered(high) - from) * share), low), high - 1);
    }
    const int64_t within = count_within(values, n, from_ordered(middle));
    if (within >= rank) {
      high = middle;
      up_to = within;
    } else {
      low = middle + 1;
      below = within;
    }
    if (within >= rank && within <= rank + more) break;
  }
  return from_ordered(high);
}

// Moves those up to a limit to the front.
template <class T>
inline void move_within(T* distances, uint32_t* rows, int64_t n, T limit) {
  int64_t kept = 0, i = 0;
  for (; i + 64 <= n; i += 64) {
    uint64_t bits;
    uint16_t from[68];
    at_most(distances + i, limit, &bits);
    const int64_t some = write_bits(bits, 0, from) - from;
    for (int64_t j = 0; j < some; ++j) {
      distances[kept + j] = distances[i + from[j]];
      rows[kept + j] = rows[i + from[j]];
    }
    kept += some;
  }
  for (; i < n; ++i) {
    const T distance = distances[i];
    distances[kept] = distance;
    rows[kept] = rows[i];
    kept += distance <= limit;
  }
}

// Moves the `wanted` nearest to the front; of rows at the last distance the first ones are kept.
template <class T>
void keep_nearest(T* distances, uint32_t* rows, int64_t n, int64_t wanted) {
  const T last = rank_of(distances, n, wanted, 0);
  if (count_within(distances, n, last) == wanted) return move_within(distances, rows, n, last);
  int64_t before = 0;
  for (int64_t i = 0; i < n; ++i) before += distances[i] < last;
  uint32_t low = 0, high = ~uint32_t(0);  // the last row that is kept of those at the last distance
  while (low < high) {
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
