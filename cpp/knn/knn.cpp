#include "knn/knn.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr int64_t kTogether = 256;  // keys computed before limits are read again
constexpr int64_t kApart = 11;      // blocks between the columns of two tasks; rows of a task come in up to 8

}  // namespace

int64_t scan_matrix(const KnnRows& rows, double* norms, double* sums) {
  constexpr int64_t kChunk = 2048;
  const int64_t chunks = (rows.n + kChunk - 1) / kChunk;
  Vector<int64_t> bad(chunks, -1);
  Vector<double> parts(sums != nullptr ? chunks * rows.d : 0);
  parallel_for(rows.n, kChunk, [&](int64_t begin, int64_t end) {
    const int64_t chunk = begin / kChunk;
    scan_rows(rows, begin, end, norms + begin, sums != nullptr ? parts.data() + chunk * rows.d : nullptr,
              bad.data() + chunk);
  });
  for (int64_t i = 0; i < parts.size(); ++i) sums[i % rows.d] += parts[i];
  const auto first = std::find_if(bad.begin(), bad.end(), [](int64_t row) { return row >= 0; });
  return first != bad.end() ? *first : -1;
}

KnnSearch::~KnnSearch() = default;

KnnSearch::KnnSearch(std::shared_ptr<KnnIndex> index, const KnnRows& queries, int64_t k, double radius)
    : index_(std::move(index)), plan_(index_->plan), x_(index_->x), k_(k), radius_(radius), kernels_(index_->kernels) {
  queries_.rows = queries;
  if (!self()) {
    queries_.rows.rounded = x_.rows.rounded;
    queries_.rows.lost = x_.rows.lost;
    queries_.measure_like(x_);
    queries_.encode(plan_, kernels_.bias);
    if (!index_->tree.nodes.empty()) queries_.reorder_by(plan_, kernels_, index_->tree, place_);
    queries_.finish(plan_, kernels_);
  }
  const int64_t searched = columns().n();
  found_.assign(searched, {k_ > 0 ? kInfinity : radius_});
  heap_.resize(searched * k_);
  if (self())
    plan_tasks();
  else
    plan_query_tasks();
  for (const Task& task : tasks_) worth_asking_ += (task.row_end - task.row_begin) * kKnnBlock * kKnnPanels / 8;
  split_tasks();
}

double KnnSearch::key_limit(int64_t position) const {
  return std::atomic_ref<double>(const_cast<double&>(found_[position].limit)).load(std::memory_order_relaxed);
}

// Block pairs by how far apart they are in the order: 0, 1, 2-3, 4-7, then by eights. Threads that take one task after
// the other share no block as long as there are blocks enough: what a row has found then stays in the cache of one.
void KnnSearch::plan_tasks() {
  const int64_t blocks = x_.blocks();
  for (int64_t near = 0, wide = 1; near < blocks; near += wide, wide = std::min<int64_t>(8, near))
    for (int64_t first = 0; first < kApart; ++first)
      for (int64_t column = near + first; column < blocks; column += kApart)
        tasks_.push_back({column, std::max<int64_t>(0, column - near - wide + 1), column - near + 1});
}

// Blocks of queries by how far rows are from where they belong; tasks of the same queries never follow each other.
void KnnSearch::plan_query_tasks() {
  const int64_t blocks = x_.blocks();
  const auto add = [&](int64_t from_home) {
    for (int64_t column = 0; column < queries_.blocks(); ++column) {
      const int64_t middle = column * kKnnBlock + queries_.block_size(column) / 2;
      const int64_t first = (place_.empty() ? 0 : place_[middle] / kKnnBlock) + from_home;
      const int64_t begin = std::max<int64_t>(0, first), end = std::min(blocks, first + 8);
      if (begin < end) tasks_.push_back({column, begin, end});
    }
  };
  for (int64_t near = 0; near < blocks; near += 8) {
    add(near);
    add(-near - 8);
  }
}

