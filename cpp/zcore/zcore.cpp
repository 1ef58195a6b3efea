#include "zcore/zcore.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kMostDraws = 12288;            // of a thread at a time
constexpr int64_t kFewestDraws = 1024;
constexpr int64_t kListBytes = int64_t(1) << 30;  // of all threads

int64_t list_capacity(int64_t n, int64_t neighbours) { return std::min(n, std::max<int64_t>(2 * neighbours, 64)) + 1; }

}  // namespace

// One thread's draws, on their way through the tiles together.
template <class T>
class ZcoreRun<T>::Worker {
 public:
  Worker(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k)
      : table_(table),
        rule_(rule),
        k_(k),
        wanted_(std::min(rule.neighbours, table.n() - 1)),
        capacity_(list_capacity(table.n(), rule.neighbours)),
        sums_(static_cast<size_t>(table.n())),
        scratch_(static_cast<size_t>(kZcoreGroup * (table.height() + 64))),
        sample_distances_(static_cast<size_t>(table.sampled())),
        weights_(static_cast<size_t>(capacity_)),
        shares_(static_cast<size_t>(capacity_)),
        columns_(static_cast<size_t>(k)),
        centre_(static_cast<size_t>(k)) {}

  const std::vector<int64_t>& sums() const { return sums_; }

  void score(const int32_t* dims, const double* points, int64_t draws) {
    order_.resize(static_cast<size_t>(draws));
    std::iota(order_.begin(), order_.end(), 0);
    // draws of the same column one after the other: it stays in the nearest cache
    std::sort(order_.begin(), order_.end(), [&](int64_t a, int64_t b) {
      return dims[a * k_] != dims[b * k_] ? dims[a * k_] < dims[b * k_] : a < b;
    });
    aims_.resize(static_cast<size_t>(draws * k_));
    find_nearest(dims, points);
    for (const ZcoreNearest& found : nearest_) sums_[static_cast<size_t>(found.row)] += kZcoreUnit;
    if (wanted_ > 0) find_neighbours(dims);
  }

 private:
  T* measure_sample(const int32_t* dims, const double* point) {
    for (int64_t j = 0; j < k_; ++j) columns_[static_cast<size_t>(j)] = table_.sample(dims[j]);
    zcore_distances(columns_.data(), point, k_, table_.sampled(), sample_distances_.data());
    return sample_distances_.data();
  }

  void find_nearest(const int32_t* dims, const double* points) {
    nearest_.resize(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) {
      const int32_t* of = dims + order_[i] * k_;
      const double* point = points + order_[i] * k_;
      const T* apart = measure_sample(of, point);
      const int64_t row = table_.sampled_row(std::min_element(apart, apart + table_.sampled()) - apart);
      double distance = 0;
      for (int64_t j = 0; j < k_; ++j)
        distance += std::fabs(static_cast<double>(table_.x()[row * table_.d() + of[j]]) - point[j]);
      nearest_[i] = {distance, row};
      aim(of, point, distance, i);
    }
    const ZcoreDraws draws = prepared(static_cast<int64_t>(order_.size()));
    for (int64_t i = 0; i < table_.tiles(); ++i) {
      zcore_nearest(table_.tile(i), draws, nearest_.data());
      check_interrupt();
    }
  }

  // Most draws find all neighbours within the radius that the sample suggests, the rest within a larger one.
  void find_neighbours(const int32_t* dims) {
    std::vector<size_t> pending(order_.size());
    std::iota(pending.begin(), pending.end(), 0);
    for (int64_t round = 0; !pending.empty(); ++round) {
      reserve(pending.size());
      for (size_t i = 0; i < pending.size(); ++i) look_around(dims, pending[i], i, round);
      const ZcoreDraws draws = prepared(static_cast<int64_t>(pending.size()));
      for (int64_t i = 0; i < table_.tiles(); ++i) {
        zcore_neighbours(table_.tile(i), draws, lists_.data(), wanted_, capacity_);
        check_interrupt();
      }
      size_t left = 0;
      for (size_t i = 0; i < pending.size(); ++i)
        if (!settle(lists_[i])) pending[left++] = pending[i];
      pending.resize(left);
    }
  }

  void look_around(const int32_t* dims, size_t draw, size_t slot, int64_t round) {
    const int32_t* of = dims + order_[draw] * k_;
    const int64_t own = nearest_[draw].row, m = table_.sampled();
    for (int64_t j = 0; j < k_; ++j)
      centre_[static_cast<size_t>(j)] = static_cast<double>(table_.x()[own * table_.d() + of[j]]);
    const double expected = static_cast<double>(wanted_) * static_cast<double>(m) / static_cast<double>(table_.n());
    const int64_t rank = static_cast<int64_t>(expected + 2.5 * std::sqrt(expected) + 2) << (2 * round);
    T limit = std::numeric_limits<T>::infinity();
    if (rank < m) zcore_rank(measure_sample(of, centre_.data()), m, rank, rank / 16, &limit);
    T* distances = distances_.get() + static_cast<int64_t>(slot) * capacity_;
    uint32_t* rows = rows_.get() + static_cast<int64_t>(slot) * capacity_;
    lists_[slot] = {distances, rows, 0, own, limit};
    aim(of, centre_.data(), static_cast<double>(limit), slot);
  }

