#include "knn/knn_centres.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.hpp"
#include "knn/knn_table.hpp"

namespace tamis {
namespace {

constexpr int64_t kAtOnce = 256;  // rows of a cell that meet all others while they lie in the cache

int64_t whole(int64_t rows) { return (rows + 7) / 8 * 8; }

// Where the pieces of a block end: at its panels, and in the slots that are left at the cells within.
Vector<int32_t> ends_of(int64_t begin, int64_t n, const Vector<int64_t>& cells) {
  Vector<int32_t> ends;
  for (int64_t at = kKnnPanel; at < n + kKnnPanel; at += kKnnPanel)
    ends.push_back(static_cast<int32_t>(std::min(at, n)));
  for (auto cell = std::upper_bound(cells.begin(), cells.end(), begin);
       cell != cells.end() && *cell < begin + n && std::ssize(ends) < kKnnDense; ++cell)
    if ((*cell - begin) % kKnnPanel != 0) ends.push_back(static_cast<int32_t>(*cell - begin));
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return ends;
}

// -(far[a, b] + far[b, a]) / |u|, rounded down; cells without rows are far from all.
int32_t gap_of(int64_t beyond, int64_t squares) {
  if (squares <= 0) return 0;
  const double gap = -static_cast<double>(beyond) / (std::sqrt(static_cast<double>(squares)) * 1.000001);
  return static_cast<int32_t>(std::clamp(std::floor(gap), -1e9, 1e9)) - 1;
}

// For each cell of a table, and each other one, how far its rows lie towards that one from their own.
Vector<int32_t> farthest(const KnnTable& table, const KnnCodes& codes, const KnnMeans& means,
                         const KnnCodeKernels& kernels) {
  const int64_t cells = std::ssize(table.cells) - 1;
  Vector<int32_t> far(cells * means.slots(), INT32_MIN);
  parallel_for(cells, 1, [&](int64_t first, int64_t last) {
    Vector<int32_t> dense(kAtOnce * kKnnDense), own(kAtOnce), most(kKnnDense);
    for (int64_t cell = first; cell < last; ++cell)
      for (int64_t begin = table.cells[cell]; begin < table.cells[cell + 1]; begin += kAtOnce) {
        check_interrupt();
        const auto n = static_cast<int32_t>(std::min(kAtOnce, table.cells[cell + 1] - begin));
        const uint8_t* rows = codes.row(begin);
        kernels.dense(means.products(rows, whole(n), cell / kKnnDense), dense.data());
        for (int64_t i = 0; i < n; ++i)
          own[i] = dense[i * kKnnDense + cell % kKnnDense] - kernels.bias * means.sum[cell];
        for (int64_t slot = 0; slot < means.slots(); slot += kKnnDense) {
          kernels.dense(means.products(rows, whole(n), slot / kKnnDense), dense.data());
          farthest_of_pieces({dense.data(), own.data(), &n, 1}, most.data());
          int32_t* out = &far[cell * means.slots() + slot];
          for (int64_t j = 0; j < kKnnDense; ++j)
            out[j] = std::max(out[j], most[j] - kernels.bias * means.sum[slot + j]);
        }
      }
  });
  return far;
}

}  // namespace

int64_t KnnCentres::nbytes() const {
  return pieces.nbytes() + (lost.size() + own.size() + end.size()) * int64_t{sizeof(int32_t)};
}

void KnnCentres::find(const KnnTable& table, const KnnCodes& codes, const KnnCodeKernels& kernels) {
  const int64_t n = table.n(), n_blocks = table.blocks();
  pieces.prepare(n_blocks * kKnnDense, codes.width, kernels.bias);
  count.resize(n_blocks);
  end.resize(n_blocks * kKnnDense);
  lost.resize(n_blocks * kKnnDense);
  own.resize(n);
  parallel_for(n_blocks, 1, [&](int64_t first, int64_t last) {
    Vector<int64_t> each(kKnnBlock);
    Vector<int32_t> dense(kKnnBlock * kKnnDense);
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * kKnnBlock, size = table.block_size(block), slot = block * kKnnDense;
      const Vector<int32_t> ends = ends_of(begin, size, table.cells);
      std::iota(each.begin(), each.end(), begin);
      count[block] = static_cast<int32_t>(ends.size());
      std::copy(ends.begin(), ends.end(), &end[slot]);
      for (int64_t piece = 0, from = 0; piece < std::ssize(ends); from = ends[piece++]) {
        const int64_t many = ends[piece] - from;
        const auto lost_by = codes.lost.begin() + begin + from;
        pieces.set(slot + piece, {codes.row(0), codes.padded, codes.width, each.data() + from, many});
        lost[slot + piece] = *std::max_element(lost_by, lost_by + many);
      }
      kernels.dense(pieces.products(codes.row(begin), whole(size), block), dense.data());
      for (int64_t piece = 0, i = 0; piece < std::ssize(ends); ++piece)
        for (; i < ends[piece]; ++i)
          own[begin + i] = dense[i * kKnnDense + piece] - kernels.bias * pieces.sum[slot + piece];
    }
  });
}

