// Which code kernels this CPU can run.
#include <atomic>

#include "core/isa.hpp"
#include "knn/knn.hpp"

namespace tamis {
namespace {
std::atomic<int> most_level{2};
}

void cap_knn_codes(int level) { most_level.store(level, std::memory_order_relaxed); }

KnnCodeKernels knn_code_kernels() {
#if defined(TAMIS_KNN_EXTENSIONS)
  const int level = most_level.load(std::memory_order_relaxed);
#if defined(__aarch64__)
  if (level >= 2 && has_i8mm()) return {i8mm::tile_codes, i8mm::dot_codes, i8mm::dense_codes, 128, "i8mm"};
  if (level >= 1 && has_dotprod())
    return {dotprod::tile_codes, dotprod::dot_codes, dotprod::dense_codes, 64, "dotprod"};
#else
  if (level >= 2 && has_amx_int8() && has_vnni())
    return {amx::tile_codes, vnni::dot_codes, vnni::dense_codes, 128, "amx"};
  if (level >= 1 && has_vnni()) return {vnni::tile_codes, vnni::dot_codes, vnni::dense_codes, 128, "vnni"};
#endif
#endif
  return {tile_codes, dot_codes, dense_codes, 64, "bytes"};
}

}  // namespace tamis
