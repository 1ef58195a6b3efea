#include "knn/knn.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/parallel.hpp"
#include "knn/knn_math.hpp"
#include "knn/knn_search.hpp"

namespace tamis {
namespace {

constexpr int64_t kStrip = 192;            // rows between two looks at the limits
constexpr float kFloatNever = 1e38f;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
struct alignas(64) LineOf {
  T limit[kKnnBlock + kKnnRowStep], rest[kKnnBlock + kKnnRowStep];
};

void set(LineOf<int32_t>& line, int64_t i, double limit, double rest, double shift) {
  line.limit[i] = static_cast<int32_t>(std::floor(std::clamp<double>(limit, kKnnAlways, kKnnNever)) + shift);
  line.rest[i] = static_cast<int32_t>(std::floor(rest) + shift);
}
void set(LineOf<float>& line, int64_t i, double limit, double rest, double) {
  line.limit[i] = static_cast<float>(std::clamp(limit, -1e38, 1e38));
  line.rest[i] = static_cast<float>(rest);
}
void close(LineOf<int32_t>& line, int64_t i) { line.limit[i] = line.rest[i] = kKnnNever; }
void close(LineOf<float>& line, int64_t i) { line.limit[i] = line.rest[i] = kFloatNever; }

}  // namespace

struct KnnSearch::Lines {
  LineOf<int32_t> prefix, full;
  LineOf<float> floats;
};

struct KnnSearch::Scratch {
  Lines rows, columns;
  Aligned<uint8_t> packed;      // the columns of the first filter
  Aligned<float> strip;         // floats: the centred rows of a strip
  std::vector<uint32_t> survivors = std::vector<uint32_t>(kStrip * kKnnPanel + 16);
  std::vector<int32_t> dots = std::vector<int32_t>(kStrip * kKnnPanel);
  std::vector<int64_t> left, right;
  std::vector<float> reach = std::vector<float>(kKnnBlock);
  std::vector<double> keys, limits;
  std::vector<KnnPair> pairs;
  int64_t first = 0, second = 0;
};

KnnSearch::~KnnSearch() = default;

KnnSearch::KnnSearch(const KnnRows& x, const KnnRows& queries, KnnPlan plan, int64_t k, double radius)
    : plan_(std::move(plan)), k_(k), radius_(radius), kernels_(knn_code_kernels()) {
  x_.rows = x;
  queries_.rows = queries;
  if (plan_.codes) x_.measure(plan_);
  KnnTree tree;
  if (!self()) {
    queries_.measure_like(x_);
    queries_.encode(plan_, kernels_.bias);
  }
  x_.encode(plan_, kernels_.bias);
  if (plan_.codes && plan_.ordered) {
    x_.reorder(plan_, &tree);
    if (!self()) queries_.reorder_by(plan_, tree, place_);
  }
  x_.finish(plan_);
  if (!self()) queries_.finish(plan_);
  const size_t searched = static_cast<size_t>(columns().n());
  limit_.assign(searched, k_ > 0 ? kInfinity : radius_);
  if (k_ > 0) {
    heap_.resize(searched * static_cast<size_t>(k_));
    filled_.assign(searched, 0);
    locked_.assign(searched, 0);
    seed();
  }
  if (self())
    plan_tasks();
  else
    plan_query_tasks();
}

double KnnSearch::key_limit(int64_t position) const {
  return std::atomic_ref<double>(const_cast<double&>(limit_[static_cast<size_t>(position)])).load(std::memory_order_relaxed);
}

// Block pairs by how far apart they are in the order: 0, 1, 2-3, 4-7, then by eights.
void KnnSearch::plan_tasks() {
  const int64_t blocks = x_.blocks();
  for (int64_t near = 0, wide = 1; near < blocks; near += wide, wide = std::min<int64_t>(8, near))
    for (int64_t column = near; column < blocks; ++column)
      tasks_.push_back({column, std::max<int64_t>(0, column - near - wide + 1), column - near + 1});
}

void KnnSearch::plan_query_tasks() {
  const int64_t blocks = x_.blocks();
  for (int64_t near = 0; near < blocks; near += 8)
    for (int64_t column = 0; column < queries_.blocks(); ++column) {
      const size_t middle = static_cast<size_t>(column * kKnnBlock + queries_.block_size(column) / 2);
      const int64_t home = place_.empty() ? 0 : place_[middle] / kKnnBlock;
      const auto add = [&](int64_t begin, int64_t end) {
        begin = std::max<int64_t>(0, begin);
        end = std::min(blocks, end);
        if (begin < end) tasks_.push_back({column, begin, end});
      };
      add(home + near, home + near + 8);
      add(home - near - 8, home - near);
    }
}

// An upper bound of the k-th key of each row, from rows beside it.
void KnnSearch::seed() {
  parallel_for(columns().n(), 64, [&](int64_t begin, int64_t end) {
    Scratch* scratch = borrow();
    for (int64_t p = begin; p < end; ++p) seed_one(p, *scratch);
    give_back(scratch);
  });
}

void KnnSearch::seed_one(int64_t p, Scratch& s) {
  const int64_t reach = std::max<int64_t>(24, k_);
  const int64_t home = self() ? p : place_.empty() ? 0 : place_[static_cast<size_t>(p)];
  const int64_t begin = std::max<int64_t>(0, home - reach), end = std::min(x_.n(), home + reach + 1);
  const KnnTable& table = columns();
  s.left.clear();
  for (int64_t q = begin; q < end; ++q)
    if (!(self() && q == p)) s.left.push_back(q);
  const int64_t n = static_cast<int64_t>(s.left.size());
  if (n < k_) return;
  s.keys.resize(static_cast<size_t>(n));
  if (!plan_.codes) {
    for (int64_t& q : s.left) q = x_.order[static_cast<size_t>(q)];
    s.right.assign(static_cast<size_t>(n), table.order[static_cast<size_t>(p)]);
    exact_keys({x_.rows, table.rows, s.left.data(), s.right.data(), n, plan_.metric, nullptr}, s.keys.data());
  } else {
    std::vector<uint32_t> pairs(static_cast<size_t>(n));
    std::vector<int32_t> dots(static_cast<size_t>(n));
    for (size_t i = 0; i < pairs.size(); ++i) pairs[i] = static_cast<uint32_t>((s.left[i] - begin) << 16);
    kernels_.dot({x_.full.row(begin), table.full.row(p), x_.full.padded, pairs.data(), n}, dots.data());
    const double step = static_cast<double>(x_.full.step), gain = plan_.gain;
    const size_t at = static_cast<size_t>(p);
    for (size_t i = 0; i < pairs.size(); ++i) {
      const size_t q = static_cast<size_t>(s.left[i]);
      const double dot = static_cast<double>(dots[i]) - kernels_.bias * static_cast<double>(table.full.sum[at]);
      const double lost = static_cast<double>(x_.full.lost[q]) + static_cast<double>(table.full.lost[at]);
      if (plan_.metric == KnnMetric::inner_product) {
        const double nq = static_cast<double>(x_.norm[q]), np = static_cast<double>(table.norm[at]);
        s.keys[i] = (-dot * step * step + lost * (nq + np + lost) + 1e-6 * nq * np) / (gain * gain);
      } else {
        const double apart = static_cast<double>(x_.full.squares[q]) + static_cast<double>(table.full.squares[at]) - 2 * dot;
        const double far = (step * std::sqrt(std::max(0.0, apart)) + lost) * 1.000004 / gain;
        s.keys[i] = far * far;
      }
    }
  }
  std::nth_element(s.keys.begin(), s.keys.begin() + k_ - 1, s.keys.end());
  limit_[static_cast<size_t>(p)] = s.keys[static_cast<size_t>(k_ - 1)];
}

KnnSearch::Scratch* KnnSearch::borrow() {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) {
    scratches_.push_back(std::make_unique<Scratch>());
    Scratch& s = *scratches_.back();
    const int64_t row = plan_.codes ? x_.first(plan_).padded : 4 * x_.rows.d;
    s.packed = make_aligned<uint8_t>(kKnnBlock * row);
    if (!plan_.codes) s.strip = make_aligned<float>(kStrip * x_.rows.d);
    return &s;
  }
  Scratch* s = idle_.back();
  idle_.pop_back();
  return s;
}