// Where there are fewer than threads are good for, by the columns.
void KnnSearch::split_tasks() {
  const int64_t wanted = 2 * num_threads(), tasks = tasks_.size();
  if (tasks == 0 || tasks >= wanted) return;
  const int64_t parts = std::min(kKnnPanels, (wanted + tasks - 1) / tasks);
  Vector<Task> split;
  for (Task task : tasks_) {
    const int64_t panels = knn_panels(columns().block_size(task.column_block));
    for (int64_t i = parts; i-- > 0;) {  // the last have the most rows above the diagonal
      task.panel_begin = i * panels / parts;
      task.panel_end = (i + 1) * panels / parts;
      if (task.panel_begin < task.panel_end) split.push_back(task);
    }
  }
  tasks_ = std::move(split);
}

KnnSearch::Scratch* KnnSearch::borrow() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) {
    scratches_.push_back(std::make_unique<Scratch>());
    Scratch& s = *scratches_.back();
    const int64_t row = plan_.codes ? x_.first(plan_).padded : 4 * x_.rows.d;
    s.packed = make_aligned<uint8_t>(kKnnBlock * row);
    if (plan_.codes)
      s.moved = make_aligned<uint8_t>((kKnnStrip + kCodeRowStep) * row);
    else
      s.strip = make_aligned<float>(kKnnStrip * x_.rows.d);
    s.ready.resize(x_.rows.d);
    s.z.resize(x_.rows.d);
    return &s;
  }
  Scratch* s = idle_.back();
  idle_.pop_back();
  return s;
}

void KnnSearch::give_back(Scratch* s) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(s);
  n_pairs_ += s->pairs.size() - s->counted;
  s->counted = s->pairs.size();
  if (n_pairs_ > most_pairs_) too_many_.store(true, std::memory_order_relaxed);
}

void KnnSearch::run() {
  TAMIS_CHECK(!std::exchange(ended_, true), "KnnSearch: a search runs once, before it is written");
  if (k_ > 0) seed();
  plan_fine();
  reach_.assign(x_.blocks(), -1);
  if (self() && !x_.centres.empty()) gaps_.find(x_, gap_codes(), kernels_);
  parallel_for(tasks_.size(), 1, [&](int64_t b, int64_t e) {
    Scratch* scratch = borrow();
    for (int64_t t = b; t < e; ++t) run_task(tasks_[t], *scratch);
    give_back(scratch);
  });
}

KnnSearch::Blocks KnnSearch::blocks_of(int64_t row_block, int64_t column_block) const {
  const KnnTable& table = columns();
  return {{x_, table, row_block * kKnnBlock, x_.block_size(row_block), column_block, self(), false},
          {table, x_, column_block * kKnnBlock, table.block_size(column_block), row_block, true, true},
          self() && row_block == column_block};
}

void KnnSearch::run_task(const Task& task, Scratch& s) {
  bool packed = false;
  for (int64_t row = task.row_end; row-- > task.row_begin;) {
    const Blocks blocks = blocks_of(row, task.column_block);
    if (too_many_pairs() || are_apart(blocks, s)) continue;
    if (!std::exchange(packed, true)) pack_columns(task, s);
    run_blocks(blocks, task, s);
  }
}

void KnnSearch::pack_columns(const Task& task, Scratch& s) const {
  const KnnTable& table = columns();
  const int64_t begin = task.column_block * kKnnBlock;
  const int64_t n = std::min(task.panel_end * kKnnPanel, table.block_size(task.column_block));
  const int64_t row = plan_.codes ? table.first(plan_).padded : 4 * table.rows.d;
  Vector<float> floats(plan_.codes ? 0 : kKnnPanel * table.rows.d);
  for (int64_t panel = task.panel_begin * kKnnPanel; panel < n; panel += kKnnPanel) {
    const int64_t wide = std::min(kKnnPanel, n - panel);
    if (!plan_.codes)
      centre_rows(table.rows, table.order.data() + begin + panel, 0, wide, {plan_.mean.data(), plan_.gain},
                  floats.data());
    const uint8_t* from =
        plan_.codes ? table.first(plan_).row(begin + panel) : reinterpret_cast<const uint8_t*>(floats.data());
    pack_panel({from, wide, row / 4, plan_.codes ? kernels_.bias : 0}, s.packed.get() + panel * row);
  }
}

