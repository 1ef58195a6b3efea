// Polygons to runs: where the outline crosses the middles of the pixel columns, in the order of the pixels.
#include <algorithm>
#include <limits>
#include <string>

#include "core/parallel.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kPolygonsAtOnce = 64;
constexpr int64_t kMostColumns = 1 << 20;  // without an image's width to end at

// Where the outline crosses the middle of a column: the pixel before which it does.
struct Crossing {
  uint32_t column, pixel;
};

void cross_columns(const host::Edge& edge, int64_t height, int64_t width, std::vector<Crossing>& crossings) {
  // in a mask without columns pycocotools' unsigned `width - 1` lets all of them through
  const int64_t last = width > 0 ? width - 1 : std::numeric_limits<int32_t>::max();
  const int64_t from = edge.low <= 2 ? 0 : (edge.low - 2 + 4) / 5;
  TAMIS_CHECK(width > 0 || edge.high / 5 - from < kMostColumns,
              "polygons of an image of width 0 must cross at most " + std::to_string(kMostColumns) + " columns");
  for (int64_t x = from; x <= last && 5 * x + 3 <= edge.high; ++x) {
    const int64_t row = host::crossed_row(edge.height_at(static_cast<int32_t>(5 * x + 2)), height);
    crossings.push_back({static_cast<uint32_t>(x), static_cast<uint32_t>(x * height + row)});
  }
}

// Crossings come edge by edge and are few in a column: once they are in the order of columns little is left to do.
class Sorter {
 public:
  void operator()(const std::vector<Crossing>& crossings, uint64_t height, std::vector<uint32_t>& pixels) {
    const size_t n = crossings.size();
    uint32_t low = std::numeric_limits<uint32_t>::max(), high = 0;
    for (const Crossing& c : crossings) low = std::min(low, c.column), high = std::max(high, c.column);
    pixels.resize(n);
    if (n == 0 || high - low >= 2 * n || high * height > std::numeric_limits<uint32_t>::max()) {
      std::transform(crossings.begin(), crossings.end(), pixels.begin(), [](const Crossing& c) { return c.pixel; });
      std::sort(pixels.begin(), pixels.end());
      return;
    }
    place_.assign(high - low + 2, 0);
    for (const Crossing& c : crossings) ++place_[c.column - low + 1];
    for (size_t x = 1; x < place_.size(); ++x) place_[x] += place_[x - 1];
    for (const Crossing& c : crossings) pixels[place_[c.column - low]++] = c.pixel;
    for (size_t i = 1; i < n; ++i) {
      const uint32_t pixel = pixels[i];
      size_t k = i;
      for (; k > 0 && pixel < pixels[k - 1]; --k) pixels[k] = pixels[k - 1];
      pixels[k] = pixel;
    }
  }

 private:
  std::vector<uint32_t> place_;
};

// Runs between the crossings, in order; two at one place leave nothing between them.
void runs_between(const std::vector<uint32_t>& crossings, std::vector<uint32_t>& counts) {
  counts.clear();
  uint32_t before = 0;
  bool joins = false;  // the next gap belongs to the last run
  for (const uint32_t crossing : crossings) {
    const uint32_t gap = crossing - before;
    before = crossing;
    if (joins) counts.back() += gap, joins = false;
    else if (gap > 0 || counts.empty()) counts.push_back(gap);
    else joins = true;
  }
}

}  // namespace

MaskTexts polygon_masks(const double* points, const int64_t* splits, int64_t n, const int64_t* size) {
  std::vector<MaskTexts> parts(size_t((n + kPolygonsAtOnce - 1) / kPolygonsAtOnce));
  parallel_for(n, kPolygonsAtOnce, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[size_t(begin / kPolygonsAtOnce)];
    std::vector<Crossing> found;
    std::vector<uint32_t> crossings, counts;
    Sorter sort;
    for (int64_t i = begin; i < end; ++i) {
      const double* xy = points + splits[i];
      const int64_t height = size[2 * i], width = size[2 * i + 1], corners = (splits[i + 1] - splits[i]) / 2;
      TAMIS_CHECK(height >= 0 && width >= 0 && (width == 0 || height < (int64_t{1} << 32) / width),
                  "polygon " + std::to_string(i) + ": its image must have fewer than 2^32 pixels");
      for (int64_t k = 0; k < 2 * corners; ++k)
        TAMIS_CHECK(xy[k] > -host::kLargestCoordinate && xy[k] < host::kLargestCoordinate,
                    "polygon " + std::to_string(i) + ": coordinates must be numbers within 2^27, got " +
                        std::to_string(xy[k]));
      found.clear();
      for (int64_t k = 0; k < corners; ++k) {
        const double *from = xy + 2 * k, *to = xy + 2 * ((k + 1) % corners);
        cross_columns(host::Edge::between(host::upsampled(from[0]), host::upsampled(from[1]), host::upsampled(to[0]),
                                          host::upsampled(to[1])),
                      height, width, found);
      }
      sort(found, uint64_t(height), crossings);
      // a mask without columns has no last pixel to be the greatest
      crossings.insert(width > 0 ? crossings.end() : crossings.begin(), static_cast<uint32_t>(height * width));
      runs_between(crossings, counts);
      append_counts(counts.data(), int64_t(counts.size()), part.text);
      part.splits.push_back(int64_t(part.text.size()));
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
