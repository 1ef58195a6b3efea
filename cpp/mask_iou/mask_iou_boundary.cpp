// The boundary of masks: what an erosion by a square takes away. Columns are lists of intervals: eroding one shortens
// its intervals, and a row stays where it is in every column within the dilation, so what is left of a column is what
// its neighbours have in common. Two lists a column give that for any dilation (van Herk, Gil and Werman). Columns that
// lie together are taken a section at a time, so that memory goes by the runs of the mask and of its boundary.
#include <algorithm>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kBoundariesAtOnce = 32;
constexpr int64_t kSectionColumns = 1 << 14;
constexpr int64_t kStepsPerInterval = 8;

struct Interval {  // rows of a column; of the image, in column order, for whole masks
  int64_t top, bottom;
};
using Intervals = Vector<Interval>;

// Columns of a mask, each an ascending list of intervals that do not touch.
struct ColumnLists {
  int64_t first = 0;  // column
  Intervals all;
  Vector<int64_t> splits{0};

  void clear(int64_t first_column) {
    first = first_column;
    all.clear();
    splits.assign(1, 0);
  }

  int64_t n() const { return splits.size() - 1; }
  const Interval* begin(int64_t i) const { return all.data() + splits[i]; }
  const Interval* end(int64_t i) const { return all.data() + splits[i + 1]; }
};

void add_run(int64_t from, int64_t to, int64_t height, ColumnLists& columns) {
  for (int64_t column = from / height; from < to; ++column) {
    while (columns.first + columns.n() <= column) columns.splits.push_back(columns.all.size());
    const int64_t start = column * height, end = std::min(to, start + height);
    const bool has_some = columns.all.size() > columns.splits[columns.splits.size() - 2];
    const bool touches = has_some && columns.all.back().bottom == from - start;
    if (touches)
      columns.all.back().bottom = end - start;  // an empty run lay between
    else
      columns.all.push_back({from - start, end - start});
    columns.splits.back() = columns.all.size();
    from = end;
  }
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
  for (int64_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const int64_t top = std::max(a[i].top, b[j].top), bottom = std::min(a[i].bottom, b[j].bottom);
    if (top < bottom) out.push_back({top, bottom});
    ++(a[i].bottom < b[j].bottom ? i : j);
  }
  return out;
}

// Counts of a mask that is given run after run.
struct CountWriter {
  Vector<uint32_t> counts;
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
      : runs_(runs), height_(runs.height), dilation_(dilation), out_(out) {}

  void write() {
    if (runs_.height <= 2 * dilation_ || runs_.width <= 2 * dilation_)
      add_whole(1, runs_.n);
    else
      for (int64_t k = 1; k < runs_.n;) k = add_group(k);
    out_.finish(runs_.height * runs_.width);
  }

 private:
  // Runs that are boundary from end to end.
  void add_whole(int64_t k, int64_t end) {
    for (; k < end; k += 2) out_.add(runs_.ends[k - 1], runs_.ends[k]);
  }

  // Columns without an empty one between them, from run k on: the first run beyond.
  int64_t add_group(int64_t k) {
    host::ColumnCursor at{static_cast<uint32_t>(height_)};
    int64_t first = -1, last = -1, next = k;
    for (; next < runs_.n; next += 2) {
      if (runs_.ends[next - 1] == runs_.ends[next]) continue;
      at.go_to(runs_.ends[next - 1]);
      if (first >= 0 && at.column > last + 1) break;
      if (first < 0) first = at.column;
      at.go_to(runs_.ends[next] - 1);
      last = at.column;
    }
    if (last - first < 2 * dilation_) {
      add_whole(k, next);
      return next;
    }
    const int64_t section = std::max(kSectionColumns, 8 * dilation_);
    for (int64_t from = first, run = k; from <= last; from += section) {
      write_from_ = from;
      write_to_ = std::min(from + section, last + 1);
      read(std::max(first, from - dilation_), std::min(last + 1, write_to_ + dilation_), run);
      erode();
    }
    return next;
  }

  // The lists of columns [from, to); `run` is moved to the first that reaches there.
  void read(int64_t from, int64_t to, int64_t& run) {
    const int64_t first = from * height_, end = to * height_;
    columns_.clear(from);
    while (run < runs_.n && runs_.ends[run] <= first) run += 2;
    for (int64_t k = run; k < runs_.n && runs_.ends[k - 1] < end; k += 2)
      add_run(std::max<int64_t>(runs_.ends[k - 1], first), std::min<int64_t>(runs_.ends[k], end), height_, columns_);
  }

  void erode() {
    const int64_t n = columns_.n(), window = 2 * dilation_ + 1;
    int64_t next = 0;  // the next column to write
    for (; next < std::min(n, dilation_); ++next) write(next, {});
    for (int64_t block = 0; block + window <= n; block += window) {
      Vector<Intervals> from(window);  // what a column and all up to the block's end share
      for (int64_t i = window; i-- > 0;) {
        from[i] = shortened(columns_, block + i, dilation_);
        if (i + 1 < window) from[i] = in_common(from[i], from[i + 1]);
        took(block + i);
      }
      write(next++, from[0]);
      Intervals up_to;  // what the next block's columns share so far
      for (int64_t i = 1; i < window && block + i + window <= n; ++i) {
        Intervals more = shortened(columns_, block + window + i - 1, dilation_);
        up_to = i == 1 ? std::move(more) : in_common(up_to, more);
        write(next++, in_common(from[i], up_to));
      }
    }
    for (; next < n; ++next) write(next, {});
  }

  void took(int64_t column) { steps_.took(kStepsPerInterval * (columns_.end(column) - columns_.begin(column) + 1)); }

  // The column without its inner part, each interval of which lies in one of the column's.
  void write(int64_t i, const Intervals& inner) {
    if (columns_.first + i < write_from_ || columns_.first + i >= write_to_) return;
    took(i);
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

  const host::Runs& runs_;
  int64_t height_, dilation_, write_from_ = 0, write_to_ = 0;
  Steps steps_;
  ColumnLists columns_;
  CountWriter& out_;
};

}  // namespace

MaskTexts mask_boundaries(const Masks& masks, const int64_t* dilation) {
  Vector<MaskTexts> parts((masks.n + kBoundariesAtOnce - 1) / kBoundariesAtOnce);
  parallel_for(masks.n, kBoundariesAtOnce, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[begin / kBoundariesAtOnce];
    Reader read(masks);
    for (int64_t i = begin; i < end; ++i) {
      const host::Runs runs = read(i);
      TAMIS_CHECK(runs.pixels <= pixels_of(runs.height, runs.width) && runs.pixels < int64_t{1} << 32,
                  "mask_boundary: a mask has more pixels than its image");
      CountWriter out;
      Boundary(runs, dilation[i], out).write();
      append_counts(out.counts.data(), out.counts.size(), part.text);
      part.end_mask();
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
