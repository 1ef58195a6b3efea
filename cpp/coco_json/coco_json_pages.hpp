// A vector whose large blocks come from the system and go back to it when freed. malloc keeps freed blocks, so tables
// read in pieces and copied to columns would be held twice at the end.
#pragma once
#include <cstddef>
#include <new>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#define TAMIS_HAS_MMAP 1
#endif

namespace tamis {

template <class T>
struct PageAllocator {
  using value_type = T;
  static constexpr size_t kLarge = 64 << 10;  // bytes; smaller blocks are malloc's business

  PageAllocator() = default;
  template <class U>
  PageAllocator(const PageAllocator<U>&) {}

#if TAMIS_HAS_MMAP
  T* allocate(size_t n) {
    if (n > size_t(-1) / sizeof(T)) throw std::bad_alloc();
    if (n * sizeof(T) < kLarge) return static_cast<T*>(::operator new(n * sizeof(T)));
    void* p = mmap(nullptr, n * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    return static_cast<T*>(p);
  }
  void deallocate(T* p, size_t n) noexcept {
    if (n * sizeof(T) < kLarge) {
      ::operator delete(p);
    } else {
      munmap(p, n * sizeof(T));
    }
  }
#else
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T))); }
  void deallocate(T* p, size_t) noexcept { ::operator delete(p); }
#endif

  template <class U>
  bool operator==(const PageAllocator<U>&) const {
    return true;
  }
};

template <class T>
using PagedVector = std::vector<T, PageAllocator<T>>;
}  // namespace tamis
