#include "zcore/zcore.hpp"
#include "zcore/zcore_scan.hpp"

namespace tamis::TAMIS_ISA {
namespace {

template <class T>
inline T larger(T a, T b) {
  return a > b ? a : b;
}
inline double magnitude(double v) { return __builtin_fabs(v); }
inline float magnitude(float v) { return __builtin_fabsf(v); }

// Encoding

// One row's codes; least, most and spoilt (0, or NaN once a value is not finite) follow it.
template <class T>
inline void codes_of_row(const T* x, const T* low, const T* inverse, int64_t n, T* least, T* most, T* spoilt,
                         uint8_t* codes) {
  for (int64_t j = 0; j < n; ++j) {
    const T v = x[j];
    least[j] = smaller(v, least[j]);
    most[j] = larger(v, most[j]);
    spoilt[j] += v * T(0);
    codes[j] = zcore_code(v, low[j], inverse[j]);
  }
}

template <class T>
void encode(const ZcoreTile<T>& t, const ZcoreCoding<T>& coding, uint8_t* codes, T* least, T* most, int64_t* bad) {
  constexpr int64_t kColumns = 512, kRows = 16;  // encoded together
  alignas(64) uint8_t block[kRows * kColumns] = {};
  alignas(64) T spoilt[kColumns];
  bool any_spoilt = false;
  for (int64_t column = 0; column < t.d; column += kColumns) {
    const int64_t width = smaller(kColumns, t.d - column);
    for (int64_t j = 0; j < width; ++j) {
      least[column + j] = most[column + j] = t.rows[column + j];
      spoilt[j] = T(0);
    }
    for (int64_t row = 0; row < t.n; row += kRows) {
      for (int64_t i = 0; i < smaller(kRows, t.n - row); ++i) {
        const T* x = t.rows + (row + i) * t.d + column;
        for (int64_t j = 0; j < width; j += 64 / static_cast<int64_t>(sizeof(T)))
          __builtin_prefetch(x + kRows * t.d + j);
        codes_of_row(x, coding.low + column, coding.inverse + column, width, least + column, most + column, spoilt,
                     block + i * kColumns);
      }
      for (int64_t j = 0; j < width; j += kRows)
        transpose_bytes(block + j, kColumns, codes + (column + j) * t.height + row, t.height,
                        smaller(kRows, width - j));
    }
    for (int64_t j = 0; j < width; ++j) any_spoilt |= !(spoilt[j] == T(0));
  }
  if (!any_spoilt) return;
  for (int64_t i = 0; i < t.n * t.d; ++i)
    if (!(t.rows[i] * T(0) == T(0))) {
      *bad = t.first + i / t.d;
      return;
    }
}

template <class T>
void nearest(const ZcoreTile<T>& t, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n,
             const ZcorePlace<double>* places, ZcoreNearest* found) {
  const int64_t k = draws.k;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t draw = survivors[i] >> 16, row = survivors[i] & 0xffff;
    const ZcorePlace<double>* place = places + draw * k;
    const T* x = t.rows + row * t.d;
    double distance = 0;
    for (int64_t j = 0; j < k; ++j) distance += magnitude(static_cast<double>(x[place[j].column]) - place[j].centre);
    ZcoreNearest& best = found[draw];
    if (distance > best.distance || (distance == best.distance && t.first + row > best.row)) continue;
    if (distance < best.distance) zcore_aims(draws.edges, distance, k, place, draws.aims + draw * k);
    best = {distance, t.first + row};
  }
}

// Neighbours

// Non-negative floats order as their bits do.
inline uint32_t bits_of(float v) { return __builtin_bit_cast(uint32_t, v); }
inline uint64_t bits_of(double v) { return __builtin_bit_cast(uint64_t, v); }
inline float value_of(uint32_t v) { return __builtin_bit_cast(float, v); }
inline double value_of(uint64_t v) { return __builtin_bit_cast(double, v); }

template <class T>
inline int64_t count_within(const T* distances, int64_t n, T limit) {
  int64_t all = 0;
  for (int64_t begin = 0; begin < n; begin += 1 << 20) {
    int32_t some = 0;
    const int64_t end = smaller<int64_t>(n, begin + (1 << 20));
    for (int64_t i = begin; i < end; ++i) some += distances[i] <= limit;
    all += some;
  }
  return all;
}

// By halving the span of bit patterns; the counts are all there is to do, and they vectorise.
template <class T>
inline T rank_of(const T* distances, int64_t n, int64_t rank, int64_t more) {
  auto low = bits_of(distances[0]), high = low;
  for (int64_t i = 1; i < n; ++i) {
    low = smaller(bits_of(distances[i]), low);
    high = larger(bits_of(distances[i]), high);
  }
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    const int64_t within = count_within(distances, n, value_of(middle));
    if (within >= rank)
      high = middle;
    else
      low = middle + 1;
    if (within >= rank && within <= rank + more) break;
  }
  return value_of(high);
}

