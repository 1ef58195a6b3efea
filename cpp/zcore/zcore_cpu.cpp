#include <type_traits>

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
void turn(const ZcoreRows<T>& rows, const uint8_t* wanted, T* out, int64_t stride) {
  constexpr int64_t kHeight = 16, kAhead = 512;
  const int64_t n = rows.n, d = rows.d, apart = rows.stride;
  for (int64_t row = 0; row < n; row += kHeight)
    for (int64_t column = 0; column < d; column += kZcoreBlock) {
      if (!wanted[column / kZcoreBlock]) continue;
      const T* from = rows.x + row * apart + column;
      T* to = out + column * stride + row;
      const int64_t height = smaller(kHeight, n - row), width = smaller(kZcoreBlock, d - column);
      const int64_t on = column + kAhead < d ? kAhead : kHeight * apart - column;  // or the start of the next rows
      for (int64_t i = 0; i < height; ++i) __builtin_prefetch(from + i * apart + on, 0, 2);
      if (height == kHeight && width == kZcoreBlock)
        for (int64_t j = 0; j < kZcoreBlock; j += kSquare)
          for (int64_t i = 0; i < kHeight; i += kSquare)
            turn_square(from + i * apart + j, apart, to + j * stride + i, stride);
      else
        for (int64_t j = 0; j < width; ++j)
          for (int64_t i = 0; i < height; ++i) to[j * stride + i] = from[i * apart + j];
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

// Some draws and a tile together: first what is within reach of which, without a branch, then the log.
constexpr int64_t kRows = kPlaceRows, kWords = kRows / 64, kTogether = kZcoreTogether;
static_assert(kTogether * kWords <= 64 && kRows == kZcoreMostHeight);

// The columns of some draws in a tile, and their places in them; kDims: k, or 0 for any.
template <int kDims, class T>
struct DrawColumns {
  const ZcoreTile<T>& tile;
  const ZcorePlace<T>* places;  // of the first draw
  int64_t k;

  int64_t dims() const { return kDims > 0 ? kDims : k; }
  const ZcorePlace<T>& place(int64_t i, int64_t j) const { return places[i * dims() + j]; }
  int64_t start(int64_t i, int64_t j) const { return place(i, j).column * tile.stride; }
  const T* column(int64_t i, int64_t j) const { return tile.columns + start(i, j); }

  // Columns of a draw to come, but for the first, which is nearly always that of the draw before it.
  void prefetch(int64_t i) const {
    constexpr int64_t kLine = 64 / sizeof(T);
    for (int64_t j = 1; j < dims(); ++j)
      for (int64_t r = 0; r < tile.n; r += kLine) __builtin_prefetch(column(i, j) + r);
  }

  // The bits of the rows that are within a limit of draw i, 64 in a word.
  void within(int64_t i, T limit, int64_t words, uint64_t* bits) const {
    if constexpr (kDims == 2) {
      for (int64_t w = 0; w < words; ++w)
        near_two(column(i, 0) + 64 * w, column(i, 1) + 64 * w, place(i, 0).centre, place(i, 1).centre, limit, bits + w);
    } else {
      alignas(64) T sums[64];
      for (int64_t w = 0; w < words; ++w) {
        for (int64_t r = 0; r < 64; ++r) sums[r] = magnitude(column(i, 0)[64 * w + r] - place(i, 0).centre);
        for (int64_t j = 1; j < dims(); ++j)
          for (int64_t r = 0; r < 64; ++r) sums[r] += magnitude(column(i, j)[64 * w + r] - place(i, j).centre);
        at_most(sums, limit, bits + w);
      }
    }
  }
};

template <int kDims, bool kValues, class T>
inline void log(const DrawColumns<kDims, T>& columns, int64_t draw, int64_t some, const uint64_t* bits,
                const ZcoreLogging<T>& to) {
  uint64_t busy = 0;
  for (int64_t i = 0; i < some * kWords; ++i) busy |= uint64_t(bits[i] != 0) << i;
  if (busy == 0) return;
  uint16_t at[kTogether * kRows + kReadMore], *end = at;
  for (; busy != 0; busy &= busy - 1) {
    const int64_t word = __builtin_ctzll(busy);
    end = write_bits(bits[word], static_cast<uint16_t>(word * 64), end);
  }
  const int64_t n = end - at;
  ZcorePage* page = to.add(to.log, draw / kTogether, n, columns.tile);
  for (int64_t i = 0; i < some; ++i) {
    int count = 0;
    for (int64_t j = 0; j < kWords; ++j) count += __builtin_popcountll(bits[i * kWords + j]);
    page->counts[i] = static_cast<uint16_t>(count);
    to.balls[draw + i].count += static_cast<uint32_t>(count);
  }
  uint16_t* rows = reinterpret_cast<uint16_t*>(page + 1);
  T* logged = reinterpret_cast<T*>(rows + 2 * zcore_words(n));
  for (int64_t i = 0; i < n; ++i) rows[i] = static_cast<uint16_t>(at[i] % kRows);

  alignas(64) T room[kTogether * kRows];
  T* distances = kValues ? room : logged;
  int64_t starts[kTogether] = {};
  T centres[kTogether] = {}, nearest[kTogether] = {};
  for (int64_t i = 0; i < some; ++i) nearest[i] = to.balls[draw + i].nearest;
  const T* x = columns.tile.columns;
  bool nearer = false;
  for (int64_t j = 0; j < columns.dims(); ++j) {
    for (int64_t i = 0; i < some; ++i) {
      starts[i] = columns.start(i, j);
      centres[i] = columns.place(i, j).centre;
    }
    T* values = kValues ? logged + j * n : room;
    nearer = j == 0 ? measure_column<true>(x, starts, centres, nearest, at, n, values, distances)
                    : measure_column<false>(x, starts, centres, nearest, at, n, values, distances);
  }
  if (!kValues || !nearer) return;
  for (int64_t i = 0; i < n; ++i) {
    ZcoreBall<T>& ball = to.balls[draw + at[i] / kRows];
    if (distances[i] < ball.nearest) {
      ball.nearest = distances[i];
      ball.limit = smaller(ball.limit, zcore_limit(distances[i], ball.more, columns.dims()));
    }
  }
}

template <int kDims, bool kValues, class T>
void scan(const ZcoreTile<T>& t, const ZcorePlace<T>* places, int64_t k, int64_t draws, const ZcoreLogging<T>& to) {
  alignas(64) uint64_t bits[kTogether * kWords] = {};
  const int64_t words = (t.n + 63) / 64;
  for (int64_t draw = 0; draw < draws; draw += kTogether) {
    const int64_t some = smaller(kTogether, draws - draw);
    const DrawColumns<kDims, T> columns{t, places + draw * k, k};
    for (int64_t i = 0; i < some; ++i) {
      if (draw + kTogether + i < draws) columns.prefetch(kTogether + i);
      uint64_t* own = bits + i * kWords;
      columns.within(i, to.balls[draw + i].limit, words, own);
      if (t.n % 64 > 0) own[words - 1] &= (uint64_t(1) << t.n % 64) - 1;
    }
    log<kDims, kValues>(columns, draw, some, bits, to);
    for (int64_t i = draw; i < draw + some; ++i)
      if (to.balls[i].count > to.balls[i].most) to.crowded(to.log, i);
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
  using Lane = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  int64_t all = 0;
  for (int64_t begin = 0; begin < n; begin += 1 << 20) {
    Lane some[kLanes] = {};
    const int64_t end = smaller<int64_t>(n, begin + (1 << 20));
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes)
      for (int64_t j = 0; j < kLanes; ++j) some[j] += values[i + j] <= limit;
    for (; i < end; ++i) some[0] += values[i] <= limit;
    for (int64_t j = 0; j < kLanes; ++j) all += some[j];
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
  void zcore_turn(const ZcoreRows<T>& rows, const uint8_t* wanted, T* out, int64_t stride) {                           \
    turn(rows, wanted, out, stride);                                                                                   \
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
