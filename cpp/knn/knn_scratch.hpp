// What one thread needs while it works on a search.
#pragma once

#include "knn/knn_search.hpp"

namespace tamis {

constexpr int64_t kKnnStrip = 192;  // rows per strip; limits are re-read after each strip

constexpr int64_t kCodeRowStep = 32;  // what tiles of codes take

template <class T>
struct alignas(64) KnnLine {
  T limit[kKnnBlock + kKnnRowStep], rest[kKnnBlock + kKnnRowStep];
};

// The limits of one block on one side of the test (KnnTile).
struct KnnSearch::Lines {
  KnnLine<int32_t> prefix, full;
  KnnLine<float> floats;
  float reach[kKnnBlock];
};

inline const KnnLine<int32_t>& KnnSearch::first_line(const Lines& lines) const {
  return plan_.has_prefix() ? lines.prefix : lines.full;
}

struct KnnSearch::Scratch {
  Lines rows, columns;
  KnnGaps gaps;
  Aligned<uint8_t> moved;  // codes: rows of a strip moved together, and where they were
  int64_t picked[kKnnStrip];
  int32_t moved_limit[kKnnStrip + kCodeRowStep], moved_rest[kKnnStrip + kCodeRowStep];
  Aligned<uint8_t> packed;  // the columns of the first filter
  Aligned<float> strip;     // floats: the centred rows of a strip
  Vector<uint32_t> survivors = Vector<uint32_t>(kKnnStrip * kKnnPanel + 16);
  Vector<int32_t> dots = Vector<int32_t>(kKnnStrip * kKnnPanel);
  KnnFine fine_rows, fine_columns;
  int64_t fine_survivors = 0;  // of these two blocks so far
  bool finely = false;         // what survives now has been tested in 16 bits
  Vector<float> z;             // one row
  Vector<int64_t> left, right;
  Vector<double> keys, limits, ready;
  Vector<KnnPair> pairs;  // of all tasks so far, the first `counted` of them in n_pairs_
  int64_t counted = 0;
};

}  // namespace tamis