void KnnSearch::run_blocks(const Blocks& blocks, const Task& task, Scratch& s) {
  block_reach(blocks.columns.other_block).store(read_reach(blocks.rows, s.rows), std::memory_order_relaxed);
  const float most = read_reach(blocks.columns, s.columns);
  if (self()) block_reach(blocks.rows.other_block).store(most, std::memory_order_relaxed);
  if (!find_near(blocks, s)) return;
  s.fine_survivors = 0;
  set_lines(s.rows, blocks.rows);
  set_lines(s.columns, blocks.columns);
  for (int64_t strip = 0; strip < blocks.rows.n; strip += kKnnStrip) {
    check_interrupt();
    const int64_t end = std::min(task.panel_end, knn_panels(blocks.columns.n));
    const int64_t first = std::max(task.panel_begin, blocks.diagonal ? strip / kKnnPanel : 0);
    if (!plan_.codes && first < end) centre_strip(blocks, strip, s);
    for (int64_t panel = first; panel < end; ++panel) run_strip(blocks, strip, panel, s);
  }
}

void KnnSearch::centre_strip(const Blocks& blocks, int64_t strip, Scratch& s) const {
  const int64_t have = std::min(kKnnStrip, blocks.rows.n - strip), d = x_.rows.d;
  centre_rows(x_.rows, x_.order.data() + blocks.rows.begin + strip, 0, have, {plan_.mean.data(), plan_.gain},
              s.strip.get());
  std::fill(s.strip.get() + have * d, s.strip.get() + kKnnStrip * d, 0.f);
}

// The rows of a strip with a panel of columns, those that lie apart from it left out.
void KnnSearch::run_strip(const Blocks& blocks, int64_t strip, int64_t panel, Scratch& s) {
  const int64_t rows = std::min(kKnnStrip, blocks.rows.n - strip);
  int64_t near = 0;
  for (int64_t i = 0; i < rows; ++i) {
    s.picked[near] = i;
    near += (s.gaps.near[strip + i] & s.gaps.pieces[panel]) != 0;
  }
  if (near == 0) return;
  panel *= kKnnPanel;
  const bool worth_moving = 5 * near <= 4 * rows;
  int64_t n = worth_moving ? picked_tile(blocks, strip, near, panel, s) : tile(blocks, strip, rows, panel, s);
  if (n > 0) n = within_blocks(blocks, strip, panel, n, s);
  if (n > 0 && plan_.has_prefix()) n = bound_again(blocks, strip, panel, n, s);
  if (n > 0 && paged_) ask_for_rows(blocks, strip, panel, n, s);
  s.finely = n > 0 && make_fine(blocks, strip, panel, n, s);
  if (s.finely) n = bound_finely(blocks, strip, panel, n, s);
  // some at a time: limits that fall meanwhile spare others
  for (int64_t first = 0; first < n; first += kTogether) {
    const Pairs pairs{&s.survivors[first], std::min(kTogether, n - first), s.finely && first == 0};
    compute_keys(blocks, strip, panel, pairs, s);
    take_keys(blocks, strip, panel, pairs, s);
  }
}

int64_t KnnSearch::tile(const Blocks& blocks, int64_t strip, int64_t rows, int64_t panel, Scratch& s) const {
  if (plan_.codes) {
    const KnnLine<int32_t>& line = first_line(s.rows);
    return tile_of_codes({x_.first(plan_).row(blocks.rows.begin + strip), line.limit + strip, line.rest + strip, rows},
                         panel, s);
  }
  int64_t count = 0;
  const KnnLine<float>&r = s.rows.floats, &c = s.columns.floats;
  const int64_t d = x_.rows.d, whole = (rows + kKnnRowStep - 1) / kKnnRowStep * kKnnRowStep;
  tile_floats({s.strip.get(), s.packed.get() + panel * 4 * d, 4 * d, d, whole, r.limit + strip, r.rest + strip,
               c.limit + panel, c.rest + panel},
              s.survivors.data(), &count);
  return count;
}

