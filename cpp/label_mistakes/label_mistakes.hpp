// The terms of an entropy, with the C library's logarithm: NumPy's differs from it in the last bit of some numbers, and
// FiftyOne Brain's scores come from scipy, which has the C library's. The rest of the room is NumPy.
//
//   out = scipy.special.entr(p)   # -p log p; 0 for 0, -inf below, NaN for NaN; float32 is computed in double
//
// Layout: flat arrays of one length. Exact. Cost: one logarithm a number, on all threads.
#pragma once
#include <cstdint>

namespace tamis {

template <class T>
void entropy_terms(const T* p, int64_t n, T* out);

}  // namespace tamis
