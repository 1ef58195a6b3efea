#include "rotated_iou/rotated_iou.hpp"

namespace tamis::TAMIS_ISA {
namespace {

// Pairs that may overlap, one column per number, so that the loop over them vectorises.
template <RotatedKind kind, class T>
class Queue {
 public:
  ~Queue() { flush(); }

  // The result of the pair goes to *to, now or later.
  TAMIS_HD void add(const RotatedBox& a, const RotatedBox& b, T* to) {
    const RotatedPair p = pair_of(a, b);
    dx_[n_] = p.dx;
    dy_[n_] = p.dy;
    a_w_[n_] = p.a_w;
    a_h_[n_] = p.a_h;
    a_cos_[n_] = p.a_cos;
    a_sin_[n_] = p.a_sin;
    b_w_[n_] = p.b_w;
    b_h_[n_] = p.b_h;
    b_cos_[n_] = p.b_cos;
    b_sin_[n_] = p.b_sin;
    to_[n_++] = to;
    if (n_ == kSize) flush();
  }

 private:
  void flush() {
    T result[kSize];
    for (int64_t i = 0; i < n_; ++i)
      result[i] = T(rotated_overlap<kind>(
          {dx_[i], dy_[i], a_w_[i], a_h_[i], a_cos_[i], a_sin_[i], b_w_[i], b_h_[i], b_cos_[i], b_sin_[i]}));
    for (int64_t i = 0; i < n_; ++i) *to_[i] = result[i];
    n_ = 0;
  }

  static constexpr int64_t kSize = 128;
  int64_t n_ = 0;
  T* to_[kSize];
  alignas(64) double dx_[kSize], dy_[kSize], a_w_[kSize], a_h_[kSize], a_cos_[kSize], a_sin_[kSize], b_w_[kSize],
      b_h_[kSize], b_cos_[kSize], b_sin_[kSize];
};

template <RotatedKind kind, class T>
void block(const T* a, int64_t rows, const T* b, int64_t columns, int64_t stride, T* out) {
  constexpr int64_t kTile = 512;
  RotatedBox tile[kTile];
  alignas(64) double x[kTile], y[kTile], reach_x[kTile], reach_y[kTile];
  alignas(64) int64_t near[kTile];
  Queue<kind, T> queue;
  for (int64_t begin = 0; begin < columns; begin += kTile) {
    const int64_t width = smaller(kTile, columns - begin);
    for (int64_t j = 0; j < width; ++j) {
      tile[j] = load_rotated_box(b + 5 * (begin + j));
      x[j] = tile[j].x;
      y[j] = tile[j].y;
      reach_x[j] = tile[j].reach_x;
      reach_y[j] = tile[j].reach_y;
    }
    for (int64_t i = 0; i < rows; ++i) {
      const RotatedBox box = load_rotated_box(a + 5 * i);
      T* __restrict row = out + i * stride + begin;
      for (int64_t j = 0; j < width; ++j) row[j] = T(0);
      for (int64_t j = 0; j < width; ++j)
        near[j] = bounds_overlap(x[j] - box.x, y[j] - box.y, box.reach_x + reach_x[j], box.reach_y + reach_y[j]);
      for (int64_t j = 0; j < width; ++j)
        if (near[j]) queue.add(box, tile[j], row + j);
    }
  }
}

template <RotatedKind kind, class T>
void rows(const T* a, const T* b, int64_t n, T* out) {
  Queue<kind, T> queue;
  for (int64_t i = 0; i < n; ++i) {
    const RotatedBox p = load_rotated_box(a + 5 * i), q = load_rotated_box(b + 5 * i);
    out[i] = T(0);
    if (bounds_overlap(p, q)) queue.add(p, q, out + i);
  }
}

}  // namespace

#define TAMIS_ROTATED_KERNELS(T)                                                                               \
  void rotated_iou_block(RotatedKind kind, const T* a, int64_t n, const T* b, int64_t columns, int64_t stride, \
                         T* out) {                                                                             \
    if (kind == RotatedKind::iou)                                                                              \
      block<RotatedKind::iou>(a, n, b, columns, stride, out);                                                  \
    else                                                                                                       \
      block<RotatedKind::iof>(a, n, b, columns, stride, out);                                                  \
  }                                                                                                            \
  void rotated_iou_rows(RotatedKind kind, const T* a, const T* b, int64_t n, T* out) {                         \
    if (kind == RotatedKind::iou)                                                                              \
      rows<RotatedKind::iou>(a, b, n, out);                                                                    \
    else                                                                                                       \
      rows<RotatedKind::iof>(a, b, n, out);                                                                    \
  }
TAMIS_ROTATED_KERNELS(float)
TAMIS_ROTATED_KERNELS(double)

}  // namespace tamis::TAMIS_ISA
