// Counting sort on several threads.
#pragma once
#include <algorithm>
#include <memory>
#include <utility>

#include "core/parallel.hpp"
#include "core/vector.hpp"

namespace tamis {

inline constexpr int64_t kRowsAtOnce = 1 << 15, kMostChunks = 32;

// Values that are not set: its pages are touched by the threads that fill it.
template <class T>
class Unset {
 public:
  Unset() = default;
  explicit Unset(int64_t n) : values_(std::make_unique_for_overwrite<T[]>(static_cast<size_t>(n))) {}
  T& operator[](int64_t i) const { return values_.get()[i]; }
  T* get() const { return values_.get(); }

 private:
  std::unique_ptr<T[]> values_;
};

// Stable counting sort of 0 to n - 1 by bucket, -1 leaves one out: put(i, place) for each, from several threads.
// Returns the bounds of the buckets.
template <class BucketOf, class Put>
Vector<int64_t> scatter(int64_t n, int64_t buckets, const BucketOf& bucket_of, const Put& put) {
  // Each chunk counts every bucket: worth it for four rows a bucket, or for one chunk a thread.
  const int64_t worth = n / std::max(kRowsAtOnce, 4 * buckets);
  const int64_t by_thread = std::min<int64_t>(num_threads(), n / kRowsAtOnce);
  const int64_t chunks = std::clamp<int64_t>(std::max(worth, by_thread), 1, kMostChunks);
  Vector<int64_t> next(chunks * buckets, 0), bounds(1, 0);
  const auto each = [&](const auto& visit) {
    parallel_for(chunks, 1, [&](int64_t chunk, int64_t) {
      int64_t* own = next.data() + chunk * buckets;
      for (int64_t i = n * chunk / chunks; i < n * (chunk + 1) / chunks; ++i)
        if (const int64_t bucket = int64_t{bucket_of(i)}; bucket >= 0) visit(i, own[bucket]++);
    });
  };
  each([](int64_t, int64_t) {});
  bounds.reserve(buckets + 1);
  int64_t sum = 0;
  for (int64_t b = 0; b < buckets; ++b) {
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += std::exchange(next[chunk * buckets + b], sum);
    bounds.push_back(sum);
  }
  each(put);
  return bounds;
}

}  // namespace tamis
