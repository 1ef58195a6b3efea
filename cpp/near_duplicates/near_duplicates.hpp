// What is made of the pairs of rows within a radius.
//
//   keep = ones(n); for i, j in pairs: if keep[i]: keep[j] = 0                        # greedy_keep
//   group[i] = the first row that row i hangs together with through pairs             # group_pairs
//   kept[j], apart[j] = min((i for i in pairs of j if keep[i]), key=(distance, i))    # nearest_kept, where not keep[j]
//
// Layout: pairs are (n_pairs, 2) int64, ascending by (left, right), left < right; group_pairs takes any order. Exact.
// Cost: one pass over the pairs.
#pragma once
#include <cstdint>

namespace tamis {

// A row that is kept drops the later rows it is paired with. `keep`: ones.
void greedy_keep(const int64_t* pairs, int64_t n_pairs, uint8_t* keep);
void group_pairs(const int64_t* pairs, int64_t n_pairs, int64_t n, int64_t* group);
// For each row that is not kept the nearest kept one it is paired with, the lower of equals. `kept`: -1 each.
void nearest_kept(const int64_t* pairs, const double* keys, int64_t n_pairs, const uint8_t* keep, int64_t* kept,
                  double* apart);

}  // namespace tamis
