// What a thread has and does while draws are scored.
#pragma once
#include <algorithm>
#include <limits>
#include <memory>

#include "core/vector.hpp"
#include "zcore/zcore.hpp"
#include "zcore/zcore_log.hpp"
#include "zcore/zcore_tiles.hpp"

namespace tamis {

// One thread's log and sums, and room to settle draws in.
template <class T>
class ZcoreWorker {
 public:
  ZcoreWorker(const ZcoreTable<T>& table, int64_t k) : tiles(table.x(), table.d()), sums(table.n()), columns_(k) {}

  // What all workers have logged for a group of draws.
  void gather(const Vector<std::unique_ptr<ZcoreWorker>>& workers, int64_t group, int64_t draws) {
    const int64_t words = log.words();
    for (int64_t i = 0; i < std::min(kZcoreTogether, draws - group * kZcoreTogether); ++i) {
      int64_t n = 0;
      for (const auto& worker : workers) n += worker->log.ball(group * kZcoreTogether + i).count;
      Found& found = found_[i];
      found.n = 0;
      found.stride = n + kMore;  // what is copied too much
      found.rows.resize(found.stride);
      found.values.resize(found.stride * words);
    }
    for (const auto& worker : workers)
      worker->log.each(group, [&](int64_t i, const typename ZcoreLog<T>::Run& run) {
        Found& found = found_[i];
        uint32_t* rows = found.rows.data() + found.n;
        const auto first = static_cast<uint32_t>(run.first), step = static_cast<uint32_t>(run.step);
        for (int64_t at = 0; at < run.n; at += kMore)
          for (int64_t lane = 0; lane < kMore; ++lane) rows[at + lane] = first + step * run.rows[at + lane];
        for (int64_t j = 0; j < words; ++j) {
          const T* from = run.values + j * run.stride;
          T* to = found.values.data() + j * found.stride + found.n;
          for (int64_t at = 0; at < run.n; at += kMore) __builtin_memcpy(to + at, from + at, kMore * sizeof(T));
        }
        found.n += run.n;
      });
  }

  // The draw of the gathered group that the functions below are about.
  void open(int64_t draw) {
    found_now_ = &found_[draw % kZcoreTogether];
    n_ = found_now_->n;
    distances_.resize(n_);
    weights_.resize(n_);
    shares_.resize(n_);
  }
  int64_t found() const { return n_; }
  uint32_t row(int64_t i) const { return found_now_->rows[i]; }

  // The place of the row nearest to the point.
  int64_t nearest(const double* point) {
    int64_t first;
    find_columns();
    zcore_distances_to_point(columns_.data(), point, columns_.size(), n_, weights_.data());
    zcore_least(weights_.data(), n_, &first);
    auto best = first;
    for (int64_t i = best + 1; i < n_; ++i)
      if (weights_[i] == weights_[best] && row(i) < row(best)) best = i;
    return best;
  }

  // A distance from a place that about `rank` of what was found are within; false where there are fewer.
  bool radius_of(int64_t rank, const ZcorePlace<T>* places, T* out) {
    if (n_ < rank) return false;
    find_columns();
    zcore_distances(columns_.data(), places, columns_.size(), n_, distances_.data());
    zcore_rank(distances_.data(), n_, rank, rank / 16, out);
    return true;
  }

  // Measures all from one of them, and leaves that one out.
  void measure_from(int64_t own, ZcorePlace<T>* places) {
    for (int64_t j = 0; j < columns_.size(); ++j) places[j].centre = columns_[j][own];
    zcore_distances(columns_.data(), places, columns_.size(), n_, distances_.data());
    leave_out(own);
  }
  // Takes the distances that were logged, without that of the row itself.
  void take_distances(uint32_t own) {
    std::copy_n(found_now_->values.data(), n_, distances_.data());
    const auto& rows = found_now_->rows;
    const auto end = rows.begin() + n_, at = std::find(rows.begin(), end, own);
    if (at != end) leave_out(at - rows.begin());
  }