void KnnSearch::give_back(Scratch* s) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(s);
  if (static_cast<int64_t>(pairs_.size() + s->pairs.size()) > most_pairs_) {
    too_many_.store(true, std::memory_order_relaxed);
    pairs_ = {};
  }
  if (!too_many_pairs()) pairs_.insert(pairs_.end(), s->pairs.begin(), s->pairs.end());
  s->pairs.clear();
  counts_.first += std::exchange(s->first, 0);
  counts_.second += std::exchange(s->second, 0);
}

void KnnSearch::run(int64_t begin, int64_t end) {
  parallel_for(end - begin, 1, [&](int64_t b, int64_t e) {
    Scratch* scratch = borrow();
    for (int64_t t = b; t < e; ++t) run_task(tasks_[static_cast<size_t>(begin + t)], *scratch);
    give_back(scratch);
  });
}

void KnnSearch::run_task(const Task& task, Scratch& s) {
  pack_columns(task.column_block, s);
  for (int64_t row = task.row_end; row-- > task.row_begin;) run_blocks(row, task.column_block, s);
}

void KnnSearch::pack_columns(int64_t block, Scratch& s) {
  const KnnTable& table = columns();
  const int64_t begin = block * kKnnBlock, n = table.block_size(block);
  const int64_t row = plan_.codes ? table.first(plan_).padded : 4 * table.rows.d;
  std::vector<float> floats(plan_.codes ? 0 : static_cast<size_t>(kKnnPanel * table.rows.d));
  for (int64_t panel = 0; panel < n; panel += kKnnPanel) {
    const int64_t wide = std::min(kKnnPanel, n - panel);
    if (!plan_.codes)
      centre_rows(table.rows, table.order.data() + begin + panel, 0, wide, {plan_.mean.data(), plan_.gain}, floats.data());
    const uint8_t* from = plan_.codes ? table.first(plan_).row(begin + panel) : reinterpret_cast<const uint8_t*>(floats.data());
    pack_panel({from, wide, row / 4, plan_.codes ? kernels_.bias : 0}, s.packed.get() + panel * row);
  }
}

