// Pairs of masks: blocks of rows against all columns of their group.
#include "mask_iou/mask_iou.hpp"

#include <algorithm>
#include <cstdint>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou_math.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kRows = 256;              // of a block: the columns are read anew for each
constexpr int64_t kBlocksAtOnce = 128;      // where there are many, as most are small
constexpr int64_t kRunsPerCheck = 1 << 22;  // some milliseconds, where all pairs touch
constexpr int64_t kLongMask = 1 << 16;      // runs
constexpr int64_t kMostLayers = 8;          // more runs in a column than that are walked
constexpr int64_t kColumnsPerRun = 8;       // of masks with more columns, but for some, the runs are walked
constexpr int64_t kSomeColumns = 4096;

struct Block {
  int64_t group, first;  // rows of the group from the first on
};

// The masks of one side of a block, reused from block to block.
class Side {
 public:
  void read(const Masks& masks, const Vector<int64_t>& rows) {
    int64_t length = kSpareRuns, used = 0;
    for (const int64_t row : rows) length += masks.splits[row + 1] - masks.splits[row];
    if (ends_.size() < length) ends_.resize(length);
    runs.clear();
    for (const int64_t row : rows) {
      runs.push_back(read_mask(masks, row, ends_.data() + used));
      used += runs.back().n;
      if (runs.back().n > kLongMask) check_interrupt();
    }
    split_.assign(runs.size(), false);
    columns_.resize(std::max(columns_.size(), runs.size()));
  }

  bool touches(const double* box) const {
    return std::any_of(runs.begin(), runs.end(), [&](const host::Runs& m) { return host::boxes_touch(box, m.box); });
  }

  static bool has_columns(const host::Runs& m) {
    return m.regular && m.layers <= kMostLayers && m.height <= INT32_MAX && m.pixels <= pixels_of(m.height, m.width) &&
           m.box[2] <= double(kSomeColumns + kColumnsPerRun * m.n);
  }

  MaskColumns columns(int64_t i) {
    const host::Runs& m = runs[i];
    Vector<int32_t>& rows = columns_[i];
    const auto n = int64_t(m.box[2]);
    if (!split_[i]) {
      rows.assign(2 * n * m.layers, 0);
      host::split_columns(m, n, rows.data(), rows.data() + n * m.layers);
      split_[i] = true;
    }
    return {rows.data(), rows.data() + n * m.layers, int64_t(m.box[0]), n, m.layers};
  }

  Vector<host::Runs> runs;

 private:
  Vector<uint32_t> ends_;
  Vector<uint8_t> split_;
  Vector<Vector<int32_t>> columns_;
};

double pair_iou(Side& rows, int64_t i, Side& columns, int64_t j, bool crowd, double least) {
  const host::Runs &a = rows.runs[i], &b = columns.runs[j];
  if (!host::boxes_touch(a.box, b.box)) return 0;
  if (a.height != b.height || a.width != b.width) return -1;
  uint32_t common = 0, all = 0;
  bool together = a.pixels == b.pixels;
  if (a.regular && b.regular) {
    if (host::most_iou(a, b, crowd) < least && together) return 0;
    if (Side::has_columns(a) && Side::has_columns(b))
      common_pixels(rows.columns(i), columns.columns(j), &common);
    else
      common = host::common_pixels(a, b);
    all = a.area + b.area - common;
  } else {
    together = host::walk_common(a, b, &common, &all);
  }
  TAMIS_CHECK(together, "mask_iou: the counts of two masks of one size do not end together");
  return host::mask_ratio(common, all, a.area, crowd);
}

Vector<Block> blocks_of(const MaskPairs& p, Vector<int64_t>& out_splits) {
  Vector<Block> blocks;
  out_splits.assign(1, 0);
  for (int64_t g = 0; g < p.n_groups; ++g) {
    const int64_t columns = p.b_splits[g + 1] - p.b_splits[g];
    for (int64_t i = p.a_splits[g]; i < p.a_splits[g + 1] && columns > 0; i += kRows) blocks.push_back({g, i});
    out_splits.push_back(out_splits.back() + (p.a_splits[g + 1] - p.a_splits[g]) * columns);
  }
  return blocks;
}

}  // namespace

void mask_iou_batched(const MaskPairs& p, double* out) {
  Vector<int64_t> out_splits;
  const Vector<Block> blocks = blocks_of(p, out_splits);
  const auto n_blocks = blocks.size();
  const int64_t grain = n_blocks < 16 * kBlocksAtOnce ? 1 : kBlocksAtOnce;
  const auto row_at = [](const int64_t* index, int64_t i) { return index ? index[i] : i; };
  parallel_for(n_blocks, grain, [&](int64_t begin, int64_t end) {
    Side rows, columns;
    Vector<int64_t> a, b, places;  // masks of the block, and which of its rows the first are
    int64_t walked = 0;
    for (int64_t i = begin; i < end; ++i) {
      const auto [g, first] = blocks[i];
      const int64_t last = std::min(first + kRows, p.a_splits[g + 1]);
      a.clear(), b.clear(), places.clear();
      for (int64_t j = p.b_splits[g]; j < p.b_splits[g + 1]; ++j) b.push_back(row_at(p.b_index, j));
      columns.read(p.b, b);
      int64_t column_runs = 0;
      for (const host::Runs& column : columns.runs) column_runs += column.n;
      for (int64_t j = first; j < last; ++j) {
        const int64_t row = row_at(p.a_index, j);
        if (p.a_boxes != nullptr && !columns.touches(p.a_boxes + 4 * row)) continue;
        a.push_back(row);
        places.push_back(j - p.a_splits[g]);
      }
      rows.read(p.a, a);
      const int64_t width = b.size();
      double* group = out + out_splits[g];
      if (p.a_boxes != nullptr)
        std::fill(group + (first - p.a_splits[g]) * int64_t(width), group + (last - p.a_splits[g]) * int64_t(width),
                  0.0);
      for (int64_t r = 0; r < a.size(); ++r) {
        const int64_t more = column_runs + int64_t(width) * (rows.runs[r].n + 1);
        for (int64_t c = 0; c < width; ++c) {
          group[places[r] * width + c] =
              pair_iou(rows, r, columns, c, p.b_crowd != nullptr && p.b_crowd[b[c]] != 0, p.least);
          if (more > kRunsPerCheck) check_interrupt();
        }
        if ((walked += more) > kRunsPerCheck) check_interrupt(), walked = 0;
      }
    }
  });
}

}  // namespace tamis
