#include "knn/knn_fine.hpp"

#include <algorithm>

#include "knn/knn_math.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {
namespace {

constexpr float kLongest = 32700;          // steps of the longest row: what its square and products fit int32
constexpr float kSharper = 8;              // than codes, or it says too little
constexpr int64_t kWidest = 2048;          // coordinates: two blocks of rows then take 6 MiB
constexpr int64_t kWorth = kKnnBlock / 2;  // survivors of two blocks from which on rows are asked for again

}  // namespace

float KnnFine::step_for(const KnnTable& x, const KnnTable& queries) {
  float most = 0;
  for (const KnnTable* table : {&x, &queries})
    for (const float norm : table->block_norm) most = std::max(most, norm);
  const float step = most / kLongest;
  return x.rows.d <= kWidest && kSharper * step <= x.full.step ? step : 0;
}

void KnnFine::begin(const KnnTable& table, int64_t block) {
  if (block == block_) return;
  block_ = block;
  if (values_ == nullptr) {
    padded_ = (table.rows.d + 31) / 32 * 32;
    values_ = make_aligned<int16_t>(kKnnBlock * padded_);
    squares_.resize(kKnnBlock);
    lost_.resize(kKnnBlock);
    z_.resize(table.rows.d);
  }
  made_.assign(kKnnBlock, 0);
}

void KnnFine::need(const KnnTable& table, const KnnPlan& plan, float step, int64_t i) {
  if (made_[i] != 0) return;
  made_[i] = 1;
  const int64_t at = block_ * kKnnBlock + i;
  centre_rows(table.rows, table.order.data() + at, 0, 1, {plan.mean.data(), plan.gain}, z_.data());
  KnnFineRounded rounded;
  fine_row(z_.data(), table.rows.d, padded_, step, values_.get() + i * padded_, &rounded);
  squares_[i] = rounded.squares;
  lost_[i] = static_cast<double>(rounded.lost) * 1.00001 + kFloatSlack * static_cast<double>(table.norm[at]) + 1e-30;
}

// The survivors that are not farther apart in 16 bits than their rows look.
int64_t KnnSearch::bound_finely(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& s) const {
  s.fine.survivors += n;
  s.fine.asked = fine_step_ > 0 && s.fine.survivors >= kWorth;
  if (!s.fine.asked) return n;
  KnnFine &rows = s.fine.rows, &others = s.fine.columns;
  rows.begin(x_, blocks.columns.other_block);
  others.begin(columns(), blocks.rows.other_block);
  for (int64_t i = 0; i < n; ++i) {
    rows.need(x_, plan_, fine_step_, strip + (s.survivors[i] >> 16));
    others.need(columns(), plan_, fine_step_, panel + (s.survivors[i] & 0xffff));
  }
  fine_dots({rows.row(strip), others.row(panel), rows.padded(), s.survivors.data(), n}, s.dots.data());
  const double per_step = 1 / static_cast<double>(fine_step_);
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[i];
    const int64_t row = strip + (pair >> 16), column = panel + (pair & 0xffff);
    const double squares = rows.squares(row) + others.squares(column) - 2.0 * s.dots[i];
    const double reach = host::reach_of(pair_limit(blocks, row, column), plan_.gain);
    const double most = (reach + rows.lost(row) + others.lost(column)) * per_step;
    s.survivors[kept] = pair;
    kept += !(squares > most * most);  // a NaN, which another thread may bring, drops nothing
  }
  return kept;
}

}  // namespace tamis
