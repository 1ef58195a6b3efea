// The overlap of two rotated boxes, without a branch: everything that decides a value, for the CPU and the GPU.
//
// One box is the frame: axis-aligned, around the origin. The common area is the integral over the frame's width of the
// other's height, cut to the frame: that of its two upper edges less that of its two lower ones. Cutting is a min and
// a max, so that rounding cannot change which edges count, as it does where corners are sorted into in and out.
// The frame is the box in which less is left of the other's bounding box; what is left is the window.
#pragma once
#include "box_iou/box_iou_math.hpp"

namespace tamis {

enum class RotatedKind { iou, iof };  // in the order Python counts them

namespace TAMIS_ISA {

TAMIS_HD double magnitude(double x) { return __builtin_fabs(x); }
TAMIS_HD double clamp(double x, double low, double high) { return smaller(larger(x, low), high); }
TAMIS_HD double inverse(double x) { return magnitude(x) > 1e-300 ? 1 / x : 0; }

struct Direction {
  double cos, sin;
};

// Without libm, so that every instruction set and the GPU agree. Turns and quarters of them are taken off exactly.
TAMIS_HD Direction direction_of(double degrees) {
  double turns = 360;
  for (int i = 0; i < 1015 && 2 * turns <= magnitude(degrees); ++i) turns *= 2;
  while (turns >= 360) {
    if (magnitude(degrees) >= turns) degrees -= degrees < 0 ? -turns : turns;
    turns *= 0.5;
  }
  if (!(magnitude(degrees) < 360)) degrees = 0;  // NaN, which has no quarters
  int quarters = static_cast<int>(degrees / 90);
  degrees -= 90 * quarters;
  const int more = degrees >= 45 ? 1 : degrees < -45 ? -1 : 0;
  quarters += more;
  const double x = (degrees - 90 * more) * 0.017453292519943295769;  // within a quarter of pi
  const double z = x * x;
  double sine = 1, cosine = 1;  // Taylor's series; the first terms left out are below 1e-17
  for (int i = 8; i > 0; --i) {
    sine = 1 - z * (1.0 / (2 * i * (2 * i + 1))) * sine;
    cosine = 1 - z * (1.0 / ((2 * i - 1) * 2 * i)) * cosine;
  }
  sine *= x;
  switch (quarters & 3) {
    case 0:
      return {cosine, sine};
    case 1:
      return {-sine, cosine};
    case 2:
      return {-cosine, -sine};
    default:
      return {sine, -cosine};
  }
}

struct alignas(16) RotatedBox {
  double x, y, half_w, half_h;  // halves are 0 for sides that are not positive
  Direction angle;
  double reach_x, reach_y;  // half the sides of its bounding box
};

template <class T>
TAMIS_HD RotatedBox load_rotated_box(const T* p) {
  const Direction d = direction_of(double(p[4]));
  const double w = larger(0.5 * double(p[2]), 0.0), h = larger(0.5 * double(p[3]), 0.0);
  return {double(p[0]),
          double(p[1]),
          w,
          h,
          d,
          magnitude(d.cos) * w + magnitude(d.sin) * h,
          magnitude(d.sin) * w + magnitude(d.cos) * h};
}

TAMIS_HD bool bounds_overlap(double dx, double dy, double reach_x, double reach_y) {
  const bool in_x = magnitude(dx) < reach_x, in_y = magnitude(dy) < reach_y;
  return in_x & in_y;
}

TAMIS_HD bool bounds_overlap(const RotatedBox& a, const RotatedBox& b) {
  return bounds_overlap(b.x - a.x, b.y - a.y, a.reach_x + b.reach_x, a.reach_y + b.reach_y);
}

// Two boxes whose bounding boxes overlap.
struct RotatedPair {
  double dx, dy;  // from the centre of a to that of b
  double a_w, a_h, a_cos, a_sin, b_w, b_h, b_cos, b_sin;
};

TAMIS_HD RotatedPair pair_of(const RotatedBox& a, const RotatedBox& b) {
  return {b.x - a.x,   b.y - a.y, a.half_w, a.half_h,    a.angle.cos,
          a.angle.sin, b.half_w,  b.half_h, b.angle.cos, b.angle.sin};
}

// The part of the other's bounding box that lies in a frame.
struct Window {
  double x, y;           // the other's centre, from the window's lower corner
  double width, height;  // 0 or less: they do not overlap
  double area;
};

// w, h: the frame's halves; x, y: the other's centre in the frame; reach: half the sides of its bounding box there.
TAMIS_HD Window window_of(double w, double h, double x, double y, double reach_x, double reach_y) {
  const double left = larger(-w, x - reach_x), width = smaller(w, x + reach_x) - left;
  const double bottom = larger(-h, y - reach_y), height = smaller(h, y + reach_y) - bottom;
  return {x - left, y - bottom, width, height, width > 0 && height > 0 ? width * height : 0};
}

// The area below an edge, within the window: signed by its direction. (x, y) is the middle of the edge, (dx, dy) half
// of it. Steps along the edge are -1 to 1; inside the window's sides it goes from one step to another, and is cut to
// the window's height before it rises over the bottom and after it rises over the top.
TAMIS_HD double area_below(double x, double y, double dx, double dy, double inverse_dx, double inverse_dy,
                           const Window& in) {
  const double left = -x * inverse_dx, right = (in.width - x) * inverse_dx;
  const double from = clamp(smaller(left, right), -1, 1), to = clamp(larger(left, right), -1, 1);
  const double bottom = clamp(-y * inverse_dy, from, to), top = clamp((in.height - y) * inverse_dy, from, to);
  const double y_from = clamp(y + from * dy, 0, in.height), y_to = clamp(y + to * dy, 0, in.height);
  return dx * (y_to * (to - from) + (y_from - y_to) * (0.5 * (bottom + top) - from));
}

TAMIS_HD double common_area(const RotatedPair& p) {
  // the direction of b in the frame of a; exactly 0 and 1 where they are parallel or at right angles
  const double c = p.a_cos * p.b_cos + p.a_sin * p.b_sin, s = p.a_cos * p.b_sin - p.a_sin * p.b_cos;
  const double cos = s == 0 ? 1 : magnitude(c), sin = c == 0 ? 1 : magnitude(s);
  const double a_x = p.a_cos * p.dx + p.a_sin * p.dy, a_y = p.a_cos * p.dy - p.a_sin * p.dx;
  const double b_x = p.b_cos * -p.dx + p.b_sin * -p.dy, b_y = p.b_cos * -p.dy - p.b_sin * -p.dx;
  const Window a = window_of(p.a_w, p.a_h, a_x, a_y, cos * p.b_w + sin * p.b_h, sin * p.b_w + cos * p.b_h);
  const Window b = window_of(p.b_w, p.b_h, b_x, b_y, cos * p.a_w + sin * p.a_h, sin * p.a_w + cos * p.a_h);

  // the sign of the first difference, which changes if the boxes change places: the result does not
  double order = a.area - b.area;
  order = order != 0 ? order : p.a_w - p.b_w;
  order = order != 0 ? order : p.a_h - p.b_h;
  order = order != 0 ? order : p.a_cos - p.b_cos;
  order = order != 0 ? order : p.a_sin - p.b_sin;
  order = order != 0 ? order : p.dx;
  order = order != 0 ? order : p.dy;
  const bool in_a = order < 0;
  const Window in{in_a ? a.x : b.x, in_a ? a.y : b.y, in_a ? a.width : b.width, in_a ? a.height : b.height,
                  in_a ? a.area : b.area};
  const double w = in_a ? p.b_w : p.a_w, h = in_a ? p.b_h : p.a_h, turn = in_a ? s : -s;

  const double ux = c * w, uy = turn * w, vx = -turn * h, vy = c * h;  // half sides of the other
  const double iux = inverse(ux), iuy = inverse(uy), ivx = inverse(vx), ivy = inverse(vy);
  const double area =
      area_below(in.x + vx, in.y + vy, ux, uy, iux, iuy, in) - area_below(in.x - vx, in.y - vy, ux, uy, iux, iuy, in) +
      area_below(in.x - ux, in.y - uy, vx, vy, ivx, ivy, in) - area_below(in.x + ux, in.y + uy, vx, vy, ivx, ivy, in);
  const double bound = smaller(smaller(a.area, b.area), smaller(4 * p.a_w * p.a_h, 4 * p.b_w * p.b_h));
  return s == 0 || c == 0 ? bound : clamp(area, 0, bound);
}

TAMIS_HD double rotated_overlap(const RotatedPair& p, RotatedKind kind) {
  const double inter = common_area(p), a = 4 * p.a_w * p.a_h, b = 4 * p.b_w * p.b_h;
  const double whole = kind == RotatedKind::iof ? a : a + b - inter;
  return smaller(whole > 0 ? inter / whole : 0, 1.0);
}

template <RotatedKind kind>
TAMIS_HD double rotated_overlap(const RotatedPair& p) {
  return rotated_overlap(p, kind);
}

// Of any two boxes.
TAMIS_HD double rotated_overlap(const RotatedBox& a, const RotatedBox& b, RotatedKind kind) {
  return bounds_overlap(a, b) ? rotated_overlap(pair_of(a, b), kind) : 0;
}

}  // namespace TAMIS_ISA
}  // namespace tamis
