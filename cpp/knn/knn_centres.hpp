// What lies apart: a row and a piece of a panel, or two cells, left out by dot products with centres.
//
//   u = c[b] - c[a]                                    # from the centre of piece a to that of piece b
//   gap = ((q[b] @ u).min() - q[i] @ u) / |u|          # row i of a is no nearer to one of b than this
//
// With far[b, a] = max(q @ c[a] - q @ c[b]) over the rows q of b, gap = -(q[i] @ c[b] - q[i] @ c[a] + far[b, a]) / |u|:
// each row is asked once for each piece of the other block. Two cells are no nearer than
// -(far[a, b] + far[b, a]) / |u|. All of it is integers, in units of the step of the codes.
#pragma once
#include <cstdint>

#include "core/vector.hpp"
#include "knn/knn.hpp"
#include "knn/knn_means.hpp"

namespace tamis {

constexpr int64_t kKnnBlock = 768;  // rows of a block; the last one may be shorter
constexpr int64_t kKnnPanels = kKnnBlock / kKnnPanel;
constexpr int64_t knn_panels(int64_t columns) { return (columns + kKnnPanel - 1) / kKnnPanel; }
static_assert(kKnnPanels <= kKnnDense);

struct KnnCodes;
struct KnnTable;

// A panel with rows of two cells has two pieces, so that the centre of each is among its rows; 16 at most a block.
struct KnnCentres {
  KnnMeans pieces;             // 16 slots a block, of the first codes
  Vector<int32_t> count, end;  // pieces of a block; by slot, from where the block begins
  Vector<float> lost;          // by slot, the largest of its rows
  Vector<int32_t> own;         // of each row of the table its dot product with its centre

  bool empty() const { return count.empty(); }
  int64_t nbytes() const;
  void find(const KnnTable& table, const KnnCodes& codes, const KnnCodeKernels& kernels);
};

// One of two blocks: its rows from `begin` on, and how far each of them looks; null: none does.
struct KnnPieces {
  const KnnCodes& codes;
  const KnnCentres& centres;
  int64_t block, n;
  const float* reach;

  int64_t begin() const { return block * kKnnBlock; }
  int64_t slot() const { return block * kKnnDense; }
  int64_t count() const { return centres.count[block]; }
  const int32_t* ends() const { return centres.end.data() + slot(); }
};

struct KnnGaps {
  Vector<int32_t> dense = Vector<int32_t>((kKnnBlock + kKnnPanel) * kKnnDense);
  int32_t far[kKnnDense * kKnnDense], between[kKnnDense * kKnnDense], least[kKnnDense * kKnnDense];
  uint32_t near[kKnnBlock];     // of each row of a a bit for each piece of b from which it is not apart
  uint32_t pieces[kKnnPanels];  // of each panel of b its bits
};
// Sets gaps.near and gaps.pieces; returns how many rows and pieces are near.
int64_t find_near_rows(const KnnPieces& a, const KnnPieces& b, const KnnCodeKernels& kernels, KnnGaps& gaps);

// How far the cells of a table lie from each other.
class KnnCellGaps {
 public:
  bool empty() const { return gap_.empty(); }
  void find(const KnnTable& table, const KnnCodes& codes, const KnnCodeKernels& kernels);
  // Whether no row of block a is within `reach` of one of block b.
  bool apart(int64_t a, int64_t b, double reach) const;

 private:
  Vector<int64_t> first_;  // of each block the first cell with rows of it, and one more
  int64_t slots_ = 0;
  double step_ = 0;
  Vector<int32_t> gap_;  // (cells, slots), in steps of the codes, of a cell and a later one
};

}  // namespace tamis
