// Runs of one mask, of a pair, and an edge of a polygon.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

// --- text ---

// The next number; false where the text ends within it or it has over 64 bits.
TAMIS_HD bool read_number(const char*& at, const char* end, int64_t* value) {
  uint64_t bits = 0;
  for (int shift = 0; at != end && *at != 0 && shift <= 60; shift += 5) {
    const unsigned char c = static_cast<unsigned char>(*at++ - '0');
    bits |= static_cast<uint64_t>(c & 0x1f) << shift;
    if ((c & 0x20) != 0) continue;
    if ((c & 0x10) != 0 && shift < 59) bits |= ~uint64_t{0} << (shift + 5);
    *value = static_cast<int64_t>(bits);
    return true;
  }
  return false;
}

constexpr int kLongestNumber = 7;  // characters for a difference of two uint32

TAMIS_HD int write_number(int64_t value, char* to) {
  if (value >= -512 && value < 512) {  // one or two characters, without a branch between them
    const int longer = value < -16 || value >= 16, low = static_cast<int>(value & 0x1f);
    to[0] = static_cast<char>((low | longer << 5) + '0');
    to[1] = static_cast<char>((static_cast<int>(value >> 5) & 0x1f) + '0');
    return 1 + longer;
  }
  int n = 0;
  for (bool more = true; more;) {
    int c = static_cast<int>(value & 0x1f);
    value >>= 5;
    more = (c & 0x10) != 0 ? value != -1 : value != 0;
    to[n++] = static_cast<char>((more ? c | 0x20 : c) + '0');
  }
  return n;
}

// --- one mask ---

// ends[i] is where run i ends, modulo 2^32: its length is the difference to the one before.
struct Runs {
  const uint32_t* ends;
  int64_t n;
  int64_t height, width;
  uint32_t area;
  double box[4];   // x, y, w, h
  int64_t pixels;  // sum of the lengths
  bool regular;    // no run is empty but perhaps the first, and there are fewer than 2^32 pixels
  int64_t layers;  // the most foreground runs in one column
};

// How many numbers the text holds, written as ends; -1: it is cut short.
TAMIS_HD int64_t read_runs(const char* at, const char* end, uint32_t* ends, Runs* out) {
  int64_t n = 0, pixels = 0;
  uint32_t last = 0, before = 0, sum = 0;  // the two counts before
  bool empty_run = false;
  while (at != end && *at != 0) {
    const unsigned char c = static_cast<unsigned char>(*at - '0');
    int64_t number = ((c & 0x1f) ^ 0x10) - 0x10;  // most are of one character
    if ((c & 0x20) == 0)
      ++at;
    else if (!read_number(at, end, &number))
      return -1;
    const uint32_t count = static_cast<uint32_t>(number) + (n > 2 ? before : 0);
    before = last;
    last = count;
    empty_run |= n > 0 && count == 0;
    pixels += count;
    sum += count;
    ends[n++] = sum;
  }
  out->ends = ends;
  out->n = n;
  out->pixels = pixels;
  out->regular = !empty_run && pixels < int64_t{1} << 32;
  return n;
}

// Where a run lies, going through a mask in order.
struct ColumnCursor {
  uint32_t height, column = 0, top = 0;  // top: first pixel of the column

  TAMIS_HD void go_to(uint32_t pixel) {  // mostly the next column; divides for longer ways and sums that wrap around
    if (pixel - top < height) return;
    column = pixel - top < 2 * height ? column + 1 : pixel / height;
    top = column * height;
  }
};

// Area, bounding box and layers. Where all runs are empty the box is what pycocotools' unsigned numbers make of none.
TAMIS_HD void measure(Runs* m) {
  const uint32_t h = static_cast<uint32_t>(m->height), w = static_cast<uint32_t>(m->width);
  uint32_t x_low = w, x_high = 0, y_low = h, y_high = 0, area = 0, last_column = ~0u;
  int64_t in_column = 0, layers = 0;
  ColumnCursor at{h};
  for (int64_t i = 1; i < m->n; i += 2) {
    const uint32_t first = m->ends[i - 1], last = m->ends[i] - 1;
    area += last + 1 - first;
    if (first == last + 1 || h == 0) continue;
    at.go_to(first);
    const uint32_t x0 = at.column, y0 = first - at.top;
    uint32_t x1 = x0, y1 = last - at.top;
    if (y1 >= h) x1 = last / h, y1 = last % h;
    in_column = x0 == last_column ? in_column + 1 : 1;
    layers = layers > in_column ? layers : in_column;
    if (x0 < x1) y_low = 0, y_high = h - 1, in_column = 1;
    last_column = x1;
    x_low = x_low < x0 ? x_low : x0;
    x_high = x_high > x1 ? x_high : x1;
    y_low = y_low < y0 ? y_low : y0;
    y_high = y_high > y1 ? y_high : y1;
  }
  const bool none = m->n < 2;
  m->area = area;
  m->layers = layers;
  m->box[0] = none ? 0 : x_low;
  m->box[1] = none ? 0 : y_low;
  m->box[2] = none ? 0 : x_high - x_low + 1;
  m->box[3] = none ? 0 : y_high - y_low + 1;
}

