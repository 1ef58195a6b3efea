// How much of a parallel_for is done at once.
#pragma once
#include <cstdint>

namespace tamis {

// At least `least`; all of n where the whole work is of so few steps, of about a nanosecond each, that to make a thread
// and to wait for it takes longer.
constexpr int64_t grain_of(int64_t n, int64_t steps, int64_t least) {
  constexpr int64_t kThread = 1 << 16;
  return steps < kThread && n > least ? n : least;
}

}  // namespace tamis
