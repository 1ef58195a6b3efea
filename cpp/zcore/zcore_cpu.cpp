#include "zcore/zcore.hpp"
#include "zcore/zcore_lanes.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr int64_t kColumns = 16, kRows = 64;  // encoded together

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

// Encoding

template <class T>
struct Span {
  T least[kColumns], most[kColumns], spoilt[kColumns];  // spoilt: 0, or NaN once a value is not finite
};

// Cells of kRows x kColumns values at most.
template <class T>
inline void cells_of(const ZcoreTile<T>& t, const ZcoreCoding<T>& coding, int64_t row, int64_t rows, int64_t column,
                     int64_t width, Span<T>& span, uint16_t* cells) {
  for (int64_t i = 0; i < rows; ++i) {
    const T* x = t.rows + (row + i) * t.d + column;
    __builtin_prefetch(x + kRows * t.d);
    uint16_t* out = cells + i * kColumns;
    for (int64_t j = 0; j < width; ++j) {
      const T v = x[j];
      span.least[j] = smaller(v, span.least[j]);
      span.most[j] = larger(v, span.most[j]);
      span.spoilt[j] += v * T(0);
      out[j] = static_cast<uint16_t>(zcore_cell(v, coding.low[column + j], coding.inverse[column + j]));
    }
  }
}

template <class T>
void encode(const ZcoreTile<T>& t, const ZcoreCoding<T>& coding, uint8_t* codes, T* least, T* most, int64_t* bad) {
  uint16_t cells[kRows * kColumns];
  bool spoilt = false;
  for (int64_t row = 0; row < t.n; row += kRows)
    for (int64_t column = 0; column < t.d; column += kColumns) {
      const int64_t rows = smaller(kRows, t.n - row), width = smaller(kColumns, t.d - column);
      Span<T> span;
      for (int64_t j = 0; j < width; ++j) {
        span.least[j] = row == 0 ? t.rows[column + j] : least[column + j];
        span.most[j] = row == 0 ? t.rows[column + j] : most[column + j];
        span.spoilt[j] = T(0);
      }
      if (width == kColumns)
        cells_of(t, coding, row, rows, column, kColumns, span, cells);
      else
        cells_of(t, coding, row, rows, column, width, span, cells);
      for (int64_t j = 0; j < width; ++j) {
        least[column + j] = span.least[j];
        most[column + j] = span.most[j];
        spoilt |= !(span.spoilt[j] == T(0));
        const uint8_t* code = coding.codes_of_cells + (column + j) * kZcoreCells;
        uint8_t* out = codes + (column + j) * t.height + row;
        for (int64_t i = 0; i < rows; ++i) out[i] = code[cells[i * kColumns + j]];
      }
    }
  if (!spoilt) return;
  for (int64_t i = 0; i < t.n * t.d; ++i)
    if (!(t.rows[i] * T(0) == T(0))) {
      *bad = t.first + i / t.d;
      return;
    }
}

// Scanning

// Rows of the tile whose lower bounds add up to no more than the radius; kTwo: k is 2.
template <bool kTwo, bool kShift, class T>
inline int64_t scan_with(const ZcoreTile<T>& t, const ZcoreAim* aims, int64_t k, uint16_t* out) {
  const Bytes reach = all_bytes(kZcoreReach);
  const Aimed a(aims[0]), b(aims[kTwo ? 1 : 0]);
  const uint8_t *left = t.codes + aims[0].column * t.height, *right = t.codes + aims[kTwo ? 1 : 0].column * t.height;
  uint16_t* end = out;
  for (int64_t row = 0; row < t.n; row += 64) {
    uint64_t within = 0;
    for (int64_t part = 0; part < 64; part += kByteLanes) {
      Bytes sum = a.template least<kShift>(left + row + part);
      if (kTwo)
        sum = add_saturated(sum, b.template least<kShift>(right + row + part));
      else
        for (int64_t j = 1; j < k; ++j)
          sum = add_saturated(sum, Aimed(aims[j]).least<true>(t.codes + aims[j].column * t.height + row + part));
      within |= at_most(sum, reach) << part;
    }
    if (t.n - row < 64) within &= (uint64_t(1) << (t.n - row)) - 1;
    end = write_bits(within, row, end);
  }
  return end - out;
}

