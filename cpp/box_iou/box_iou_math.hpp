// The overlap of two axis-aligned boxes: everything that decides a value, for the CPU and the GPU.
#pragma once
#include "core/hd.hpp"

namespace tamis {

enum class BoxKind { iou, giou, diou, ciou, iof };  // in the order Python counts them
enum class BoxFormat { xyxy, xywh, cxcywh };

namespace TAMIS_ISA {

// Corners, area and, for ciou only, the angle of the diagonal.
template <class T>
struct Box {
  T x1, y1, x2, y2, area, angle;
};

template <class T>
TAMIS_HD T smaller(T a, T b) {
  return a < b ? a : b;
}

template <class T>
TAMIS_HD T larger(T a, T b) {
  return a > b ? a : b;
}

#if defined(TAMIS_ON_DEVICE)  // one instruction each, though a NaN gives way to the other number; see load_box
TAMIS_HD float smaller(float a, float b) { return __builtin_fminf(a, b); }
TAMIS_HD float larger(float a, float b) { return __builtin_fmaxf(a, b); }
#endif

template <class T>
TAMIS_HD T length(T from, T to) {  // of an interval; none where it ends before it begins
  return larger(to - from, T(0));
}

template <class T>
TAMIS_HD T ratio(T part, T whole) {  // 0 where there is no whole
#if defined(TAMIS_ON_DEVICE)         // where 0 is divided by a subroutine, and most boxes share nothing
  constexpr T kSome = T(0x1p-60);    // finite over any whole but 0
  const T quotient = (part != T(0) ? part : kSome) / whole;
  const T found = part != T(0) ? quotient : quotient * part;
  return whole != T(0) ? found : T(0);
#else
  return whole != T(0) ? part / whole : T(0);
#endif
}

// atan by the reduction and rational function of Cephes (S. Moshier), without libm so that every instruction set and
// the GPU agree in every bit. Within 1 ulp in double, so correctly rounded in float but for rare near-ties.
TAMIS_HD double arctangent(double value) {
  constexpr double kHalfPi = 1.57079632679489661923, kQuarterPi = 0.78539816339744830962;
  constexpr double kHalfPiTail = 6.123233995736765886130e-17;
  const double x = value < 0 ? -value : value;
  const bool steep = x > 2.41421356237309504880, flat = x <= 0.66;
  const double r = steep ? -1.0 / x : flat ? x : (x - 1.0) / (x + 1.0);
  const double z = r * r;
  double p = -8.750608600031904122785e-1;
  p = p * z + -1.615753718733365076637e1;
  p = p * z + -7.500855792314704667340e1;
  p = p * z + -1.228866684490136173410e2;
  p = p * z + -6.485021904942025371773e1;
  double q = z + 2.485846490142306297962e1;
  q = q * z + 1.650270098316988542046e2;
  q = q * z + 4.328810604912902668951e2;
  q = q * z + 4.853903996359136964868e2;
  q = q * z + 1.945506571482613964425e2;
  const double tail = steep ? kHalfPiTail : flat ? 0.0 : 0.5 * kHalfPiTail;
  const double base = steep ? kHalfPi : flat ? 0.0 : kQuarterPi;
  const double angle = base + (r * (z * p / q) + r + tail);
  return value < 0 ? -angle : angle;
}

template <class T>
TAMIS_HD T diagonal_angle(T width, T height) {  // 0 for a point, half pi for a line on the x axis
  return width == T(0) && height == T(0) ? T(0) : T(arctangent(double(width / height)));
}

template <BoxKind kind, class T>
TAMIS_HD Box<T> load_box(const T* p, BoxFormat format) {
  Box<T> box{p[0], p[1], p[2], p[3], T(0), T(0)};
  if (format == BoxFormat::cxcywh) {
    box.x1 = p[0] - T(0.5) * p[2];
    box.y1 = p[1] - T(0.5) * p[3];
    box.x2 = p[0] + T(0.5) * p[2];
    box.y2 = p[1] + T(0.5) * p[3];
  } else if (format == BoxFormat::xywh) {
    box.x2 = p[0] + p[2];
    box.y2 = p[1] + p[3];
  }
  // sides as given: the area pycocotools and torchvision take
  box.area = format == BoxFormat::xyxy ? (p[2] - p[0]) * (p[3] - p[1]) : p[2] * p[3];
  if (kind == BoxKind::ciou) box.angle = diagonal_angle(box.x2 - box.x1, box.y2 - box.y1);
#if defined(TAMIS_ON_DEVICE)  // where nobody has looked for NaN: such a box meets none, its own ratios are NaN
  if (p[0] != p[0] || p[1] != p[1] || p[2] != p[2] || p[3] != p[3]) {
    box.x1 = T(__builtin_huge_val());
    box.x2 = -box.x1;
    box.area = p[0] + p[1] + p[2] + p[3];
  }
#endif
  return box;
}

struct Ratio {
  template <class T>
  TAMIS_HD T operator()(T part, T whole) const {
    return ratio(part, whole);
  }
};

// torchvision's formulas; eps is theirs too. divide(part, whole) is to give what `ratio` gives.
template <BoxKind kind, class T, class Divide = Ratio>
TAMIS_HD T overlap(const Box<T>& a, const Box<T>& b, Divide&& divide = Divide()) {
  constexpr T kEps = T(1e-7), kFourOverPiSquared = T(0.40528473456935108577551785283891);
  const T inter = length(larger(a.x1, b.x1), smaller(a.x2, b.x2)) * length(larger(a.y1, b.y1), smaller(a.y2, b.y2));
  const T whole = kind == BoxKind::iof ? a.area : a.area + b.area - inter;
  const T iou = divide(inter, whole);
  if (kind == BoxKind::iou || kind == BoxKind::iof) return iou;
  const T width = length(smaller(a.x1, b.x1), larger(a.x2, b.x2));
  const T height = length(smaller(a.y1, b.y1), larger(a.y2, b.y2));
  if (kind == BoxKind::giou) return iou - divide(width * height - whole, width * height);
  const T dx = (a.x1 + a.x2) * T(0.5) - (b.x1 + b.x2) * T(0.5);
  const T dy = (a.y1 + a.y2) * T(0.5) - (b.y1 + b.y2) * T(0.5);
  const T diou = iou - (dx * dx + dy * dy) / (width * width + height * height + kEps);
  if (kind == BoxKind::diou) return diou;
  const T turn = a.angle - b.angle;
  const T v = kFourOverPiSquared * (turn * turn);
  return diou - v / (T(1) - iou + v + kEps) * v;
}

// A tile of boxes, one column per number, so that a loop over the tile vectorises.
template <class T>
struct BoxTile {
  static constexpr int64_t kSize = 4096 / sizeof(T);
  alignas(64) T x1[kSize], y1[kSize], x2[kSize], y2[kSize], area[kSize], angle[kSize];

