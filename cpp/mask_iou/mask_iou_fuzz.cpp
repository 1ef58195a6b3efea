// libFuzzer: whatever the bytes, a mask is refused or every reader of it agrees with its counts.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "core/parallel.hpp"
#include "mask_iou/mask_iou.hpp"

namespace {

void check(bool good) {
  if (!good) std::abort();
}

// Two masks of one text each, of an image that the first two bytes give.
struct Input {
  std::string text;
  std::vector<int64_t> splits{0}, size;

  Input(const uint8_t* data, size_t n) {
    const std::string all(reinterpret_cast<const char*>(data) + 2, n - 2);
    const size_t cut = std::min(all.find('\n'), all.size());
    text = all.substr(0, cut) + (cut < all.size() ? all.substr(cut + 1) : "");
    splits.push_back(int64_t(cut));
    splits.push_back(int64_t(text.size()));
    for (int i = 0; i < 2; ++i) size.insert(size.end(), {data[0] % 64, data[1] % 64});
  }
  tamis::Masks masks() const { return {2, text.data(), splits.data(), size.data()}; }
};

tamis::Masks of(const tamis::MaskTexts& texts, const int64_t* size) {
  return {int64_t(texts.splits.size()) - 1, texts.text.data(), texts.splits.data(), size};
}

void check_counts(const tamis::Masks& masks) {
  tamis::Vector<int64_t> splits, pixels(2);
  tamis::Vector<uint32_t> area(2);
  tamis::Vector<double> bbox(8);
  const auto counts = tamis::mask_counts(masks, splits);
  tamis::measure_masks(masks, {area.data(), bbox.data(), pixels.data()});
  for (int64_t i = 0; i < 2; ++i) {
    int64_t sum = 0;
    uint32_t odd = 0;
    for (int64_t k = splits[i]; k < splits[i + 1]; ++k) {
      sum += counts[k];
      odd += (k - splits[i]) % 2 == 1 ? counts[k] : 0;
    }
    check(sum == pixels[i] && odd == area[i]);
  }
  const auto again = tamis::encode_counts(counts.data(), splits.data(), 2);
  tamis::Vector<int64_t> same;
  check(tamis::mask_counts(of(again, masks.size), same) == counts && same == splits);
}

// A pixel of a boundary is one of the mask with another or the border within reach.
void check_boundary(const uint8_t* pixels, const uint8_t* boundary, int64_t height, int64_t width, int64_t reach) {
  for (int64_t x = 0; x < width; ++x)
    for (int64_t y = 0; y < height; ++y) {
      bool inner = true;
      for (int64_t i = x - reach; i <= x + reach; ++i)
        for (int64_t j = y - reach; j <= y + reach; ++j)
          inner = inner && i >= 0 && i < width && j >= 0 && j < height && pixels[i * height + j] != 0;
      check(boundary[x * height + y] == (pixels[x * height + y] != 0 && !inner));
    }
}

// Good masks: pixels, the same masks out of pixels, union and intersection, and IoU by pixels.
void check_pixels(const tamis::Masks& masks) {
  const int64_t each = masks.size[0] * masks.size[1];
  tamis::Vector<uint8_t> pixels(2 * each + 1);
  check(tamis::decode_masks(masks, pixels.data(), 2 * each));
  const auto packed = tamis::encode_masks({pixels.data(), 2, masks.size[0], masks.size[1], false, false});
  tamis::Vector<uint8_t> again(pixels.size());
  check(tamis::decode_masks(of(packed, masks.size), again.data(), 2 * each) && again == pixels);
  const int64_t reach[2] = {1, 3};
  std::fill(again.begin(), again.end(), uint8_t{0});
  const auto edges = tamis::mask_boundaries(masks, reach);
  check(tamis::decode_masks(of(edges, masks.size), again.data(), 2 * each));
  for (int64_t i = 0; i < 2; ++i)
    check_boundary(pixels.data() + i * each, again.data() + i * each, masks.size[0], masks.size[1], reach[i]);
  int64_t both = 0, any = 0;
  for (int64_t i = 0; i < each; ++i) {
    both += pixels[i] & pixels[each + i];
    any += pixels[i] | pixels[each + i];
  }
  const int64_t one[2] = {0, 1}, two[2] = {1, 2}, group[2] = {0, 2};
  double iou = 0;
  tamis::mask_iou_batched(
      {of(packed, masks.size), of(packed, masks.size), nullptr, 1, nullptr, one, two, one, nullptr, -1.0}, &iou);
  check(iou == (both > 0 ? double(both) / double(any) : 0));
  int64_t size[2];
  uint32_t area = 0;
  for (const auto how : {tamis::MaskMerge::unite, tamis::MaskMerge::intersect}) {
    const auto merged = tamis::merge_masks(of(packed, masks.size), group, 1, how, size);
    tamis::measure_masks(of(merged, size), {&area, nullptr, nullptr});
    check(area == (how == tamis::MaskMerge::unite ? any : both));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  tamis::set_num_threads(1);
  const Input input(data, size);
  const tamis::Masks masks = input.masks();
  if (tamis::first_bad_mask(masks) < 0) check_pixels(masks);
  const int64_t group[2] = {0, 2}, one[2] = {0, 1}, reach[2] = {1, 2}, second = 1;
  double iou = 0;
  int64_t merged_size[2];
  try {
    tamis::mask_boundaries(masks, reach);
  } catch (const std::invalid_argument&) {
  }
  try {
    check_counts(masks);
    tamis::merge_masks(masks, group, 1, tamis::MaskMerge::unite, merged_size);
    tamis::mask_iou_batched({masks, masks, nullptr, 1, nullptr, one, &second, one, nullptr, -1.0}, &iou);
  } catch (const std::invalid_argument&) {
  }
  std::vector<double> points((size - 2) / 8);
  if (!points.empty()) std::memcpy(points.data(), data + 2, 8 * points.size());
  const int64_t polygon[2] = {0, int64_t(points.size())};
  try {
    const auto drawn = tamis::polygon_masks(points.data(), polygon, 1, masks.size);
    check(masks.size[1] == 0 || tamis::first_bad_mask(of(drawn, masks.size)) < 0);
  } catch (const std::invalid_argument&) {
  }
  return 0;
}
