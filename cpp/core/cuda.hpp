// What every launcher shares: errors, and how many blocks cover the work.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace tamis::cuda {

struct CudaError : std::runtime_error {  // RuntimeError in Python
  using std::runtime_error::runtime_error;
};

constexpr int kThreads = 256;

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

}  // namespace tamis::cuda
