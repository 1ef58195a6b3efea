// Rounded means of rows of codes, side by side for dense products.
#pragma once
#include <cstdint>

#include "core/aligned.hpp"
#include "core/vector.hpp"
#include "knn/knn.hpp"

namespace tamis {

struct KnnMeans {
  int64_t width = 0, padded = 0;
  int32_t bias = 0;
  Aligned<uint8_t> rows;    // (slots, padded) bytes; the origin where nothing was set
  Aligned<int8_t> columns;  // (slots / 16, groups, 16, 4)
  Vector<int32_t> sum, squares;

  int64_t slots() const { return sum.size(); }
  int64_t nbytes() const { return slots() * (2 * padded + int64_t{2 * sizeof(int32_t)}); }
  const uint8_t* row(int64_t slot) const { return rows.get() + slot * padded; }
  void prepare(int64_t n, int64_t coordinates, int32_t how);  // n slots and more, to a multiple of 16
  void set(int64_t slot, const KnnCodeRows& of);
  void set_row(int64_t slot, const uint8_t* bytes);
  // Products of n rows (a multiple of 8) with the 16 slots of a group.
  KnnDense products(const uint8_t* of, int64_t n, int64_t group) const {
    return {of, padded, n, columns.get() + group * kKnnDense * padded, padded / 4};
  }
  // The squared distance from a slot to one of others, from their product.
  int64_t squares_to(int64_t slot, const KnnMeans& to, int64_t other, int32_t product) const {
    return int64_t{squares[slot]} + to.squares[other] - 2 * (product - int64_t{bias} * to.sum[other]);
  }
};

}  // namespace tamis
