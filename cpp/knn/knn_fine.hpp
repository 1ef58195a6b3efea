// A second filter: rows in 16 bits, nearly as sharp as the exact key, and blocks of them fit the cache.
#pragma once
#include "core/aligned.hpp"
#include "knn/knn_table.hpp"

namespace tamis {

// Some rows of a table that follow each other, each made when it is first asked for.
class KnnFine {
 public:
  // One for the rows of both tables; 0 where it is too coarse to help.
  static float step_for(const KnnTable& x, const KnnTable& queries);
  // Whether all rows at once take little memory.
  static bool fits(const KnnTable& table);

  void begin(const KnnTable& table, int64_t first, int64_t n);  // what it has of the same rows it keeps
  void make(const KnnTable& table, const KnnPlan& plan, float step, int64_t position, float* z);  // z: (d,) to work in

  bool empty() const { return values_ == nullptr; }
  int64_t padded() const { return padded_; }
  const int16_t* row(int64_t position) const { return values_.get() + (position - first_) * padded_; }
  double squares(int64_t position) const { return squares_[position - first_]; }
  double lost(int64_t position) const { return lost_[position - first_]; }

 private:
  int64_t first_ = -1, padded_ = 0;
  Aligned<int16_t> values_;  // (n, padded)
  Vector<uint8_t> made_;
  Vector<double> squares_, lost_;  // |q|^2, and the norm of what rounding took
};

}  // namespace tamis
