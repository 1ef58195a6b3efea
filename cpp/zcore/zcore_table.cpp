#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.hpp"
#include "zcore/zcore.hpp"
#include "zcore/zcore_log.hpp"
#include "zcore/zcore_tiles.hpp"

namespace tamis {
namespace {

constexpr int64_t kExpected = 32;  // sampled rows among the neighbours of a row
constexpr int64_t kFewestSampled = 2048;
constexpr int64_t kMostSampled = 16384;  // or a 48th of the rows, if that is more

int64_t sample_size(int64_t n, int64_t neighbours) {
  const int64_t wanted = std::min(kExpected * n / neighbours, std::max(kMostSampled, n / kExpected));
  return std::min(n, std::max(kFewestSampled, wanted));
}

// Where the sample says that the median of a column is; nearly always it is there.
template <class T>
struct Bracket {
  T centre, reach;
};

template <class T>
Bracket<T> bracket(const T* sample, int64_t m) {
  const auto off = static_cast<int64_t>(1.7 * std::sqrt(static_cast<double>(m))) + 2;
  T low, high;
  zcore_rank(sample, m, std::max<int64_t>(1, m / 2 - off), -1, &low);
  zcore_rank(sample, m, std::min(m, m / 2 + off), -1, &high);
  const T centre = low + (high - low) / 2;
  return {centre, std::max(centre - low, high - centre)};
}

}  // namespace

template <class T>
ZcoreTable<T>::ZcoreTable(const T* x, int64_t n, int64_t d, int64_t neighbours)
    : x_(x), n_(n), d_(d), sampled_(sample_size(n, neighbours)) {
  draw_sample();
}

template <class T>
int64_t ZcoreTable<T>::sampled_row(int64_t i) const {
  return static_cast<int64_t>(static_cast<double>(i) * (static_cast<double>(n_) / static_cast<double>(sampled_)));
}

template <class T>
void ZcoreTable<T>::draw_sample() {
  sample_.resize(sampled_ * d_);
  parallel_for(sampled_, 64, [&](int64_t begin, int64_t end) {
    constexpr int64_t kBlock = 16;
    for (int64_t column = 0; column < d_; column += kBlock)
      for (int64_t i = begin; i < end; ++i) {
        const T* row = x_ + sampled_row(i) * d_;
        for (int64_t j = column; j < std::min(d_, column + kBlock); ++j) sample_[j * sampled_ + i] = row[j];
      }
  });
}

// One thread's part of the rows.
template <class T>
class ZcoreTable<T>::Worker {
 public:
  Worker(const ZcoreTable& table, const Vector<Bracket<T>>& brackets)
      : table_(table),
        tiles_(table.x_, table.d_),
        all_(table.d_ / kZcoreBlock + 1, 1),
        spreads_(brackets.size(), {kFar, -kFar, 0, 0, true}) {
    log_.start(table.d_, true, 1, nullptr);
    for (int64_t j = 0; j < brackets.size(); ++j)  // a bracket of one value needs no log
      log_.ball(j) = {brackets[j].reach > 0 ? brackets[j].reach : -1, 0, 0, 0, kMany};
  }

  void visit(const ZcoreTiling::Tile& rows, const Vector<Bracket<T>>& brackets, const Vector<ZcorePlace<T>>& places) {
    const ZcoreTile<T> tile = tiles_.turn(rows, all_);
    bool finite = true;
    for (int64_t j = 0; j < spreads_.size(); ++j) {
      const T* column = tile.columns + j * tile.stride;
      zcore_spread(column, tile.n, brackets[j].centre, brackets[j].reach, &spreads_[j]);
      finite &= spreads_[j].finite;
    }
    if (!finite && bad_ < 0) bad_ = table_.first_bad(tile.first, tile.n);
    zcore_scan(tile, places.data(), 1, table_.d_, log_.logging());
  }

