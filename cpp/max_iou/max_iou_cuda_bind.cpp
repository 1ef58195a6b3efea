#include "core/cuda_bind.hpp"
#include "max_iou/max_iou_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Labels = Longs;  // empty: none

template <class T>
using Boxes = DeviceView<const T, 2>;

template <class T>
tamis::LabelledBoxes<T, int64_t> labelled(const Boxes<T>& boxes, const Splits& splits, const Labels& labels) {
  return {boxes.data, splits.data, labels.size() > 0 ? labels.data : nullptr};
}

template <class T>
void bind_dtype(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "max_iou",
      [](int format, Boxes<T> boxes, Splits splits, Labels labels, DeviceView<T, 1> out, uintptr_t stream) {
        const tamis::LabelledBoxes<T, int64_t> set = labelled(boxes, splits, labels);
        tamis::cuda::max_iou<T>(tamis::BoxFormat(format), {set, set, boxes.shape[0], splits.shape[0] - 1, true},
                                out.data, as_stream(stream));
      },
      "format"_a, "boxes"_a, "splits"_a, "labels"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "max_iou_between",
      [](int format, Boxes<T> boxes, Splits splits, Labels labels, Boxes<T> other, Splits other_splits,
         Labels other_labels, DeviceView<T, 1> out, uintptr_t stream) {
        tamis::cuda::max_iou<T>(tamis::BoxFormat(format),
                                {labelled(boxes, splits, labels), labelled(other, other_splits, other_labels),
                                 boxes.shape[0], splits.shape[0] - 1, false},
                                out.data, as_stream(stream));
      },
      "format"_a, "boxes"_a, "splits"_a, "labels"_a, "other"_a, "other_splits"_a, "other_labels"_a, "out"_a,
      py::kw_only(), "stream"_a, nogil);
}

}  // namespace

void bind_max_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
