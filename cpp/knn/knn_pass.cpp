#include "knn/knn_pass.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kRows = 32;                           // read at a time: they stay in the cache for all queries
constexpr int64_t kChunk = 1024;                        // of a thread
constexpr int64_t kSampled = 256;                       // rows that limits are first taken from, or four times k
constexpr double kSmallest = 1e-150, kLargest = 1e150;  // norms of float64 rows that all searches take
constexpr double kOverflow = 3e38, kLeast = 1e-30;      // of squares and sums that float32 holds
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// What sums of d float32 products lose at most, in four lanes or more, as a share of the sum of their sizes.
double lost_by_sums(int64_t d) { return 6.1e-8 * (static_cast<double>(d) / 4 + 64); }

}  // namespace

struct KnnPass::Scratch {
  Vector<double> scales = Vector<double>(kRows);  // of rows that were measured
  Vector<float> sums, squares;                    // of all pairs, of all rows
  Vector<double> limits;
  Vector<int64_t> left, right;
  Vector<double> keys;
};

KnnPass::KnnPass(const KnnRows& x, const KnnRows& queries, int64_t k, KnnMetric metric)
    : x_(x), queries_(queries), k_(k), metric_(metric) {
  const int64_t m = queries.n, d = x.d;
  limit_.assign(m, kInfinity);
  heap_.resize(m * k);
  filled_.assign(m, 0);
  if (queries.scale != nullptr) {
    zeros_.assign(d, 0.0);
    queries_.offset = zeros_.data();
  }
  if (x.f32 == nullptr) return;
  floats_.resize(m * d);
  norms_.resize(m);
  const Vector<double> no_mean(d);
  centre_rows(queries_, nullptr, 0, queries.n, {no_mean.data(), 1.0}, floats_.data());
  for (int64_t q = 0; q < m; ++q) {
    double squares = 0;
    for (int64_t i = q * d; i < (q + 1) * d; ++i)
      squares += static_cast<double>(floats_[i]) * static_cast<double>(floats_[i]);
    norms_[q] = std::sqrt(squares);
  }
}

double KnnPass::limit(int64_t query) const {
  return std::atomic_ref<double>(const_cast<double&>(limit_[query])).load(std::memory_order_relaxed);
}

KnnRows KnnPass::part_of(int64_t begin, int64_t n, Scratch& s) const {
  KnnRows part = x_;
  part.n = n;
  if (part.f32 != nullptr) part.f32 += begin * part.d;
  if (part.f64 != nullptr) part.f64 += begin * part.d;
  if (queries_.scale != nullptr) part.scale = s.scales.data(), part.offset = zeros_.data();
  return part;
}

// Checks a row and sets its scale.
double KnnPass::measure(const KnnRows& part, int64_t row, Scratch& s) {
  double norm = 0;
  int64_t bad = -1;
  scan_rows(part, row, row + 1, &norm, nullptr, &bad);
  const bool narrow = part.scale != nullptr || part.f64 != nullptr;
  if (bad >= 0 || (narrow && !(norm >= kSmallest && norm <= kLargest))) odd_.store(true, std::memory_order_relaxed);
  s.scales[row] = 1 / norm;
  return norm;
}

// Limits from rows here and there, so that rows which come nearer and nearer do not all count at first.
void KnnPass::seed() {
  const int64_t n = std::min(x_.n, std::max(kSampled, 4 * k_)), m = queries_.n;
  Vector<double> keys(m * n), one(m);
  Vector<int64_t> left(m), right(m);
  std::iota(right.begin(), right.end(), int64_t{0});
  Scratch s;
  for (int64_t i = 0; i < n; ++i) {
    const KnnRows part = part_of(i * x_.n / n, 1, s);
    measure(part, 0, s);
    exact_keys({part, queries_, left.data(), right.data(), m, metric_}, one.data());
    for (int64_t q = 0; q < m; ++q) {
      const double key = one[q];
      keys[q * n + i] = key < kInfinity ? key : kInfinity;  // NaN too
    }
  }
  for (int64_t q = 0; q < m; ++q) {
    const auto first = keys.begin() + q * n;
    std::nth_element(first, first + k_ - 1, first + n);
    limit_[q] = first[k_ - 1];
  }
}

