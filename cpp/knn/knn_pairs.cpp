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
  std::vector<int64_t> start(static_cast<size_t>(rows) + 1);
  Steps steps;
  for (const auto& s : scratches_)
    for (const KnnPair& pair : s->pairs) ++start[static_cast<size_t>(pair.left) + 1], steps.took(1);
  std::partial_sum(start.begin(), start.end(), start.begin());
  std::vector<KnnHit> sorted(static_cast<size_t>(n_pairs_));
  std::vector<int64_t> next(start.begin(), start.end() - 1);
  for (const auto& s : scratches_) {
    for (const KnnPair& pair : s->pairs) {
      sorted[static_cast<size_t>(next[static_cast<size_t>(pair.left)]++)] = {pair.key, pair.right};
      steps.took(1);
    }
    s->pairs = {};
  }
  parallel_for(rows, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const auto at = [&](int64_t r) { return sorted.begin() + start[static_cast<size_t>(r)]; };
      std::sort(at(row), at(row + 1), [](const KnnHit& a, const KnnHit& b) { return a.index < b.index; });
      for (int64_t i = start[static_cast<size_t>(row)]; i < start[static_cast<size_t>(row) + 1]; ++i) {
        ends[2 * i] = row;
        ends[2 * i + 1] = sorted[static_cast<size_t>(i)].index;
        keys[i] = sorted[static_cast<size_t>(i)].key;
      }
    }
  });
}

}  // namespace tamis
