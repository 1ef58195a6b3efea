#include "core/array.hpp"
#include "core/error.hpp"
#include "duplicates/duplicates_cuda.hpp"

namespace py = pybind11;
using tamis::DeviceView;

namespace {

template <class T>
void bind_dtype(py::module_& m) {
  m.def("find_duplicate_boxes", [](int format, double threshold, DeviceView<const T, 2> boxes,
                                   DeviceView<const int64_t, 1> splits, DeviceView<const int64_t, 1> labels,
                                   DeviceView<const uint8_t, 1> crowd, DeviceView<uint8_t, 1> duplicate,
                                   DeviceView<int64_t, 1> of, DeviceView<double, 1> iou, uintptr_t stream) {
    const int64_t n = boxes.shape[0];
    TAMIS_CHECK(duplicate.size() == n && of.size() == n && iou.size() == n, "find_duplicate_boxes: outputs must fit");
    const tamis::cuda::SimpleDuplicates<T> problem{
        tamis::BoxFormat(format), threshold, boxes.data, n, splits.shape[0] - 1, splits.data,
        labels.size() > 0 ? labels.data : nullptr, crowd.size() > 0 ? crowd.data : nullptr};
    tamis::cuda::find_duplicate_boxes(problem, {duplicate.data, of.data, iou.data},
                                      reinterpret_cast<cudaStream_t>(stream));
  }, py::call_guard<py::gil_scoped_release>());
}

}  // namespace

void bind_duplicates(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
