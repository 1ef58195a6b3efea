// Pixels to runs.
#include <algorithm>
#include <cstring>

#include "core/parallel.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kPixelsAtOnce = 1 << 22;  // a few milliseconds
constexpr int64_t kScratch = 1 << 18;       // bytes of columns that stay in the cache
constexpr int64_t kLine = 64;               // columns whose pixels of a row lie in one cache line
constexpr int64_t kTile = 8;
constexpr int64_t kRowsAtOnce = 1 << 16;

// How many bytes from `at` on are equal to the first.
int64_t same_bytes(const uint8_t* at, const uint8_t* end) {
  const uint8_t value = *at;
  const uint8_t* p = at + 1;
  const uint64_t eight = 0x0101010101010101u * value;
  for (uint64_t next; end - p >= 8; p += 8) {
    std::memcpy(&next, p, 8);
    if (next != eight) break;
  }
  while (p != end && *p == value) ++p;
  return p - at;
}

// Counts of one mask, given piece after piece.
class PixelCounter {
 public:
  void add(const uint8_t* at, int64_t n) {
    for (const uint8_t* end = at + n; at != end;) {
      if (*at != value_) counts_.push_back(length_), value_ = *at, length_ = 0;
      const int64_t same = same_bytes(at, end);
      length_ += static_cast<uint32_t>(same);
      at += same;
    }
  }
  void finish(std::string& text) {
    counts_.push_back(length_);
    append_counts(counts_.data(), int64_t(counts_.size()), text);
    counts_.clear();
    value_ = 0;
    length_ = 0;
  }

 private:
  std::vector<uint32_t> counts_;
  uint8_t value_ = 0;
  uint32_t length_ = 0;
};

// 8 x 8 bytes, those of a row in one number: halves, quarters and eighths change places.
void transpose_tile(const uint8_t* from, int64_t from_step, uint8_t* to, int64_t to_step) {
  uint64_t rows[kTile];
  for (int64_t i = 0; i < kTile; ++i) std::memcpy(&rows[i], from + i * from_step, kTile);
  const auto swap = [&](int64_t by, uint64_t mask) {
    for (int64_t i = 0; i < kTile; ++i) {
      if ((i & by) != 0) continue;
      const uint64_t change = (rows[i] >> 8 * by ^ rows[i + by]) & mask;
      rows[i] ^= change << 8 * by;
      rows[i + by] ^= change;
    }
  };
  swap(4, 0x00000000ffffffffu);
  swap(2, 0x0000ffff0000ffffu);
  swap(1, 0x00ff00ff00ff00ffu);
  for (int64_t i = 0; i < kTile; ++i) std::memcpy(to + i * to_step, &rows[i], kTile);
}

// Columns [first, first + n) of a mask that lies row after row, each of `height` bytes of `to`.
void gather_columns(const uint8_t* pixels, int64_t height, int64_t width, int64_t first, int64_t n, uint8_t* to) {
  for (int64_t top = 0; top < height; top += kRowsAtOnce) {
    const int64_t bottom = std::min(height, top + kRowsAtOnce), whole_rows = bottom / kTile * kTile;
    const int64_t whole_columns = n / kTile * kTile;
    for (int64_t y = top; y < whole_rows; y += kTile)
      for (int64_t x = 0; x < whole_columns; x += kTile)
        transpose_tile(pixels + y * width + first + x, width, to + x * height + y, height);
    for (int64_t x = 0; x < n; ++x)
      for (int64_t y = x < whole_columns ? whole_rows : top; y < bottom; ++y)
        to[x * height + y] = pixels[y * width + first + x];
    if (bottom < height) check_interrupt();
  }
}

class Encoder {
 public:
  explicit Encoder(const Pixels& pixels) : p_(pixels) {}

  void operator()(int64_t i, std::string& text) {
    const uint8_t* mask = p_.data + i * p_.height * p_.width;
    if (p_.by_rows)
      add_rows(mask);
    else
      add_columns(mask);
    counter_.finish(text);
  }

 private:
  void add_rows(const uint8_t* mask) {
    const int64_t most = std::clamp<int64_t>(kScratch / (p_.height + 1), kTile, kLine);
    for (int64_t x = 0, n; x < p_.width; x += n) {
      n = std::min(most, p_.width - x);
      scratch_.resize(std::max(scratch_.size(), size_t(n * p_.height)));
      gather_columns(mask, p_.height, p_.width, x, n, scratch_.data());
      add(scratch_.data(), n * p_.height);
    }
  }

  void add_columns(const uint8_t* mask) {
    const int64_t all = p_.height * p_.width;
    for (int64_t at = 0; at < all; at += kScratch) {
      const int64_t n = std::min(kScratch, all - at);
      if (p_.nonzero) scratch_.assign(mask + at, mask + at + n);
      add(p_.nonzero ? scratch_.data() : mask + at, n);
    }
  }

  void add(const uint8_t* pixels, int64_t n) {
    if (p_.nonzero)
      for (int64_t i = 0; i < n; ++i) scratch_[size_t(i)] = scratch_[size_t(i)] != 0;
    for (int64_t at = 0; at < n; at += kPixelsAtOnce) counter_.add(pixels + at, std::min(kPixelsAtOnce, n - at));
    if ((since_check_ += n) < kPixelsAtOnce) return;
    since_check_ = 0;
    check_interrupt();
  }

  const Pixels& p_;
  PixelCounter counter_;
  std::vector<uint8_t> scratch_;
  int64_t since_check_ = 0;
};

}  // namespace

MaskTexts encode_masks(const Pixels& pixels) {
  const int64_t grain = 1 + kPixelsAtOnce / (pixels.height * pixels.width + 1);
  std::vector<MaskTexts> parts(size_t((pixels.n + grain - 1) / grain));
  parallel_for(pixels.n, grain, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[size_t(begin / grain)];
    Encoder encode(pixels);
    for (int64_t i = begin; i < end; ++i) {
      encode(i, part.text);
      part.splits.push_back(int64_t(part.text.size()));
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