template <class Line>
void KnnSearch::set_line(Line& line, const KnnCodes* codes, const KnnTable& table, int64_t p, int64_t at,
                         double other_lost, double other_norm, bool active, bool is_column) {
  const size_t i = static_cast<size_t>(p);
  const bool dots = plan_.metric == KnnMetric::inner_product;
  const double norm = static_cast<double>(table.norm[i]);
  host::CodeRow row{0, norm, 0};
  double step = 1, shift = 0;
  if (codes != nullptr) {
    if (!dots) row.half = 0.5 * codes->squares[i];
    row.lost = static_cast<double>(codes->lost[i]);
    step = static_cast<double>(codes->step);
    if (is_column) shift = static_cast<double>(kernels_.bias) * codes->sum[i];
  } else {
    // d float32 multiply-adds in one chain, and the sums of the test itself
    const double slack = 6e-8 * (static_cast<double>(table.rows.d) + 16) * (norm + other_norm) * (norm + other_norm);
    if (!dots) row.half = 0.5 * norm * norm;
    const double limit = active ? host::code_limit(row, 1, key_limit(p), plan_.gain, 0, other_norm, dots) - slack : 1e38;
    return set(line, at, limit, row.half - slack, 0);
  }
  const double limit = active ? host::code_limit(row, step, key_limit(p), plan_.gain, other_lost, other_norm, dots) : kKnnNever;
  set(line, at, limit, row.half, shift);
}

void KnnSearch::set_lines(int64_t row_block, int64_t column_block, Scratch& s) {
  const auto side = [&](Lines& lines, const KnnTable& table, int64_t block, const KnnTable& other, int64_t other_block,
                        bool active, bool is_column) {
    const int64_t begin = block * kKnnBlock, n = table.block_size(block);
    const size_t ob = static_cast<size_t>(other_block);
    const double norm = static_cast<double>(other.block_norm[ob]);
    const bool distances = plan_.codes && active && plan_.metric == KnnMetric::squared_distance;
    if (distances)  // read once: other threads lower them all the time
      for (int64_t i = 0; i < n; ++i)
        s.reach[static_cast<size_t>(i)] = static_cast<float>(host::reach_of(key_limit(begin + i), plan_.gain) * 1.0000002);
    const auto fill = [&](auto& line, const KnnCodes* codes, double lost) {
      if constexpr (std::is_same_v<decltype(line), LineOf<int32_t>&>) {
        if (distances) {
          const size_t at = static_cast<size_t>(begin);
          code_limits({s.reach.data(), &codes->lost[at], &codes->squares[at], &codes->sum[at], lost,
                       static_cast<double>(codes->step), is_column ? kernels_.bias : 0, n},
                      line.limit, line.rest);
          for (int64_t i = n; i < kKnnBlock + kKnnRowStep; ++i) close(line, i);
          return;
        }
      }
      for (int64_t i = 0; i < n; ++i) set_line(line, codes, table, begin + i, i, lost, norm, active, is_column);
      for (int64_t i = n; i < kKnnBlock + kKnnRowStep; ++i) close(line, i);
    };
    if (!plan_.codes) return fill(lines.floats, nullptr, 0);
    fill(lines.full, &table.full, static_cast<double>(other.full.block_lost[ob]));
    if (!plan_.basis.empty()) fill(lines.prefix, &table.prefix, static_cast<double>(other.prefix.block_lost[ob]));
  };
  side(s.rows, x_, row_block, columns(), column_block, self(), false);
  side(s.columns, columns(), column_block, x_, row_block, true, true);
}