template <class T>
inline int64_t scan(const ZcoreTile<T>& t, const ZcoreAim* aims, int64_t k, uint16_t* out) {
  if (k != 2) return scan_with<false, true>(t, aims, k, out);
  return aims[0].shift == 0 && aims[1].shift == 0 ? scan_with<true, false>(t, aims, k, out)
                                                  : scan_with<true, true>(t, aims, k, out);
}

// visit(draw, survivors, n) for each draw, a group behind the scan, so that rows are there when they are read.
template <class T, class Skip, class Visit>
inline void each_draw(const ZcoreTile<T>& t, const ZcoreDraws& draws, Skip skip, Visit visit) {
  const int64_t k = draws.k, room = t.height + 64;
  const int64_t ahead = t.next == nullptr ? 0 : (t.d * t.height + 64 * draws.n - 1) / (64 * draws.n);  // lines a draw
  int64_t n[kZcoreGroup];
  for (int64_t begin = 0; begin < draws.n; begin += kZcoreGroup) {
    const int64_t group = smaller(kZcoreGroup, draws.n - begin);
    for (int64_t g = 0; g < group; ++g) {
      const ZcoreAim* aims = draws.aims + (begin + g) * k;
      uint16_t* found = draws.scratch + g * room;
      for (int64_t i = 0; i < ahead; ++i) __builtin_prefetch(t.next + ((begin + g) * ahead + i) * 64, 0, 2);
      n[g] = skip(begin + g) ? 0 : scan(t, aims, k, found);
      for (int64_t i = 0; i < n[g]; ++i)
        for (int64_t j = 0; j < k; ++j) __builtin_prefetch(t.rows + found[i] * t.d + aims[j].column);
    }
    for (int64_t g = 0; g < group; ++g)
      if (n[g] > 0) visit(begin + g, draws.scratch + g * room, n[g]);
  }
}

template <class T>
void nearest(const ZcoreTile<T>& t, const ZcoreDraws& draws, ZcoreNearest* found) {
  const int64_t k = draws.k;
  each_draw(t, draws, [](int64_t) { return false; }, [&](int64_t draw, const uint16_t* rows, int64_t n) {
    ZcoreAim* aims = draws.aims + draw * k;
    ZcoreNearest best = found[draw];
    for (int64_t i = 0; i < n; ++i) {
      const T* x = t.rows + rows[i] * t.d;
      double distance = 0;
      for (int64_t j = 0; j < k; ++j) distance += magnitude(static_cast<double>(x[aims[j].column]) - aims[j].centre);
      const int64_t row = t.first + rows[i];
      if (distance < best.distance || (distance == best.distance && row < best.row)) best = {distance, row};
    }
    if (best.distance < found[draw].distance) zcore_aims(draws.edges, best.distance, k, aims);
    found[draw] = best;
  });
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
  T least = distances[0], most = distances[0];
  for (int64_t i = 1; i < n; ++i) {
    least = smaller(distances[i], least);
    most = larger(distances[i], most);
  }
  auto low = bits_of(least), high = bits_of(most);
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

template <class T>
void shorten(ZcoreList<T>& list, int64_t wanted) {
  if (list.n <= wanted) return;
  const T last = rank_of(list.distances, list.n, wanted, 0);
  int64_t ties = wanted;  // of the last distance there is room for so many, the first rows
  for (int64_t i = 0; i < list.n; ++i) ties -= list.distances[i] < last;
  int64_t kept = 0;
  for (int64_t i = 0; i < list.n; ++i) {
    const bool tie = list.distances[i] == last && ties > 0;
    const bool keep = list.distances[i] < last || tie;
    ties -= tie;
    list.distances[kept] = list.distances[i];
    list.rows[kept] = list.rows[i];
    kept += keep;
  }
  list.n = kept;
  list.limit = last > 0 ? value_of(bits_of(last) - 1) : T(-1);  // rows to come lose a tie
}

template <class T>
void neighbours(const ZcoreTile<T>& t, const ZcoreDraws& draws, ZcoreList<T>* lists, int64_t wanted, int64_t capacity) {
  const int64_t k = draws.k;
  const auto done = [&](int64_t draw) { return lists[draw].limit < 0; };
  each_draw(t, draws, done, [&](int64_t draw, const uint16_t* rows, int64_t n) {
    ZcoreAim* aims = draws.aims + draw * k;
    ZcoreList<T>& list = lists[draw];
    for (int64_t i = 0; i < n; ++i) {
      const T* x = t.rows + rows[i] * t.d;
      T distance = 0;
      for (int64_t j = 0; j < k; ++j) distance += magnitude(x[aims[j].column] - static_cast<T>(aims[j].centre));
      const int64_t row = t.first + rows[i];
      list.distances[list.n] = distance;
      list.rows[list.n] = static_cast<uint32_t>(row);
      const bool found = distance <= list.limit && row != list.own;
      list.n += found;
      if (found && distance == 0) {  // it takes everything, and no later row can
        list.distances[0] = 0;
        list.rows[0] = static_cast<uint32_t>(row);
        list.n = 1;
        list.limit = -1;
        return;
      }
      if (list.n == capacity) {
        shorten(list, wanted);
        zcore_aims(draws.edges, static_cast<double>(list.limit), k, aims);
      }
    }
  });
}

template <class T>
void shares(const T* distances, int64_t n, double exponent, double* weights, int64_t* out) {
  constexpr int64_t kLanes = 8;
  double least = static_cast<double>(distances[0]), sums[kLanes] = {};
  for (int64_t i = 1; i < n; ++i) least = smaller(static_cast<double>(distances[i]), least);
  for (int64_t i = 0; i < n; ++i) {
    const double share = least / static_cast<double>(distances[i]), square = share * share;
    weights[i] = square * square;
  }
  if (exponent != 4)
    for (int64_t i = 0; i < n; ++i) weights[i] = __builtin_pow(least / static_cast<double>(distances[i]), exponent);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) sums[j] += weights[i + j];
  for (; i < n; ++i) sums[i % kLanes] += weights[i];
  double sum = 0;
  for (int64_t j = 0; j < kLanes; ++j) sum += sums[j];
  const double units = static_cast<double>(kZcoreUnit) / sum;
  for (i = 0; i < n; ++i) out[i] = static_cast<int64_t>(weights[i] * units + 0.5);
}

