// The keys of the pairs that no bound dropped, and the rows that look for them.
#include <algorithm>

#include "core/pages.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {

// From a file the rows of survivors come one random read at a time, unless all are asked for before the first is
// touched.
void KnnSearch::ask_for_rows(const Blocks& blocks, int64_t strip, int64_t panel, int64_t n, const Scratch& s) const {
  const auto ask = [](const KnnTable& table, int64_t position) {
    const KnnRows& rows = table.rows;
    const int64_t size = rows.f16 != nullptr ? sizeof(uint16_t) : rows.f32 != nullptr ? sizeof(float) : sizeof(double);
    const char* first = rows.f16 != nullptr   ? reinterpret_cast<const char*>(rows.f16)
                        : rows.f32 != nullptr ? reinterpret_cast<const char*>(rows.f32)
                                              : reinterpret_cast<const char*>(rows.f64);
    will_need(first + table.order[position] * rows.d * size, static_cast<size_t>(rows.d * size));
  };
  for (int64_t i = 0; i < n; ++i) {
    ask(x_, blocks.rows.begin + strip + (s.survivors[i] >> 16));
    ask(columns(), blocks.columns.begin + panel + (s.survivors[i] & 0xffff));
  }
}

// What the key of two positions may be at most for one of their rows to want it.
double KnnSearch::pair_limit(int64_t row, int64_t column) const {
  return self() ? std::max(key_limit(row), key_limit(column)) : key_limit(column);
}

// The exact keys of the survivors.
void KnnSearch::compute_keys(const Blocks& blocks, int64_t strip, int64_t panel, const Pairs& pairs, Scratch& s) const {
  const int64_t n = pairs.n;
  const KnnTable& table = columns();
  s.left.clear();
  s.right.clear();
  s.limits.clear();
  for (int64_t i = 0; i < n; ++i) {
    const int64_t row = blocks.rows.begin + strip + (pairs.pair[i] >> 16);
    const int64_t column = blocks.columns.begin + panel + (pairs.pair[i] & 0xffff);
    s.left.push_back(x_.order[row]);
    s.right.push_back(table.order[column]);
    s.limits.push_back(pair_limit(row, column));
  }
  s.keys.resize(n);
  // most pairs that come so far in a radius search are within it: a test before would be one too many
  const double* limits = k_ > 0 && !pairs.tested ? s.limits.data() : nullptr;
  exact_keys({x_.rows, table.rows, s.left.data(), s.right.data(), n, plan_.metric, limits, s.ready.data()},
             s.keys.data());
}

// The keys to the rows that look for them.
void KnnSearch::take_keys(const Blocks& blocks, int64_t strip, int64_t panel, const Pairs& pairs, Scratch& s) {
  for (int64_t i = 0; i < pairs.n; ++i) {
    const double key = s.keys[i];
    const int64_t left = s.left[i], right = s.right[i];
    if (k_ == 0) {
      if (!(key <= radius_)) continue;  // NaN too
      s.pairs.push_back(self() ? KnnPair{std::min(left, right), std::max(left, right), key}
                               : KnnPair{right, left, key});
      continue;
    }
    const int64_t row = strip + (pairs.pair[i] >> 16), column = panel + (pairs.pair[i] & 0xffff);
    if (!ball_.empty()) take_held(blocks, row, column, key);
    if (self() && offer(blocks.rows.begin + row, key, right)) set_entries(s.rows, blocks.rows, row);
    if (offer(blocks.columns.begin + column, key, left)) set_entries(s.columns, blocks.columns, column);
  }
}

void KnnSearch::take_held(const Blocks& blocks, int64_t row, int64_t column, double key) {
  const int64_t r = blocks.rows.begin + row, c = blocks.columns.begin + column;
  if (key < ball_[r]) std::atomic_ref<uint8_t>(held_[c]).store(1, std::memory_order_relaxed);
  if (key < ball_[c]) std::atomic_ref<uint8_t>(held_[r]).store(1, std::memory_order_relaxed);
}

// True where the limit of the row went down.
bool KnnSearch::offer(int64_t position, double key, int64_t index) {
  if (key > key_limit(position)) return false;
  Row& row = found_[position];
  const std::atomic_ref<char> lock(row.locked);
  while (lock.exchange(1, std::memory_order_acquire) != 0) {
  }
  KnnHit* heap = heap_.data() + position * k_;
  bool lower = keep_hit(heap, k_, row.filled, {key, index});
  const double limit = ball_.empty() ? heap[0].key : std::max(heap[0].key, ball_[position]);
  if (lower && limit < row.limit)
    std::atomic_ref<double>(row.limit).store(limit, std::memory_order_relaxed);
  else
    lower = false;
  lock.store(0, std::memory_order_release);
  return lower;
}

}  // namespace tamis
