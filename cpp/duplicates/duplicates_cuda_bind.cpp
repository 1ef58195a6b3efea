#include "core/cuda_bind.hpp"
#include "duplicates/duplicates_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Duplicate = DeviceView<uint8_t, 1>;
using Of = DeviceView<int64_t, 1>;
using Iou = DeviceView<double, 1>;

template <class Rows>
void find(const Rows& rows, int64_t n, double threshold, const Splits& splits, const Longs& labels, const Bytes& crowd,
          const Duplicate& duplicate, const Of& of, const Iou& iou, uintptr_t stream) {
  TAMIS_CHECK(duplicate.size() == n && of.size() == n && iou.size() == n, "find_duplicate_boxes: outputs must fit");
  const tamis::cuda::SimpleDuplicates<Rows> problem{rows,
                                                    threshold,
                                                    n,
                                                    splits.shape[0] - 1,
                                                    splits.data,
                                                    labels.size() > 0 ? labels.data : nullptr,
                                                    crowd.size() > 0 ? crowd.data : nullptr};
  tamis::cuda::find_duplicate_boxes(problem, {duplicate.data, of.data, iou.data}, as_stream(stream));
}

template <class T>
void bind_dtype(py::module_& m) {
  m.def(
      "find_duplicate_boxes",
      [](int format, DeviceView<const T, 2> boxes, double threshold, Splits splits, Longs labels, Bytes crowd,
         Duplicate duplicate, Of of, Iou iou, uintptr_t stream) {
        const tamis::cuda::DeviceBoxRows<T> rows{tamis::BoxFormat(format), boxes.data};
        find(rows, boxes.shape[0], threshold, splits, labels, crowd, duplicate, of, iou, stream);
      },
      py::kw_only(), "format"_a, "boxes"_a, "threshold"_a, "splits"_a, "labels"_a, "crowd"_a, "duplicate"_a, "of"_a,
      "iou"_a, "stream"_a, py::call_guard<py::gil_scoped_release>());
}

}  // namespace

void bind_duplicates(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  m.def(
      "find_duplicate_rotated_boxes",
      [](DeviceView<const double, 2> prepared, double threshold, Splits splits, Longs labels, Bytes crowd,
         Duplicate duplicate, Of of, Iou iou, uintptr_t stream) {
        TAMIS_CHECK(prepared.shape[1] * sizeof(double) == sizeof(tamis::host::RotatedBox),
                    "find_duplicate_boxes: boxes must be prepared");
        const tamis::cuda::DeviceRotatedRows rows{reinterpret_cast<const tamis::host::RotatedBox*>(prepared.data)};
        find(rows, prepared.shape[0], threshold, splits, labels, crowd, duplicate, of, iou, stream);
      },
      py::kw_only(), "prepared"_a, "threshold"_a, "splits"_a, "labels"_a, "crowd"_a, "duplicate"_a, "of"_a, "iou"_a,
      "stream"_a, nogil);
  m.def(
      "find_duplicate_masks",
      [](Ints ends, Splits mask_splits, DeviceView<const uint8_t, 2> masks, double threshold, Splits splits,
         Longs labels, Bytes crowd, Duplicate duplicate, Of of, Iou iou, uintptr_t stream) {
        TAMIS_CHECK(masks.shape[1] == sizeof(tamis::host::Runs) && mask_splits.size() == masks.shape[0] + 1,
                    "find_duplicate_boxes: masks must be read");
        const tamis::cuda::DeviceMaskRows rows{reinterpret_cast<const tamis::host::Runs*>(masks.data),
                                               reinterpret_cast<const uint32_t*>(ends.data), mask_splits.data,
                                               ends.size()};
        find(rows, masks.shape[0], threshold, splits, labels, crowd, duplicate, of, iou, stream);
      },
      py::kw_only(), "ends"_a, "mask_splits"_a, "masks"_a, "threshold"_a, "splits"_a, "labels"_a, "crowd"_a,
      "duplicate"_a, "of"_a, "iou"_a, "stream"_a, nogil);
}
