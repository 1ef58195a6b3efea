// The rows of x made ready once: codes, order and bounds, which any number of searches read and none changes.
#pragma once
#include <cstdint>

#include "knn/knn_table.hpp"

namespace tamis {

// What a file holds of an index with codes, next to its rows and plan. A file may hold anything: see `fits`.
struct KnnParts {
  int32_t bias = 0;                                  // of the codes
  Vector<double> numbers;                            // the steps of both kinds of codes and the mean of the rest
  Vector<int64_t> order;                             // (n,)
  Vector<float> norm;                                // (n,)
  Vector<int32_t> sum, squares;                      // (n,), of the whole rows, and behind them of the prefixes
  Vector<float> lost;                                // the same
  Vector<int64_t> nodes;                             // (nodes, 4): begin, end, left, right
  Vector<double> splits;                             // (nodes,)
  Vector<float> directions;                          // (nodes that have children, width of the first codes)
  Vector<uint8_t> cells;                             // means, as rows of the first codes; may be none
  const uint8_t *full = nullptr, *prefix = nullptr;  // rows of codes, which stay where they are
  int64_t full_size = 0, prefix_size = 0;
};

struct KnnIndex {
  KnnIndex(const KnnRows& rows, KnnPlan how);
  // Of stored parts. Raises where they do not fit; parts with the bias of another processor are made again.
  KnnIndex(const KnnRows& rows, KnnPlan how, KnnParts&& parts);
  KnnIndex(const KnnIndex&) = delete;
  KnnIndex& operator=(const KnnIndex&) = delete;

  KnnParts parts() const;  // with codes only; they point into this index
  int64_t nbytes() const;  // without the rows

  KnnPlan plan;
  KnnCodeKernels kernels;
  KnnTable x;
  KnnTree tree;           // of an ordered plan
  Vector<float> rounded;  // the offset

 private:
  void begin(const KnnRows& rows);
  void build();
  void take(KnnParts&& parts);
};

}  // namespace tamis