// Only the rows s.picked of the strip, moved together.
int64_t KnnSearch::picked_tile(const Blocks& blocks, int64_t strip, int64_t rows, int64_t panel, Scratch& s) const {
  const KnnCodes& codes = x_.first(plan_);
  const KnnLine<int32_t>& line = first_line(s.rows);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = strip + s.picked[i];
    std::copy_n(codes.row(blocks.rows.begin + row), codes.padded, s.moved.get() + i * codes.padded);
    s.moved_limit[i] = line.limit[row];
    s.moved_rest[i] = line.rest[row];
  }
  for (int64_t i = rows; i < rows + kCodeRowStep; ++i) s.moved_limit[i] = s.moved_rest[i] = kKnnNever;
  const int64_t n = tile_of_codes({s.moved.get(), s.moved_limit, s.moved_rest, rows}, panel, s);
  for (int64_t i = 0; i < n; ++i)
    s.survivors[i] = static_cast<uint32_t>(s.picked[s.survivors[i] >> 16]) << 16 | (s.survivors[i] & 0xffff);
  return n;
}

int64_t KnnSearch::tile_of_codes(const Rows& rows, int64_t panel, Scratch& s) const {
  const KnnLine<int32_t>& c = first_line(s.columns);
  const int64_t stride = x_.first(plan_).padded, whole = (rows.n + kCodeRowStep - 1) / kCodeRowStep * kCodeRowStep;
  int64_t count = 0;
  kernels_.tile({rows.codes, s.packed.get() + panel * stride, stride, stride / 4, whole, rows.limit, rows.rest,
                 c.limit + panel, c.rest + panel},
                s.survivors.data(), &count);
  return count;
}

// Without what lies past the ends of the blocks, or of a diagonal block below the diagonal. Limits past an end let
// nothing through, but for those of rows that another thread has changed meanwhile.
int64_t KnnSearch::within_blocks(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& s) const {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[i];
    s.survivors[kept] = pair;
    const int64_t row = strip + (pair >> 16), column = panel + (pair & 0xffff);
    kept += (row < blocks.rows.n) & (column < blocks.columns.n) & (!blocks.diagonal | (column > row));
  }
  return kept;
}

// The survivors of a prefix, by the codes of the whole row.
int64_t KnnSearch::bound_again(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, Scratch& s) const {
  kernels_.dot({x_.full.row(blocks.rows.begin + strip), columns().full.row(blocks.columns.begin + panel),
                x_.full.padded, s.survivors.data(), n},
               s.dots.data());
  const KnnLine<int32_t>&r = s.rows.full, &c = s.columns.full;
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[i];
    const int64_t row = strip + (pair >> 16), column = panel + (pair & 0xffff);
    const int32_t least = std::min(r.limit[row] + c.rest[column], r.rest[row] + c.limit[column]);
    s.survivors[kept] = pair;
    kept += s.dots[i] >= least;
  }
  return kept;
}

void KnnSearch::write_neighbours(double* keys, int64_t* indices) {
  ended_ = true;          // without their codes there is nothing more to run
  queries_.drop_codes();  // the callers' arrays take their place
  fine_ = KnnFine();
  if (index_.use_count() == 1) index_->x.drop_codes();
  const Vector<int64_t>& order = columns().order;
  parallel_for(columns().n(), 1024, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t row = order[p] * k_;
      write_hits(heap_.data() + p * k_, k_, found_[p].filled, keys + row, indices + row);
    }
  });
}

}  // namespace tamis
