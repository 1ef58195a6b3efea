// Draws that pass the rows together: how far each must look, what is logged, and what settles it.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "zcore/zcore_worker.hpp"

namespace tamis {
namespace {

constexpr int64_t kFewestDraws = 64, kMostDraws = int64_t(1) << 15;
std::atomic<int64_t> log_bytes{int64_t(1) << 30};  // of all threads
constexpr double kSure = 4.5;                      // standard deviations of what a sample says
constexpr int64_t kFewColumns = 64;                // of a draw: Ctrl-C is heard in between

// How much a thread logs of a draw before it is too much: around a point some twice the neighbours are expected.
uint32_t most_around_point(int64_t wanted, int64_t threads) {
  return static_cast<uint32_t>(std::min<int64_t>(6 * wanted / threads + 256, std::numeric_limits<int32_t>::max()));
}

uint32_t most_around_row(int64_t wanted) {
  return static_cast<uint32_t>(std::min<int64_t>(3 * wanted / 2 + 256, std::numeric_limits<int32_t>::max()));
}

// What cannot be with the values that were checked: NaN among them.
void check_unchanged(bool unchanged) {
  TAMIS_CHECK(unchanged, "zcore: x must not be changed by another thread meanwhile");
}

}  // namespace

template <class T>
class ZcoreRun<T>::Slice {
 public:
  using Worker = ZcoreWorker<T>;

  Slice(ZcoreRun& run, const int32_t* dims, const double* points, int64_t draws, int64_t wanted)
      : run_(run),
        table_(run.table_),
        k_(run.k_),
        wanted_(wanted),
        n_(draws),
        order_(draws),
        places_(draws * k_),
        points_(draws * k_),
        starts_(draws),
        radii_(draws),
        rows_(draws) {
    std::iota(order_.begin(), order_.end(), 0);
    // draws of the same column consecutively: it stays in the nearest cache
    std::sort(order_.begin(), order_.end(),
              [&](int64_t a, int64_t b) { return dims[a * k_] != dims[b * k_] ? dims[a * k_] < dims[b * k_] : a < b; });
    for (int64_t i = 0; i < draws; ++i)
      for (int64_t j = 0; j < k_; ++j) {
        const int64_t from = order_[i] * k_ + j, to = i * k_ + j;
        points_[to] = points[from];
        places_[to] = {static_cast<T>(points[from]), dims[from]};
      }
  }

  void score() {
    Vector<int64_t> pending = approach();
    for (int64_t round = 0; !pending.empty(); ++round)
      pending = look_around(
          pending, [&](Worker& worker, int64_t draw) { return sampled_radius(worker, draw, round); },
          [&](Worker& worker, int64_t draw, T radius) {
            worker.take_distances(rows_[draw]);
            return worker.apply_penalty(wanted_, run_.rule_.exponent, radius);
          });
  }

  void find(int64_t* rows) {
    approach();
    for (int64_t i = 0; i < order_.size(); ++i) rows[order_[i]] = rows_[i];
  }

  void list(const int64_t* own, int64_t most, T* out) {
    Vector<int64_t> pending = all();
    for (int64_t round = 0; !pending.empty(); ++round)
      pending = look_around(
          pending, [&](Worker& worker, int64_t draw) { return sampled_radius(worker, draw, round); },
          [&](Worker& worker, int64_t draw, T radius) {
            const int64_t at = order_[draw];
            worker.take_distances(static_cast<uint32_t>(own[at]));
            return worker.list(wanted_, radius, most, out + at * most);
          });
  }

  void apply_penalty(const int64_t* own, const ZcorePrices<T>& prices) {
    look_around(
        all(), [&](Worker&, int64_t draw) { return prices.limit[order_[draw]]; },
        [&](Worker& worker, int64_t draw, T) {
          const int64_t at = order_[draw];
          worker.take_distances(static_cast<uint32_t>(own[at]));
          worker.apply_penalty(prices, at, run_.rule_.exponent);
          return true;
        });
  }

 private:
  enum State : uint8_t { kSettled, kOpen, kLost };