  template <BoxKind kind>
  TAMIS_HD void fill(const T* boxes, int64_t n, BoxFormat format) {
    for (int64_t i = 0; i < n; ++i) {
      const Box<T> box = load_box<kind>(boxes + 4 * i, format);
      x1[i] = box.x1;
      y1[i] = box.y1;
      x2[i] = box.x2;
      y2[i] = box.y2;
      area[i] = box.area;
      if (kind == BoxKind::ciou) angle[i] = box.angle;
    }
  }
  template <BoxKind kind>
  TAMIS_HD Box<T> get(int64_t i) const {
    return {x1[i], y1[i], x2[i], y2[i], area[i], kind == BoxKind::ciou ? angle[i] : T(0)};
  }
};

// Which pair the element `at` of a flat output is.
struct Pair {
  int64_t a, b;
};

struct PairedRows {
  TAMIS_HD Pair at(int64_t i) const { return {i, i}; }
};

struct AllPairs {  // row-major, m columns
  int64_t m;
  TAMIS_HD Pair at(int64_t i) const { return {i / m, i % m}; }
};

struct BatchedPairs {  // image by image, each row-major
  const int64_t *a_splits, *b_splits, *out_splits;
  int64_t images;

  TAMIS_HD int64_t image_of(int64_t i) const {  // the last image that begins at or before i
    int64_t low = 0, high = images;
    while (high - low > 1) {
      const int64_t middle = (low + high) / 2;
      if (out_splits[middle] <= i)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
  TAMIS_HD Pair at(int64_t i) const {
    const int64_t image = image_of(i), m = b_splits[image + 1] - b_splits[image];
    const int64_t within = i - out_splits[image];
    return {a_splits[image] + within / m, b_splits[image] + within % m};
  }
};

}  // namespace TAMIS_ISA
}  // namespace tamis
