#include "core/array.hpp"
#include "core/check.hpp"
#include "rotated_iou/rotated_iou.hpp"

namespace py = pybind11;

namespace {

using Splits = tamis::View<const int64_t, 1>;

template <class T>
void bind_dtype(py::module_& m) {
  using Boxes = tamis::View<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  const auto check = [](int kind, bool fits) {
    tamis::check_option("rotated_box_iou: kind", kind, 2);
    TAMIS_CHECK(fits, "rotated_box_iou: arrays do not fit together");
  };
  m.def(
      "rotated_box_iou",
      [check](int kind, Boxes a, Boxes b, tamis::View<T, 2> out) {
        const int64_t n = a.shape[0], k = b.shape[0];
        check(kind, a.shape[1] == 5 && b.shape[1] == 5 && out.shape[0] == n && out.shape[1] == k);
        tamis::rotated_box_iou(tamis::RotatedKind(kind), a.data, n, b.data, k, out.data);
      },
      nogil);
  m.def(
      "rotated_box_iou_paired",
      [check](int kind, Boxes a, Boxes b, tamis::View<T, 1> out) {
        const int64_t n = a.shape[0];
        check(kind, a.shape[1] == 5 && b.shape[1] == 5 && b.shape[0] == n && out.size() == n);
        tamis::rotated_box_iou_paired(tamis::RotatedKind(kind), a.data, b.data, n, out.data);
      },
      nogil);
  m.def(
      "rotated_box_iou_batched",
      [check](int kind, Boxes a, Splits a_splits, Boxes b, Splits b_splits, Splits out_splits, tamis::View<T, 1> out) {
        const int64_t images = a_splits.size() - 1;
        check(kind, a.shape[1] == 5 && b.shape[1] == 5);
        tamis::check_splits("rotated_box_iou_batched: a_splits", a_splits, a.shape[0]);
        tamis::check_splits("rotated_box_iou_batched: b_splits", b_splits, b.shape[0]);
        tamis::check_pair_splits("rotated_box_iou_batched", out_splits, a_splits, b_splits, out.size());
        tamis::rotated_box_iou_batched(tamis::RotatedKind(kind), a.data, a_splits.data, b.data, b_splits.data, images,
                                       out_splits.data, out.data);
      },
      nogil);
}

}  // namespace

void bind_rotated_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