  Vector<int64_t> all() const {
    Vector<int64_t> draws(n_);
    std::iota(draws.begin(), draws.end(), 0);
    return draws;
  }

  // Finds the row nearest to each point, and pays where that shows its neighbours; the draws where it does not.
  Vector<int64_t> approach() {
    each(n_, [&](Worker& worker, int64_t i) { set_radius(worker, i); });
    for (const auto& worker : run_.workers_) {
      ZcoreLog<T>& log = worker->log;
      log.start(n_, true, k_, [this, &log](int64_t draw) { keep_nearest(draw, log); });
      for (int64_t i = 0; i < n_; ++i) log.ball(i) = starts_[i];
    }
    const ZcoreTiling tiling = tiles(wanted_ > 0);
    pass({tiling, 0, tiling.sampled()}, places_.data(), n_);
    if (tiling.sampled() > 0) tighten(tiling.sampled_rows());
    pass({tiling, tiling.sampled(), tiling.count()}, places_.data(), n_);
    Vector<uint8_t> state(n_);
    each_group(n_, [&](Worker& worker, int64_t i) { state[i] = settle_point(worker, i); });
    Vector<int64_t> lost, pending;
    for (int64_t i = 0; i < n_; ++i) {
      if (state[i] == kLost) lost.push_back(i);
      if (state[i] != kSettled && wanted_ > 0) pending.push_back(i);
    }
    if (!lost.empty()) find_nearest(lost);
    return pending;
  }

  int64_t threads() const { return run_.workers_.size(); }
  ZcorePlace<T>* places(int64_t draw) { return places_.data() + draw * k_; }
  const double* point(int64_t draw) const { return points_.data() + draw * k_; }

  template <class Visit>
  void each(int64_t n, const Visit& visit) {
    each_worker(threads(), n, 16, [&](int64_t worker, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        visit(*run_.workers_[worker], i);
        if (k_ > kFewColumns) check_interrupt();
      }
    });
  }
  // What is logged of draws, gathered.
  template <class Visit>
  void each_group(int64_t n, const Visit& visit) {
    each_worker(threads(), (n + kZcoreTogether - 1) / kZcoreTogether, 1, [&](int64_t i, int64_t group, int64_t) {
      Worker& worker = *run_.workers_[i];
      worker.gather(run_.workers_, group, n);
      for (int64_t draw = group * kZcoreTogether; draw < std::min(n, (group + 1) * kZcoreTogether); ++draw) {
        worker.open(draw);
        visit(worker, draw);
      }
    });
  }

  struct Tiles {
    ZcoreTiling tiling;
    int64_t begin, end;
  };
  ZcoreTiling tiles(bool apart) const { return ZcoreTiles<T>::tiling(table_.n(), table_.d(), apart); }
  Tiles all_tiles() const { return {tiles(false), 0, tiles(false).count()}; }

  // visit(i, tile) of worker i, of the columns of some draws.
  template <class Visit>
  void each_tile(const Tiles& some, const ZcorePlace<T>* places, int64_t draws, const Visit& visit) {
    Vector<uint8_t> wanted(table_.d() / kZcoreBlock + 1);
    for (int64_t i = 0; i < draws * k_; ++i) wanted[places[i].column / kZcoreBlock] = 1;
    each_worker(threads(), some.end - some.begin, 1, [&](int64_t i, int64_t tile, int64_t) {
      const ZcoreTiling::Tile rows = some.tiling.tile(some.begin + tile);
      if (rows.n > 0) visit(i, run_.workers_[i]->tiles.turn(rows, wanted));
    });
  }
  void pass(const Tiles& some, const ZcorePlace<T>* places, int64_t draws) {
    each_tile(some, places, draws, [&](int64_t i, const ZcoreTile<T>& tile) {
      zcore_scan(tile, places, k_, draws, run_.workers_[i]->log.logging());
    });
  }

  // A radius that all neighbours of a place are nearly surely within, by the distances of the sample to it.
  T radius_around(const Vector<T>& sampled, int64_t round) const {
    const int64_t m = sampled.size();
    const int64_t rank = host::zcore_sampled_rank(wanted_, m, table_.n(), kSure) << std::min<int64_t>(2 * round, 32);
    T radius = std::numeric_limits<T>::infinity();
    if (rank < m) zcore_rank(sampled.data(), m, rank, rank / 16, &radius);
    return radius;
  }

