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
constexpr int64_t kFewMoves = 64;              // of each crossing

// Where the outline crosses the middle of a column: the pixel before which it does.
struct Crossing {
  uint32_t column, pixel;
};

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

// Crossings come edge by edge and are few in a column: once they are in the order of columns little is left to do.
class Sorter {
 public:
  void operator()(const Vector<Crossing>& crossings, uint64_t height, Vector<uint32_t>& pixels) {
    const int64_t n = crossings.size();
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
    for (int64_t x = 1; x < place_.size(); ++x) place_[x] += place_[x - 1];
    for (const Crossing& c : crossings) pixels[place_[c.column - low]++] = c.pixel;
    int64_t moves = 0;
    for (int64_t i = 1; i < n && moves < kFewMoves * n; ++i) {
      const uint32_t pixel = pixels[i];
      int64_t k = i;
      for (; k > 0 && pixel < pixels[k - 1]; --k) pixels[k] = pixels[k - 1];
      pixels[k] = pixel;
      moves += i - k;
    }
    if (moves >= kFewMoves * n) std::sort(pixels.begin(), pixels.end());  // crossings that are many in a column
  }

 private:
  Vector<uint32_t> place_;
};

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
    read_edges(xy, corners);
    int64_t first = std::numeric_limits<int64_t>::max(), last = -1, crossings = 0;
    for (const host::Edge& edge : edges_) {
      const Columns crossed = columns_of(edge, width);
      if (crossed.last < crossed.first) continue;
      first = std::min(first, crossed.first);
      last = std::max(last, crossed.last);
      crossings += crossed.last - crossed.first + 1;
    }
    // pixels of a mask without columns may wrap around, and are put in order together
    const int64_t strips = width > 0 ? 1 + crossings / kCrossingsAtOnce : 1, strip = 1 + (last - first) / strips;
    const auto end = static_cast<uint32_t>(height * width);
    if (width == 0) write_.add(end);  // it has no last pixel to be the greatest
    for (; first <= last; first += strip) {
      if (strips > 1) check_interrupt();
      cross(first, std::min(last, first + strip - 1), height, width);
      sort_(found_, uint64_t(height), sorted_);
      for (const uint32_t pixel : sorted_) write_.add(pixel);
    }
    if (width > 0) write_.add(end);
    write_.finish(text);
  }

 private:
  void read_edges(const double* xy, int64_t corners) {
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
      edges_.push_back(host::Edge::between(corners_[k], corners_[k + 1], corners_[next], corners_[next + 1]));
    }
  }

  void cross(int64_t first, int64_t last, int64_t height, int64_t width) {
    found_.clear();
    for (const host::Edge& edge : edges_) {
      const Columns crossed = columns_of(edge, width);
      for (int64_t x = std::max(first, crossed.first); x <= std::min(last, crossed.last); ++x) {
        const int64_t row = host::crossed_row(edge.height_at(static_cast<int32_t>(5 * x + 2)), height);
        found_.push_back(
            {static_cast<uint32_t>(x), static_cast<uint32_t>(uint64_t(x) * uint64_t(height) + uint64_t(row))});
      }
    }
  }

  Vector<int32_t> corners_;
  Vector<host::Edge> edges_;
  Vector<Crossing> found_;
  Vector<uint32_t> sorted_;
  Sorter sort_;
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
