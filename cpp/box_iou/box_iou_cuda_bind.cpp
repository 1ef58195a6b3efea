#include "box_iou/box_iou_cuda.hpp"
#include "core/array.hpp"

namespace py = pybind11;

namespace {

using Splits = tamis::DeviceView<const int64_t, 1>;

cudaStream_t as_stream(uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }

template <class T>
void bind_dtype(py::module_& m) {
  using Boxes = tamis::DeviceView<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "box_iou",
      [](int kind, int format, Boxes a, Boxes b, tamis::DeviceView<T, 2> out, uintptr_t stream) {
        tamis::cuda::box_iou(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a.shape[0], b.data, b.shape[0],
                             out.data, as_stream(stream));
      },
      nogil);
  m.def(
      "box_iou_paired",
      [](int kind, int format, Boxes a, Boxes b, tamis::DeviceView<T, 1> out, uintptr_t stream) {
        tamis::cuda::box_iou_paired(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, b.data, a.shape[0],
                                    out.data, as_stream(stream));
      },
      nogil);
  m.def(
      "box_iou_batched",
      [](int kind, int format, Boxes a, Splits a_splits, Boxes b, Splits b_splits, Splits out_splits,
         tamis::DeviceView<T, 1> out, uintptr_t stream) {
        tamis::cuda::box_iou_batched(tamis::BoxKind(kind), tamis::BoxFormat(format), a.data, a_splits.data, b.data,
                                     b_splits.data, a_splits.shape[0] - 1, out_splits.data, out.shape[0], out.data,
                                     as_stream(stream));
      },
      nogil);
}

}  // namespace

void bind_box_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