  T sampled_radius(Worker& worker, int64_t draw, int64_t round) {
    worker.measure_sample(table_, places(draw));
    return radius_around(worker.sampled, round);
  }

  // How far the draw must look: for the nearest row not beyond that of the sample, and around it for its neighbours,
  // which are rarely farther from it than as many rows are from the point.
  void set_radius(Worker& worker, int64_t draw) {
    int64_t nearest;
    worker.measure_sample(table_, places(draw));
    zcore_least(worker.sampled.data(), table_.sampled(), &nearest);
    const T distance = worker.sampled[nearest];
    const T radius = wanted_ > 0 ? radius_around(worker.sampled, 0) : T(0);
    const T more = host::zcore_more(radius, point(draw), k_);
    radii_[draw] = radius;
    starts_[draw] = {host::zcore_limit(distance, more, k_), more, distance, 0, most_around_point(wanted_, threads())};
  }

  // Whether all threads still look as far as the draw must.
  bool is_whole(int64_t draw) const {
    return std::all_of(run_.workers_.begin(), run_.workers_.end(),
                       [&](const auto& each) { return each->log.ball(draw).more == starts_[draw].more; });
  }

  // What was logged of some rows says better how far a draw must look in the others.
  void tighten(int64_t rows) {
    const int64_t rank = host::zcore_sampled_rank(wanted_, rows, table_.n(), kSure);
    each_group(n_, [&](Worker& worker, int64_t draw) {
      T nearest = starts_[draw].nearest, radius;
      for (const auto& each : run_.workers_) nearest = std::min(nearest, each->log.ball(draw).nearest);
      if (!is_whole(draw) || !worker.radius_of(rank, places(draw), &radius) || radius >= radii_[draw]) return;
      radii_[draw] = radius;
      starts_[draw].more = host::zcore_more(radius, point(draw), k_);
      for (const auto& each : run_.workers_) {
        ZcoreBall<T>& ball = each->log.ball(draw);
        ball.nearest = nearest;
        ball.more = starts_[draw].more;
        ball.limit = host::zcore_limit(nearest, ball.more, k_);
      }
    });
  }

  // A draw that has logged too much may go on while there is room. Then only the nearest row is looked for, and if that
  // is too much again, it is lost.
  void keep_nearest(int64_t draw, ZcoreLog<T>& log) const {
    ZcoreBall<T>& ball = log.ball(draw);
    ball.most = std::max(2 * ball.most, ball.count);
    if (log.bytes() < log_bytes / threads()) return;
    const T more = host::zcore_more(T(0), point(draw), k_);
    ball.limit = ball.more > more ? std::min(ball.limit, host::zcore_limit(ball.nearest, more, k_)) : -1;
    ball.more = more;
  }

  State settle_point(Worker& worker, int64_t draw) {
    for (const auto& each : run_.workers_)
      if (each->log.ball(draw).limit < 0) return kLost;
    check_unchanged(worker.found() > 0);
    const int64_t best = worker.nearest(point(draw));
    rows_[draw] = worker.row(best);
    worker.sums[worker.row(best)] += kZcoreUnit;
    if (wanted_ == 0) return kSettled;
    worker.measure_from(best, places(draw));
    return worker.apply_penalty(wanted_, run_.rule_.exponent, is_whole(draw) ? radii_[draw] : 0) ? kSettled : kOpen;
  }

