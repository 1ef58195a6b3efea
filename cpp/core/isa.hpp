// Runtime dispatch to the best instruction set; TAMIS_MAX_ISA or cap_isa() lowers it (used by tests).
#pragma once
namespace tamis {
enum class Isa { v2 = 2, v3 = 3, v4 = 4 };  // x86-64 levels; other processors have one, v2
Isa isa();
void cap_isa(Isa most);  // lowers (or restores) the level from now on, never above the CPU's own
// Beyond v4, for the rooms that bring a kernel for them; false while a cap is set.
bool has_vnni();
bool has_amx_int8();  // asks Linux for the tile registers, once
bool has_dotprod();   // of 64-bit ARM
bool has_i8mm();
}  // namespace tamis

// Declares one kernel that is compiled once per instruction set, and the function that calls the best.
#if defined(__x86_64__)
#define TAMIS_KERNEL(name, params, args) \
  namespace v2 {                         \
  void name params;                      \
  }                                      \
  namespace v3 {                         \
  void name params;                      \
  }                                      \
  namespace v4 {                         \
  void name params;                      \
  }                                      \
  inline void name params {              \
    switch (isa()) {                     \
      case Isa::v4:                      \
        return v4::name args;            \
      case Isa::v3:                      \
        return v3::name args;            \
      case Isa::v2:                      \
        return v2::name args;            \
    }                                    \
  }
#else
#define TAMIS_KERNEL(name, params, args) \
  namespace v2 {                         \
  void name params;                      \
  }                                      \
  inline void name params { v2::name args; }
#endif
