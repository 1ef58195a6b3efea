// The pairs of a radius search, ascending by (left, right), left < right.
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/parallel.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {

// Counting by the left row, then each row's few on their own.
void KnnSearch::write_pairs(int64_t* ends, double* keys) {
  const int64_t rows = self() ? x_.n() : queries_.n();
  Vector<int64_t> start(rows + 1);
  Steps steps;
  for (const auto& s : scratches_)
    for (const KnnPair& pair : s->pairs) ++start[pair.left + 1], steps.took(1);
  std::partial_sum(start.begin(), start.end(), start.begin());
  Vector<KnnHit> sorted(n_pairs_);
  Vector<int64_t> next(start.begin(), start.end() - 1);
  for (const auto& s : scratches_) {
    for (const KnnPair& pair : s->pairs) {
      sorted[next[pair.left]++] = {pair.key, pair.right};
      steps.took(1);
    }
    s->pairs = {};
  }
  parallel_for(rows, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto at = [&](int64_t r) { return sorted.begin() + start[r]; };
      std::sort(at(row), at(row + 1), [](const KnnHit& a, const KnnHit& b) { return a.index < b.index; });
      for (int64_t i = start[row]; i < start[row + 1]; ++i) {
        ends[2 * i] = row;
        ends[2 * i + 1] = sorted[i].index;
        keys[i] = sorted[i].key;
      }
    }
  });
}

}  // namespace tamis
