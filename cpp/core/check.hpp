// What a binding checks of what it was handed, whatever Python has checked: each offset, index and count lies inside
// what it leads to. One pass over offsets and indices, which work reads anyway. Arrays on a device are not read: of
// them only the sizes are checked.
#pragma once
#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace tamis {

// `splits` begins at 0 or later, does not decrease and ends within n.
template <class Splits>
void check_offsets(const char* what, const Splits& splits, int64_t n) {
  TAMIS_CHECK(splits.size() > 0, std::string(what) + ": there must be at least one offset");
  int64_t last = 0;
  for (int64_t i = 0; i < splits.size(); ++i) {
    TAMIS_CHECK(splits[i] >= last && splits[i] <= n, std::string(what) + ": offsets must ascend from 0 to " +
                                                         std::to_string(n) + ", got " + std::to_string(splits[i]) +
                                                         " at position " + std::to_string(i));
    last = splits[i];
  }
}

// `splits` are offsets of all n rows: the first is 0, the last n.
template <class Splits>
void check_splits(const char* what, const Splits& splits, int64_t n) {
  check_offsets(what, splits, n);
  TAMIS_CHECK(splits[0] == 0 && splits[splits.size() - 1] == n,
              std::string(what) + ": splits must begin with 0 and end with " + std::to_string(n));
}

// How many pairs the rows of each image come to; both sides must have as many images.
template <class Splits>
int64_t count_pairs(const char* what, const Splits& a, const Splits& b) {
  TAMIS_CHECK(a.size() == b.size(), std::string(what) + ": splits differ in length");
  int64_t pairs = 0;
  for (int64_t i = 0; i + 1 < a.size(); ++i) pairs += (a[i + 1] - a[i]) * (b[i + 1] - b[i]);
  return pairs;
}

// `pairs` are where the pairs of each image begin, and all of them.
template <class Splits>
void check_pair_splits(const char* what, const Splits& pairs, const Splits& a, const Splits& b, int64_t n) {
  TAMIS_CHECK(pairs.size() == a.size() && count_pairs(what, a, b) == n, std::string(what) + ": out does not fit");
  check_splits(what, pairs, n);
  for (int64_t i = 0; i + 1 < a.size(); ++i)
    TAMIS_CHECK(pairs[i + 1] - pairs[i] == (a[i + 1] - a[i]) * (b[i + 1] - b[i]),
                std::string(what) + ": out_splits do not fit the pairs of image " + std::to_string(i));
}

// All of `index` in [least, n).
template <class Index>
void check_indices(const char* what, const Index& index, int64_t n, int64_t least = 0) {
  uint64_t signs = 0;  // of the distances to both ends, without a branch
  const auto first = static_cast<uint64_t>(least), last = static_cast<uint64_t>(n - 1);
  const int64_t size = index.size();
  const auto* values = index.data;
  for (int64_t i = 0; i < size; ++i) {
    const auto value = static_cast<uint64_t>(static_cast<int64_t>(values[i]));
    signs |= (value - first) | (last - value);
  }
  TAMIS_CHECK(static_cast<int64_t>(signs) >= 0,
              std::string(what) + ": values must be " + std::to_string(least) + " to " + std::to_string(n - 1));
}

// Positions of categories or images, where a negative one leaves the row out.
template <class Index>
void check_below(const char* what, const Index& index, int64_t n) {
  check_indices(what, index, n, INT32_MIN);
}

// An enum that came as a number.
inline void check_option(const char* what, int value, int count) {
  TAMIS_CHECK(value >= 0 && value < count, std::string(what) + ": no such option: " + std::to_string(value));
}

}  // namespace tamis
