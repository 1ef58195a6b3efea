#include "knn/knn.hpp"
#include "knn/knn_keys.hpp"
#include "knn/knn_lanes.hpp"
#include "knn/knn_math.hpp"

namespace tamis::TAMIS_ISA {
namespace {

inline const Half* halves(const KnnRows& rows) { return reinterpret_cast<const Half*>(rows.f16); }

// The norm of x - offset; NaN where a NaN or infinity is among the values.
template <class T>
double norm_of(const T* x, const double* offset, int64_t d) {
  double squares[kKeyLanes] = {};
  using Number = decltype(number_of(*x));
  Number zeros[kKeyLanes] = {};
  const RowOf<T> row{x, 1.0};
  int64_t k = 0;
  for (; k + kKeyLanes <= d; k += kKeyLanes)
    for (int l = 0; l < kKeyLanes; ++l) {
      const double v = row.at(k + l, offset);
      squares[l] += v * v;
      zeros[l] += number_of(x[k + l]) * Number(0);  // NaN once a NaN or infinity came by
    }
  for (int l = 0; k + l < d; ++l) {
    const double v = row.at(k + l, offset);
    squares[l] += v * v;
    zeros[l] += number_of(x[k + l]) * Number(0);
  }
  Number all = 0;
  for (int l = 0; l < kKeyLanes; ++l) all += zeros[l];
  return __builtin_sqrt(sum_lanes(squares)) + static_cast<double>(all);
}

template <class T>
void scan(const T* x, const KnnRows& rows, int64_t begin, int64_t end, double* norms, double* sums, int64_t* bad) {
  for (int64_t i = begin; i < end; ++i) {
    const T* row = x + i * rows.d;
    norms[i - begin] = norm_of(row, rows.offset, rows.d);
    if (norms[i - begin] != norms[i - begin]) {
      *bad = i;
      return;
    }
    if (sums == nullptr) continue;
    const RowOf<T> mine{row, 1.0};
    for (int64_t k = 0; k < rows.d; ++k) sums[k] += mine.at(k, rows.offset);
  }
}

template <class T>
void centre(const T* x, double scale, const double* offset, int64_t d, const KnnCentre& c, float* out) {
  const RowOf<T> row{x, scale};
  for (int64_t k = 0; k < d; ++k) out[k] = static_cast<float>((row.at(k, offset) - c.mean[k]) * c.gain);
}

// Hadamard over z[0:width] in strides of 16 and more, so that every step runs on whole registers.
void hadamard(float* z, int64_t width) {
  for (int64_t half = 16; half < width; half *= 2)
    for (int64_t i = 0; i < width; i += 2 * half)
      for (int64_t j = i; j < i + half; ++j) {
        const float a = z[j], b = z[j + half];
        z[j] = a + b;
        z[j + half] = a - b;
      }
  float norm = 1;
  for (int64_t half = 16; half < width; half *= 2) norm *= 0.5f;
  const float scale = static_cast<float>(__builtin_sqrt(static_cast<double>(norm)));
  for (int64_t j = 0; j < width; ++j) z[j] *= scale;
}

template <bool kDot, int64_t kRows, int64_t kQueries>
void few_panel(const KnnFew& f, int64_t row, int64_t query, float* out) {
  float sum[kRows][kQueries];
  few_block<kDot, kRows, kQueries>(f.rows + row * f.d, f.queries + query * f.d, f.d, sum);
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kQueries; ++j) out[(row + i) * f.m + query + j] = sum[i][j];
}

template <bool kDot, int64_t kRows>
void few_rows(const KnnFew& f, int64_t row, float* out) {
  int64_t q = 0;
  for (; q + 4 <= f.m; q += 4) few_panel<kDot, kRows, 4>(f, row, q, out);
  for (; q + 2 <= f.m; q += 2) few_panel<kDot, kRows, 2>(f, row, q, out);
  if (q < f.m) few_panel<kDot, kRows, 1>(f, row, q, out);
}

template <bool kDot>
void few_of(const KnnFew& f, float* sums, float* squares) {
  constexpr int64_t kRows = 2;
  for (int64_t row = 0; row < f.n; row += kRows) {
    const bool last = row + kRows > f.n;
    if (last)
      few_rows<kDot, 1>(f, row, sums);
    else
      few_rows<kDot, kRows>(f, row, sums);
    if (kDot)
      for (int64_t i = row; i < row + (last ? 1 : kRows); ++i) {
        const float* x = f.rows + i * f.d;
        few_block<true, 1, 1>(x, x, f.d, reinterpret_cast<float (*)[1]>(squares + i));
      }
  }
}

// Integers from -largest to largest, moved by `bias`.
template <class T>
KnnRounded round_to(const float* v, int64_t width, int64_t padded, float step, int32_t largest, int32_t bias, T* out) {
  const float per_step = 1.0f / step, most = static_cast<float>(largest);
  int32_t sum = 0;
  uint32_t squares = 0;  // wraps: of a row that another thread has changed it may be anything
  float lanes[16] = {};
  const auto one = [&](int64_t k, int lane) {
    float f = v[k] * per_step;
    f = f > -most ? f : -most;  // so written a NaN, which another thread may bring, is -most
    f = f < most ? f : most;
    const int32_t q = static_cast<int32_t>(f + (f < 0 ? -0.5f : 0.5f));
    const float lost = v[k] - static_cast<float>(q) * step;
    sum += q;
    squares += static_cast<uint32_t>(q * q);
    lanes[lane] += lost * lost;
    out[k] = static_cast<T>(q + bias);
  };
  int64_t k = 0;
  for (; k + 16 <= width; k += 16)
    for (int l = 0; l < 16; ++l) one(k + l, l);
  for (int l = 0; k + l < width; ++l) one(k + l, l);
  for (k = width; k < padded; ++k) out[k] = static_cast<T>(bias);
  double lost = 0;
  for (int l = 0; l < 16; ++l) lost += static_cast<double>(lanes[l]);
  return {sum, static_cast<int32_t>(squares), static_cast<float>(__builtin_sqrt(lost) * 1.00001)};
}

template <class T>
void dots_of(const KnnDots<T>& p, int32_t* out) {
  for (int64_t i = 0; i < p.n; ++i)
    out[i] = row_dot(p.rows + (p.pairs[i] >> 16) * p.width, p.columns + (p.pairs[i] & 0xffff) * p.width, p.width);
}

}  // namespace

