// Where a search starts from: an upper bound of each row's k-th key, if none was given.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.hpp"
#include "knn/knn_scratch.hpp"

namespace tamis {
void KnnSearch::seed() {
  parallel_for(columns().n(), 64, [&](int64_t begin, int64_t end) {
    Scratch* scratch = borrow();
    for (int64_t p = begin; p < end; ++p)
      if (!(found_[p].limit < std::numeric_limits<double>::infinity())) seed_one(p, *scratch);
    for (int64_t p = begin; p < end && !ball_.empty(); ++p) found_[p].limit = std::max(found_[p].limit, ball_[p]);
    give_back(scratch);
  });
}

void KnnSearch::seed_one(int64_t p, Scratch& s) {
  const int64_t reach = std::max<int64_t>(24, k_ + std::min<int64_t>(5 * k_, 48));
  const int64_t home = self() ? p : place_.empty() ? 0 : place_[p];
  const int64_t begin = std::max<int64_t>(0, home - reach), end = std::min(x_.n(), home + reach + 1);
  const KnnTable& table = columns();
  s.left.clear();
  for (int64_t q = begin; q < end; ++q)
    if (!(self() && q == p)) s.left.push_back(q);
  const int64_t n = s.left.size();
  if (n < k_) return;
  s.keys.resize(n);
  if (plan_.codes) {
    bound_above(begin, p, s);
  } else {
    for (int64_t& q : s.left) q = x_.order[q];
    s.right.assign(n, table.order[p]);
    keys_at_most({x_.rows, table.rows, s.left.data(), s.right.data(), n, plan_.metric}, s.keys.data());
  }
  std::nth_element(s.keys.begin(), s.keys.begin() + k_ - 1, s.keys.end());
  found_[p].limit = s.keys[k_ - 1];
}

// Upper bounds of the keys of row p and the rows s.left, which begin at `begin`, by their codes.
void KnnSearch::bound_above(int64_t begin, int64_t p, Scratch& s) const {
  const KnnTable& table = columns();
  const int64_t n = s.left.size(), at = p;
  Vector<uint32_t> pairs(n);
  s.dots.resize(std::max(s.dots.size(), n));
  for (int64_t i = 0; i < n; ++i) pairs[i] = static_cast<uint32_t>((s.left[i] - begin) << 16);
  kernels_.dot({x_.full.row(begin), table.full.row(p), x_.full.padded, pairs.data(), n}, s.dots.data());
  const double step = static_cast<double>(x_.full.step), gain = plan_.gain;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t q = s.left[i];
    const double dot = static_cast<double>(s.dots[i]) - kernels_.bias * static_cast<double>(table.full.sum[at]);
    const double lost = static_cast<double>(x_.full.lost[q]) + static_cast<double>(table.full.lost[at]);
    if (plan_.metric == KnnMetric::inner_product) {
      const double nq = static_cast<double>(x_.norm[q]), np = static_cast<double>(table.norm[at]);
      s.keys[i] = (-dot * step * step + lost * (nq + np + lost) + 1e-6 * nq * np) / (gain * gain);
    } else {
      const double squares = static_cast<double>(x_.full.squares[q]) + static_cast<double>(table.full.squares[at]);
      const double far = (step * std::sqrt(std::max(0.0, squares - 2 * dot)) + lost) * 1.000004 / gain;
      s.keys[i] = far * far;
    }
  }
}

void KnnSearch::lower_limits(const double* limits) {
  const Vector<int64_t>& order = columns().order;
  for (int64_t p = 0; p < found_.size(); ++p) found_[p].limit = std::min(found_[p].limit, limits[order[p]]);
}

void KnnSearch::set_balls(const double* balls) {
  held_.assign(found_.size(), 0);
  ball_.clear();
  for (const int64_t row : x_.order) ball_.push_back(balls[row]);
}

void KnnSearch::write_held(uint8_t* held) const {
  for (int64_t p = 0; p < held_.size(); ++p) held[x_.order[p]] = held_[p];
}

void merge_neighbours(const KnnLists& lists, int64_t k, double* keys, int64_t* rows) {
  parallel_for(lists.n, 256, [&](int64_t begin, int64_t end) {
    Vector<KnnHit> hits(lists.m);
    Steps steps;
    for (int64_t i = begin; i < end; ++i) {
      steps.took(lists.m);
      hits.clear();
      for (int64_t j = i * lists.m; j < (i + 1) * lists.m; ++j)
        if (lists.rows[j] >= 0) hits.push_back({lists.keys[j], lists.rows[j]});
      std::sort(hits.begin(), hits.end());
      const auto same = [](const KnnHit& a, const KnnHit& b) { return a.index == b.index; };
      hits.erase(std::unique(hits.begin(), hits.end(), same),
                 hits.end());  // a row has one key: its copies are adjacent
      for (int64_t j = 0; j < k; ++j) {
        const bool there = j < std::ssize(hits);
        keys[i * k + j] = there ? hits[j].key : std::numeric_limits<double>::infinity();
        rows[i * k + j] = there ? hits[j].index : -1;
      }
    }
  });
}

}  // namespace tamis
