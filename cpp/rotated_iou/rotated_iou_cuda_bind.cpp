#include "core/cuda_bind.hpp"
#include "rotated_iou/rotated_iou_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Prepared = DeviceView<const double, 2>;
constexpr int64_t kNumbers = sizeof(tamis::cuda::RotatedBox) / sizeof(double);

void check(bool fits) { TAMIS_CHECK(fits, "rotated_box_iou: arrays do not fit together"); }

const tamis::cuda::RotatedBox* boxes(const Prepared& x) {
  check(x.shape[1] == kNumbers);
  return reinterpret_cast<const tamis::cuda::RotatedBox*>(x.data);
}

template <class T>
void bind_dtype(py::module_& m) {
  using Boxes = DeviceView<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "rotated_prepare",
      [](Boxes x, DeviceView<double, 2> out, uintptr_t stream) {
        check(x.shape[1] == 5 && out.shape[0] == x.shape[0] && out.shape[1] == kNumbers);
        tamis::cuda::rotated_prepare(x.data, x.shape[0], reinterpret_cast<tamis::cuda::RotatedBox*>(out.data),
                                     as_stream(stream));
      },
      "boxes"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "rotated_box_iou",
      [](int kind, Prepared a, Prepared b, DeviceView<T, 2> out, uintptr_t stream) {
        check(out.shape[0] == a.shape[0] && out.shape[1] == b.shape[0]);
        tamis::cuda::rotated_box_iou(tamis::RotatedKind(kind), boxes(a), a.shape[0], boxes(b), b.shape[0], out.data,
                                     as_stream(stream));
      },
      "kind"_a, "a"_a, "b"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "rotated_box_iou_paired",
      [](int kind, Boxes a, Boxes b, DeviceView<T, 1> out, uintptr_t stream) {
        check(a.shape[1] == 5 && a.shape == b.shape && out.size() == a.shape[0]);
        tamis::cuda::rotated_box_iou_paired(tamis::RotatedKind(kind), a.data, b.data, a.shape[0], out.data,
                                            as_stream(stream));
      },
      "kind"_a, "a"_a, "b"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "rotated_box_iou_batched",
      [](int kind, Prepared a, Splits a_splits, Prepared b, Splits b_splits, Splits out_splits, DeviceView<T, 1> out,
         uintptr_t stream) {
        check(a_splits.size() == b_splits.size() && a_splits.size() == out_splits.size());
        tamis::cuda::rotated_box_iou_batched(tamis::RotatedKind(kind), boxes(a), boxes(b),
                                             {a_splits.data, b_splits.data, out_splits.data, a_splits.size() - 1},
                                             out.size(), out.data, as_stream(stream));
      },
      "kind"_a, "a"_a, "a_splits"_a, "b"_a, "b_splits"_a, "out_splits"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
}

}  // namespace

void bind_rotated_iou(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  m.attr("ROTATED_NUMBERS") = kNumbers;
}
