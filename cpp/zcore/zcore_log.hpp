// Append-only log of one thread's hits. Sequential writes avoid the cache misses of one list per draw. Draws are logged
// together by eights, and read so.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <new>

#include "core/aligned.hpp"
#include "core/pages.hpp"
#include "core/vector.hpp"
#include "zcore/zcore.hpp"

namespace tamis {

template <class T>
class ZcoreLog {
 public:
  using Crowded = std::function<void(int64_t draw)>;

  // Nothing is logged; the limits are to be set. Entries have `words` values. A draw that passes its `most` entries is
  // given to `crowded`, which lowers its limit or raises its `most`.
  void start(int64_t draws, bool values, int64_t words, Crowded crowded) {
    values_ = values;
    words_ = words;
    crowded_ = std::move(crowded);
    balls_.assign(draws, {});
    pages_.resize((draws + kZcoreTogether - 1) / kZcoreTogether);
    for (auto& pages : pages_) pages.clear();
    block_ = 0;
    used_ = bytes_ = 0;
  }
  ZcoreBall<T>& ball(int64_t draw) { return balls_[draw]; }
  const ZcoreBall<T>& ball(int64_t draw) const { return balls_[draw]; }
  int64_t words() const { return words_; }
  int64_t bytes() const { return bytes_; }  // logged
  ZcoreLogging<T> logging() {
    return {balls_.data(), values_, this,
            [](void* self, int64_t group, int64_t n, const ZcoreTile<T>& of) {
              return static_cast<ZcoreLog*>(self)->add(group, n, of);
            },
            [](void* self, int64_t draw) { static_cast<ZcoreLog*>(self)->crowded_(draw); }};
  }

  // Some entries of one draw: rows, counted from `first` on in steps of `step`, ascending, and their values, those of a
  // word `stride` after those of the word before. A cache line more may be read of each.
  struct Run {
    const uint16_t* rows;
    const T* values;
    int64_t n, stride, first, step;
  };
  // visit(i, run) for all that a group of draws has, i the number in the group.
  template <class Visit>
  void each(int64_t group, Visit visit) const {
    constexpr int64_t kAhead = 4;
    const Vector<ZcorePage*>& pages = pages_[group];
    for (int64_t at = 0; at < pages.size(); ++at) {
      if (at + kAhead < pages.size())
        for (int line = 0; line < 8; ++line)
          __builtin_prefetch(reinterpret_cast<const char*>(pages[at + kAhead]) + 64 * line);
      const ZcorePage& page = *pages[at];
      const auto* words = reinterpret_cast<const uint32_t*>(&page + 1);
      Run run{reinterpret_cast<const uint16_t*>(words),
              reinterpret_cast<const T*>(words + zcore_words(page.n)),
              0,
              page.n,
              page.first,
              page.step};
      for (int64_t i = 0; i < kZcoreTogether; ++i) {
        run.n = page.counts[i];
        if (run.n > 0) visit(i, run);
        run.rows += run.n;
        run.values += run.n;
      }
    }
  }

 private:
  struct Block {
    Aligned<char> bytes;
    int64_t size;
  };
  static constexpr int64_t kLeastBlock = int64_t(1) << 20, kMostBlock = int64_t(1) << 26;

  ZcorePage* add(int64_t group, int64_t n, const ZcoreTile<T>& of) {
    const int64_t size = (static_cast<int64_t>(sizeof(ZcorePage)) + 4 * zcore_words(n) +
                          static_cast<int64_t>(sizeof(T)) * n * words_ + 7) /
                         8 * 8;
    while (block_ < blocks_.size() && used_ + size > blocks_[block_].size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      const int64_t before = blocks_.empty() ? kLeastBlock / 2 : blocks_.back().size;
      const int64_t bytes = std::max(std::min(2 * before, kMostBlock), size);
      blocks_.push_back({make_aligned<char>(bytes), bytes});
      prefer_huge_pages(blocks_.back().bytes.get(), static_cast<size_t>(bytes));
    }
    auto* page = new (blocks_[block_].bytes.get() + used_) ZcorePage{n, of.first, of.step, {}};
    pages_[group].push_back(page);
    used_ += size;
    bytes_ += size;
    return page;
  }

  bool values_ = false;
  int64_t words_ = 1;
  Crowded crowded_;
  Vector<ZcoreBall<T>> balls_;
  Vector<Vector<ZcorePage*>> pages_;  // of each group
  Vector<Block> blocks_;
  int64_t block_ = 0;  // the one in use, and how much of it
  int64_t used_ = 0, bytes_ = 0;
};

}  // namespace tamis
