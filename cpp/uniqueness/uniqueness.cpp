#include "uniqueness/uniqueness.hpp"

#include <algorithm>
#include <limits>

#include "core/vector.hpp"

namespace tamis {
namespace {

// `value` into the `k` values of `kept`, which descend; it is above the last.
template <class T>
void insert(T* kept, int64_t k, T value) {
  int64_t at = k - 1;
  for (; at > 0 && kept[at - 1] < value; --at) kept[at] = kept[at - 1];
  kept[at] = value;
}

}  // namespace

template <class T>
void keep_largest(const T* block, int64_t n, int64_t m, int64_t k, T* of_rows, T* of_columns) {
  constexpr int64_t kRun = 64;  // few runs hold a value to keep
  Vector<T> least(m, std::numeric_limits<T>::infinity());
  for (int64_t j = 0; of_columns != nullptr && j < m; ++j) least[j] = of_columns[j * k + k - 1];
  for (int64_t i = 0; i < n; ++i) {
    T* const of_row = of_rows + i * k;
    for (int64_t begin = 0; begin < m; begin += kRun) {
      const T* const values = block + i * m;
      const int64_t end = std::min(m, begin + kRun);
      T row_least = of_row[k - 1];
      bool any = false;
      for (int64_t j = begin; j < end; ++j) any |= (values[j] > row_least) | (values[j] > least[j]);
      for (int64_t j = begin; any && j < end; ++j) {
        if (values[j] > row_least) {
          insert(of_row, k, values[j]);
          row_least = of_row[k - 1];
        }
        if (values[j] > least[j]) {
          insert(of_columns + j * k, k, values[j]);
          least[j] = of_columns[j * k + k - 1];
        }
      }
    }
  }
}

template void keep_largest(const float*, int64_t, int64_t, int64_t, float*, float*);
template void keep_largest(const double*, int64_t, int64_t, int64_t, double*, double*);

}  // namespace tamis
