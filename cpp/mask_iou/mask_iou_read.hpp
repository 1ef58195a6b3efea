// Runs out of text, for the files of this room.
#pragma once
#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou.hpp"
#include "mask_iou/mask_iou_math.hpp"

namespace tamis {

// Runs and measures of one text; false: it is cut short. Ends go to `ends`, which has room for kSpareRuns more than the
// text has characters.
inline bool read_mask(const char* begin, const char* end, const int64_t* size, uint32_t* ends, host::Runs* out) {
  RegularMask found;
  read_regular(begin, end, size, ends, &found);
  *out = {};
  out->height = size[0];
  out->width = size[1];
  if (found.n < 0) {
    if (host::read_runs(begin, end, ends, out) < 0) return false;
    host::measure(out);
    return true;
  }
  out->ends = ends;
  out->n = found.n;
  out->area = found.area;
  std::copy(found.box, found.box + 4, out->box);
  out->pixels = ends[found.n - 1];
  out->regular = true;
  out->layers = found.layers;
  return true;
}

constexpr int64_t kLongText = 1 << 14;  // characters: some microseconds to read

inline host::Runs read_mask(const Masks& masks, int64_t i, uint32_t* ends) {
  host::Runs runs;
  const char *begin = masks.text + masks.splits[i], *end = masks.text + masks.splits[i + 1];
  if (end - begin > kLongText) check_interrupt();
  TAMIS_CHECK(
      read_mask(begin, end, masks.size + 2 * i, ends, &runs),
      "mask " + std::to_string(i) + ": the text of its counts ends within a number, or a number has over 64 bits");
  return runs;
}

// One mask's ends at a time.
class Reader {
 public:
  explicit Reader(const Masks& masks) : masks_(masks) {}
  host::Runs operator()(int64_t i) { return read_mask(masks_, i, room(i)); }

 private:
  uint32_t* room(int64_t i) {
    const auto length = masks_.splits[i + 1] - masks_.splits[i] + kSpareRuns;
    if (ends_.size() < length) ends_.resize(length);
    return ends_.data();
  }
  const Masks& masks_;
  Vector<uint32_t> ends_;
};

// Pixels of an image: what no mask has, where they are more than 64 bits hold.
inline int64_t pixels_of(int64_t height, int64_t width) {
  int64_t pixels = 0;
  return __builtin_mul_overflow(height, width, &pixels) ? INT64_MAX : pixels;
}

// The texts of all chunks, in order.
MaskTexts join(Vector<MaskTexts>&& parts);

}  // namespace tamis
