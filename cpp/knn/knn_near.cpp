// Which blocks, and which rows and panels of two, may hold rows near each other.
#include <algorithm>

#include "knn/knn_scratch.hpp"

namespace tamis {

// How far the rows of a block of x look at most, when they were last read; -1: never.
std::atomic_ref<float> KnnSearch::block_reach(int64_t block) { return std::atomic_ref<float>(reach_[block]); }

bool KnnSearch::are_apart(const Blocks& blocks, Scratch& s) {
  if (gaps_.empty()) return false;
  const int64_t row = blocks.columns.other_block, column = blocks.rows.other_block;
  const auto most_of = [&](const Side& side, Lines& lines) {
    const auto known = block_reach(side.begin / kKnnBlock);
    if (known.load(std::memory_order_relaxed) < 0) known.store(read_reach(side, lines), std::memory_order_relaxed);
    return known.load(std::memory_order_relaxed);
  };
  const float reach = std::max(most_of(blocks.rows, s.rows), most_of(blocks.columns, s.columns));
  const Vector<float>& lost_by = gap_codes().block_lost;
  const float lost = lost_by[row] + lost_by[column];
  const bool apart = gaps_.apart(row, column, (static_cast<double>(reach) + static_cast<double>(lost)) * 1.000001);
  if (apart) asked_.fetch_add(blocks.rows.n * x_.centres.count[column], std::memory_order_relaxed);
  return apart;
}

// Which rows may be near rows of which panel; false where none is. Where few are left out it is not asked.
bool KnnSearch::find_near(const Blocks& blocks, Scratch& s) {
  const auto pieces_of = [&](const Side& side, const Lines& lines) {
    const int64_t block = side.begin / kKnnBlock;
    return KnnPieces{side.table.first(plan_), side.table.centres, block, side.n,
                     has_reach(side) ? lines.reach : nullptr};
  };
  const int64_t asked = asked_.load(std::memory_order_relaxed), near = near_.load(std::memory_order_relaxed);
  if (x_.centres.empty() || columns().centres.empty() || (asked > worth_asking_ && near > asked / 8 * 7)) {
    std::fill_n(s.gaps.near, kKnnBlock, 1);
    std::fill_n(s.gaps.pieces, kKnnPanels, 1);
    return true;
  }
  const KnnPieces a = pieces_of(blocks.rows, s.rows), b = pieces_of(blocks.columns, s.columns);
  const int64_t found = find_near_rows(a, b, kernels_, s.gaps);
  asked_.fetch_add(a.n * b.count(), std::memory_order_relaxed);
  near_.fetch_add(found, std::memory_order_relaxed);
  return found > 0;
}

}  // namespace tamis
