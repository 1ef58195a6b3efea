// The largest values of rows and columns of a matrix that is never whole: it is shown block by block.
//
//   of_rows[i] = sort(concat(of_rows[i], block[i]))[::-1][:k]
//   of_columns[j] = sort(concat(of_columns[j], block[:, j]))[::-1][:k]     # unless null
//
// Layout: block (n, m), of_rows (n, k), of_columns (m, k), row-major, float32 or float64; the lists descend, at first
// -infinity. A NaN is never kept. Exact. Cost: one comparison for each value, and k steps for each that is kept.
#pragma once
#include <cstdint>

namespace tamis {

template <class T>
void keep_largest(const T* block, int64_t n, int64_t m, int64_t k, T* of_rows, T* of_columns);

}  // namespace tamis
