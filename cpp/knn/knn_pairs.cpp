// What is made of the pairs of a radius search, ascending by (left, right), left < right.
#include <numeric>
#include <vector>

#include "knn/knn_search.hpp"

namespace tamis {

void greedy_keep(const int64_t* pairs, int64_t n_pairs, uint8_t* keep) {
  for (int64_t i = 0; i < n_pairs; ++i)
    if (keep[pairs[2 * i]] != 0) keep[pairs[2 * i + 1]] = 0;
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
  for (int64_t i = 0; i < n_pairs; ++i) {
    const int64_t a = root(pairs[2 * i]), b = root(pairs[2 * i + 1]);
    if (a < b) group[b] = a;
    if (b < a) group[a] = b;
  }
  for (int64_t i = 0; i < n; ++i) group[i] = root(i);
}

}  // namespace tamis
