// Pixels to runs.
#include <algorithm>
#include <cstring>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kPixelsAtOnce = 1 << 22;  // a few milliseconds
constexpr int64_t kScratch = 1 << 18;       // bytes of columns that stay in the cache
constexpr int64_t kLine = 64;               // columns whose pixels of a row lie in one cache line
constexpr int64_t kFewest = 8;
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
    append_counts(counts_.data(), counts_.size(), text);
    counts_.clear();
    value_ = 0;
    length_ = 0;
  }

 private:
  Vector<uint32_t> counts_;
  uint8_t value_ = 0;
  uint32_t length_ = 0;
};

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
    const int64_t most = std::clamp<int64_t>(kScratch / (p_.height + 1), kFewest, kLine);
    for (int64_t x = 0, n; x < p_.width; x += n) {
      n = std::min(most, p_.width - x);
      scratch_.resize(std::max(scratch_.size(), n * p_.height));
      for (int64_t top = 0; top < p_.height; top += kRowsAtOnce) {
        gather_columns({mask + top * p_.width + x, std::min(kRowsAtOnce, p_.height - top), p_.width, n},
                       scratch_.data() + top, p_.height);
        if (top > 0) check_interrupt();
      }
      if (p_.nonzero) flag_bytes(scratch_.data(), n * p_.height, scratch_.data());
      count(scratch_.data(), n * p_.height);
    }
  }

  void add_columns(const uint8_t* mask) {
    const int64_t all = p_.height * p_.width;
    scratch_.resize(p_.nonzero ? std::min(kScratch, all) : 0);
    for (int64_t at = 0; at < all; at += kScratch) {
      const int64_t n = std::min(kScratch, all - at);
      if (p_.nonzero) flag_bytes(mask + at, n, scratch_.data());
      count(p_.nonzero ? scratch_.data() : mask + at, n);
    }
  }

  void count(const uint8_t* pixels, int64_t n) {
    counter_.add(pixels, n);
    steps_.took(n);
  }

  const Pixels& p_;
  PixelCounter counter_;
  Vector<uint8_t> scratch_;
  Steps steps_;
};

}  // namespace

MaskTexts encode_masks(const Pixels& pixels) {
  const int64_t grain = 1 + kPixelsAtOnce / (pixels.height * pixels.width + 1);
  Vector<MaskTexts> parts((pixels.n + grain - 1) / grain);
  parallel_for(pixels.n, grain, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[begin / grain];
    Encoder encode(pixels);
    for (int64_t i = begin; i < end; ++i) {
      encode(i, part.text);
      part.end_mask();
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