bool KnnPass::run(int64_t begin, int64_t end) {
  std::call_once(seeded_, [this] { seed(); });
  parallel_for(end - begin, kChunk, [&](int64_t b, int64_t e) {
    Scratch s;
    for (int64_t at = begin + b; at < begin + e && !odd_.load(std::memory_order_relaxed); at += kRows)
      run_rows(at, std::min(kRows, begin + e - at), s);
  });
  return !odd_.load(std::memory_order_relaxed);
}

void KnnPass::run_rows(int64_t begin, int64_t n, Scratch& s) {
  const KnnRows part = part_of(begin, n, s);
  s.left.clear();
  s.right.clear();
  if (part.f32 != nullptr)
    keep_near(part, s);
  else
    keep_all(part, s);
  if (s.left.empty()) return;
  s.keys.resize(s.left.size());
  exact_keys({part, queries_, s.left.data(), s.right.data(), s.left.size(), metric_}, s.keys.data());
  const std::lock_guard lock(mutex_);
  for (int64_t i = 0; i < s.left.size(); ++i) {
    const int64_t q = s.right[i];
    if (!(s.keys[i] <= limit_[q])) continue;  // NaN too
    KnnHit* heap = heap_.data() + q * k_;
    if (keep_hit(heap, k_, filled_[q], {s.keys[i], begin + s.left[i]}) && heap[0].key < limit_[q])
      std::atomic_ref<double>(limit_[q]).store(heap[0].key, std::memory_order_relaxed);
  }
}

void KnnPass::keep_all(const KnnRows& part, Scratch& s) {
  for (int64_t i = 0; i < part.n; ++i) {
    measure(part, i, s);
    for (int64_t q = 0; q < queries_.n; ++q) s.left.push_back(i), s.right.push_back(q);
  }
}

// The pairs that float32 sums do not prove to be too far. Rows with a sum that float32 does not hold are measured, and
// so are unit rows that are left.
void KnnPass::keep_near(const KnnRows& part, Scratch& s) {
  const bool unit = part.scale != nullptr, dots = unit || metric_ == KnnMetric::inner_product;
  const int64_t n = part.n, m = queries_.n;
  s.sums.resize(n * m);
  s.squares.assign(n, 1);
  few_keys({part.f32, floats_.data(), part.n, queries_.n, part.d, dots}, s.sums.data(), s.squares.data());
  s.limits.resize(m);
  for (int64_t q = 0; q < m; ++q) s.limits[q] = limit(q);
  const double lost = lost_by_sums(part.d), tiny = 2e-38 * static_cast<double>(part.d);
  for (int64_t i = 0; i < n; ++i) {
    const double squares = static_cast<double>(s.squares[i]);
    bool measured = !(squares > kLeast && squares < kOverflow);
    const double norm = measured ? measure(part, i, s) : std::sqrt(squares) * (1 + lost);
    for (int64_t q = 0; q < m; ++q) {
      const double sum = static_cast<double>(s.sums[i * m + q]), size = norms_[q];
      const double slack = 4 * lost * norm * size + tiny * (1 + norm + size);
      const double key = unit ? 2 - 2 * (sum + slack) / norm : dots ? -sum - slack : sum * (1 - lost);
      if (std::abs(sum) < kOverflow && key > s.limits[q]) continue;
      if (!measured && (unit || !(std::abs(sum) < kOverflow))) measure(part, i, s);
      measured = measured || unit;
      s.left.push_back(i);
      s.right.push_back(q);
    }
  }
}

void KnnPass::write_neighbours(double* keys, int64_t* indices) {
  for (int64_t q = 0; q < queries_.n; ++q)
    write_hits(heap_.data() + q * k_, k_, filled_[q], keys + q * k_, indices + q * k_);
}

}  // namespace tamis
