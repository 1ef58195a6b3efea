// Work shared by threads that keep what they have found, and the tiles that they turn.
#pragma once
#include <algorithm>
#include <atomic>

#include "core/aligned.hpp"
#include "core/pages.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "zcore/zcore.hpp"

namespace tamis {

// visit(worker, begin, end) over [0, n) in steps of `grain`; each worker's steps ascend.
template <class Visit>
void each_worker(int64_t workers, int64_t n, int64_t grain, const Visit& visit) {
  std::atomic<int64_t> next{0};
  parallel_for(workers, 1, [&](int64_t first, int64_t last) {
    for (int64_t worker = first; worker < last; ++worker)
      for (int64_t begin; (begin = next.fetch_add(grain)) < n;) {
        visit(worker, begin, std::min(n, begin + grain));
        check_interrupt();
      }
  });
}

// One thread's tile: rows as columns. A tile has consecutive rows, or every count()-th row: then some tiles are a
// sample of all rows.
template <class T>
class ZcoreTiles {
 public:
  ZcoreTiles(const T* x, int64_t n, int64_t d)
      : x_(x), n_(n), d_(d), height_(height(d)), columns_(make_on_huge_pages<T>(d * stride())) {
    std::fill_n(columns_.get(), d * stride(), T(0));
  }
  static int64_t count(int64_t n, int64_t d) { return (n + height(d) - 1) / height(d); }

  // Blocks of columns that are not wanted are left as they are.
  ZcoreTile<T> turn(int64_t i, bool spread, const Vector<uint8_t>& wanted) {
    const int64_t step = spread ? count(n_, d_) : 1, first = spread ? i : i * height_;
    const int64_t n = std::min(height_, (n_ - first + step - 1) / step);
    zcore_turn({x_ + first * d_, n, d_, step * d_}, wanted.data(), columns_.get(), stride());
    return {columns_.get(), first, step, n, stride()};
  }

 private:
  static constexpr int64_t kBytes = 11 << 18;  // in a cache of 3 MB, or little more than one of 2
  static constexpr int64_t kApart = 16;        // columns are, so that they do not meet in the same lines of a cache

  static int64_t height(int64_t d) {
    return std::clamp<int64_t>(kBytes / static_cast<int64_t>(sizeof(T)) / d / 64, 1, kZcoreMostHeight / 64) * 64;
  }
  int64_t stride() const { return height_ + kApart; }

  const T* x_;
  int64_t n_, d_, height_;
  Aligned<T> columns_;
};

}  // namespace tamis
