#include "zcore/zcore.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/pages.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kFewestDraws = 16;              // of a thread at a time
constexpr int64_t kListBytes = int64_t(1) << 30;  // of all threads

std::atomic<bool> plain_scan{false};

void best_scan(const ZcoreCodes& tile, const ZcoreDraws& draws, const ZcoreSurvivors& survivors) {
#if defined(TAMIS_ZCORE_EXTENSIONS)
  if (has_vbmi2() && !plain_scan.load(std::memory_order_relaxed)) return vbmi2::zcore_scan(tile, draws, survivors);
#endif
  zcore_scan(tile, draws, survivors);
}

int64_t list_capacity(int64_t n, int64_t neighbours) {
  return std::min(n, std::max<int64_t>(3 * neighbours / 2, 64)) + 1;
}

}  // namespace

// One thread's draws, on their way through the tiles together.
template <class T>
class ZcoreRun<T>::Worker {
 public:
  Worker(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k)
      : table_(table),
        rule_(rule),
        k_(k),
        length_{std::min(rule.neighbours, table.n() - 1), list_capacity(table.n(), rule.neighbours)},
        sums_(static_cast<size_t>(table.n())),
        counts_(static_cast<size_t>(table.parts())),
        distances_(static_cast<size_t>(std::max(table.sampled(), length_.capacity))),
        weights_(static_cast<size_t>(length_.capacity)),
        shares_(static_cast<size_t>(length_.capacity)),
        columns_(static_cast<size_t>(k)) {}

  const std::vector<int64_t>& sums() const { return sums_; }

  void score(const int32_t* dims, const double* points, int64_t draws) {
    order_.resize(static_cast<size_t>(draws));
    std::iota(order_.begin(), order_.end(), 0);
    // draws of the same column one after the other: it stays in the nearest cache
    std::sort(order_.begin(), order_.end(),
              [&](int64_t a, int64_t b) { return dims[a * k_] != dims[b * k_] ? dims[a * k_] < dims[b * k_] : a < b; });
    aims_.resize(static_cast<size_t>(draws * k_));
    points_.resize(static_cast<size_t>(draws * k_));
    places_.resize(static_cast<size_t>(draws * k_));
    find_nearest(dims, points);
    for (const ZcoreNearest& found : nearest_) sums_[static_cast<size_t>(found.row)] += kZcoreUnit;
    if (length_.wanted > 0) find_neighbours(dims);
  }

 private:
  // Which of the sample is nearest to the places, once the distances of all are there.
  int64_t measure_sample(const ZcorePlace<T>* places) {
    int64_t least = 0;
    for (int64_t j = 0; j < k_; ++j) columns_[static_cast<size_t>(j)] = table_.sample(places[j].column);
    zcore_distances(columns_.data(), places, k_, table_.sampled(), distances_.data(), &least);
    return least;
  }

  void find_nearest(const int32_t* dims, const double* points) {
    nearest_.resize(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) {
      if (i % 256 == 0) check_interrupt();
      const int64_t slot = static_cast<int64_t>(i) * k_, draw = order_[i] * k_;
      ZcorePlace<double>* point = points_.data() + slot;
      for (int64_t j = 0; j < k_; ++j) {
        point[j] = {points[draw + j], dims[draw + j]};
        places_[static_cast<size_t>(slot + j)] = {static_cast<T>(points[draw + j]), dims[draw + j]};
      }
      const int64_t row = table_.sampled_row(measure_sample(places_.data() + slot));
      double distance = 0;
      for (int64_t j = 0; j < k_; ++j)
        distance += std::fabs(static_cast<double>(table_.x()[row * table_.d() + point[j].column]) - point[j].centre);
      nearest_[i] = {distance, row};
      host::zcore_aims(table_.edges(), distance, k_, point, aims_.data() + slot);
    }
    each_part(order_.size(),
              [&](const ZcoreTile<T>& tile, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n) {
                zcore_nearest(tile, draws, survivors, n, points_.data(), nearest_.data());
              });
  }

  // Most draws find all neighbours within the radius that the sample suggests, the rest within a larger one.
  void find_neighbours(const int32_t* dims) {
    std::vector<size_t> pending(order_.size());
    std::iota(pending.begin(), pending.end(), 0);
    reserve(pending.size());
    for (int64_t round = 0; !pending.empty(); ++round) {
      for (size_t i = 0; i < pending.size(); ++i) {
        if (i % 256 == 0) check_interrupt();
        look_around(dims, pending[i], i, round);
      }
      each_part(pending.size(),
                [&](const ZcoreTile<T>& tile, const ZcoreDraws& draws, const uint32_t* survivors, int64_t n) {
                  zcore_neighbours(tile, draws, survivors, n, places_.data(), lists_.data(), length_);
                });
      size_t left = 0;
      for (size_t i = 0; i < pending.size(); ++i)
        if (!settle(lists_[i])) pending[left++] = pending[i];
      pending.resize(left);
    }
  }