template <class T>
void distances_of(const T* const* columns, const double* point, int64_t k, int64_t m, T* out) {
  for (int64_t j = 0; j < k; ++j) {
    const T* x = columns[j];
    const T centre = static_cast<T>(point[j]);
    if (j == 0)
      for (int64_t i = 0; i < m; ++i) out[i] = magnitude(x[i] - centre);
    else
      for (int64_t i = 0; i < m; ++i) out[i] += magnitude(x[i] - centre);
  }
}

}  // namespace

#define TAMIS_ZCORE(T)                                                                                              \
  void zcore_encode(const ZcoreTile<T>& tile, const ZcoreCoding<T>& coding, uint8_t* codes, T* least, T* most,      \
                    int64_t* bad) {                                                                                 \
    encode(tile, coding, codes, least, most, bad);                                                                  \
  }                                                                                                                 \
  void zcore_nearest(const ZcoreTile<T>& tile, const ZcoreDraws& draws, ZcoreNearest* found) {                      \
    nearest(tile, draws, found);                                                                                    \
  }                                                                                                                 \
  void zcore_neighbours(const ZcoreTile<T>& tile, const ZcoreDraws& draws, ZcoreList<T>* lists, int64_t wanted,     \
                        int64_t capacity) {                                                                         \
    neighbours(tile, draws, lists, wanted, capacity);                                                               \
  }                                                                                                                 \
  void zcore_shorten(ZcoreList<T>& list, int64_t wanted) { shorten(list, wanted); }                                 \
  void zcore_shares(const T* distances, int64_t n, double exponent, double* weights, int64_t* out) {                \
    shares(distances, n, exponent, weights, out);                                                                   \
  }                                                                                                                 \
  void zcore_distances(const T* const* columns, const double* point, int64_t k, int64_t m, T* out) {                \
    distances_of(columns, point, k, m, out);                                                                        \
  }                                                                                                                 \
  void zcore_rank(const T* distances, int64_t m, int64_t rank, int64_t more, T* out) {                              \
    *out = rank_of(distances, m, rank, more);                                                                       \
  }
TAMIS_ZCORE(float)
TAMIS_ZCORE(double)

}  // namespace tamis::TAMIS_ISA
