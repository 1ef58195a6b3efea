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

// Allocates n uninitialised values, 64-byte aligned, padded by one cache line.
template <class T>
Aligned<T> make_aligned(int64_t n) {
  const size_t bytes = (static_cast<size_t>(n) * sizeof(T) + 127) / 64 * 64;
  void* p = std::aligned_alloc(64, bytes);
  if (p == nullptr) throw std::bad_alloc();
  return Aligned<T>(static_cast<T*>(p));
}

}  // namespace tamis