// A regular mask within its image, column by column: run k of column x covers the rows from top[k * columns + x] to
// bottom[k * columns + x], x counting from the box. Both come zeroed.
TAMIS_HD void split_columns(const Runs& m, int64_t columns, int32_t* top, int32_t* bottom) {
  const uint32_t h = static_cast<uint32_t>(m.height);
  const int64_t left = static_cast<int64_t>(m.box[0]);
  ColumnCursor at{h};
  int64_t place = -1, layer = 0;
  for (int64_t i = 1; i < m.n; i += 2) {
    uint32_t first = m.ends[i - 1];
    const uint32_t end = m.ends[i];
    while (first != end) {  // each column that the run reaches
      at.go_to(first);
      const int64_t x = at.column - left;
      layer = x == place ? layer + 1 : 0;
      place = x;
      const uint32_t stop = end - at.top < h ? end : at.top + h;
      top[layer * columns + x] = static_cast<int32_t>(first - at.top);
      bottom[layer * columns + x] = static_cast<int32_t>(stop - at.top);
      first = stop;
    }
  }
}

// Mask i of arrays whose values anybody may have changed: empty where its ends are not among the `room` there are.
TAMIS_HD Runs placed_mask(const Runs* masks, const uint32_t* ends, const int64_t* splits, int64_t room, int64_t i) {
  Runs m = masks[i];
  const int64_t start = splits[i];
  const bool inside = start >= 0 && start <= room && m.n >= 0 && m.n <= room - start;
  m.ends = ends + (inside ? start : 0);
  m.n = inside ? m.n : 0;
  return m;
}

// --- a pair ---

// Common pixels of two regular masks.
TAMIS_HD uint32_t common_pixels(const Runs& a, const Runs& b) {
  const uint32_t *p = a.ends, *q = b.ends;
  const uint32_t *p_end = p + a.n / 2 * 2, *q_end = q + b.n / 2 * 2;
  uint32_t common = 0;
  while (p != p_end && q != q_end) {
    const uint32_t low = p[0] > q[0] ? p[0] : q[0], high = p[1] < q[1] ? p[1] : q[1];
    common += high > low ? high - low : 0;
    const bool p_next = p[1] <= q[1], q_next = q[1] <= p[1];
    p += 2 * p_next;
    q += 2 * q_next;
  }
  return common;
}

// The first foreground run that ends beyond the pixel; one more than the last if none does.
TAMIS_HD int64_t run_beyond(const Runs& m, uint32_t pixel) {
  int64_t low = 0, high = m.n / 2;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (m.ends[2 * middle + 1] > pixel)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// One of `parts` numbers whose sum are the common pixels of two regular masks: of the mask with more runs those that
// the other may reach are shared out.
TAMIS_HD uint32_t common_pixels_part(const Runs& a, const Runs& b, int64_t part, int64_t parts) {
  const bool swap = a.n < b.n;
  const uint32_t *p = swap ? b.ends : a.ends, *q = swap ? a.ends : b.ends;
  Runs more{}, fewer{};
  more.ends = p;
  more.n = (swap ? b.n : a.n) / 2 * 2;
  fewer.ends = q;
  fewer.n = (swap ? a.n : b.n) / 2 * 2;
  if (fewer.n == 0) return 0;
  const int64_t first = run_beyond(more, q[0]), last = run_beyond(more, q[fewer.n - 1]) + 1;
  const int64_t end = last < more.n / 2 ? last : more.n / 2, each = (end - first + parts - 1) / parts;
  const int64_t from = first + part * each, to = from + each < end ? from + each : end;
  if (from >= to) return 0;
  const int64_t start = run_beyond(fewer, p[2 * from]);
  more.ends = p + 2 * from;
  more.n = 2 * (to - from);
  fewer.ends = q + 2 * start;
  fewer.n -= 2 * start;
  return common_pixels(more, fewer);
}

// Walks two masks run by run, as pycocotools does, and calls step(length, a, b, a_after, b_after, last) for each piece:
// whether it is foreground in either, and what follows. It ends where both have nothing left in their present run, be
// they at their last or not. False: only one has come to its end, or has no runs.
template <class Step>
TAMIS_HD bool walk(const Runs& a, const Runs& b, const Step& step) {
  if (a.n == 0 || b.n == 0) return false;
  int64_t i = 1, j = 1;
  uint32_t a_left = a.ends[0], b_left = b.ends[0], left = 1;
  bool in_a = false, in_b = false;
  while (left > 0) {
    const uint32_t length = a_left < b_left ? a_left : b_left;
    const bool was_a = in_a, was_b = in_b;
    a_left -= length;
    if (a_left == 0 && i < a.n) a_left = a.ends[i] - a.ends[i - 1], ++i, in_a = !in_a;
    b_left -= length;
    if (b_left == 0 && j < b.n) b_left = b.ends[j] - b.ends[j - 1], ++j, in_b = !in_b;
    left = a_left + b_left;
    step(length, was_a, was_b, in_a, in_b, left == 0);
    if (left > 0 && ((a_left == 0 && i == a.n) || (b_left == 0 && j == b.n))) return false;
  }
  return true;
}

// The same for any two masks of one size, with the area of the union; false: their lengths differ.
TAMIS_HD bool walk_common(const Runs& a, const Runs& b, uint32_t* common, uint32_t* all) {
  *common = *all = 0;
  return walk(a, b, [&](uint32_t length, bool in_a, bool in_b, bool, bool, bool) {
    *all += in_a || in_b ? length : 0;
    *common += in_a && in_b ? length : 0;
  });
}

TAMIS_HD double mask_ratio(uint32_t common, uint32_t all, uint32_t a_area, bool crowd) {
  return common == 0 ? 0.0 : static_cast<double>(common) / static_cast<double>(crowd ? a_area : all);
}

TAMIS_HD bool boxes_touch(const double* a, const double* b) {
  return a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];
}

