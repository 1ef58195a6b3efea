#include "oks/oks.hpp"

#include <algorithm>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "oks/oks_math.hpp"

namespace tamis {
namespace {

constexpr int64_t kTermsAtOnce = 1 << 14;  // of a thread: they stay in its cache until they are summed
constexpr int64_t kRowsAtOnce = 1 << 10, kPairsAtOnce = 1 << 16;
constexpr int64_t kUsualKeypoints = 64;
constexpr int64_t kPrefetchAhead = 4;  // detections

int64_t at(const int64_t* index, int64_t i) { return index ? index[i] : i; }

void prefetch(const double* from, int64_t n) {
  for (int64_t i = 0; i < n; i += 8) __builtin_prefetch(from + i);
}

void split_axes(const double* keypoints, int64_t n, double* x) {
  double* y = x + padded(n);
  for (int64_t i = 0; i < n; ++i) x[i] = keypoints[3 * i], y[i] = keypoints[3 * i + 1];
}

// The ground truths of one group as columns.
class Targets {
 public:
  explicit Targets(const OksPairs& pairs) : p_(pairs), k_(padded(pairs.n_keypoints)) {}

  void read(int64_t group) {
    const int64_t first = p_.gt_splits[group], k = p_.n_keypoints;
    const auto n = p_.gt_splits[group + 1] - first;
    columns_.assign(3 * k_ * n, -1);
    all.resize(n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = at(p_.gt_index, first + i);
      const double *keypoints = p_.gt + 3 * k * row, area = p_.gt_area[row];
      double *x = columns_.data() + 3 * k_ * i, *reach = x + 2 * k_;
      split_axes(keypoints, k, x);
      int64_t seen = 0;
      for (int64_t j = 0; j < k; ++j) seen += keypoints[3 * j + 2] > 0;
      for (int64_t j = 0; j < k; ++j)
        if (seen == 0 || keypoints[3 * j + 2] > 0) reach[j] = host::reach_of(p_.variances[j], area);
      all[i] = {x, x + k_, reach, p_.gt_boxes + 4 * row, area, k, seen, p_.variances};
    }
  }

  Vector<OksTarget> all;

 private:
  const OksPairs& p_;
  int64_t k_;
  Vector<double> columns_;  // x, y and reach of each
};

// Pairs whose terms wait for their exponentials.
class Batch {
 public:
  Batch(const std::function<void(double*, int64_t)>& exp, double* out) : exp_(exp), out_(out) {}

  void add(const OksTarget& gt, const double* det, int64_t pair) {
    const int64_t n = terms_counted(gt);
    if (used_ + gt.n_keypoints > terms_.size()) terms_.resize(std::max(kTermsAtOnce, used_) + gt.n_keypoints);
    oks_terms(gt, det, terms_.data() + used_);
    pairs_.push_back({pair, n});
    used_ += n;
    if (used_ >= kTermsAtOnce) finish();
  }

  void finish() {
    if (used_ > 0) exp_(terms_.data(), used_);
    const double* from = terms_.data();
    for (const auto& [pair, n] : pairs_)
      out_[pair] = host::pairwise_sum([&from] { return *from++; }, n) / static_cast<double>(n);
    pairs_.clear();
    used_ = 0;
  }

 private:
  struct Pair {
    int64_t place, n_terms;
  };
  const std::function<void(double*, int64_t)>& exp_;
  double* out_;
  Vector<double> terms_;
  Vector<Pair> pairs_;
  int64_t used_ = 0;
};

}  // namespace

void oks(const OksPairs& p, const std::function<void(double*, int64_t)>& exp, double* out) {
  Vector<int64_t> start{0};  // of each group in `out`
  int64_t widest = 1;
  for (int64_t g = 0; g < p.n_groups; ++g) {
    const int64_t columns = p.gt_splits[g + 1] - p.gt_splits[g];
    start.push_back(start.back() + (p.det_splits[g + 1] - p.det_splits[g]) * columns);
    widest = std::max(widest, columns);
  }
  const int64_t *splits = p.det_splits, n = splits[p.n_groups], k = p.n_keypoints;
  const auto keypoints_of = [&p, k](int64_t row) { return p.det + 3 * k * at(p.det_index, row); };
  const int64_t pairs = kPairsAtOnce / (1 + k / kUsualKeypoints);
  parallel_for(n, std::clamp<int64_t>(pairs / widest, 1, kRowsAtOnce), [&](int64_t row, int64_t end) {
    Batch batch(exp, out);
    Targets targets(p);
    Vector<double> det(2 * padded(k));
    int64_t g = -1;
    for (; row < end; ++row) {
      if (g < 0 || splits[g + 1] <= row) {
        g = std::upper_bound(splits, splits + p.n_groups + 1, row) - splits - 1;
        targets.read(g);
      }
      prefetch(keypoints_of(std::min(row + kPrefetchAhead, n - 1)), 3 * k);
      split_axes(keypoints_of(row), k, det.data());
      int64_t pair = start[g] + (row - splits[g]) * targets.all.size();
      for (const OksTarget& gt : targets.all) {
        OksReach found;
        oks_reach(gt, det.data(), &found);
        if (host::may_reach(found.far, found.odd, padded(k), terms_counted(gt), p.least))
          batch.add(gt, det.data(), pair);
        else
          out[pair] = 0;
        ++pair;
      }
    }
    batch.finish();
  });
}

}  // namespace tamis
