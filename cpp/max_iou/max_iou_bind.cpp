#include "core/array.hpp"
#include "core/check.hpp"
#include "max_iou/max_iou.hpp"

namespace py = pybind11;

namespace {

using Splits = tamis::View<const int64_t, 1>;
using Labels = tamis::View<const int32_t, 1>;  // empty: none

template <class T>
using Boxes = tamis::View<const T, 2>;

template <class T>
tamis::LabelledBoxes<T> labelled(const Boxes<T>& boxes, const Splits& splits, const Labels& labels) {
  tamis::check_splits("max_iou: splits", splits, boxes.shape[0]);
  TAMIS_CHECK(boxes.shape[1] == 4 && (labels.size() == 0 || labels.size() == boxes.shape[0]),
              "max_iou: boxes must have shape (N, 4) and labels (N,)");
  return {boxes.data, splits.data, labels.size() > 0 ? labels.data : nullptr};
}

template <class T>
void check(int format, const Boxes<T>& boxes, const tamis::View<T, 1>& out) {
  tamis::check_option("max_iou: format", format, 3);
  TAMIS_CHECK(out.size() == boxes.shape[0], "max_iou: out must be as long as boxes");
}

template <class T>
void bind_dtype(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "max_iou",
      [](int format, Boxes<T> boxes, Splits splits, Labels labels, tamis::View<T, 1> out) {
        check(format, boxes, out);
        tamis::max_iou(tamis::BoxFormat(format), labelled(boxes, splits, labels), splits.shape[0] - 1, out.data);
      },
      nogil);
  m.def(
      "max_iou_between",
      [](int format, Boxes<T> boxes, Splits splits, Labels labels, Boxes<T> other, Splits other_splits,
         Labels other_labels, tamis::View<T, 1> out) {
        check(format, boxes, out);
        const bool compared = boxes.shape[0] > 0 && other.shape[0] > 0;
        TAMIS_CHECK(
            splits.size() == other_splits.size() && (!compared || (labels.size() > 0) == (other_labels.size() > 0)),
            "max_iou: both sets must have as many images, and labels or none");
        tamis::max_iou_between(tamis::BoxFormat(format), labelled(boxes, splits, labels),
                               labelled(other, other_splits, other_labels), splits.shape[0] - 1, out.data);
      },
      nogil);
}

}  // namespace

void bind_max_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
