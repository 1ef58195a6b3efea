#include "column_sums/column_sums.hpp"
#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr int kLanes = 16;
constexpr int kStep = 40;         // bits of a level: with those of kSumRows fewer than float64 has
constexpr int kLowest = -800;     // exponents whose levels are all normal numbers
constexpr int64_t kTogether = 4;  // rows, so that sums are loaded and stored less often

template <class T>
double largest_of(const T* x, int64_t size) {
  T most[kLanes] = {};
  int64_t i = 0;
  const auto take = [&](int l, T v) {
    const T size_of = v < 0 ? -v : v;
    most[l] = size_of > most[l] ? size_of : most[l];
  };
  for (; i + kLanes <= size; i += kLanes)
    for (int l = 0; l < kLanes; ++l) take(l, x[i + l]);
  for (int l = 0; i + l < size; ++l) take(l, x[i + l]);
  for (int l = 1; l < kLanes; ++l) most[0] = most[l] > most[0] ? most[l] : most[0];
  return static_cast<double>(most[0]);
}

// `rows` rows of x; adding and taking off 1.5 * 2^52 units rounds a value to whole units.
template <class T>
void split_rows(const SumBlock<T>& b, const T* x, int64_t rows, const double* rounder) {
  double *first = b.sums, *second = first + b.d, *third = second + b.d;
  for (int64_t k = 0; k < b.d; ++k) {
    double high = first[k], middle = second[k], low = third[k], left = b.left[k];
    for (int64_t r = 0; r < rows; ++r) {
      const double v = static_cast<double>(x[r * b.d + k]);
      const double h = (v + rounder[0]) - rounder[0], after = v - h;
      const double m = (after + rounder[1]) - rounder[1], rest = after - m;
      const double l = (rest + rounder[2]) - rounder[2], lost = rest - l;
      high += h;
      middle += m;
      low += l;
      left += lost < 0 ? -lost : lost;
    }
    first[k] = high, second[k] = middle, third[k] = low, b.left[k] = left;
  }
}

template <class T>
void sum(const SumBlock<T>& b) {
  const double largest = largest_of(b.x, b.n * b.d);
  if (!(largest > 0)) return;
  int exponent = 0;
  __builtin_frexp(largest, &exponent);  // largest < 2 ** exponent
  if (exponent < kLowest) {
    for (int64_t k = 0; k < b.d; ++k) b.left[k] = 1;
    return;
  }
  double rounder[kSumLevels];
  for (int level = 0; level < kSumLevels; ++level)
    rounder[level] = __builtin_ldexp(1.5, 52 + exponent - kStep * (level + 1));
  int64_t row = 0;
  for (; row + kTogether <= b.n; row += kTogether) split_rows(b, b.x + row * b.d, kTogether, rounder);
  split_rows(b, b.x + row * b.d, b.n - row, rounder);
}

}  // namespace

void sum_block(const SumBlock<float>& block) { sum(block); }
void sum_block(const SumBlock<double>& block) { sum(block); }

}  // namespace tamis::TAMIS_ISA
