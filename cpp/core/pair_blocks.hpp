// Pairs of rows as work for threads: the blocks of one matrix, or the rows of many images.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/parallel.hpp"

namespace tamis {

// f(i, rows, j, columns) for each block of an (n, m) matrix.
template <class F>
void each_block(int64_t n, int64_t m, int64_t rows, int64_t columns, F f) {
  const int64_t across = (m + columns - 1) / columns, down = (n + rows - 1) / rows;
  parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      const int64_t i = block / across * rows, j = block % across * columns;
      f(i, std::min(rows, n - i), j, std::min(columns, m - j));
    }
  });
}

// f(image, row, rows) for the rows of all images, never of two at once; each meets the rows of `other_splits` of its
// image, and a chunk is about `pairs` pairs but not less than `fewest` rows.
template <class F>
void each_image(const int64_t* splits, const int64_t* other_splits, int64_t images, int64_t pairs, int64_t fewest,
                F f) {
  int64_t widest = 1;
  for (int64_t i = 0; i < images; ++i) widest = std::max(widest, other_splits[i + 1] - other_splits[i]);
  parallel_for(splits[images], std::max(fewest, pairs / widest), [&](int64_t row, int64_t end) {
    int64_t image = std::upper_bound(splits, splits + images + 1, row) - splits - 1;
    for (; row < end; ++image) {
      const int64_t stop = std::min(end, splits[image + 1]);
      f(image, row, stop - row);
      row = stop;
    }
  });
}

}  // namespace tamis