  // True when the list held all neighbours, which have now paid.
  bool settle(ZcoreList<T>& list) {
    if (list.limit < 0 && list.n == 1 && list.distances[0] == 0) {  // a row at the same place pays for all
      sums_[list.rows[0]] -= kZcoreUnit;
      return true;
    }
    if (list.n < wanted_) return false;
    zcore_shorten(list, wanted_);
    zcore_shares(list.distances, list.n, rule_.exponent, weights_.data(), shares_.data());
    for (int64_t i = 0; i < list.n; ++i) sums_[list.rows[i]] -= shares_[static_cast<size_t>(i)];
    return true;
  }

  void aim(const int32_t* dims, const double* centre, double radius, size_t slot) {
    ZcoreAim* aims = aims_.data() + slot * static_cast<size_t>(k_);
    for (int64_t j = 0; j < k_; ++j) {
      aims[j].centre = centre[j];
      aims[j].column = dims[j];
    }
    host::zcore_aims(table_.edges(), radius, k_, aims);
  }

  ZcoreDraws prepared(int64_t draws) { return {aims_.data(), k_, draws, table_.edges(), scratch_.data()}; }

  void reserve(size_t draws) {
    if (draws <= lists_.size()) return;
    lists_.resize(draws);
    distances_.reset(new T[draws * static_cast<size_t>(capacity_)]);
    rows_.reset(new uint32_t[draws * static_cast<size_t>(capacity_)]);
  }

  const ZcoreTable<T>& table_;
  const ZcoreRule rule_;
  const int64_t k_, wanted_, capacity_;
  std::vector<int64_t> sums_, order_;
  std::vector<ZcoreAim> aims_;
  std::vector<ZcoreNearest> nearest_;
  std::vector<ZcoreList<T>> lists_;
  std::unique_ptr<T[]> distances_;
  std::unique_ptr<uint32_t[]> rows_;
  std::vector<uint16_t> scratch_;
  std::vector<T> sample_distances_;
  std::vector<double> weights_;
  std::vector<int64_t> shares_;
  std::vector<const T*> columns_;
  std::vector<double> centre_;
};

template <class T>
ZcoreRun<T>::ZcoreRun(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k)
    : table_(table), rule_(rule), k_(k) {}

template <class T>
ZcoreRun<T>::~ZcoreRun() = default;

template <class T>
int64_t ZcoreRun<T>::slice() const {
  const int64_t bytes = list_capacity(table_.n(), rule_.neighbours) * static_cast<int64_t>(sizeof(T) + 4);
  return num_threads() * std::clamp(kListBytes / bytes / num_threads(), kFewestDraws, kMostDraws);
}

template <class T>
void ZcoreRun<T>::add(const int32_t* dims, const double* points, int64_t draws) {
  const int64_t slices = (draws + slice() - 1) / slice(), parts = std::max<int64_t>(1, slices * num_threads());
  parallel_for(draws, (draws + parts - 1) / parts, [&](int64_t begin, int64_t end) {
    Worker* worker = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (idle_.empty()) {
        workers_.push_back(std::make_unique<Worker>(table_, rule_, k_));
        worker = workers_.back().get();
      } else {
        worker = idle_.back();
        idle_.pop_back();
      }
    }
    worker->score(dims + begin * k_, points + begin * k_, end - begin);
    const std::lock_guard lock(mutex_);
    idle_.push_back(worker);
  });
}

template <class T>
void ZcoreRun<T>::write(int64_t* sums) const {
  std::fill_n(sums, table_.n(), int64_t(0));
  for (const auto& worker : workers_)
    for (int64_t i = 0; i < table_.n(); ++i) sums[i] += worker->sums()[static_cast<size_t>(i)];
}

void zcore_draws(const ZcoreSpan& span, uint64_t seed, int64_t first, int64_t draws, int64_t k, int32_t* dims,
                 double* points) {
  parallel_for(draws, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      host::random_columns(seed, first + i, k, span.d, dims + i * k);
      for (int64_t j = 0; j < k; ++j) {
        const int32_t column = dims[i * k + j];
        const double share = host::unit_interval(host::random_word(seed, first + i, k + j));
        points[i * k + j] = host::triangular(span.low[column], span.median[column], span.high[column], share);
      }
    }
  });
}

void zcore_start(uint64_t seed, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = host::unit_interval(host::random_word(seed, -1 - i, 0));
}

template class ZcoreRun<float>;
template class ZcoreRun<double>;

}  // namespace tamis