  void look_around(const int32_t* dims, size_t draw, size_t slot, int64_t round) {
    const int32_t* of = dims + order_[draw] * k_;
    const int64_t own = nearest_[draw].row, m = table_.sampled();
    ZcorePlace<T>* places = places_.data() + static_cast<int64_t>(slot) * k_;
    for (int64_t j = 0; j < k_; ++j) places[j] = {table_.x()[own * table_.d() + of[j]], of[j]};
    const double expected =
        static_cast<double>(length_.wanted) * static_cast<double>(m) / static_cast<double>(table_.n());
    const int64_t rank = static_cast<int64_t>(expected + 2 * std::sqrt(expected) + 2) << (2 * round);
    T limit = std::numeric_limits<T>::infinity();
    if (rank < m) {
      measure_sample(places);
      zcore_rank(distances_.data(), m, rank, rank / 16, &limit);
    }
    lists_[slot] = {found_.get() + static_cast<int64_t>(slot) * (length_.capacity + 1), limit, 0,
                    static_cast<uint32_t>(own)};
    host::zcore_aims(table_.edges(), static_cast<double>(limit), k_, places,
                     aims_.data() + static_cast<int64_t>(slot) * k_);
  }

  // True when the list held all neighbours, which have now paid.
  bool settle(const ZcoreList<T>& list) {
    if (list.limit < 0) {  // a row at the same place pays for all
      sums_[list.found[0].row] -= kZcoreUnit;
      return true;
    }
    if (list.n < length_.wanted) return false;
    for (uint32_t i = 0; i < list.n; ++i) distances_[i] = list.found[i].distance;
    zcore_shares(distances_.data(), list.n, length_.wanted, rule_.exponent, weights_.data(), shares_.data());
    for (uint32_t i = 0; i < list.n; ++i) sums_[list.found[i].row] -= shares_[i];
    return true;
  }

  // visit(tile, draws, survivors, n) for every part of every tile: what the aims of so many draws let through.
  template <class Visit>
  void each_part(size_t n, Visit visit) {
    const ZcoreDraws draws{aims_.data(), k_, static_cast<int64_t>(n), table_.edges()};
    const int64_t room = draws.n * table_.part() + 64;
    if (room * table_.parts() > survivor_room_) {
      survivor_room_ = room * table_.parts();
      survivors_.reset(new uint32_t[static_cast<size_t>(survivor_room_)]);
    }
    for (int64_t i = 0; i < table_.tiles(); ++i) {
      std::fill(counts_.begin(), counts_.end(), 0);
      best_scan(table_.codes(i), draws, {survivors_.get(), room, counts_.data()});
      for (int64_t part = 0; part < table_.parts(); ++part)
        visit(table_.tile(i), draws, survivors_.get() + part * room, counts_[static_cast<size_t>(part)]);
      check_interrupt();
    }
  }

  void reserve(size_t draws) {
    if (draws <= lists_.size()) return;
    lists_.resize(draws);
    const size_t entries = draws * static_cast<size_t>(length_.capacity + 1);
    found_.reset(new ZcoreNeighbour<T>[entries]);
    prefer_huge_pages(found_.get(), entries * sizeof(ZcoreNeighbour<T>));
  }

  const ZcoreTable<T>& table_;
  const ZcoreRule rule_;
  const int64_t k_;
  const ZcoreLength length_;
  std::vector<int64_t> sums_, order_;
  std::vector<ZcoreAim> aims_;
  std::vector<ZcorePlace<double>> points_;  // of the draws
  std::vector<ZcorePlace<T>> places_;       // of the rows nearest to them
  std::vector<ZcoreNearest> nearest_;
  std::vector<ZcoreList<T>> lists_;
  std::unique_ptr<ZcoreNeighbour<T>[]> found_;
  std::vector<int64_t> counts_;
  std::unique_ptr<uint32_t[]> survivors_;
  int64_t survivor_room_ = 0;
  std::vector<T> distances_;
  std::vector<double> weights_;
  std::vector<int64_t> shares_;
  std::vector<const T*> columns_;
};

void cap_zcore_scan(bool plain) { plain_scan.store(plain, std::memory_order_relaxed); }

template <class T>
ZcoreRun<T>::ZcoreRun(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k)
    : table_(table), rule_(rule), k_(k) {}

template <class T>
ZcoreRun<T>::~ZcoreRun() = default;

template <class T>
int64_t ZcoreRun<T>::slice() const {
  const int64_t bytes = list_capacity(table_.n(), rule_.neighbours) * static_cast<int64_t>(sizeof(ZcoreNeighbour<T>));
  return num_threads() * std::clamp(kListBytes / bytes / num_threads(), kFewestDraws, kZcoreMostDraws);
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
