#include "mask_iou/mask_iou.hpp"
#include "mask_iou/mask_iou_lanes.hpp"

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

void read_regular(const char* at, const char* end, const int64_t* size, uint32_t* ends, RegularMask* out) {
  out->n = -1;
#if defined(__AVX512BW__) && defined(__AVX512VL__)
  const int64_t height = size[0], width = size[1];
  if (height < 1 || width < 1 || width > kMostColumns || height > INT32_MAX / width) return;
  const int64_t n = read_numbers(at, end, ends);
  if (n < 2 || !numbers_to_ends(ends, n) || ends[n - 1] > height * width) return;
  out->n = n;
  measure_lanes(ends, static_cast<uint32_t>(height), out);
#else
  (void)at, (void)end, (void)size, (void)ends;
#endif
}

}  // namespace tamis::TAMIS_ISA
