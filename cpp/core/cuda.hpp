// What every launcher shares: errors, launches, how many blocks cover the work, and the tensor cores.
#pragma once
#if defined(TAMIS_EMULATION)
#include "core/emulation.hpp"
#else
#include <cuda_pipeline.h>
#include <cuda_runtime_api.h>
#endif

#include <cstdint>
#include <stdexcept>
#include <string>

namespace tamis::cuda {

struct CudaError : std::runtime_error {  // RuntimeError in Python
  using std::runtime_error::runtime_error;
};

constexpr int kThreads = 256;
constexpr int kWarpSize = 32;
constexpr unsigned kWarp = 0xffffffff;  // all lanes

inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw CudaError(std::string(what) + ": " + cudaGetErrorString(status));
}

inline unsigned blocks_for(int64_t n, int64_t per_block) {
  const int64_t blocks = (n + per_block - 1) / per_block;
  constexpr int64_t kMost = INT32_MAX;  // of a grid's first dimension
  if (blocks > kMost) throw CudaError("too much work for one launch");
  return static_cast<unsigned>(blocks);
}

// Where and how a kernel runs; `shared` bytes are what TAMIS_DYNAMIC_SHARED names in it, all banks from the first on.
struct Launch {
  const char* what;
  unsigned blocks;
  cudaStream_t stream;
  size_t shared = 0;
};

template <class... P, class... A>
void launch(const Launch& on, void (*kernel)(P...), const A&... arguments) {
  if (on.blocks == 0) return;
#if defined(TAMIS_EMULATION)
  emulation::run(on.blocks, kThreads, on.shared, [&] { kernel(arguments...); });
#elif defined(__CUDACC__)
  if (on.shared > 0) {
    const auto size = cudaFuncAttributeMaxDynamicSharedMemorySize;
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), size, static_cast<int>(on.shared)), on.what);
  }
  // clang-format off: it would part the >>>
  kernel<<<on.blocks, kThreads, on.shared, on.stream>>>(arguments...);
  // clang-format on
  check(cudaGetLastError(), on.what);
#endif
}

#if defined(TAMIS_EMULATION)
#define TAMIS_DYNAMIC_SHARED(name) auto* name = reinterpret_cast<unsigned char*>(emulation::dynamic_memory.data())
#else
#define TAMIS_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#endif

#if defined(TAMIS_EMULATION) || defined(__CUDACC__)
__device__ inline int64_t thread_number() { return blockIdx.x * int64_t(kThreads) + threadIdx.x; }

__device__ inline void atomic_min_row(int64_t* to, int64_t row) {  // neither is below 0
  atomicMin(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(row));
}

// Warp-level append: returns the slot for each lane with `in` set and advances *n. Must be called by all lanes.
template <class Count>
__device__ Count warp_place(bool in, Count* n) {
  const unsigned all = __ballot_sync(kWarp, in), before = (1u << threadIdx.x % kWarpSize) - 1;
  const Count place = *n + __popc(all & before);
  *n += __popc(all);
  return place;
}
#endif

#if defined(__CUDACC__)
__device__ __forceinline__ void halves_to_floats(uint32_t halves, float (&floats)[2]) {  // the lower one first
  asm("{.reg .b16 a, b; mov.b32 {a, b}, %2; cvt.f32.f16 %0, a; cvt.f32.f16 %1, b;}"
      : "=f"(floats[0]), "=f"(floats[1])
      : "r"(halves));
}

__device__ __forceinline__ float near_reciprocal(float x) {  // within 1 ulp; not for denormals
  float found;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(found) : "f"(x));
  return found;
}

__device__ __forceinline__ void fetch_soon(const void* from) { asm volatile("prefetch.global.L1 [%0];" ::"l"(from)); }

// sum += a b, 16 x 8 elements a warp, 16 products of halves each; lanes hold what PTX says of mma.m16n8k16.
__device__ __forceinline__ void multiply_add(float (&sum)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                                             uint32_t b0, uint32_t b1) {
#if __CUDA_ARCH__ >= 800
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
#else  // Turing: the two halves of it
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
               : "r"(a0), "r"(a1), "r"(b0));
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
               : "r"(a2), "r"(a3), "r"(b1));
#endif
}
#endif

}  // namespace tamis::cuda