void KnnSearch::run_blocks(int64_t row_block, int64_t column_block, Scratch& s) {
  if (too_many_pairs()) return;
  set_lines(row_block, column_block, s);
  const int64_t n = x_.block_size(row_block);
  for (int64_t strip = 0; strip < n; strip += kStrip) run_strip(row_block, column_block, strip, s);
}

void KnnSearch::run_strip(int64_t row_block, int64_t column_block, int64_t strip, Scratch& s) {
  const int64_t left = x_.block_size(row_block) - strip;
  const int64_t rows = std::min(kStrip, (left + kKnnRowStep - 1) / kKnnRowStep * kKnnRowStep);
  if (!plan_.codes) {
    const int64_t have = std::min(rows, left), d = x_.rows.d;
    centre_rows(x_.rows, x_.order.data() + row_block * kKnnBlock + strip, 0, have, {plan_.mean.data(), plan_.gain}, s.strip.get());
    std::fill(s.strip.get() + have * d, s.strip.get() + rows * d, 0.f);
  }
  const bool diagonal = self() && row_block == column_block;
  const int64_t panels = columns().block_size(column_block);
  for (int64_t panel = diagonal ? strip / kKnnPanel * kKnnPanel : 0; panel < panels; panel += kKnnPanel) {
    int64_t n = tile(row_block, strip, rows, panel, s);
    s.first += n;
    if (n > 0 && !plan_.basis.empty()) n = bound_again(row_block, column_block, strip, panel, n, s);
    if (n > 0) take_survivors(row_block, column_block, strip, panel, n, s);
  }
}

int64_t KnnSearch::tile(int64_t row_block, int64_t strip, int64_t rows, int64_t panel, Scratch& s) {
  int64_t count = 0;
  const auto tile_of = [&](const auto& r, const auto& c, const void* from, int64_t stride) {
    return KnnTile<std::remove_cvref_t<decltype(r.limit[0])>>{
        from, s.packed.get() + panel * stride, stride, stride / 4, rows, r.limit + strip, r.rest + strip, c.limit + panel, c.rest + panel};
  };
  if (!plan_.codes) {
    tile_floats(tile_of(s.rows.floats, s.columns.floats, s.strip.get(), 4 * x_.rows.d), s.survivors.data(), &count);
    return count;
  }
  const KnnCodes& codes = x_.first(plan_);
  const bool full = plan_.basis.empty();
  kernels_.tile(tile_of(full ? s.rows.full : s.rows.prefix, full ? s.columns.full : s.columns.prefix,
                        codes.row(row_block * kKnnBlock + strip), codes.padded),
                s.survivors.data(), &count);
  return count;
}

// The survivors of a prefix, by the codes of the whole row.
int64_t KnnSearch::bound_again(int64_t row_block, int64_t column_block, int64_t strip, int64_t panel, int64_t n, Scratch& s) {
  const KnnTable& table = columns();
  kernels_.dot({x_.full.row(row_block * kKnnBlock + strip), table.full.row(column_block * kKnnBlock + panel), x_.full.padded,
                s.survivors.data(), n},
               s.dots.data());
  const LineOf<int32_t>&r = s.rows.full, &c = s.columns.full;
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[static_cast<size_t>(i)];
    const int64_t row = strip + (pair >> 16), column = panel + (pair & 0xffff);
    const int32_t least = std::min(r.limit[row] + c.rest[column], r.rest[row] + c.limit[column]);
    s.survivors[static_cast<size_t>(kept)] = pair;
    kept += s.dots[static_cast<size_t>(i)] >= least;
  }
  return kept;
}

