#include "knn/knn_centres.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/parallel.hpp"
#include "knn/knn_table.hpp"

namespace tamis {
namespace {

KnnDense dense_of(const uint8_t* rows, int64_t n, const KnnCodes& codes, const KnnCentres& centres, int64_t block) {
  return {rows, codes.padded, n, centres.columns.get() + block * kKnnDense * codes.padded, codes.padded / 4};
}

// The rounded mean of some rows, as bytes and in its column of the block.
void find_one(const KnnCodes& codes, const KnnCodeRows& rows, int32_t bias, int64_t slot, KnnCentres& to) {
  Vector<int32_t> total(codes.padded);
  add_codes(rows, total.data());
  uint8_t* bytes = to.rows.get() + slot * codes.padded;
  int8_t* column = to.columns.get() + slot / kKnnDense * kKnnDense * codes.padded + slot % kKnnDense * 4;
  for (int64_t k = 0; k < codes.width; ++k) {
    const auto mean = static_cast<double>(total[k]) / static_cast<double>(rows.n) - bias;
    const auto c = static_cast<int32_t>(std::lround(mean));
    bytes[k] = static_cast<uint8_t>(c + bias);
    column[k / 4 * kKnnDense * 4 + k % 4] = static_cast<int8_t>(c);
    to.sum[slot] += c;
    to.squares[slot] += c * c;
  }
}

}  // namespace

void KnnCentres::find(const KnnTable& table, const KnnCodes& codes, const KnnCodeKernels& kernels) {
  const int64_t n = table.n(), blocks = table.blocks(), slots = blocks * kKnnDense;
  rows = make_aligned<uint8_t>(slots * codes.padded);
  columns = make_aligned<int8_t>(slots * codes.padded);
  std::memset(rows.get(), kernels.bias, static_cast<size_t>(slots * codes.padded));
  std::memset(columns.get(), 0, static_cast<size_t>(slots * codes.padded));
  sum.assign(slots, 0);
  squares.assign(slots, 0);
  lost.assign(slots, 0);
  own.resize(n);
  parallel_for(blocks, 1, [&](int64_t first, int64_t last) {
    Vector<int64_t> each(kKnnPanel);
    Vector<int32_t> dense((kKnnBlock + kKnnPanel) * kKnnDense);
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * kKnnBlock, end = std::min(n, begin + kKnnBlock);
      for (int64_t at = begin, slot = block * kKnnDense; at < end; at += kKnnPanel, ++slot) {
        const int64_t many = std::min(kKnnPanel, end - at);
        for (int64_t i = 0; i < many; ++i) each[i] = at + i;
        find_one(codes, {codes.row(0), codes.padded, codes.width, each.data(), many}, kernels.bias, slot, *this);
        lost[slot] = *std::max_element(codes.lost.begin() + at, codes.lost.begin() + at + many);
      }
      kernels.dense(dense_of(codes.row(begin), (end - begin + 7) / 8 * 8, codes, *this, block), dense.data());
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = (i - begin) / kKnnPanel;
        own[i] = dense[(i - begin) * kKnnDense + panel] - kernels.bias * sum[block * kKnnDense + panel];
      }
    }
  });
}

int64_t find_near_rows(const KnnPanels& a, const KnnPanels& b, const KnnCodeKernels& kernels, KnnGaps& gaps,
                       uint32_t* near) {
  const auto look = [&](const KnnPanels& from, const KnnPanels& to) {
    kernels.dense(dense_of(from.codes.row(from.begin()), (from.n + 7) / 8 * 8, from.codes, to.centres, to.block),
                  gaps.dense.data());
    return KnnBeyond{gaps.dense.data(), from.centres.own.data() + from.begin(), from.n};
  };
  const int64_t first_a = a.block * kKnnDense, first_b = b.block * kKnnDense, bias = kernels.bias;
  kernels.dense(dense_of(a.centres.rows.get() + first_a * a.codes.padded, kKnnDense, a.codes, b.centres, b.block),
                gaps.between);
  farthest_of_panels(look(b, a), gaps.far);
  std::fill_n(gaps.least, kKnnDense * kKnnDense, INT32_MAX);  // of places without a panel
  for (int64_t i = 0; i < a.count(); ++i)
    for (int64_t j = 0; j < b.count(); ++j) {
      const int64_t at = first_a + i, to = first_b + j;
      const int64_t dot = gaps.between[i * kKnnDense + j] - bias * b.centres.sum[to];
      const double squares = static_cast<double>(int64_t{a.centres.squares[at]} + b.centres.squares[to] - 2 * dot);
      const float lost = a.centres.lost[at] + b.centres.lost[to];
      const double reach = static_cast<double>(std::max(a.reach[i], b.reach[j])) + static_cast<double>(lost) * 1.000001;
      const double steps = std::sqrt(squares) * 1.000001 * reach / static_cast<double>(a.codes.step);
      const int64_t sums = bias * (int64_t{a.centres.sum[at]} + b.centres.sum[to]);
      const double least = static_cast<double>(sums - gaps.far[j * kKnnDense + i]) - steps - 1;
      gaps.least[i * kKnnDense + j] = least > INT32_MIN ? static_cast<int32_t>(least) : INT32_MIN;
    }
  int64_t found;
  near_rows(look(a, b), gaps.least, near, &found);
  return found;
}

}  // namespace tamis