  // False where not all that are wanted are known to be within the radius.
  bool apply_penalty(int64_t wanted, double exponent, T radius) {
    int64_t same = 0, within = 0;
    zcore_count(distances_.data(), n_, T(0), &same);
    if (same > 0) {  // a duplicate row takes the whole penalty
      uint32_t first = std::numeric_limits<uint32_t>::max();
      for (int64_t i = 0; i < n_; ++i)
        if (distances_[i] == 0) first = std::min(first, row(i));
      sums[first] -= kZcoreUnit;
      return true;
    }
    zcore_count(distances_.data(), n_, radius, &within);
    if (within < wanted) return false;
    if (n_ > wanted) zcore_keep_nearest(distances_.data(), found_now_->rows.data(), n_, wanted);
    zcore_shares(distances_.data(), wanted, exponent, weights_.data(), shares_.data());
    for (int64_t i = 0; i < wanted; ++i) sums[row(i)] -= shares_[i];
    return true;
  }

  // The `wanted` least distances, and NaN after them; false where not all of them are known to be within the radius.
  bool list(int64_t wanted, T radius, int64_t most, T* out) {
    int64_t within = 0;
    zcore_count(distances_.data(), n_, radius, &within);
    if (within < wanted && radius < std::numeric_limits<T>::infinity()) return false;
    if (n_ > wanted) zcore_keep_nearest(distances_.data(), found_now_->rows.data(), n_, wanted);
    const int64_t kept = std::min(n_, wanted);
    std::copy_n(distances_.data(), kept, out);
    std::fill(out + kept, out + most, std::numeric_limits<T>::quiet_NaN());
    return true;
  }

  // What the rows that were found pay for draw i.
  void apply_penalty(const ZcorePrices<T>& prices, int64_t i, double exponent) {
    const T limit = prices.limit[i];
    ties_.clear();
    for (int64_t at = 0; at < n_; ++at)
      if (distances_[at] == limit) ties_.push_back(row(at));
    const auto paying = std::clamp<int64_t>(prices.ties[i], 0, std::ssize(ties_));
    std::partial_sort(ties_.begin(), ties_.begin() + paying, ties_.end());
    if (prices.nearest[i] == 0) {
      if (paying > 0) sums[ties_[0]] -= kZcoreUnit;
      return;
    }
    const auto price = [&](T distance) {
      const double weight =
          host::zcore_weight(static_cast<double>(prices.nearest[i]), static_cast<double>(distance), exponent);
      return host::zcore_rounded(weight * prices.share[i]);
    };
    for (int64_t at = 0; at < n_; ++at)
      if (distances_[at] < limit) sums[row(at)] -= price(distances_[at]);
    for (auto tie = ties_.begin(); tie != ties_.begin() + paying; ++tie) sums[*tie] -= price(limit);
  }

  // The distances of the sample to some places, in `sampled`.
  void measure_sample(const ZcoreTable<T>& table, const ZcorePlace<T>* places) {
    const int64_t k = columns_.size();
    for (int64_t j = 0; j < k; ++j) columns_[j] = table.sample(places[j].column);
    sampled.resize(table.sampled());
    zcore_distances(columns_.data(), places, k, table.sampled(), sampled.data());
  }

  ZcoreTiles<T> tiles;
  ZcoreLog<T> log;
  Vector<int64_t> sums;
  Vector<T> sampled;

 private:
  static constexpr int64_t kMore = 8;  // entries copied together: a cache line at most

  struct Found {
    Vector<uint32_t> rows;
    Vector<T> values;  // column by column, `stride` apart
    int64_t n = 0, stride = 0;
  };
  void find_columns() {
    for (int64_t j = 0; j < columns_.size(); ++j) columns_[j] = found_now_->values.data() + j * found_now_->stride;
  }
  void leave_out(int64_t i) {
    --n_;
    found_now_->rows[i] = found_now_->rows[n_];
    distances_[i] = distances_[n_];
  }

  Found found_[kZcoreTogether];
  Found* found_now_ = nullptr;
  int64_t n_ = 0;
  Vector<T> distances_;
  Vector<double> weights_;
  Vector<int64_t> shares_;
  Vector<uint32_t> ties_;
  Vector<const T*> columns_;
};

}  // namespace tamis