  // The nearest rows of draws where too many are nearly so.
  void find_nearest(const Vector<int64_t>& draws) {
    struct Best {
      double distance = std::numeric_limits<double>::infinity();
      int64_t row = std::numeric_limits<int64_t>::max();
    };
    Vector<Vector<Best>> best(run_.workers_.size(), Vector<Best>(draws.size()));
    each_tile(all_tiles(), places_.data(), n_, [&](int64_t worker, const ZcoreTile<T>& tile) {
      Vector<double> distances(tile.n);
      Vector<const T*> columns(k_);
      for (int64_t i = 0; i < draws.size(); ++i) {
        int64_t least;
        for (int64_t j = 0; j < k_; ++j) columns[j] = tile.columns + places(draws[i])[j].column * tile.stride;
        zcore_distances_to_point(columns.data(), point(draws[i]), k_, tile.n, distances.data());
        zcore_least(distances.data(), tile.n, &least);
        Best& one = best[worker][i];
        if (distances[least] < one.distance) one = {distances[least], tile.first + least};
      }
    });
    for (int64_t i = 0; i < draws.size(); ++i) {
      Best first;
      for (const auto& some : best)
        if (some[i].distance < first.distance || (some[i].distance == first.distance && some[i].row < first.row))
          first = some[i];
      check_unchanged(first.row < table_.n());
      rows_[draws[i]] = static_cast<uint32_t>(first.row);
      run_.workers_[0]->sums[first.row] += kZcoreUnit;
      for (int64_t j = 0; j < k_; ++j) {
        ZcorePlace<T>& place = places(draws[i])[j];
        place.centre = table_.x()[first.row * table_.d() + place.column];
      }
    }
  }

  // What is around the places of some draws, for `settle`; the draws for which it says that the radius was too small.
  template <class Radius, class Settle>
  Vector<int64_t> look_around(const Vector<int64_t>& draws, const Radius& radius, const Settle& settle) {
    Vector<int64_t> open;
    const int64_t bytes = threads() * most_around_row(wanted_) * 2 * static_cast<int64_t>(sizeof(T));
    const int64_t some = std::max(kFewestDraws, log_bytes / bytes);
    for (int64_t begin = 0; begin < draws.size(); begin += some) {
      const Vector<int64_t> part(draws.begin() + begin, draws.begin() + std::min(draws.size(), begin + some));
      const int64_t n = part.size();
      Vector<ZcorePlace<T>> around;
      for (const int64_t draw : part) around.insert(around.end(), places(draw), places(draw) + k_);
      Vector<T> radii(part.size());
      each(n, [&](Worker& worker, int64_t i) { radii[i] = radius(worker, part[i]); });
      for (const auto& worker : run_.workers_) {
        ZcoreLog<T>& log = worker->log;
        log.start(n, false, 1, [this, &log](int64_t draw) { keep_wanted(log, draw); });
        for (int64_t i = 0; i < n; ++i) log.ball(i) = {radii[i], 0, 0, 0, most_around_row(wanted_)};
      }
      pass(all_tiles(), around.data(), n);
      Vector<uint8_t> settled(part.size());
      each_group(n, [&](Worker& worker, int64_t i) { settled[i] = settle(worker, part[i], radii[i]); });
      for (int64_t i = 0; i < part.size(); ++i) {
        check_unchanged(settled[i] != 0 || radii[i] < std::numeric_limits<T>::infinity());
        if (settled[i] == 0) open.push_back(part[i]);
      }
    }
    return open;
  }

  // A draw that has logged too much around a row wants no more than that row and its nearest; rows to come lose a tie.
  void keep_wanted(ZcoreLog<T>& log, int64_t draw) const {
    ZcoreBall<T>& ball = log.ball(draw);
    Vector<T> distances;
    log.each(draw / kZcoreTogether, [&](int64_t i, const typename ZcoreLog<T>::Run& run) {
      if (i == draw % kZcoreTogether) distances.insert(distances.end(), run.values, run.values + run.n);
    });
    const auto last = distances.begin() + wanted_;
    std::nth_element(distances.begin(), last, distances.end());
    ball.limit = std::min(ball.limit, std::nextafter(*last, T(-1)));
    ball.most = ball.count + most_around_row(wanted_);
  }

  ZcoreRun& run_;
  const ZcoreTable<T>& table_;
  const int64_t k_, wanted_, n_;
  Vector<int64_t> order_;         // the numbers of draws, by column
  Vector<ZcorePlace<T>> places_;  // of the points, and then of the rows nearest to them
  Vector<double> points_;
  Vector<ZcoreBall<T>> starts_;
  Vector<T> radii_;
  Vector<uint32_t> rows_;
};

}  // namespace tamis
