#include "core/isa.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace tamis {
namespace {

#if defined(TAMIS_EMULATE_AVX512)  // tests/cpp/avx512.hpp: with AVX2 there is all of it
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

Isa detect() noexcept {
  Isa best = Isa::v2;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) best = Isa::v3;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512cd");
  if (best == Isa::v3 && (wide || kEmulated)) best = Isa::v4;
#endif
  if (const char* cap = std::getenv("TAMIS_MAX_ISA")) {
    if (std::string_view(cap) == "v2") best = Isa::v2;
    if (std::string_view(cap) == "v3") best = std::min(best, Isa::v3);
  }
  return best;
}

bool detect_vnni() {
#if defined(__x86_64__)
  return kEmulated || __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

bool detect_amx_int8() {
  if (kEmulated) return true;
#if defined(__x86_64__) && defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTile) == 0 || (d & kInt8) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(2), ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

#if defined(__aarch64__) && defined(__linux__)
bool detect_dotprod() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool detect_i8mm() { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#elif defined(__aarch64__) && defined(__APPLE__)
bool says(const char* name) {
  int value = 0;
  size_t size = sizeof(value);
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
bool detect_dotprod() { return says("hw.optional.arm.FEAT_DotProd"); }
bool detect_i8mm() { return says("hw.optional.arm.FEAT_I8MM"); }
#else
bool detect_dotprod() { return false; }
bool detect_i8mm() { return false; }
#endif

const Isa kDetected = detect();
std::atomic<Isa> current{kDetected};

// Not a static of a function: a fork while another thread fills it in would leave its guard locked.
std::atomic<int8_t> vnni{-1}, amx_int8{-1}, dotprod{-1}, i8mm{-1};
bool find_once(std::atomic<int8_t>& known, bool (*find)()) {
  if (known.load(std::memory_order_relaxed) < 0) known.store(find(), std::memory_order_relaxed);
  return known.load(std::memory_order_relaxed) != 0;
}

}  // namespace

Isa isa() { return current.load(std::memory_order_relaxed); }
void cap_isa(Isa most) { current.store(std::min(most, kDetected), std::memory_order_relaxed); }

bool has_vnni() { return find_once(vnni, detect_vnni) && isa() == Isa::v4; }
bool has_amx_int8() { return find_once(amx_int8, detect_amx_int8) && isa() == Isa::v4; }
bool has_dotprod() { return find_once(dotprod, detect_dotprod); }
bool has_i8mm() { return find_once(i8mm, detect_i8mm); }

}  // namespace tamis
