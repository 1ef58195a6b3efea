#include "box_iou/box_iou.hpp"

#include "core/array.hpp"

namespace py = pybind11;

namespace {

using Splits = tamis::View<const int64_t, 1>;

template <class T>
void bind_dtype(py::module_& m) {
  using Boxes = tamis::View<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def("box_iou", [](int kind, int format, Boxes a, Boxes b, tamis::View<T, 2> out) {
    tamis::box_iou(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a.shape[0], b.data, b.shape[0], out.data);
  }, nogil);
  m.def("box_iou_paired", [](int kind, int format, Boxes a, Boxes b, tamis::View<T, 1> out) {
    tamis::box_iou_paired(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, b.data, a.shape[0], out.data);
  }, nogil);
  m.def("box_iou_batched", [](int kind, int format, Boxes a, Splits a_splits, Boxes b, Splits b_splits,
                              Splits out_splits, tamis::View<T, 1> out) {
    tamis::box_iou_batched(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a_splits.data, b.data,
                           b_splits.data, a_splits.shape[0] - 1, out_splits.data, out.data);
  }, nogil);
  m.def("first_bad_box", [](Boxes boxes) { return tamis::first_bad_box(boxes.data, boxes.shape[0]); }, nogil);
}

}  // namespace

void bind_box_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
