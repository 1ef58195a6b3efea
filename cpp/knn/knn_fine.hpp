// A second filter: rows in 16 bits, nearly as sharp as the exact key, and blocks of them fit the cache.
#pragma once
#include "core/aligned.hpp"
#include "knn/knn_table.hpp"

namespace tamis {

// The rows of one block, each made when it is first asked for.
class KnnFine {
 public:
  // One for the rows of both tables; 0 where it is too coarse to help.
  static float step_for(const KnnTable& x, const KnnTable& queries);

  void begin(const KnnTable& table, int64_t block);                              // what it has of this block it keeps
  void need(const KnnTable& table, const KnnPlan& plan, float step, int64_t i);  // row i of the block

  const int16_t* row(int64_t i) const { return values_.get() + i * padded_; }
  int64_t padded() const { return padded_; }
  double squares(int64_t i) const { return squares_[i]; }
  double lost(int64_t i) const { return lost_[i]; }

 private:
  int64_t block_ = -1, padded_ = 0;
  Aligned<int16_t> values_;  // (kKnnBlock, padded)
  Vector<uint8_t> made_;
  Vector<double> squares_, lost_;  // |q|^2, and the norm of what rounding took
  Vector<float> z_;
};

}  // namespace tamis
