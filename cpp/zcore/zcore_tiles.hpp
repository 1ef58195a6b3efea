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

// Which rows a tile has: consecutive ones; or, where there are many rows, every sixth. Then the first tiles have a
// sixth of all rows, a sample; after these the others of the same rows follow each other, as x may be a file.
class ZcoreTiling {
 public:
  struct Tile {
    int64_t first, step, n;
  };

  ZcoreTiling(int64_t n, int64_t height, bool apart)
      : n_(n), height_(height), step_(apart && n >= kFewSpans * kStep * height ? kStep : 1) {}

  int64_t count() const { return spans() * step_; }
  int64_t sampled() const { return step_ > 1 ? spans() : 0; }  // tiles
  int64_t sampled_rows() const { return (n_ + step_ - 1) / step_; }
  Tile tile(int64_t i) const {
    const int64_t other = i - spans();
    const int64_t span = other < 0 ? i : other / (step_ - 1), offset = other < 0 ? 0 : 1 + other % (step_ - 1);
    const int64_t first = span * step_ * height_ + offset;
    return {first, step_, std::clamp<int64_t>((n_ - first + step_ - 1) / step_, 0, height_)};
  }

 private:
  static constexpr int64_t kStep = 6, kFewSpans = 4;

  int64_t spans() const { return (n_ + step_ * height_ - 1) / (step_ * height_); }

  int64_t n_, height_, step_;
};

// One thread's tile: rows as columns.
template <class T>
class ZcoreTiles {
 public:
  ZcoreTiles(const T* x, int64_t d) : x_(x), d_(d), height_(height(d)), columns_(make_on_huge_pages<T>(d * stride())) {
    std::fill_n(columns_.get(), d * stride(), T(0));
  }
  static ZcoreTiling tiling(int64_t n, int64_t d, bool apart) { return {n, height(d), apart}; }

  // Blocks of columns that are not wanted are left as they are.
  ZcoreTile<T> turn(const ZcoreTiling::Tile& tile, const Vector<uint8_t>& wanted) {
    zcore_turn({x_ + tile.first * d_, tile.n, d_, tile.step * d_}, wanted.data(), columns_.get(), stride());
    return {columns_.get(), tile.first, tile.step, tile.n, stride()};
  }

 private:
  static constexpr int64_t kBytes = 11 << 18;  // in a cache of 3 MB, or little more than one of 2
  static constexpr int64_t kApart = 16;        // columns are, so that they do not meet in the same lines of a cache

  static int64_t height(int64_t d) {
    return std::clamp<int64_t>(kBytes / static_cast<int64_t>(sizeof(T)) / d / 64, 1, kZcoreMostHeight / 64) * 64;
  }
  int64_t stride() const { return height_ + kApart; }

  const T* x_;
  int64_t d_, height_;
  Aligned<T> columns_;
};

}  // namespace tamis
