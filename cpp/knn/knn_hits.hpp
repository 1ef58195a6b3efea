// Neighbours found so far: for each row a max-heap of at most k.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>

namespace tamis {

struct KnnHit {
  double key;
  int64_t index;
  bool operator<(const KnnHit& other) const { return key != other.key ? key < other.key : index < other.index; }
};

// True where the heap of `n` has changed and is full.
inline bool keep_hit(KnnHit* heap, int64_t k, int64_t& n, const KnnHit& hit) {
  if (n < k) {
    heap[n++] = hit;
    std::push_heap(heap, heap + n);
    return n == k;
  }
  if (!(hit < heap[0])) return false;
  std::pop_heap(heap, heap + n);
  heap[n - 1] = hit;
  std::push_heap(heap, heap + n);
  return true;
}

// Ascending, infinity and -1 where there is none; the heap is none any more.
inline void write_hits(KnnHit* heap, int64_t k, int64_t n, double* keys, int64_t* indices) {
  std::sort_heap(heap, heap + n);
  std::fill(heap + n, heap + k, KnnHit{std::numeric_limits<double>::infinity(), -1});
  for (int64_t i = 0; i < k; ++i) {
    keys[i] = heap[i].key;
    indices[i] = heap[i].index;
  }
}

}  // namespace tamis
