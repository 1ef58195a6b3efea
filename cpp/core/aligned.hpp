// Memory on cache lines: what tiles read with whole registers.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace tamis {

struct AlignedFree {
  void operator()(void* p) const { std::free(p); }
};
template <class T>
using Aligned = std::unique_ptr<T[], AlignedFree>;

// Allocates n uninitialised values, on a cache line or what `alignment` says, padded by one cache line.
template <class T>
Aligned<T> make_aligned(int64_t n, size_t alignment = 64) {
  const size_t bytes = (static_cast<size_t>(n) * sizeof(T) + 63 + alignment) / alignment * alignment;
  void* p = std::aligned_alloc(alignment, bytes);
  if (p == nullptr) throw std::bad_alloc();
  return Aligned<T>(static_cast<T*>(p));
}

}  // namespace tamis
