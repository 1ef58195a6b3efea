#include "near_duplicates/near_duplicates.hpp"

#include <numeric>

#include "core/parallel.hpp"

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

}  // namespace tamis
