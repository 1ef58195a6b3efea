#include "box_iou/box_iou_cuda.hpp"
#include "core/cuda_bind.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

template <class T>
void bind_dtype(py::module_& m) {
  using Boxes = DeviceView<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "box_iou",
      [](int kind, int format, Boxes a, Boxes b, DeviceView<T, 2> out, uintptr_t stream) {
        tamis::cuda::box_iou(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a.shape[0], b.data, b.shape[0],
                             out.data, as_stream(stream));
      },
      "kind"_a, "format"_a, "a"_a, "b"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "box_iou_paired",
      [](int kind, int format, Boxes a, Boxes b, DeviceView<T, 1> out, uintptr_t stream) {
        tamis::cuda::box_iou_paired(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, b.data, a.shape[0],
                                    out.data, as_stream(stream));
      },
      "kind"_a, "format"_a, "a"_a, "b"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "box_iou_batched",
      [](int kind, int format, Boxes a, Splits a_splits, Boxes b, Splits b_splits, Splits out_splits,
         DeviceView<T, 1> out, uintptr_t stream) {
        tamis::cuda::box_iou_batched(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a_splits.data, b.data,
                                     b_splits.data, a_splits.shape[0] - 1, out_splits.data, out.shape[0], out.data,
                                     as_stream(stream));
      },
      "kind"_a, "format"_a, "a"_a, "a_splits"_a, "b"_a, "b_splits"_a, "out_splits"_a, "out"_a, py::kw_only(),
      "stream"_a, nogil);
}

}  // namespace

void bind_box_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
