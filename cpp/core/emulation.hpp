// Runs the device code of a .cu file on the host, so that its logic is tested where there is no GPU. Blocks run one
// after the other, in any order, their threads as emulation_block.hpp says; asynchronous copies arrive as late as they
// may. What it cannot show: races of blocks, and anything about speed.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>
#include <vector>

#include "core/emulation_block.hpp"

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};

struct alignas(8) float2 {
  float x, y;
};

namespace tamis::emulation {

inline std::vector<uint4> dynamic_memory;

inline void run(unsigned grid, unsigned threads, size_t shared, const std::function<void()>& kernel) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const Unseen unseen;
  dynamic_memory.assign(shared / sizeof(uint4) + 1, uint4{~0u, ~0u, ~0u, ~0u});
  grid_size.x = grid;
  block_size.x = threads;
  AnyOrder order(grid, block.dice());
  for (unsigned n = 0; n < grid; ++n) {
    block_index.x = order.next();
    block.run(threads, kernel);
  }
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

template <class T, class F>
T emulated_atomic(T* to, const F& after) {
  tamis::emulation::block.let_others_go();
  T before;
  __atomic_load(to, &before, __ATOMIC_RELAXED);
  for (T next = after(before);
       !__atomic_compare_exchange(to, &before, &next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED);)
    next = after(before);
  return before;
}
template <class T, class U>
T atomicAdd(T* to, U value) {
  return emulated_atomic(to, [=](T before) { return static_cast<T>(before + static_cast<T>(value)); });
}
template <class T>
T atomicMin(T* to, T value) {
  return emulated_atomic(to, [=](T before) { return std::min(before, value); });
}
template <class T>
T atomicMax(T* to, T value) {
  return emulated_atomic(to, [=](T before) { return std::max(before, value); });
}

inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes) {
  const tamis::emulation::Unseen unseen;
  tamis::emulation::block.copies().back().push_back({to, from, bytes});
}
inline void __pipeline_commit() {
  const tamis::emulation::Unseen unseen;
  tamis::emulation::block.copies().emplace_back();
}
inline void __pipeline_wait_prior(size_t groups) {  // what may still be on its way is not there yet
  auto& copies = tamis::emulation::block.copies();
  for (; copies.size() > groups + 1; copies.pop_front())
    for (const auto& copy : copies.front()) std::memcpy(copy.to, copy.from, copy.bytes);
}

namespace tamis::cuda {

inline void fetch_soon(const void*) {}

inline void halves_to_floats(uint32_t halves, float (&floats)[2]) {
  for (int i = 0; i < 2; ++i) floats[i] = emulation::half_to_float(static_cast<uint16_t>(halves >> 16 * i));
}

// Up to 1 ulp off to either side, but for the one fraction that a division by it could not make good.
inline float near_reciprocal(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const float found = 1 / x;
  if (bits % 3 == 0 || (bits & 0x7fffff) == 0x7fffff) return found;
  return std::nextafter(found, bits % 3 == 1 ? 0.0f : 2 * found);
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
