// What is made of the pairs of a radius search, ascending by (left, right), left < right.
#include <algorithm>
#include <numeric>
#include <vector>

#include "core/parallel.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {

void greedy_keep(const int64_t* pairs, int64_t n_pairs, uint8_t* keep) {
  Steps steps;
  for (int64_t i = 0; i < n_pairs; ++i) {
    steps.took(1);
    if (keep[pairs[2 * i]] != 0) keep[pairs[2 * i + 1]] = 0;
  }
}

void group_pairs(const int64_t* pairs, int64_t n_pairs, int64_t n, int64_t* group) {
  std::iota(group, group + n, int64_t{0});
  const auto root = [&](int64_t i) {
    while (group[i] != i) {
      group[i] = group[group[i]];
      i = group[i];
    }
    return i;
  };
  Steps steps;
  for (int64_t i = 0; i < n_pairs; ++i) {
    steps.took(1);
    const int64_t a = root(pairs[2 * i]), b = root(pairs[2 * i + 1]);
    if (a < b) group[b] = a;
    if (b < a) group[a] = b;
  }
  for (int64_t i = 0; i < n; ++i) group[i] = root(i);
}

void nearest_kept(const int64_t* pairs, const double* keys, int64_t n_pairs, const uint8_t* keep, int64_t* kept,
                  double* apart) {
  Steps steps;
  for (int64_t i = 0; i < n_pairs; ++i, steps.took(1))
    for (const bool turned : {false, true}) {
      const int64_t from = pairs[2 * i + turned], to = pairs[2 * i + !turned];
      if (keep[from] == 0 || keep[to] != 0) continue;
      const bool nearer = kept[to] < 0 || keys[i] < apart[to] || (keys[i] == apart[to] && from < kept[to]);
      if (!nearer) continue;
      kept[to] = from;
      apart[to] = keys[i];
    }
}

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