  int64_t bad() const { return bad_; }
  const ZcoreSpread<T>& spread(int64_t column) const { return spreads_[column]; }
  void add_values(int64_t group, Vector<T>* out) const {
    log_.each(group, [&](int64_t i, const typename ZcoreLog<T>::Run& run) {
      out[i].insert(out[i].end(), run.values, run.values + run.n);
    });
  }

 private:
  static constexpr uint32_t kMany = std::numeric_limits<uint32_t>::max();
  static constexpr T kFar = std::numeric_limits<T>::infinity();

  const ZcoreTable& table_;
  ZcoreTiles<T> tiles_;
  const Vector<uint8_t> all_;
  ZcoreLog<T> log_;
  Vector<ZcoreSpread<T>> spreads_;
  int64_t bad_ = -1;
};

template <class T>
int64_t ZcoreTable<T>::first_bad(int64_t first, int64_t n) const {
  const T* end = x_ + (first + n) * d_;
  return (std::find_if_not(x_ + first * d_, end, [](T v) { return std::isfinite(v); }) - x_) / d_;
}

// Ends and medians in one pass: of each column the values about its median are kept, and the others counted.
template <class T>
void ZcoreTable<T>::find_spans() {
  Vector<Bracket<T>> brackets(d_);
  Vector<ZcorePlace<T>> places(d_);
  parallel_for(d_, 8, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      brackets[j] = bracket(sample(j), sampled_);
      places[j] = {brackets[j].centre, static_cast<int32_t>(j)};
    }
  });
  Vector<Worker> workers;
  for (int i = 0; i < num_threads(); ++i) workers.emplace_back(*this, brackets);
  const ZcoreTiling tiling = ZcoreTiles<T>::tiling(n_, d_, false);
  each_worker(num_threads(), tiling.count(), 1,
              [&](int64_t worker, int64_t i, int64_t) { workers[worker].visit(tiling.tile(i), brackets, places); });
  for (const Worker& worker : workers)
    if (worker.bad() >= 0 && (bad_ < 0 || worker.bad() < bad_)) bad_ = worker.bad();
  if (bad_ >= 0) return;

  low_.resize(d_);
  median_.resize(d_);
  high_.resize(d_);
  parallel_for((d_ + kZcoreTogether - 1) / kZcoreTogether, 1, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      Vector<T> near[kZcoreTogether];
      for (const Worker& worker : workers) worker.add_values(group, near);
      for (int64_t j = group * kZcoreTogether; j < std::min(d_, (group + 1) * kZcoreTogether); ++j) {
        ZcoreSpread<T> all = workers[0].spread(j);
        for (int64_t i = 1; i < workers.size(); ++i) {
          const ZcoreSpread<T>& other = workers[i].spread(j);
          all = {std::min(all.least, other.least), std::max(all.most, other.most), all.below + other.below,
                 all.within + other.within, true};
        }
        Vector<T>& values = near[j % kZcoreTogether];
        if (brackets[j].reach == 0) values.assign(1, brackets[j].centre);
        low_[j] = static_cast<double>(all.least);
        high_[j] = static_cast<double>(all.most);
        for (const int64_t rank : {(n_ - 1) / 2, n_ / 2})
          median_[j] += 0.5 * static_cast<double>(value_at(j, rank, all, values));
      }
    }
  });
}

// The value of a rank in a column, by those near the median where it is one of them.
template <class T>
T ZcoreTable<T>::value_at(int64_t column, int64_t rank, const ZcoreSpread<T>& all, const Vector<T>& near) const {
  T out;
  if (rank >= all.below && rank < all.below + all.within) {
    if (near.size() == 1) return near[0];
    zcore_rank(near.data(), near.size(), rank - all.below + 1, -1, &out);
    return out;
  }
  Vector<T> values(n_);
  for (int64_t i = 0; i < n_; ++i) values[i] = x_[i * d_ + column];
  zcore_rank(values.data(), n_, rank + 1, -1, &out);
  return out;
}

template class ZcoreTable<float>;
template class ZcoreTable<double>;

}  // namespace tamis