void exact_keys(const KnnKeyPairs& p, double* keys) {
  if (p.a.f32 != nullptr) return keys_of(p, p.a.f32, p.b.f32, keys);
  if (p.a.f16 != nullptr) return keys_of(p, halves(p.a), halves(p.b), keys);
  keys_of(p, p.a.f64, p.b.f64, keys);
}

void keys_at_most(const KnnKeyPairs& p, double* keys) {
  const bool dot = p.metric == KnnMetric::inner_product;
  if (!dot && p.a.f32 != nullptr) return bounds_of(p, p.a.f32, p.b.f32, keys);
  if (!dot && p.a.f16 != nullptr) return bounds_of(p, halves(p.a), halves(p.b), keys);
  TAMIS_ISA::exact_keys(p, keys);
}

void few_keys(const KnnFew& f, float* sums, float* squares) {
  if (f.dots) return few_of<true>(f, sums, squares);
  few_of<false>(f, sums, squares);
}

void scan_rows(const KnnRows& rows, int64_t begin, int64_t end, double* norms, double* sums, int64_t* bad) {
  if (rows.f32 != nullptr) return scan(rows.f32, rows, begin, end, norms, sums, bad);
  if (rows.f16 != nullptr) return scan(halves(rows), rows, begin, end, norms, sums, bad);
  scan(rows.f64, rows, begin, end, norms, sums, bad);
}

void centre_rows(const KnnRows& rows, const int64_t* which, int64_t first, int64_t n, const KnnCentre& c, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = which != nullptr ? which[i] : first + i;
    const double scale = rows.scale != nullptr ? rows.scale[at] : 1.0;
    if (rows.f32 != nullptr)
      centre(rows.f32 + at * rows.d, scale, rows.offset, rows.d, c, out + i * rows.d);
    else if (rows.f16 != nullptr)
      centre(halves(rows) + at * rows.d, scale, rows.offset, rows.d, c, out + i * rows.d);
    else
      centre(rows.f64 + at * rows.d, scale, rows.offset, rows.d, c, out + i * rows.d);
  }
}