// The least distance that `wanted` of a list are within.
template <class T>
inline T last_wanted(const ZcoreList<T>& list, int64_t wanted) {
  auto low = bits_of(T(0)), high = bits_of(list.limit) + 1;  // a shortened list holds ties just above its limit
  while (low < high) {
    const auto middle = low + (high - low) / 2;
    int64_t within = 0;
    for (uint32_t i = 0; i < list.n; ++i) within += bits_of(list.found[i].distance) <= middle;
    if (within >= wanted)
      high = middle;
    else
      low = middle + 1;
  }
  return value_of(high);
}

template <class T>
void shorten(ZcoreList<T>& list, int64_t wanted) {
  const T last = last_wanted(list, wanted);
  int64_t ties = wanted;  // of the last distance there is room for so many, the first rows
  for (uint32_t i = 0; i < list.n; ++i) ties -= list.found[i].distance < last;
  uint32_t kept = 0;
  for (uint32_t i = 0; i < list.n; ++i) {
    const ZcoreNeighbour<T> one = list.found[i];
    const bool tie = one.distance == last && ties > 0;
    ties -= tie;
    list.found[kept] = one;
    kept += one.distance < last || tie;
  }
  list.n = kept;
  list.limit = value_of(bits_of(last) - 1);  // rows to come lose a tie
}

// kDims: k, or 0 for any.
template <int kDims, class T>
void neighbours(const ZcoreTile<T>& t, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n,
                const ZcorePlace<T>* places, ZcoreList<T>* lists, const ZcoreLength& length) {
  constexpr int64_t kAhead = 24;
  const int64_t k = kDims > 0 ? kDims : draws.k;
  for (int64_t i = 0; i < n; ++i) {
    if (i + kAhead < n) {  // what a survivor some places on will need: its values, and where it goes
      const int64_t draw = survivors[i + kAhead] >> 16;
      const T* x = t.rows + (survivors[i + kAhead] & 0xffff) * t.d;
      for (int64_t j = 0; j < k; ++j) __builtin_prefetch(x + places[draw * k + j].column);
      __builtin_prefetch(lists[draw].found + lists[draw].n, 1);
    }
    const int64_t draw = survivors[i] >> 16, row = survivors[i] & 0xffff;
    const ZcorePlace<T>* place = places + draw * k;
    ZcoreList<T>& list = lists[draw];
    const T* x = t.rows + row * t.d;
    T distance = 0;
    for (int64_t j = 0; j < k; ++j) distance += magnitude(x[place[j].column] - place[j].centre);
    const uint32_t number = static_cast<uint32_t>(t.first + row);
    list.found[list.n] = {distance, number};
    const bool found = (distance <= list.limit) & (number != list.own);
    list.n += found;
    if (found & (distance == 0)) {  // it takes everything, and no later row can
      list.found[0] = {distance, number};
      list.n = 1;
      list.limit = -1;
      zcore_aim_nowhere(k, draws.aims + draw * k);
    } else if (list.n == length.capacity) {
      shorten(list, length.wanted);
      zcore_aims(draws.edges, static_cast<double>(list.limit), k, place, draws.aims + draw * k);
    }
  }
}

// What is beyond the last of the nearest weighs nothing; of rows at its distance the first ones count.
template <class T>
inline void drop_others(const T* distances, int64_t n, int64_t wanted, double* weights) {
  const T last = rank_of(distances, n, wanted, 0);
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const bool keep = distances[i] <= last;
    weights[i] = keep ? weights[i] : 0;
    kept += keep;
  }
  for (int64_t i = n - 1; kept > wanted; --i)
    if (distances[i] == last) {
      weights[i] = 0;
      --kept;
    }
}

