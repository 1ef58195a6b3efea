// Runs the device code of a .cu file on the host, so that its logic is tested where there is no GPU. Blocks run one
// after the other; the threads of a block are fibers that change over at barriers and at what a warp does together.
// Asynchronous copies arrive as late as they may. What it cannot show: races, and anything about speed.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

namespace tamis::emulation {

struct Index {
  unsigned x = 0;
};
inline Index thread_index, block_index, grid_size, block_size;

class Block {
 public:
  void run(unsigned threads, const std::function<void()>& kernel) {
    reserve(threads);
    kernel_ = &kernel;
    for (unsigned i = 0; i < threads; ++i) {
      fibers_[i]->waits = Waits::no;
      fibers_[i]->copies.assign(1, {});
    }
    for (unsigned left = threads; left > 0;) {
      bool moved = false;
      for (unsigned i = 0; i < threads; ++i) {
        if (fibers_[i]->waits != Waits::no) continue;
        moved = true;
        resume(i);
        left -= fibers_[i]->waits == Waits::done;
      }
      moved |= release_warps(threads);
      if (!moved && left > 0) release_block(threads);
    }
  }

  struct Copy {
    void* to;
    const void* from;
    size_t bytes;
  };
  std::deque<std::vector<Copy>>& copies() { return fibers_[current_]->copies; }  // the last group is not committed

  void wait_for_block() { wait(Waits::block); }
  void wait_for_warp() { wait(Waits::warp); }
  unsigned current() const { return current_; }

  // Every lane of a warp gives a value and sees those of all. Values of one such call and the next lie apart: nobody
  // is ahead by more than one.
  template <class T, class F>
  auto together(const T& mine, const F& f) {
    static_assert(sizeof(T) <= kSlot);
    bool& side = fibers_[current_]->side;
    side = !side;
    const auto slot = [first = current_ / 32 * 32, side](unsigned lane, Block& b) {
      return b.fibers_[first + lane % 32]->slots[side];
    };
    std::memcpy(slot(current_, *this), &mine, sizeof(T));
    wait_for_warp();
    return f([&](unsigned lane) {
      T value;
      std::memcpy(&value, slot(lane, *this), sizeof(T));
      return value;
    });
  }

 private:
  static constexpr size_t kStack = 64 << 10, kSlot = 64;
  enum class Waits { no, warp, block, done };
  struct Fiber {
    ucontext_t context;
    jmp_buf place;  // changing over by longjmp makes no system calls
    bool started = false, side = false;
    Waits waits = Waits::done;
    std::deque<std::vector<Copy>> copies;
    unsigned char slots[2][kSlot];
    char stack[kStack];
  };

  void reserve(unsigned threads) {
    while (fibers_.size() < threads) fibers_.push_back(std::make_unique<Fiber>());
  }
  void resume(unsigned i) {
    Fiber& f = *fibers_[i];
    current_ = i;
    thread_index.x = i;
    if (_setjmp(scheduler_) != 0) return;
    if (f.started) _longjmp(f.place, 1);
    f.started = true;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = f.stack;
    f.context.uc_stack.ss_size = kStack;
    f.context.uc_link = nullptr;
    makecontext(&f.context, &Block::live, 0);
    setcontext(&f.context);
  }
  static void live();
  void wait(Waits what) {
    Fiber& f = *fibers_[current_];
    f.waits = what;
    if (_setjmp(f.place) == 0) _longjmp(scheduler_, 1);
  }
  bool release_warps(unsigned threads) {
    bool released = false;
    for (unsigned first = 0; first < threads; first += 32) {
      const unsigned end = std::min(threads, first + 32);
      bool all = true, any = false;
      for (unsigned i = first; i < end; ++i) {
        all &= fibers_[i]->waits == Waits::warp || fibers_[i]->waits == Waits::done;
        any |= fibers_[i]->waits == Waits::warp;
      }
      if (!all || !any) continue;
      for (unsigned i = first; i < end; ++i)
        if (fibers_[i]->waits == Waits::warp) fibers_[i]->waits = Waits::no;
      released = true;
    }
    return released;
  }
  void release_block(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
      if (fibers_[i]->waits == Waits::warp) {
        std::fprintf(stderr, "emulation: a warp waits for lanes that wait for the block\n");
        std::abort();
      }
      if (fibers_[i]->waits == Waits::block) fibers_[i]->waits = Waits::no;
    }
  }

  jmp_buf scheduler_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  unsigned current_ = 0;
  const std::function<void()>* kernel_ = nullptr;
};

inline Block block;
inline std::vector<uint4> dynamic_memory;

inline void Block::live() {  // a fiber serves one block after the other
  for (;;) {
    (*block.kernel_)();
    block.wait(Waits::done);
  }
}

inline void run(unsigned grid, unsigned threads, size_t shared, const std::function<void()>& kernel) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  dynamic_memory.assign(shared / sizeof(uint4) + 1, uint4{~0u, ~0u, ~0u, ~0u});
  grid_size.x = grid;
  block_size.x = threads;
  for (block_index.x = 0; block_index.x < grid; ++block_index.x) block.run(threads, kernel);
}