void mix_rows(float* z, int64_t n, int64_t d) {
  int64_t width = 32;
  if (d < width) return;
  while (2 * width <= d) width *= 2;
  for (int64_t i = 0; i < n; ++i) {
    hadamard(z + i * d, width);
    if (width < d) hadamard(z + (i + 1) * d - width, width);  // the overlap mixes the rest in
  }
}

void project_rows(const float* z, int64_t n, int64_t d, const float* basis, int64_t p, float* out) {
  constexpr int64_t kRows = 4, kColumns = 3 * kLanes;
  for (int64_t at = 0; at < p; at += kColumns) {
    const int64_t c = at + kColumns > p && p > kColumns ? p - kColumns : at;  // whole registers: the last overlap
    const int64_t wide = p - c < kColumns ? p - c : kColumns;
    for (int64_t r = 0; r < n; r += kRows) {
      const int64_t tall = n - r < kRows ? n - r : kRows;
      float sum[kRows][kColumns] = {};
      if (tall == kRows && wide == kColumns) {
        project_block<kRows>(z + r * d, d, basis + c, p, sum);
      } else {
        for (int64_t k = 0; k < d; ++k)
          for (int64_t i = 0; i < tall; ++i)
            for (int64_t j = 0; j < wide; ++j) sum[i][j] += z[(r + i) * d + k] * basis[k * p + c + j];
      }
      for (int64_t i = 0; i < tall; ++i)
        for (int64_t j = 0; j < wide; ++j) out[(r + i) * p + c + j] = sum[i][j];
    }
  }
}

void round_row(const float* v, int64_t width, int64_t padded, float step, int32_t bias, uint8_t* out,
               KnnRounded* rounded) {
  *rounded = round_to(v, width, padded, step, bias - 1, bias, out);
}

void fine_row(const float* v, int64_t width, int64_t padded, float step, int16_t* out, KnnRounded* rounded) {
  *rounded = round_to(v, width, padded, step, INT16_MAX, 0, out);
}

void pack_panel(const KnnPanel& p, uint8_t* out) {
  uint32_t* to = reinterpret_cast<uint32_t*>(out);
  const uint32_t* from = reinterpret_cast<const uint32_t*>(p.rows);
  int64_t columns = 0, groups = 0;  // done in squares
#if defined(__SSE2__)
  const __m128i bias = _mm_set1_epi8(static_cast<char>(p.bias));
  columns = p.n / 4 * 4;
  groups = p.groups / 4 * 4;
  for (int64_t c = 0; c < columns; c += 4)
    for (int64_t g = 0; g < groups; g += 4)
      pack_square(from + c * p.groups + g, p.groups, bias, to + g * kKnnPanel + c);
#endif
  for (int64_t g = 0; g < p.groups; ++g) {
    const int64_t first = g < groups ? columns : 0;
    for (int64_t c = first; c < p.n; ++c) to[g * kKnnPanel + c] = from[c * p.groups + g];
    uint8_t* bytes = out + 4 * (g * kKnnPanel + first);
    if (p.bias != 0)
      for (int64_t i = 0; i < 4 * (p.n - first); ++i) bytes[i] = static_cast<uint8_t>(bytes[i] - p.bias);
    for (int64_t c = p.n; c < kKnnPanel; ++c) to[g * kKnnPanel + c] = 0;
  }
}

void code_limits(const KnnLimits& l, int32_t* limit, int32_t* rest) {
  for (int64_t i = 0; i < l.n; ++i) {
    const double half = 0.5 * l.squares[i], reach = static_cast<double>(l.reach[i]) + static_cast<double>(l.lost[i]);
    double least = distance_limit(half, reach + l.other_lost, l.step) - 1;  // truncation rounds up below zero
    least = least > kKnnAlways ? least : kKnnAlways;                        // NaN too
    limit[i] = static_cast<int32_t>(least) + l.shift * l.sums[i];
    rest[i] = (l.squares[i] >> 1) + l.shift * l.sums[i];
  }
}

void tile_floats(const KnnTile<float>& t, uint32_t* survivors, int64_t* count) {
  uint32_t* out = survivors;
  for (int64_t r = 0; r < t.n_rows; r += kFloatRows)
    for (int64_t c = 0; c < kKnnPanel; c += kFloatColumns) out = float_block(t, r, c, out);
  *count = out - survivors;
}

