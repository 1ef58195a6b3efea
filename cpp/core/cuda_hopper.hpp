// What only compute capability 9.0 has: copies of whole blocks of memory that signal a barrier, and products that four
// warps take from shared memory. TAMIS_HOPPER is defined where code is compiled for it (sm_90a).
#pragma once
#include "core/cuda.hpp"

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define TAMIS_HOPPER 1

namespace tamis::cuda {

__device__ __forceinline__ uint32_t shared_address(const void* at) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}

// A barrier that is passed each time all bytes have come that one thread expected.
struct CopyBarrier {
  uint64_t state;
  __device__ void begin() { asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(&state))); }
  __device__ void expect(uint32_t bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&state)), "r"(bytes)
                 : "memory");
  }
  __device__ void copy(void* to, const void* from, uint32_t bytes) {  // all in units of 16 bytes
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                     shared_address(to)),
                 "l"(from), "r"(bytes), "r"(shared_address(&state))
                 : "memory");
  }
  __device__ void wait(int round) const {  // 0 for the first time
    asm volatile(
        "{.reg .pred done;\n"
        "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@!done bra again;}" ::"r"(shared_address(&state)),
        "r"(round & 1)
        : "memory");
  }
};
// After `begin` by one thread, before copies.
__device__ __forceinline__ void show_barriers() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// A matrix in shared memory, 8 halves of all its rows after the 8 before: `apart` bytes lie between these.
__device__ __forceinline__ uint64_t halves_at(const void* first, uint32_t apart) {
  constexpr uint64_t kEightRows = 8 * 16;
  return (shared_address(first) >> 4 & 0x3fff) | uint64_t{apart >> 4} << 16 | (kEightRows >> 4) << 32;
}

// The registers of products under way are not touched before `finish`.
template <int n>
__device__ __forceinline__ void hold(float (&sums)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}
__device__ __forceinline__ void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void queue_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kUnderWay>
__device__ __forceinline__ void finish_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kUnderWay) : "memory");
}

// sums += a b, 64 x 128 elements, 16 products of halves each. A warp holds 16 rows: sums[4 j] to sums[4 j + 3] are what
// PTX says of the 16 x 8 elements of mma.m16n8k16.
__device__ __forceinline__ void multiply_add(float (&sums)[64], uint64_t a, uint64_t b) {
#define TAMIS_FOUR(i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
  asm volatile(
      "{.reg .pred add; setp.ne.b32 add, 1, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, add, 1, 1, 0, 0;}"
      : TAMIS_FOUR(0), TAMIS_FOUR(4), TAMIS_FOUR(8), TAMIS_FOUR(12), TAMIS_FOUR(16), TAMIS_FOUR(20), TAMIS_FOUR(24),
        TAMIS_FOUR(28), TAMIS_FOUR(32), TAMIS_FOUR(36), TAMIS_FOUR(40), TAMIS_FOUR(44), TAMIS_FOUR(48), TAMIS_FOUR(52),
        TAMIS_FOUR(56), TAMIS_FOUR(60)
      : "l"(a), "l"(b));
#undef TAMIS_FOUR
}

}  // namespace tamis::cuda
#endif
