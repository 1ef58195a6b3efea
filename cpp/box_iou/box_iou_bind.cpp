#include "box_iou/box_iou.hpp"
#include "core/array.hpp"
#include "core/check.hpp"

namespace py = pybind11;

namespace {

using Splits = tamis::View<const int64_t, 1>;

void check(int kind, int format, bool fits) {
  tamis::check_option("box_iou: kind", kind, 5);
  tamis::check_option("box_iou: format", format, 3);
  TAMIS_CHECK(fits, "box_iou: arrays do not fit together");
}

template <class T>
void bind_dtype(py::module_& m) {
  using Boxes = tamis::View<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "box_iou",
      [](int kind, int format, Boxes a, Boxes b, tamis::View<T, 2> out) {
        check(kind, format, a.shape[1] == 4 && b.shape[1] == 4 && out.shape == std::array{a.shape[0], b.shape[0]});
        tamis::box_iou(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a.shape[0], b.data, b.shape[0],
                       out.data);
      },
      nogil);
  m.def(
      "box_iou_paired",
      [](int kind, int format, Boxes a, Boxes b, tamis::View<T, 1> out) {
        check(kind, format, a.shape[1] == 4 && b.shape == a.shape && out.size() == a.shape[0]);
        tamis::box_iou_paired(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, b.data, a.shape[0], out.data);
      },
      nogil);
  m.def(
      "box_iou_batched",
      [](int kind, int format, Boxes a, Splits a_splits, Boxes b, Splits b_splits, Splits out_splits,
         tamis::View<T, 1> out) {
        check(kind, format, a.shape[1] == 4 && b.shape[1] == 4);
        tamis::check_splits("box_iou_batched: a_splits", a_splits, a.shape[0]);
        tamis::check_splits("box_iou_batched: b_splits", b_splits, b.shape[0]);
        tamis::check_pair_splits("box_iou_batched", out_splits, a_splits, b_splits, out.size());
        tamis::box_iou_batched(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a_splits.data, b.data,
                               b_splits.data, a_splits.shape[0] - 1, out_splits.data, out.data);
      },
      nogil);
  m.def(
      "first_bad_box",
      [](Boxes boxes) {
        TAMIS_CHECK(boxes.shape[1] == 4, "first_bad_box: boxes must have shape (N, 4)");
        return tamis::first_bad_box(boxes.data, boxes.shape[0]);
      },
      nogil);
}

}  // namespace

void bind_box_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
