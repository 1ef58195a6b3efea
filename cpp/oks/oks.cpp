#include "oks/oks.hpp"

#include <algorithm>
#include <vector>

#include "core/parallel.hpp"
#include "oks/oks_math.hpp"

namespace tamis {
namespace {

constexpr int64_t kTermsAtOnce = 1 << 14;  // of a thread: they stay in its cache until they are summed
constexpr int64_t kRowsAtOnce = 1 << 10, kPairsAtOnce = 1 << 16, kTargetsAtOnce = 1 << 10;
constexpr int64_t kPrefetchAhead = 4;  // detections

int64_t at(const int64_t* index, int64_t i) { return index ? index[i] : i; }

void prefetch(const double* from, int64_t n) {
  for (int64_t i = 0; i < n; i += 8) __builtin_prefetch(from + i);
}

void split_axes(const double* keypoints, int64_t n, double* x) {
  double* y = x + padded(n);
  for (int64_t i = 0; i < n; ++i) x[i] = keypoints[3 * i], y[i] = keypoints[3 * i + 1];
}

// The ground truths as columns, in group order.
class Targets {
 public:
  explicit Targets(const OksPairs& pairs)
      : p_(pairs),
        k_(size_t(padded(pairs.n_keypoints))),
        seen_(size_t(pairs.gt_splits[pairs.n_groups])),
        columns_(3 * k_ * seen_.size(), -1) {
    parallel_for(int64_t(seen_.size()), kTargetsAtOnce, [&](int64_t begin, int64_t end) {
      for (auto i = size_t(begin); i < size_t(end); ++i) {
        const int64_t row = at(p_.gt_index, int64_t(i)), k = p_.n_keypoints;
        const double* keypoints = p_.gt + 3 * k * row;
        double *x = columns_.data() + 3 * k_ * i, *reach = x + 2 * k_;
        split_axes(keypoints, k, x);
        for (int64_t j = 0; j < k; ++j) seen_[i] += keypoints[3 * j + 2] > 0;
        for (int64_t j = 0; j < k; ++j) {
          const bool counts = seen_[i] == 0 || keypoints[3 * j + 2] > 0;
          reach[j] = counts ? host::reach_of(p_.variances[j], p_.gt_area[row]) : -1;
        }
      }
    });
  }

  OksTarget operator[](int64_t i) const {
    const int64_t row = at(p_.gt_index, i);
    const double* x = columns_.data() + 3 * k_ * size_t(i);
    return {x,           x + k_, x + 2 * k_, p_.gt_boxes + 4 * row, p_.gt_area[row], p_.n_keypoints, seen_[size_t(i)],
            p_.variances};
  }

 private:
  const OksPairs& p_;
  size_t k_;
  std::vector<int64_t> seen_;    // keypoints that are visible
  std::vector<double> columns_;  // x, y and reach of each
};

// Pairs whose terms wait for their exponentials.
class Batch {
 public:
  Batch(const std::function<void(double*, int64_t)>& exp, double* out) : exp_(exp), out_(out) {}

  void add(const OksTarget& gt, const double* det, int64_t pair) {
    const int64_t n = terms_counted(gt);
    if (used_ + gt.n_keypoints > int64_t(terms_.size()))
      terms_.resize(size_t(std::max(kTermsAtOnce, used_) + gt.n_keypoints));
    oks_terms(gt, det, terms_.data() + used_);
    pairs_.push_back({pair, n});
    used_ += n;
    if (used_ >= kTermsAtOnce) finish();
  }

  void finish() {
    if (used_ > 0) exp_(terms_.data(), used_);
    const double* from = terms_.data();
    for (const auto& [pair, n] : pairs_) {
      out_[pair] = host::pairwise_sum(from, n) / static_cast<double>(n);
      from += n;
    }
    pairs_.clear();
    used_ = 0;
  }

 private:
  struct Pair {
    int64_t place, n_terms;
  };
  const std::function<void(double*, int64_t)>& exp_;
  double* out_;
  std::vector<double> terms_;
  std::vector<Pair> pairs_;
  int64_t used_ = 0;
};

}  // namespace

void oks(const OksPairs& p, const std::function<void(double*, int64_t)>& exp, double* out) {
  const Targets targets(p);
  std::vector<int64_t> start{0};  // of each group in `out`
  int64_t widest = 1;
  for (int64_t g = 0; g < p.n_groups; ++g) {
    const int64_t columns = p.gt_splits[g + 1] - p.gt_splits[g];
    start.push_back(start.back() + (p.det_splits[g + 1] - p.det_splits[g]) * columns);
    widest = std::max(widest, columns);
  }
  const int64_t *splits = p.det_splits, n = splits[p.n_groups];
  const auto keypoints_of = [&p](int64_t row) { return p.det + 3 * p.n_keypoints * at(p.det_index, row); };
  parallel_for(n, std::clamp<int64_t>(kPairsAtOnce / widest, 1, kRowsAtOnce), [&](int64_t row, int64_t end) {
    Batch batch(exp, out);
    std::vector<double> det(size_t(2 * padded(p.n_keypoints)));
    int64_t g = std::upper_bound(splits, splits + p.n_groups + 1, row) - splits - 1;
    for (; row < end; ++row) {
      while (splits[g + 1] <= row) ++g;
      const int64_t first = p.gt_splits[g], last = p.gt_splits[g + 1];
      prefetch(keypoints_of(std::min(row + kPrefetchAhead, n - 1)), 3 * p.n_keypoints);
      split_axes(keypoints_of(row), p.n_keypoints, det.data());
      for (int64_t i = first; i < last; ++i) {
        const OksTarget gt = targets[i];
        const int64_t pair = start[size_t(g)] + (row - splits[g]) * (last - first) + i - first;
        OksReach found;
        oks_reach(gt, det.data(), &found);
        if (host::may_reach(found.far, found.odd, padded(gt.n_keypoints), terms_counted(gt), p.least))
          batch.add(gt, det.data(), pair);
        else
          out[pair] = 0;
      }
    }
    batch.finish();
  });
}

}  // namespace tamis