int64_t find_near_rows(const KnnPieces& a, const KnnPieces& b, const KnnCodeKernels& kernels, KnnGaps& gaps) {
  const auto look = [&](const KnnPieces& from, const KnnPieces& to) {
    kernels.dense(to.centres.pieces.products(from.codes.row(from.begin()), whole(from.n), to.block), gaps.dense.data());
    return KnnBeyond{gaps.dense.data(), from.centres.own.data() + from.begin(), from.ends(), from.count()};
  };
  const auto farthest_look = [](const KnnPieces& of, float* most) {
    for (int64_t piece = 0, i = 0; piece < of.count(); ++piece)
      for (most[piece] = 0; i < of.ends()[piece]; ++i)
        if (of.reach != nullptr) most[piece] = std::max(most[piece], of.reach[i]);
  };
  float reach_a[kKnnDense], reach_b[kKnnDense];
  farthest_look(a, reach_a);
  farthest_look(b, reach_b);
  kernels.dense(b.centres.pieces.products(a.centres.pieces.row(a.slot()), kKnnDense, b.block), gaps.between);
  farthest_of_pieces(look(b, a), gaps.far);
  std::fill_n(gaps.least, kKnnDense * kKnnDense, INT32_MAX);  // of slots without a piece
  for (int64_t i = 0; i < a.count(); ++i)
    for (int64_t j = 0; j < b.count(); ++j) {
      const int64_t at = a.slot() + i, to = b.slot() + j, bias = kernels.bias;
      const KnnMeans &from = a.centres.pieces, &other = b.centres.pieces;
      const auto squares = static_cast<double>(from.squares_to(at, other, to, gaps.between[i * kKnnDense + j]));
      const float lost = a.centres.lost[at] + b.centres.lost[to];
      const double reach = static_cast<double>(std::max(reach_a[i], reach_b[j])) + static_cast<double>(lost) * 1.000001;
      const double steps = std::sqrt(squares) * 1.000001 * reach / static_cast<double>(a.codes.step);
      const int64_t sums = bias * (int64_t{from.sum[at]} + other.sum[to]);
      const double least = static_cast<double>(sums - gaps.far[j * kKnnDense + i]) - steps - 1;
      gaps.least[i * kKnnDense + j] = least > INT32_MIN ? static_cast<int32_t>(least) : INT32_MIN;
    }
  std::fill_n(gaps.pieces, kKnnPanels, 0);
  for (int64_t j = 0; j < b.count(); ++j) gaps.pieces[(b.ends()[j] - 1) / kKnnPanel] |= uint32_t{1} << j;
  int64_t found;
  near_rows(look(a, b), gaps.least, gaps.near, &found);
  return found;
}

void KnnCellGaps::find(const KnnTable& table, const KnnCodes& codes, const KnnCodeKernels& kernels) {
  const int64_t cells = std::ssize(table.cells) - 1;
  if (cells <= 1) return;
  KnnMeans means;
  means.prepare(cells, codes.width, kernels.bias);
  Vector<int64_t> each(table.n());
  std::iota(each.begin(), each.end(), int64_t{0});
  parallel_for(cells, 16, [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c)
      if (const int64_t begin = table.cells[c], n = table.cells[c + 1] - begin; n > 0)
        means.set(c, {codes.row(0), codes.padded, codes.width, each.data() + begin, n});
  });
  slots_ = means.slots();
  step_ = static_cast<double>(codes.step);
  gap_ = farthest(table, codes, means, kernels);
  parallel_for(slots_ / kKnnDense, 1, [&](int64_t first, int64_t last) {
    int32_t dots[kKnnDense * kKnnDense];
    for (int64_t at = first * kKnnDense; at < last * kKnnDense; at += kKnnDense)
      for (int64_t slot = at; slot < slots_; slot += kKnnDense) {
        kernels.dense(means.products(means.row(at), kKnnDense, slot / kKnnDense), dots);
        for (int64_t i = at; i < std::min(cells, at + kKnnDense); ++i)
          for (int64_t j = std::max(slot, i); j < std::min(cells, slot + kKnnDense); ++j) {
            const int32_t product = dots[i % kKnnDense * kKnnDense + j % kKnnDense];
            const int64_t beyond = int64_t{gap_[i * slots_ + j]} + gap_[j * slots_ + i];
            gap_[i * slots_ + j] = gap_of(beyond, means.squares_to(i, means, j, product));
          }
      }
  });
  for (int64_t block = 0, cell = 0; block <= table.blocks(); ++block) {
    while (cell + 1 < cells && table.cells[cell + 1] <= block * kKnnBlock) ++cell;
    first_.push_back(cell);
  }
}

bool KnnCellGaps::apart(int64_t a, int64_t b, double reach) const {
  const int64_t last_b = first_[b + 1];
  for (int64_t i = first_[a]; i <= first_[a + 1]; ++i)
    for (int64_t j = first_[b]; j <= last_b; ++j)
      if (static_cast<double>(gap_[std::min(i, j) * slots_ + std::max(i, j)]) * step_ <= reach) return false;
  return true;
}

}  // namespace tamis
