#include "mask_iou/mask_iou.hpp"

namespace tamis::TAMIS_ISA {

void common_pixels(const MaskColumns& a, const MaskColumns& b, uint32_t* common) {
  const int64_t first = a.first > b.first ? a.first : b.first;
  const int64_t a_end = a.first + a.n, b_end = b.first + b.n, n = (a_end < b_end ? a_end : b_end) - first;
  uint32_t sum = 0;
  for (int64_t i = 0; i < a.layers; ++i) {
    const int32_t *a_top = a.top + i * a.n + first - a.first, *a_bottom = a.bottom + i * a.n + first - a.first;
    for (int64_t j = 0; j < b.layers; ++j) {
      const int32_t *b_top = b.top + j * b.n + first - b.first, *b_bottom = b.bottom + j * b.n + first - b.first;
      uint32_t part = 0;
      for (int64_t x = 0; x < n; ++x) {
        const int32_t low = a_top[x] > b_top[x] ? a_top[x] : b_top[x];
        const int32_t high = a_bottom[x] < b_bottom[x] ? a_bottom[x] : b_bottom[x];
        part += static_cast<uint32_t>(high > low ? high - low : 0);
      }
      sum += part;
    }
  }
  *common = sum;
}

}  // namespace tamis::TAMIS_ISA
