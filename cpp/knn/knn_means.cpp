#include "knn/knn_means.hpp"

#include <cmath>
#include <cstring>

namespace tamis {

void KnnMeans::prepare(int64_t n, int64_t coordinates, int32_t how) {
  const int64_t all = (n + kKnnDense - 1) / kKnnDense * kKnnDense;
  width = coordinates;
  padded = (coordinates + 63) / 64 * 64;
  bias = how;
  rows = make_aligned<uint8_t>(all * padded);
  columns = make_aligned<int8_t>(all * padded);
  std::memset(rows.get(), bias, static_cast<size_t>(all * padded));
  std::memset(columns.get(), 0, static_cast<size_t>(all * padded));
  sum.assign(all, 0);
  squares.assign(all, 0);
}

void KnnMeans::set(int64_t slot, const KnnCodeRows& of) {
  Vector<int32_t> total(padded);
  Vector<uint8_t> mean(padded);
  add_codes(of, total.data());
  for (int64_t k = 0; k < width; ++k)
    mean[k] = static_cast<uint8_t>(std::lround(static_cast<double>(total[k]) / static_cast<double>(of.n)));
  set_row(slot, mean.data());
}

void KnnMeans::set_row(int64_t slot, const uint8_t* bytes) {
  uint8_t* row = rows.get() + slot * padded;
  int8_t* column = columns.get() + slot / kKnnDense * kKnnDense * padded + slot % kKnnDense * 4;
  sum[slot] = squares[slot] = 0;
  for (int64_t k = 0; k < width; ++k) {
    const int32_t q = bytes[k] - bias;
    row[k] = bytes[k];
    column[k / 4 * kKnnDense * 4 + k % 4] = static_cast<int8_t>(q);
    sum[slot] += q;
    squares[slot] += q * q;
  }
}

}  // namespace tamis
