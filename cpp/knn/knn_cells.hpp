// Rows by the nearest of many means. What lies together comes into one cell, whole, where cuts of all rows by planes go
// through every cluster.
#pragma once
#include <cstdint>
#include <utility>

#include "core/vector.hpp"
#include "knn/knn.hpp"
#include "knn/knn_means.hpp"

namespace tamis {

struct KnnCodes;

using KnnRange = std::pair<int64_t, int64_t>;
// The rows of each cell together, cells in the order of `chain`; of each cell, where its rows begin and end.
Vector<KnnRange> group_rows(const Vector<int64_t>& cell, const Vector<int64_t>& chain, Vector<int64_t>& rows);

struct KnnCells {
  KnnMeans means;  // of no cells: every row is in the first

  int64_t count() const { return n_; }
  void find(const KnnCodes& codes, int64_t n, const KnnCodeKernels& kernels);  // k-means on a sample of n rows
  void use(KnnMeans&& found, int64_t n);                                       // n of them
  // The cells of n rows `padded` bytes apart; 7 rows past the last are read.
  void nearest(const uint8_t* rows, int64_t n, const KnnCodeKernels& kernels, int64_t* cell) const;
  // The cells, each followed by the nearest of those that are left.
  Vector<int64_t> chain() const;

 private:
  int64_t n_ = 0;
  Vector<int32_t> half_;  // of each slot what its products lose: bias * sum + squares / 2
};

}  // namespace tamis
