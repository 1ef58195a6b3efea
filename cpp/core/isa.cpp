#include "core/isa.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

namespace tamis {
namespace {

Isa detect() {
  Isa best = Isa::v2;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2"))
    best = Isa::v3;
  if (best == Isa::v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd"))
    best = Isa::v4;
#endif
  if (const char* cap = std::getenv("TAMIS_MAX_ISA")) {
    if (std::string_view(cap) == "v2") best = Isa::v2;
    if (std::string_view(cap) == "v3") best = std::min(best, Isa::v3);
  }
  return best;
}

const Isa kDetected = detect();
std::atomic<Isa> current{kDetected};

}  // namespace

Isa isa() { return current.load(std::memory_order_relaxed); }
void cap_isa(Isa most) { current.store(std::min(most, kDetected), std::memory_order_relaxed); }

}  // namespace tamis
