// Hints to the kernel about memory; refused or unknown, nothing changes.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/aligned.hpp"
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace tamis {

// Asks for huge pages under a large fresh output. Zeroing 4 KiB pages one fault at a time took half of box_iou's time;
// NumPy asks by itself, PyTorch does not.
inline void prefer_huge_pages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t kHuge = uintptr_t(1) << 21;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + kHuge - 1) & ~(kHuge - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) & ~(kHuge - 1);
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// n uninitialised values on pages of their own, huge ones where they are offered: for a table that is read all over.
template <class T>
Aligned<T> make_on_huge_pages(int64_t n) {
  constexpr size_t kHuge = size_t(1) << 21;
  Aligned<T> values = make_aligned<T>(n, kHuge);
  const size_t bytes = static_cast<size_t>(n) * sizeof(T);
  prefer_huge_pages(values.get(), (bytes + kHuge - 1) / kHuge * kHuge);
  return values;
}

// Has the pages of a mapped file read while something else is done: four times the rows a second of one at a time.
inline void will_need([[maybe_unused]] const void* data, [[maybe_unused]] size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t kPage = 4096;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data) & ~(kPage - 1);
  madvise(reinterpret_cast<void*>(begin), reinterpret_cast<uintptr_t>(data) + bytes - begin, MADV_WILLNEED);
#endif
}

}  // namespace tamis