// Where boxes touch: how far their common part reaches along an axis.
TAMIS_HD double common_side(const double* a, const double* b, int axis) {
  const double a_end = a[axis] + a[axis + 2], b_end = b[axis] + b[axis + 2];
  return (a_end < b_end ? a_end : b_end) - (a[axis] > b[axis] ? a[axis] : b[axis]);
}

// Upper bound of the IoU of two regular masks with touching boxes; rounding matches that of the IoU itself.
TAMIS_HD double most_iou(const Runs& a, const Runs& b, bool crowd) {
  const double least_area = a.area < b.area ? a.area : b.area;
  const double in_both = common_side(a.box, b.box, 0) * common_side(a.box, b.box, 1);
  const double common = in_both < least_area ? in_both : least_area;
  return common / (crowd ? double(a.area) : double(a.area) + double(b.area) - common);
}

// --- polygons: coordinates at five times the image, where pixel column x has its middle between 5x + 2 and 5x + 3 ---

constexpr double kLargestCoordinate = 0x1p27;

TAMIS_HD int32_t upsampled(double coordinate) { return static_cast<int32_t>(5 * coordinate + .5); }

// The row at which the outline crosses a column, given the smaller of the two heights beside its middle.
TAMIS_HD int64_t crossed_row(int64_t v, int64_t height) {
  const int64_t row = v <= 2 ? 0 : (v - 2 + 4) / 5;
  return row < height ? row : height;
}

// An edge from its left end if it is flat (dx >= dy), from its upper end if it is steep.
struct Edge {
  int32_t x, y;       // where it begins
  int32_t low, high;  // its x range
  int32_t length;     // steps: dx or dy
  double slope, inverse;
  bool flat;

  TAMIS_HD static Edge between(int32_t x0, int32_t y0, int32_t x1, int32_t y1) {
    const int32_t dx = x0 < x1 ? x1 - x0 : x0 - x1, dy = y0 < y1 ? y1 - y0 : y0 - y1;
    const bool flat = dx >= dy, flip = flat ? x0 > x1 : y0 > y1;
    const int32_t x = flip ? x1 : x0, y = flip ? y1 : y0;
    const double rise = flip ? y0 - y1 : y1 - y0, run = flip ? x0 - x1 : x1 - x0;
    const double slope = flat ? rise / dx : run / dy;
    return {x, y, x0 < x1 ? x0 : x1, x0 < x1 ? x1 : x0, flat ? dx : dy, slope, 1 / slope, flat};
  }

  // The other coordinate after t steps.
  TAMIS_HD int32_t after(int32_t t) const { return static_cast<int32_t>((flat ? y : x) + slope * t + .5); }

  // The smaller height beside the step from u to u + 1, both within low and high.
  TAMIS_HD int32_t height_at(int32_t u) const {
    if (flat) {
      const int32_t a = after(u - x), b = after(u + 1 - x);
      return a < b ? a : b;
    }
    // the first step past the middle: guessed, then put right by the rounded coordinates themselves
    const double guess = (u + .5 - x) * inverse;
    int32_t t = guess < 1 ? 1 : guess > length ? length : static_cast<int32_t>(guess);
    while (t > 1 && past(t - 1, u)) --t;
    while (t < length && !past(t, u)) ++t;
    return y + t - 1;
  }
  TAMIS_HD bool past(int32_t t, int32_t u) const { return slope > 0 ? after(t) > u : after(t) <= u; }
};

}  // namespace tamis::TAMIS_ISA
