// Rows that lie apart from a panel: 64 pairs left out by two dot products and a comparison.
//
//   u = c[b] - c[a]                                    # from the centre of panel a to that of panel b
//   gap = ((q[b] @ u).min() - q[i] @ u) / |u|          # row i of a is no nearer to one of b than this
//
// With far[b, a] = max(q @ c[a] - q @ c[b]) over the rows q of b, gap = -(q[i] @ c[b] - q[i] @ c[a] + far[b, a]) / |u|:
// each row is asked once for each panel of the other block. All of it is integers, in units of the step of the codes.
#pragma once
#include <cstdint>

#include "core/aligned.hpp"
#include "core/vector.hpp"
#include "knn/knn.hpp"

namespace tamis {

constexpr int64_t kKnnBlock = 960;  // rows of a block; the last one may be shorter
constexpr int64_t kKnnPanels = kKnnBlock / kKnnPanel;
static_assert(kKnnPanels <= kKnnDense);

struct KnnCodes;
struct KnnTable;

// Of the panels of a table, 16 places for those of each block.
struct KnnCentres {
  Aligned<uint8_t> rows;    // (blocks * 16, padded) bytes, those of no panel zeros
  Aligned<int8_t> columns;  // (blocks, groups, 16, 4)
  Vector<int32_t> sum, squares;
  Vector<float> lost;   // the largest of a panel's rows
  Vector<int32_t> own;  // of each row of the table its dot product with its centre

  bool empty() const { return sum.empty(); }
  int64_t nbytes(int64_t padded) const {
    return sum.size() * (2 * padded + int64_t{3 * sizeof(int32_t)}) + own.size() * int64_t{sizeof(int32_t)};
  }
  void find(const KnnTable& table, const KnnCodes& codes, const KnnCodeKernels& kernels);
};

// One of two blocks: its rows from `begin` on, and how far those of each panel look at most.
struct KnnPanels {
  const KnnCodes& codes;
  const KnnCentres& centres;
  int64_t block, n;
  const float* reach;

  int64_t begin() const { return block * kKnnBlock; }
  int64_t count() const { return (n + kKnnPanel - 1) / kKnnPanel; }
};

struct KnnGaps {
  Vector<int32_t> dense = Vector<int32_t>((kKnnBlock + kKnnPanel) * kKnnDense);
  int32_t far[kKnnDense * kKnnDense], between[kKnnDense * kKnnDense], least[kKnnDense * kKnnDense];
};

// near[i] has a bit for each panel of b from which row i of a is not apart; returns how many there are.
int64_t find_near_rows(const KnnPanels& a, const KnnPanels& b, const KnnCodeKernels& kernels, KnnGaps& gaps,
                       uint32_t* near);

}  // namespace tamis