inline float half_to_float(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const int whole = exponent == 0 ? fraction : 1024 + fraction;
  const float size = std::ldexp(static_cast<float>(whole), exponent == 0 ? -24 : exponent - 25);
  return bits >> 15 ? -size : size;
}

}  // namespace tamis::emulation

#define threadIdx tamis::emulation::thread_index
#define blockIdx tamis::emulation::block_index
#define gridDim tamis::emulation::grid_size
#define blockDim tamis::emulation::block_size

inline void __syncthreads() { tamis::emulation::block.wait_for_block(); }
inline void __syncwarp() { tamis::emulation::block.wait_for_warp(); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline unsigned __ballot_sync(unsigned, bool mine) {
  return tamis::emulation::block.together(mine, [](auto of) {
    unsigned bits = 0;
    for (unsigned lane = 0; lane < 32; ++lane) bits |= static_cast<unsigned>(of(lane)) << lane;
    return bits;
  });
}

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  const unsigned lane = tamis::emulation::block.current() % 32;
  return tamis::emulation::block.together(value, [&](auto of) { return of(lane ^ static_cast<unsigned>(mask)); });
}
inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }
template <class T>
T __shfl_sync(unsigned, T value, int from) {
  return tamis::emulation::block.together(value, [&](auto of) { return of(static_cast<unsigned>(from)); });
}
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta, unsigned width = 32) {
  const unsigned lane = tamis::emulation::block.current() % 32;
  const unsigned from = lane % width + delta < width ? lane + delta : lane;
  return tamis::emulation::block.together(value, [&](auto of) { return of(from); });
}

template <class T, class U>
T atomicAdd(T* to, U value) {
  const T before = *to;
  *to = static_cast<T>(before + static_cast<T>(value));
  return before;
}
template <class T>
T atomicMin(T* to, T value) {
  const T before = *to;
  *to = std::min(before, value);
  return before;
}
template <class T>
T atomicMax(T* to, T value) {
  const T before = *to;
  *to = std::max(before, value);
  return before;
}

inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes) {
  tamis::emulation::block.copies().back().push_back({to, from, bytes});
}
inline void __pipeline_commit() { tamis::emulation::block.copies().emplace_back(); }
inline void __pipeline_wait_prior(size_t groups) {  // what may still be on its way is not there yet
  auto& copies = tamis::emulation::block.copies();
  for (; copies.size() > groups + 1; copies.pop_front())
    for (const auto& copy : copies.front()) std::memcpy(copy.to, copy.from, copy.bytes);
}

namespace tamis::cuda {

inline void halves_to_floats(uint32_t halves, float (&floats)[2]) {
  for (int i = 0; i < 2; ++i) floats[i] = emulation::half_to_float(static_cast<uint16_t>(halves >> 16 * i));
}

// A sum as tensor cores are known to make it, at their worst: terms are cut off 24 bits below the largest.
inline float sum_cut_off(const double* terms, unsigned n) {
  double most = 0, sum = 0;
  for (unsigned i = 0; i < n; ++i) most = std::max(most, std::fabs(terms[i]));
  if (most == 0) return 0;
  const double unit = std::ldexp(1.0, std::ilogb(most) - 23);
  for (unsigned i = 0; i < n; ++i) sum += std::trunc(terms[i] / unit) * unit;
  const float rounded = static_cast<float>(sum);
  return std::fabs(double(rounded)) > std::fabs(sum) ? std::nextafter(rounded, 0.0f) : rounded;
}

// mma.m16n8k16 as PTX lays it out: which elements of the three matrices a lane holds.
inline void multiply_add(float (&sum)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                         uint32_t b1) {
  struct Fragments {
    uint32_t a[4], b[2];
  };
  const unsigned lane = emulation::block.current() % 32, row = lane / 4, column = lane % 4 * 2;
  emulation::block.together(Fragments{{a0, a1, a2, a3}, {b0, b1}}, [&](auto of) {
    const auto half = [](uint32_t word, unsigned k) {
      return double(emulation::half_to_float(uint16_t(word >> 16 * (k % 2))));
    };
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned r = row + i / 2 * 8, c = column + i % 2;
      double terms[17] = {sum[i]};
      for (unsigned k = 0; k < 16; ++k) {
        const unsigned at = k % 8 / 2;
        const uint32_t left = of(r % 8 * 4 + at).a[r / 8 + k / 8 * 2], right = of(c * 4 + at).b[k / 8];
        terms[k + 1] = half(left, k) * half(right, k);
      }
      sum[i] = sum_cut_off(terms, 17);
    }
    return 0;
  });
}

}  // namespace tamis::cuda

typedef struct CUstream_st* cudaStream_t;
enum cudaError_t { cudaSuccess = 0 };
inline const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