void tile_codes(const KnnTile<int32_t>& t, uint32_t* survivors, int64_t* count) {
  uint32_t* out = survivors;
  for (int64_t r = 0; r < t.n_rows; r += kCodeRows)
    for (int64_t c = 0; c < kKnnPanel; c += kCodeColumns) out = code_block(t, r, c, out);
  *count = out - survivors;
}

void dense_codes(const KnnDense& t, int32_t* out) {
  static_assert(kCodeColumns == kKnnDense);
  for (int64_t r = 0; r < t.n_rows; r += kCodeRows)
    code_dots<kKnnDense>(t.rows + r * t.stride, t.stride, t.columns, t.groups, out + r * kKnnDense);
}

void farthest_of_pieces(const KnnBeyond& f, int32_t* out) {
  int64_t row = 0;
  for (int64_t piece = 0; piece < f.pieces; ++piece, out += kKnnDense) {
    int32_t most[kKnnDense];
    for (int32_t& m : most) m = INT32_MIN;
    for (; row < f.ends[piece]; ++row)
      for (int64_t j = 0; j < kKnnDense; ++j) {
        const int32_t beyond = f.dense[row * kKnnDense + j] - f.own[row];
        most[j] = beyond > most[j] ? beyond : most[j];
      }
    for (int64_t j = 0; j < kKnnDense; ++j) out[j] = most[j];
  }
}

void near_rows(const KnnBeyond& f, const int32_t* least, uint32_t* near, int64_t* count) {
  *count = 0;
  int64_t row = 0;
  for (int64_t piece = 0; piece < f.pieces; ++piece, least += kKnnDense)
    for (; row < f.ends[piece]; ++row) {
      near[row] = at_least(f.dense + row * kKnnDense, f.own[row], least);
      *count += __builtin_popcount(near[row]);
    }
}

void nearer_means(const KnnNearer& m, int32_t* best, int32_t* which) {
  for (int64_t j = 0; j < kKnnDense; j += kLanes) {
    const Ints half = load_lanes(m.half + j), group = m.group - Ints{};
    for (int64_t i = j; i < m.n * kKnnDense; i += kKnnDense) {
      const Ints near = load_lanes(m.dense + i) - half, most = load_lanes(best + i), nearer = near > most;
      store_lanes(which + i, nearer ? group : load_lanes(which + i));
      store_lanes(best + i, nearer ? near : most);
    }
  }
}

void project_codes(const KnnCodeRows& p, const float* direction, float* out) {
  constexpr int64_t kWide = 32;
  for (int64_t i = 0; i < p.n; ++i) {
    const uint8_t* code = p.bytes + p.rows[i] * p.stride;
    if (i + 4 < p.n)
      for (int64_t k = 0; k < p.width; k += 64) __builtin_prefetch(p.bytes + p.rows[i + 4] * p.stride + k);
    float lanes[kWide] = {};
    int64_t k = 0;
    for (; k + kWide <= p.width; k += kWide)
      for (int64_t l = 0; l < kWide; ++l) lanes[l] += static_cast<float>(code[k + l]) * direction[k + l];
    for (int64_t l = 0; k + l < p.width; ++l) lanes[l] += static_cast<float>(code[k + l]) * direction[k + l];
    for (int64_t half = kWide / 2; half > 0; half /= 2)
      for (int64_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    out[i] = lanes[0];
  }
}

void distances_of_codes(const KnnCodeRows& p, const uint8_t* from, int32_t* out) {
  for (int64_t i = 0; i < p.n; ++i) {
    const uint8_t* code = p.bytes + p.rows[i] * p.stride;
    int32_t sum = 0;
    for (int64_t k = 0; k < p.width; ++k) sum += (code[k] - from[k]) * (code[k] - from[k]);
    out[i] = sum;
  }
}

void add_codes(const KnnCodeRows& p, int32_t* to) {
  for (int64_t i = 0; i < p.n; ++i) {
    const uint8_t* code = p.bytes + p.rows[i] * p.stride;
    for (int64_t k = 0; k < p.width; ++k) to[k] += code[k];
  }
}

void dot_codes(const KnnDots<uint8_t>& p, int32_t* out) { dots_of(p, out); }

void fine_dots(const KnnDots<int16_t>& p, int32_t* out) { dots_of(p, out); }

}  // namespace tamis::TAMIS_ISA
