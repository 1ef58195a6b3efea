// What one thread needs while it works on a search.
#pragma once

#include "knn/knn_search.hpp"

namespace tamis {

constexpr int64_t kKnnStrip = 192;  // rows per strip; limits are re-read after each strip

template <class T>
struct alignas(64) KnnLine {
  T limit[kKnnBlock + kKnnRowStep], rest[kKnnBlock + kKnnRowStep];
};

// The limits of one block on one side of the test (KnnTile).
struct KnnSearch::Lines {
  KnnLine<int32_t> prefix, full;
  KnnLine<float> floats;
  float reach[kKnnBlock], panel_reach[kKnnPanels];
};

struct KnnSearch::Scratch {
  Lines rows, columns;
  KnnGaps gaps;
  uint32_t near[kKnnPanels];  // of the panels of rows, a bit for each of columns
  Aligned<uint8_t> packed;    // the columns of the first filter
  Aligned<float> strip;       // floats: the centred rows of a strip
  Vector<uint32_t> survivors = Vector<uint32_t>(kKnnStrip * kKnnPanel + 16);
  Vector<int32_t> dots = Vector<int32_t>(kKnnStrip * kKnnPanel);
  Vector<int64_t> left, right;
  Vector<double> keys, limits, ready;
  Vector<KnnPair> pairs;  // of all tasks so far, the first `counted` of them in n_pairs_
  int64_t counted = 0;
};

}  // namespace tamis
