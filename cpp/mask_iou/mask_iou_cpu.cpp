#include "mask_iou/mask_iou.hpp"
#include "mask_iou/mask_iou_lanes.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr int64_t kTile = 8;

// Of 8 x 8 bytes, those of a row in one number, halves, quarters and eighths change places.
template <int kBy>
inline void swap_parts(uint64_t (&rows)[kTile], uint64_t mask) {
  for (int i = 0; i < kTile; ++i) {
    if ((i & kBy) != 0) continue;
    const uint64_t change = (rows[i] >> 8 * kBy ^ rows[i + kBy]) & mask;
    rows[i] ^= change << 8 * kBy;
    rows[i + kBy] ^= change;
  }
}

inline void transpose_tile(const uint8_t* from, int64_t step, uint8_t* to, int64_t to_step) {
  uint64_t rows[kTile];
  for (int64_t i = 0; i < kTile; ++i) __builtin_memcpy(&rows[i], from + i * step, kTile);
  swap_parts<4>(rows, 0x00000000ffffffffu);
  swap_parts<2>(rows, 0x0000ffff0000ffffu);
  swap_parts<1>(rows, 0x00ff00ff00ff00ffu);
  for (int64_t i = 0; i < kTile; ++i) __builtin_memcpy(to + i * to_step, &rows[i], kTile);
}

}  // namespace

void gather_columns(const RowPixels& p, uint8_t* to, int64_t to_step) {
  const int64_t rows = p.rows / kTile * kTile, columns = p.columns / kTile * kTile;
  for (int64_t y = 0; y < rows; y += kTile)
    for (int64_t x = 0; x < columns; x += kTile)
      transpose_tile(p.from + y * p.step + x, p.step, to + x * to_step + y, to_step);
  for (int64_t x = 0; x < p.columns; ++x)
    for (int64_t y = x < columns ? rows : 0; y < p.rows; ++y) to[x * to_step + y] = p.from[y * p.step + x];
}

void flag_bytes(const uint8_t* from, int64_t n, uint8_t* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i] != 0;
}

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
#if defined(TAMIS_MASK_LANES)
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
