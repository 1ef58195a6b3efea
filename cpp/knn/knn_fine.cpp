#include "knn/knn_fine.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "knn/knn_math.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {
namespace {

constexpr float kLongest = 32700;          // steps of the longest row: what its square and products fit int32
constexpr float kSharper = 8;              // than codes, or it says too little
constexpr int64_t kWidest = 2048;          // coordinates: two blocks of rows then take 6 MiB
constexpr int64_t kMostBytes = 256 << 20;  // of all rows
constexpr int64_t kWorth = kKnnBlock / 2;  // survivors of two blocks from which on their rows are asked for again

int64_t padded_of(const KnnTable& table) { return (table.rows.d + 31) / 32 * 32; }

}  // namespace

float KnnFine::step_for(const KnnTable& x, const KnnTable& queries) {
  float most = 0;
  for (const KnnTable* table : {&x, &queries})
    for (const float norm : table->block_norm) most = std::max(most, norm);
  const float step = most / kLongest;
  return x.rows.d <= kWidest && kSharper * step <= x.full.step ? step : 0;
}

bool KnnFine::fits(const KnnTable& table) {
  return table.n() * padded_of(table) * static_cast<int64_t>(sizeof(int16_t)) <= kMostBytes;
}

void KnnFine::begin(const KnnTable& table, int64_t first, int64_t n) {
  if (first == first_) return;
  first_ = first;
  if (empty()) {
    padded_ = padded_of(table);
    values_ = make_aligned<int16_t>(n * padded_);
    squares_.resize(n);
    lost_.resize(n);
  }
  made_.assign(squares_.size(), 0);
}

void KnnFine::make(const KnnTable& table, const KnnPlan& plan, float step, int64_t position, float* z) {
  const int64_t i = position - first_;
  if (made_[i] != 0) return;
  made_[i] = 1;
  centre_rows(table.rows, table.order.data() + position, 0, 1, {plan.mean.data(), plan.gain}, z);
  KnnRounded rounded;
  fine_row(z, table.rows.d, padded_, step, values_.get() + i * padded_, &rounded);
  squares_[i] = rounded.squares;
  lost_[i] = static_cast<double>(lost_of(rounded, kFloatSlack * static_cast<double>(table.norm[position])));
}

// All rows of a self search now, where they take little memory and need not be read from a file; else block by block.
void KnnSearch::plan_fine() {
  if (k_ == 0 || !plan_.codes || plan_.metric != KnnMetric::squared_distance) return;
  fine_step_ = KnnFine::step_for(x_, queries_);
  if (fine_step_ == 0 || !self() || paged_ || !KnnFine::fits(x_)) return;
  fine_.begin(x_, 0, x_.n());
  parallel_for(x_.n(), 256, [&](int64_t begin, int64_t end) {
    Vector<float> z(x_.rows.d);
    for (int64_t i = begin; i < end; ++i) fine_.make(x_, plan_, fine_step_, i, z.data());
  });
}

// Whether the survivors have their rows in 16 bits. Block by block this begins once a pair of blocks has had so many
// that a row is asked for more than once.
bool KnnSearch::make_fine(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& s) const {
  if (fine_step_ == 0 || !fine_.empty()) return fine_step_ > 0;
  s.fine_survivors += n;
  if (s.fine_survivors < kWorth) return false;
  s.fine_rows.begin(x_, blocks.rows.begin, kKnnBlock);
  s.fine_columns.begin(columns(), blocks.columns.begin, kKnnBlock);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[i];
    s.fine_rows.make(x_, plan_, fine_step_, blocks.rows.begin + strip + (pair >> 16), s.z.data());
    s.fine_columns.make(columns(), plan_, fine_step_, blocks.columns.begin + panel + (pair & 0xffff), s.z.data());
  }
  return true;
}

// The survivors that are not farther apart in 16 bits than their rows look.
int64_t KnnSearch::bound_finely(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& s) const {
  const KnnFine &rows = fine_.empty() ? s.fine_rows : fine_, &others = fine_.empty() ? s.fine_columns : fine_;
  const int64_t first_row = blocks.rows.begin + strip, first_column = blocks.columns.begin + panel;
  fine_dots({rows.row(first_row), others.row(first_column), rows.padded(), s.survivors.data(), n}, s.dots.data());
  const double per_step = 1 / static_cast<double>(fine_step_);
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[i];
    const int64_t row = first_row + (pair >> 16), column = first_column + (pair & 0xffff);
    const double squares = rows.squares(row) + others.squares(column) - 2.0 * s.dots[i];
    const double reach = host::reach_of(pair_limit(row, column), plan_.gain);
    const double most = (reach + rows.lost(row) + others.lost(column)) * per_step;
    s.survivors[kept] = pair;
    kept += !(squares > most * most);  // a NaN, which another thread may bring, drops nothing
  }
  return kept;
}

}  // namespace tamis
