#include "knn/knn_cells.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/parallel.hpp"
#include "knn/knn_table.hpp"

namespace tamis {
namespace {

constexpr int64_t kLeastCells = 16;  // else cuts do as well
constexpr int64_t kSampled = 24;     // rows a cell
constexpr int kRounds = 5;
constexpr int64_t kAtOnce = 64;      // rows that meet all means while they lie in the cache
constexpr int32_t kNever = 1 << 30;  // of slots without a cell

// Small cells tell more apart; a table of all pairs of them must stay small beside the rows.
int64_t cells_of(int64_t rows) {
  return std::min(std::max(std::min(rows / 256, int64_t{3072}), rows / 1024), int64_t{16384});
}

}  // namespace

Vector<KnnRange> group_rows(const Vector<int64_t>& cell, const Vector<int64_t>& chain, Vector<int64_t>& rows) {
  Vector<KnnRange> ranges(chain.size());
  for (const int64_t c : cell) ++ranges[c].second;
  int64_t begin = 0;
  for (const int64_t c : chain) {
    begin += std::exchange(ranges[c].second, begin);
    ranges[c].first = ranges[c].second;
  }
  for (int64_t i = 0; i < cell.size(); ++i) rows[ranges[cell[i]].second++] = i;
  return ranges;
}

void KnnCells::use(KnnMeans&& found, int64_t n) {
  means = std::move(found);
  n_ = n;
  half_.assign(means.slots(), kNever);
  for (int64_t c = 0; c < n; ++c) half_[c] = means.bias * means.sum[c] + means.squares[c] / 2;
}

void KnnCells::nearest(const uint8_t* rows, int64_t n, const KnnCodeKernels& kernels, int64_t* cell) const {
  parallel_for(n, kAtOnce, [&](int64_t begin, int64_t end) {
    const int64_t many = end - begin;
    Vector<int32_t> dense((many + 7) / 8 * 8 * kKnnDense), best(many * kKnnDense, INT32_MIN), which(many * kKnnDense);
    for (int64_t group = 0; group * kKnnDense < n_; ++group) {
      kernels.dense(means.products(rows + begin * means.padded, (many + 7) / 8 * 8, group), dense.data());
      nearer_means({dense.data(), half_.data() + group * kKnnDense, many, static_cast<int32_t>(group)}, best.data(),
                   which.data());
    }
    for (int64_t i = 0; i < many; ++i) {
      const int32_t* mine = &best[i * kKnnDense];
      const auto lane = std::max_element(mine, mine + kKnnDense) - mine;
      cell[begin + i] = which[i * kKnnDense + lane] * kKnnDense + lane;
    }
  });
}

void KnnCells::find(const KnnCodes& codes, int64_t n, const KnnCodeKernels& kernels) {
  const int64_t cells = cells_of(n), sampled = std::min(n, cells * kSampled), padded = codes.padded;
  if (cells < kLeastCells) return;
  Aligned<uint8_t> sample = make_aligned<uint8_t>((sampled + 8) * padded);
  const auto row_of = [&](int64_t i) { return i * n / sampled; };
  for (int64_t i = 0; i < sampled; ++i) std::copy_n(codes.row(row_of(i)), padded, sample.get() + i * padded);
  std::fill_n(sample.get() + sampled * padded, 8 * padded, uint8_t{0});
  KnnMeans found;
  found.prepare(cells, codes.width, kernels.bias);
  for (int64_t c = 0; c < cells; ++c) found.set_row(c, sample.get() + c * kSampled * padded);
  Vector<int64_t> cell(sampled), rows(sampled), every(cells);
  std::iota(every.begin(), every.end(), int64_t{0});
  for (int round = 0; round < kRounds; ++round) {
    use(std::move(found), cells);
    nearest(sample.get(), sampled, kernels, cell.data());
    const Vector<KnnRange> ranges = group_rows(cell, every, rows);
    found = std::move(means);
    parallel_for(cells, 64, [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const auto [first, last] = ranges[c];
        if (last > first) found.set(c, {sample.get(), padded, codes.width, rows.data() + first, last - first});
      }
    });
  }
  use(std::move(found), cells);
}

Vector<int64_t> KnnCells::chain() const {
  Vector<int64_t> chain(n_);
  Vector<int32_t> far(n_);
  std::iota(chain.begin(), chain.end(), int64_t{0});
  for (int64_t i = 1; i < n_; ++i) {
    check_interrupt();
    const int64_t left = n_ - i;
    distances_of_codes({means.row(0), means.padded, means.width, &chain[i], left}, means.row(chain[i - 1]), far.data());
    std::swap(chain[i], chain[i + (std::min_element(far.begin(), far.begin() + left) - far.begin())]);
  }
  return chain;
}

}  // namespace tamis
