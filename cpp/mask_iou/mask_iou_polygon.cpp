// Polygons to runs: where the outline crosses the middles of the pixel columns, in the order of the pixels.
#include <algorithm>
#include <limits>
#include <string>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kPolygonsAtOnce = 64;
constexpr int64_t kMostColumns = 1 << 20;      // without an image's width to end at
constexpr int64_t kCrossingsAtOnce = 1 << 20;  // columns are painted in strips of so many: some milliseconds
constexpr int64_t kFewCrossings = 32;          // in one column: inserted one by one

struct Columns {
  int64_t first, last;
};

// The columns whose middles an edge crosses.
Columns columns_of(const host::Edge& edge, int64_t width) {
  // in a mask without columns pycocotools' unsigned `width - 1` lets all of them through
  const int64_t last = width > 0 ? width - 1 : std::numeric_limits<int32_t>::max();
  const int64_t from = edge.low <= 2 ? 0 : (edge.low - 2 + 4) / 5;
  TAMIS_CHECK(width > 0 || edge.high / 5 - from < kMostColumns,
              "edges in an image of width 0 must cross at most " + std::to_string(kMostColumns) + " columns");
  return {from, edge.high < 3 ? -1 : std::min(last, int64_t{edge.high - 3} / 5)};
}

// The few crossings of a column, nearly always two.
void sort_column(uint32_t* begin, uint32_t* end) {
  if (end - begin == 2) {
    const uint32_t low = std::min(begin[0], begin[1]), high = std::max(begin[0], begin[1]);
    begin[0] = low;
    begin[1] = high;
  } else if (end - begin <= kFewCrossings) {
    for (uint32_t* next = begin; next < end; ++next) std::rotate(std::upper_bound(begin, next, *next), next, next + 1);
  } else {
    std::sort(begin, end);
  }
}

// Runs between the crossings, in order; two at one place leave nothing between them.
class RunWriter {
 public:
  void add(uint32_t crossing) {
    const uint32_t gap = crossing - before_;
    before_ = crossing;
    if (joins_)
      counts_.back() += gap, joins_ = false;
    else if (gap > 0 || counts_.empty())
      counts_.push_back(gap);
    else
      joins_ = true;  // the next gap belongs to the last run
  }
  void finish(std::string& text) {
    append_counts(counts_.data(), counts_.size(), text);
    counts_.clear();
    before_ = 0;
    joins_ = false;
  }

 private:
  Vector<uint32_t> counts_;
  uint32_t before_ = 0;
  bool joins_ = false;
};

class Painter {
 public:
  void operator()(const double* xy, int64_t corners, int64_t height, int64_t width, std::string& text) {
    read_edges(xy, corners, width);
    int64_t first = std::numeric_limits<int64_t>::max(), last = -1, crossings = 0;
    for (const CrossingEdge& edge : edges_) {
      first = std::min(first, edge.crossed.first);
      last = std::max(last, edge.crossed.last);
      crossings += edge.crossed.last - edge.crossed.first + 1;
    }
    // pixels of a mask without columns may wrap around, and are put in order together
    const int64_t strips = width > 0 ? 1 + crossings / kCrossingsAtOnce : 1, strip = 1 + (last - first) / strips;
    const auto end = static_cast<uint32_t>(height * width);
    if (width == 0) write_.add(end);  // it has no last pixel to be the greatest
    for (; first <= last; first += strip) {
      if (strips > 1) check_interrupt();
      cross({first, std::min(last, first + strip - 1)}, height);
      if (width == 0) std::sort(pixels_.begin(), pixels_.end());
      for (const uint32_t pixel : pixels_) write_.add(pixel);
    }
    if (width > 0) write_.add(end);
    write_.finish(text);
  }

 private:
  struct CrossingEdge {
    host::Edge edge;
    Columns crossed;
  };

  void read_edges(const double* xy, int64_t corners, int64_t width) {
    edges_.clear();
    corners_.resize(2 * corners);
    for (int64_t k = 0; k < 2 * corners; ++k) {
      const double value = xy[k];
      TAMIS_CHECK(value > -host::kLargestCoordinate && value < host::kLargestCoordinate,
                  "coordinates must be numbers within 2^27, got " + std::to_string(value));
      corners_[k] = host::upsampled(value);
    }
    for (int64_t k = 0; k < corners_.size(); k += 2) {
      const int64_t next = k + 2 < corners_.size() ? k + 2 : 0;
      const auto edge = host::Edge::between(corners_[k], corners_[k + 1], corners_[next], corners_[next + 1]);
      const Columns crossed = columns_of(edge, width);
      if (crossed.first <= crossed.last) edges_.push_back({edge, crossed});
    }
  }

  // The pixels of all crossings in these columns, in order.
  void cross(Columns strip, int64_t height) {
    const auto within = [strip](const Columns& all) {
      return Columns{std::max(strip.first, all.first), std::min(strip.last, all.last)};
    };
    const int64_t n = strip.last - strip.first + 1;
    place_.assign(n + 1, 0);
    for (const CrossingEdge& edge : edges_) {
      const Columns crossed = within(edge.crossed);
      if (crossed.first > crossed.last) continue;
      ++place_[crossed.first - strip.first];
      --place_[crossed.last + 1 - strip.first];
    }
    int64_t in_column = 0, before = 0;
    for (int64_t& place : place_) {  // from where their number changes to where they go
      in_column += place;
      place = before;
      before += in_column;
    }
    pixels_.resize(before);
    for (const auto& [edge, all] : edges_) {
      const Columns crossed = within(all);
      for (int64_t x = crossed.first; x <= crossed.last; ++x) {
        const int64_t row = host::crossed_row(edge.height_at(static_cast<int32_t>(5 * x + 2)), height);
        pixels_[place_[x - strip.first]++] = static_cast<uint32_t>(uint64_t(x) * uint64_t(height) + uint64_t(row));
      }
    }
    uint32_t* from = pixels_.data();
    for (int64_t x = 0; x < n; ++x) {
      uint32_t* const to = pixels_.data() + place_[x];  // by now where the next column begins
      sort_column(from, to);
      from = to;
    }
  }

  Vector<int32_t> corners_;
  Vector<CrossingEdge> edges_;
  Vector<int64_t> place_;
  Vector<uint32_t> pixels_;
  RunWriter write_;
};

}  // namespace

MaskTexts polygon_masks(const double* points, const int64_t* splits, int64_t n, const int64_t* size) {
  Vector<MaskTexts> parts((n + kPolygonsAtOnce - 1) / kPolygonsAtOnce);
  parallel_for(n, kPolygonsAtOnce, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[begin / kPolygonsAtOnce];
    Painter paint;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t height = size[2 * i], width = size[2 * i + 1], corners = (splits[i + 1] - splits[i]) / 2;
      try {
        TAMIS_CHECK(pixels_of(height, width) < int64_t{1} << 32, "its image must have fewer than 2^32 pixels");
        paint(points + splits[i], corners, height, width, part.text);
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("polygon " + std::to_string(i) + ": " + error.what());
      }
      part.end_mask();
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