template <class T>
void shares(const T* distances, int64_t n, int64_t wanted, double exponent, double* weights, int64_t* out) {
  constexpr int64_t kLanes = 8;
  auto bits = bits_of(distances[0]);
  for (int64_t i = 1; i < n; ++i) bits = smaller(bits_of(distances[i]), bits);
  const double least = static_cast<double>(value_of(bits));
  if (exponent == 4) {
    for (int64_t i = 0; i < n; ++i) {
      const double share = least / static_cast<double>(distances[i]), square = share * share;
      weights[i] = square * square;
    }
  } else {
    for (int64_t i = 0; i < n; ++i) weights[i] = __builtin_pow(least / static_cast<double>(distances[i]), exponent);
  }
  if (n > wanted) drop_others(distances, n, wanted, weights);
  double sums[kLanes] = {}, sum = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) sums[j] += weights[i + j];
  for (; i < n; ++i) sums[i % kLanes] += weights[i];
  for (int64_t j = 0; j < kLanes; ++j) sum += sums[j];
  const double units = static_cast<double>(kZcoreUnit) / sum;
  for (i = 0; i < n; ++i) out[i] = static_cast<int64_t>(weights[i] * units + 0.5);
}

// The sample

template <class T>
void distances_of(const T* const* columns, const ZcorePlace<T>* places, int64_t k, int64_t m, T* out, int64_t* place) {
  for (int64_t j = 0; j < k; ++j) {
    const T* x = columns[j];
    const T centre = places[j].centre;
    if (j == 0)
      for (int64_t i = 0; i < m; ++i) out[i] = magnitude(x[i] - centre);
    else
      for (int64_t i = 0; i < m; ++i) out[i] += magnitude(x[i] - centre);
  }
  auto least = bits_of(out[0]);
  for (int64_t i = 1; i < m; ++i) least = smaller(bits_of(out[i]), least);
  int64_t at = 0;
  while (bits_of(out[at]) != least) ++at;
  *place = at;
}

}  // namespace

void zcore_scan(const ZcoreCodes& tile, const ZcoreDraws& draws, const ZcoreSurvivors& survivors) {
  scan(tile, draws, survivors);
}

void zcore_count_codes(const uint8_t* codes, int64_t n, uint8_t first, uint8_t last, int64_t* count) {
  const Bytes from = all_bytes(first), width = all_bytes(last - first);
  for (int64_t row = 0; row < n; row += 64) *count += __builtin_popcountll(codes_in(codes + row, n - row, from, width));
}

void zcore_find_codes(const uint8_t* codes, int64_t n, uint8_t first, uint8_t last, uint32_t* rows, int64_t* count) {
  const Bytes from = all_bytes(first), width = all_bytes(last - first);
  uint32_t* end = rows;
  for (int64_t row = 0; row < n; row += 64)
    end = write_bits(codes_in(codes + row, n - row, from, width), static_cast<uint32_t>(row), end);
  *count = end - rows;
}

#define TAMIS_ZCORE(T)                                                                                               \
  void zcore_encode(const ZcoreTile<T>& tile, const ZcoreCoding<T>& coding, uint8_t* codes, T* least, T* most,       \
                    int64_t* bad) {                                                                                  \
    encode(tile, coding, codes, least, most, bad);                                                                   \
  }                                                                                                                  \
  void zcore_nearest(const ZcoreTile<T>& tile, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n,        \
                     const ZcorePlace<double>* places, ZcoreNearest* found) {                                        \
    nearest(tile, draws, survivors, n, places, found);                                                               \
  }                                                                                                                  \
  void zcore_neighbours(const ZcoreTile<T>& tile, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n,     \
                        const ZcorePlace<T>* places, ZcoreList<T>* lists, const ZcoreLength& length) {               \
    if (draws.k == 2)                                                                                                \
      neighbours<2>(tile, draws, survivors, n, places, lists, length);                                               \
    else                                                                                                             \
      neighbours<0>(tile, draws, survivors, n, places, lists, length);                                               \
  }                                                                                                                  \
  void zcore_shares(const T* distances, int64_t n, int64_t wanted, double exponent, double* weights, int64_t* out) { \
    shares(distances, n, wanted, exponent, weights, out);                                                            \
  }                                                                                                                  \
  void zcore_distances(const T* const* columns, const ZcorePlace<T>* places, int64_t k, int64_t m, T* out,           \
                       int64_t* least) {                                                                             \
    distances_of(columns, places, k, m, out, least);                                                                 \
  }                                                                                                                  \
  void zcore_rank(const T* distances, int64_t m, int64_t rank, int64_t more, T* out) {                               \
    *out = rank_of(distances, m, rank, more);                                                                        \
  }
TAMIS_ZCORE(float)
TAMIS_ZCORE(double)

}  // namespace tamis::TAMIS_ISA
