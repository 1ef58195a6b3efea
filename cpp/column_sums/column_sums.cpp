#include "column_sums/column_sums.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <utility>

#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kChunk = 8 * kSumRows;

// Sums as lists of numbers that do not overlap, after Shewchuk, "Adaptive Precision Floating-Point Arithmetic" (1997).
using Partials = std::vector<double>;

void add(Partials& partials, double v) {
  size_t kept = 0;
  for (size_t i = 0; i < partials.size(); ++i) {
    double other = partials[i];
    if (std::abs(v) < std::abs(other)) std::swap(v, other);
    const double high = v + other, low = other - (high - v);
    if (low != 0) partials[kept++] = low;
    v = high;
  }
  partials.resize(kept);
  if (v != 0) partials.push_back(v);
}

struct Sums {
  std::vector<Partials> columns;
  std::vector<double> levels;  // of one block, and what they lost
};

template <class T>
void add_block(const T* x, int64_t n, int64_t d, Sums& sums) {
  const size_t width = static_cast<size_t>(d);
  sums.levels.assign((kSumLevels + 1) * width, 0.0);
  double* left = sums.levels.data() + kSumLevels * width;
  sum_block(SumBlock<T>{x, n, d, sums.levels.data(), left});
  for (size_t k = 0; k < width; ++k) {
    if (left[k] == 0) {
      for (size_t level = kSumLevels; level-- > 0;) add(sums.columns[k], sums.levels[level * width + k]);
      continue;
    }
    for (int64_t row = 0; row < n; ++row) {
      const double v = static_cast<double>(x[row * d + static_cast<int64_t>(k)]);
      if (std::isfinite(v)) add(sums.columns[k], v);  // another thread may have changed a row since it was checked
    }
  }
}

}  // namespace

template <class T>
std::vector<std::vector<double>> column_sums(const T* x, int64_t n, int64_t d) {
  std::mutex mutex;
  std::vector<std::unique_ptr<Sums>> idle;
  const auto borrow = [&] {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return std::make_unique<Sums>(Sums{std::vector<Partials>(static_cast<size_t>(d)), {}});
    std::unique_ptr<Sums> sums = std::move(idle.back());
    idle.pop_back();
    return sums;
  };
  parallel_for(n, kChunk, [&](int64_t begin, int64_t end) {
    std::unique_ptr<Sums> sums = borrow();
    for (int64_t row = begin; row < end; row += kSumRows)
      add_block(x + row * d, std::min(kSumRows, end - row), d, *sums);
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(sums));
  });
  std::vector<Partials> all(static_cast<size_t>(d));
  for (const auto& sums : idle)
    for (size_t k = 0; k < all.size(); ++k)
      for (const double v : sums->columns[k]) add(all[k], v);
  return all;
}

template std::vector<std::vector<double>> column_sums(const float*, int64_t, int64_t);
template std::vector<std::vector<double>> column_sums(const double*, int64_t, int64_t);

}  // namespace tamis