void KnnSearch::take_survivors(int64_t row_block, int64_t column_block, int64_t strip, int64_t panel, int64_t n, Scratch& s) {
  KnnTable& table = columns();
  const bool diagonal = self() && row_block == column_block;
  s.left.clear();
  s.right.clear();
  s.limits.clear();
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pair = s.survivors[static_cast<size_t>(i)];
    const int64_t row = strip + (pair >> 16), column = panel + (pair & 0xffff);
    if (diagonal && column <= row) continue;
    s.survivors[static_cast<size_t>(kept++)] = pair;
    s.left.push_back(x_.order[static_cast<size_t>(row_block * kKnnBlock + row)]);
    s.right.push_back(table.order[static_cast<size_t>(column_block * kKnnBlock + column)]);
    const double by_column = key_limit(column_block * kKnnBlock + column);
    s.limits.push_back(self() ? std::max(by_column, key_limit(row_block * kKnnBlock + row)) : by_column);
  }
  s.keys.resize(static_cast<size_t>(kept));
  s.second += kept;
  exact_keys({x_.rows, table.rows, s.left.data(), s.right.data(), kept, plan_.metric, s.limits.data()}, s.keys.data());
  const auto tighten = [&](Lines& lines, const KnnTable& t, int64_t position, int64_t at, const KnnTable& o, int64_t other, bool is_column) {
    const size_t ob = static_cast<size_t>(other);
    const double norm = static_cast<double>(o.block_norm[ob]);
    if (!plan_.codes) return set_line(lines.floats, nullptr, t, position, at, 0, norm, true, is_column);
    set_line(lines.full, &t.full, t, position, at, static_cast<double>(o.full.block_lost[ob]), norm, true, is_column);
    if (!plan_.basis.empty())
      set_line(lines.prefix, &t.prefix, t, position, at, static_cast<double>(o.prefix.block_lost[ob]), norm, true, is_column);
  };
  for (int64_t i = 0; i < kept; ++i) {
    const size_t at = static_cast<size_t>(i);
    const uint32_t pair = s.survivors[at];
    const int64_t row = strip + (pair >> 16), column = panel + (pair & 0xffff);
    const int64_t row_at = row_block * kKnnBlock + row, column_at = column_block * kKnnBlock + column;
    if (k_ == 0) {
      if (s.keys[at] > radius_) continue;
      const int64_t a = s.left[at], b = s.right[at];
      s.pairs.push_back(self() ? KnnPair{std::min(a, b), std::max(a, b), s.keys[at]} : KnnPair{b, a, s.keys[at]});
      continue;
    }
    if (self() && offer(row_at, s.keys[at], s.right[at])) tighten(s.rows, x_, row_at, row, table, column_block, false);
    if (offer(column_at, s.keys[at], s.left[at])) tighten(s.columns, table, column_at, column, x_, row_block, true);
  }
}

// True where the limit of the row went down.
bool KnnSearch::offer(int64_t position, double key, int64_t index) {
  if (key > key_limit(position)) return false;
  const size_t p = static_cast<size_t>(position), k = static_cast<size_t>(k_);
  const std::atomic_ref<char> lock(locked_[p]);
  while (lock.exchange(1, std::memory_order_acquire) != 0) {
  }
  KnnHit* heap = heap_.data() + p * k;
  size_t n = static_cast<size_t>(filled_[p]);
  const KnnHit hit{key, index};
  bool lower = false;
  if (n < k) {
    heap[n++] = hit;
    std::push_heap(heap, heap + n);
    filled_[p] = static_cast<int64_t>(n);
    lower = n == k;
  } else if (hit < heap[0]) {
    std::pop_heap(heap, heap + n);
    heap[n - 1] = hit;
    std::push_heap(heap, heap + n);
    lower = true;
  }
  if (lower && heap[0].key < limit_[p])
    std::atomic_ref<double>(limit_[p]).store(heap[0].key, std::memory_order_relaxed);
  else
    lower = false;
  lock.store(0, std::memory_order_release);
  return lower;
}

void KnnSearch::write_neighbours(double* keys, int64_t* indices) {
  const size_t k = static_cast<size_t>(k_);
  for (KnnTable* table : {&x_, &queries_}) {
    table->full = KnnCodes();  // the callers' arrays take their place
    table->prefix = KnnCodes();
  }
  const std::vector<int64_t>& order = columns().order;
  parallel_for(columns().n(), 1024, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      KnnHit* heap = heap_.data() + static_cast<size_t>(p) * k;
      std::sort_heap(heap, heap + k);
      const size_t row = static_cast<size_t>(order[static_cast<size_t>(p)]) * k;
      for (size_t i = 0; i < k; ++i) {
        keys[row + i] = heap[i].key;
        indices[row + i] = heap[i].index;
      }
    }
  });
}

std::vector<KnnPair> KnnSearch::take_pairs() {
  std::sort(pairs_.begin(), pairs_.end(), [](const KnnPair& a, const KnnPair& b) {
    return a.left != b.left ? a.left < b.left : a.right < b.right;
  });
  return std::move(pairs_);
}

}  // namespace tamis
