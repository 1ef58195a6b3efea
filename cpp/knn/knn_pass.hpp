// The nearest rows of a few queries in one pass over x: nothing is made ready, and values are checked on the way.
#pragma once
#include <atomic>
#include <mutex>

#include "core/vector.hpp"
#include "knn/knn.hpp"
#include "knn/knn_hits.hpp"

namespace tamis {

// Keys and neighbours bit-identical to those of KnnSearch. Float32 sums drop most rows, as its filters do; float64 rows
// are all compared exactly. Cost: n * m * d multiply-adds, and each row is read once.
class KnnPass {
 public:
  // Unit rows for a `queries.scale`; both sides finite or not, but of float32 or float64.
  KnnPass(const KnnRows& x, const KnnRows& queries, int64_t k, KnnMetric metric);

  int64_t rows() const { return x_.n; }
  int64_t queries() const { return queries_.n; }
  int64_t k() const { return k_; }
  // The rows from `begin` to `end`, once each. False where one is not finite, beyond what can be squared, or without a
  // direction where it needs one: then there is no result, and other searches say what is wrong or know better.
  bool run(int64_t begin, int64_t end);
  void write_neighbours(double* keys, int64_t* indices);  // (m, k), ascending; ends the search

 private:
  struct Scratch;
  KnnRows part_of(int64_t begin, int64_t n, Scratch& scratch) const;
  double measure(const KnnRows& part, int64_t row, Scratch& scratch);
  void seed();
  void run_rows(int64_t begin, int64_t n, Scratch& scratch);
  void keep_all(const KnnRows& part, Scratch& scratch);
  void keep_near(const KnnRows& part, Scratch& scratch);
  double limit(int64_t query) const;

  KnnRows x_, queries_;
  int64_t k_;
  KnnMetric metric_;
  Vector<float> floats_;  // queries as filters see them
  Vector<double> norms_;  // and their norms
  Vector<double> zeros_;  // the offset of unit rows
  Vector<double> limit_;  // of each query; no key above this is wanted
  Vector<KnnHit> heap_;   // (m, k)
  Vector<int64_t> filled_;
  std::atomic<bool> odd_{false};
  std::once_flag seeded_;
  std::mutex mutex_;
};

}  // namespace tamis
