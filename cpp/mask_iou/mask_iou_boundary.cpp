// The boundary of masks: what an erosion by a square takes away. Columns are lists of intervals: eroding one shortens
// its intervals, and a row stays where it is in every column within the dilation, so what is left of a column is what
// its neighbours have in common. Two lists a column give that for any dilation (van Herk, Gil and Werman).
#include <algorithm>

#include "core/parallel.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kBoundariesAtOnce = 32;

struct Interval {  // rows of a column; of the image, in column order, for whole masks
  int64_t top, bottom;
};
using Intervals = std::vector<Interval>;

// The columns of a mask that have foreground, each an ascending list of intervals that do not touch.
struct ColumnLists {
  int64_t first = 0;  // column
  Intervals all;
  std::vector<size_t> splits{0};

  int64_t n() const { return static_cast<int64_t>(splits.size()) - 1; }
  const Interval* begin(int64_t i) const { return all.data() + splits[size_t(i)]; }
  const Interval* end(int64_t i) const { return all.data() + splits[size_t(i) + 1]; }
};

void add_run(int64_t from, int64_t to, int64_t height, ColumnLists& columns) {
  if (columns.n() == 0) columns.first = from / height, columns.splits.push_back(0);
  for (int64_t column = from / height; from < to; ++column) {
    while (columns.first + columns.n() <= column) columns.splits.push_back(columns.all.size());
    const int64_t start = column * height, end = std::min(to, start + height);
    const bool has_some = columns.all.size() > columns.splits[columns.splits.size() - 2];
    const bool touches = has_some && columns.all.back().bottom == from - start;
    if (touches) columns.all.back().bottom = end - start;  // an empty run lay between
    else columns.all.push_back({from - start, end - start});
    columns.splits.back() = columns.all.size();
    from = end;
  }
}

ColumnLists columns_of(const host::Runs& runs) {
  ColumnLists columns;
  for (int64_t k = 1; k < runs.n; k += 2)
    if (runs.ends[k - 1] < runs.ends[k]) add_run(runs.ends[k - 1], runs.ends[k], runs.height, columns);
  return columns;
}

// What of the column is left `by` rows from its ends.
Intervals shortened(const ColumnLists& columns, int64_t i, int64_t by) {
  Intervals out;
  for (const Interval* at = columns.begin(i); at != columns.end(i); ++at)
    if (at->bottom - at->top > 2 * by) out.push_back({at->top + by, at->bottom - by});
  return out;
}

Intervals in_common(const Intervals& a, const Intervals& b) {
  Intervals out;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const int64_t top = std::max(a[i].top, b[j].top), bottom = std::min(a[i].bottom, b[j].bottom);
    if (top < bottom) out.push_back({top, bottom});
    ++(a[i].bottom < b[j].bottom ? i : j);
  }
  return out;
}

// Counts of a mask that is given run after run.
struct CountWriter {
  std::vector<uint32_t> counts;
  int64_t end = 0;

  void add(int64_t from, int64_t to) {
    if (from == to) return;
    if (from == end && !counts.empty()) {
      counts.back() += static_cast<uint32_t>(to - from);
    } else {
      counts.push_back(static_cast<uint32_t>(from - end));
      counts.push_back(static_cast<uint32_t>(to - from));
    }
    end = to;
  }
  void finish(int64_t pixels) {
    if (end < pixels || counts.empty()) counts.push_back(static_cast<uint32_t>(pixels - end));
  }
};

class Boundary {
 public:
  Boundary(const host::Runs& runs, int64_t dilation, CountWriter& out)
      : columns_(columns_of(runs)), height_(runs.height), out_(out) {
    const int64_t n = columns_.n(), window = 2 * dilation + 1;
    int64_t next = 0;  // the next column to write
    for (; next < std::min(n, dilation); ++next) write(next, {});
    for (int64_t block = 0; block + window <= n; block += window) {
      std::vector<Intervals> from(static_cast<size_t>(window));  // what a column and all up to the block's end share
      for (int64_t i = window; i-- > 0;) {
        from[size_t(i)] = shortened(columns_, block + i, dilation);
        if (i + 1 < window) from[size_t(i)] = in_common(from[size_t(i)], from[size_t(i) + 1]);
      }
      write(next++, from[0]);
      Intervals up_to;  // what the next block's columns share so far
      for (int64_t i = 1; i < window && block + i + window <= n; ++i) {
        Intervals more = shortened(columns_, block + window + i - 1, dilation);
        up_to = i == 1 ? std::move(more) : in_common(up_to, more);
        write(next++, in_common(from[size_t(i)], up_to));
      }
    }
    for (; next < n; ++next) write(next, {});
    out.finish(runs.height * runs.width);
  }

 private:
  // The column without its inner part, each interval of which lies in one of the column's.
  void write(int64_t i, const Intervals& inner) {
    const int64_t start = (columns_.first + i) * height_;
    auto hole = inner.begin();
    for (const Interval* at = columns_.begin(i); at != columns_.end(i); ++at) {
      int64_t top = at->top;
      for (; hole != inner.end() && hole->bottom <= at->bottom; ++hole) {
        out_.add(start + top, start + hole->top);
        top = hole->bottom;
      }
      out_.add(start + top, start + at->bottom);
    }
  }

  ColumnLists columns_;
  int64_t height_;
  CountWriter& out_;
};

}  // namespace

MaskTexts mask_boundaries(const Masks& masks, const int64_t* dilation) {
  std::vector<MaskTexts> parts(size_t((masks.n + kBoundariesAtOnce - 1) / kBoundariesAtOnce));
  parallel_for(masks.n, kBoundariesAtOnce, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[size_t(begin / kBoundariesAtOnce)];
    Reader read(masks);
    for (int64_t i = begin; i < end; ++i) {
      check_interrupt();  // a mask can have a run a pixel
      const host::Runs runs = read(i);
      TAMIS_CHECK(runs.pixels <= runs.height * runs.width, "mask_boundary: a mask has more pixels than its image");
      CountWriter out;
      Boundary(runs, dilation[i], out);
      append_counts(out.counts.data(), static_cast<int64_t>(out.counts.size()), part.text);
      part.splits.push_back(static_cast<int64_t>(part.text.size()));
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
