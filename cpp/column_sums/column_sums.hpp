// Sums of the columns of a matrix, exactly.
//
//   partials[k]: a few float64 whose exact sum is that of x[:, k]      # their math.fsum is correctly rounded
//
// So a sum does not depend on the order of rows, on how they are cut into parts, or on the threads: the sums of
// parts are put together by putting their partials together.
//
// x is (n, d), row-major, float32 or float64, finite, its values at most 1e150. Each block of rows is split into
// multiples of powers of two that add up exactly in float64 whatever their order; a block with values too far apart
// for that adds them one by one. Cost: two passes over rows in cache, about 2 ns a value.
#pragma once
#include <cstdint>
#include <vector>

#include "core/isa.hpp"

namespace tamis {

constexpr int64_t kSumRows = 256;  // of a block
constexpr int kSumLevels = 3;

// Rows to sums (kSumLevels, d), which must be zeros, and `left` (d,): not 0 where the sums lost something.
template <class T>
struct SumBlock {
  const T* x;
  int64_t n, d;
  double *sums, *left;
};
TAMIS_KERNEL(sum_block, (const SumBlock<float>& block), (block))
TAMIS_KERNEL(sum_block, (const SumBlock<double>& block), (block))

template <class T>
std::vector<std::vector<double>> column_sums(const T* x, int64_t n, int64_t d);

}  // namespace tamis
