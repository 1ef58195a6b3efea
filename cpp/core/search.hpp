// Binary search, for the device too.
#pragma once
#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// How many of n ascending keys are below `key`.
template <class Key>
TAMIS_HD int64_t first_not_below(const Key* keys, int64_t n, Key key) {
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (keys[middle] < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

}  // namespace tamis::TAMIS_ISA
