// Runs out of text, for the files of this room.
#pragma once
#include <string>

#include "core/error.hpp"
#include "mask_iou/mask_iou.hpp"
#include "mask_iou/mask_iou_math.hpp"

namespace tamis {

// Ends go to `ends`, which has room for as many as the text has characters.
inline host::Runs read_runs(const Masks& masks, int64_t i, uint32_t* ends) {
  host::Runs runs{};
  runs.height = masks.size[2 * i];
  runs.width = masks.size[2 * i + 1];
  const char *begin = masks.text + masks.splits[i], *end = masks.text + masks.splits[i + 1];
  TAMIS_CHECK(host::read_runs(begin, end, ends, &runs) >= 0,
              "mask " + std::to_string(i) + ": the text of its counts ends within a number, or a number has over 64 bits");
  return runs;
}

inline host::Runs read_mask(const Masks& masks, int64_t i, uint32_t* ends) {
  host::Runs runs = read_runs(masks, i, ends);
  host::measure(&runs);
  return runs;
}

// One mask's ends at a time.
class Reader {
 public:
  explicit Reader(const Masks& masks) : masks_(masks) {}
  host::Runs operator()(int64_t i) { return read_mask(masks_, i, room(i)); }

 private:
  uint32_t* room(int64_t i) {
    const auto length = size_t(masks_.splits[i + 1] - masks_.splits[i]);
    if (ends_.size() < length) ends_.resize(length);
    return ends_.data();
  }
  const Masks& masks_;
  std::vector<uint32_t> ends_;
};

// The texts of all chunks, in order.
MaskTexts join(std::vector<MaskTexts>&& parts);

}  // namespace tamis
