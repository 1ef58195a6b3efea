#include "core/array.hpp"
#include "core/error.hpp"
#include "fiftyone_matching/fiftyone_matching_cuda.hpp"

namespace py = pybind11;
using tamis::DeviceView;

namespace {

using Splits = DeviceView<const int64_t, 1>;
using Boxes = DeviceView<const double, 2>;
using Labels = DeviceView<const int32_t, 1>;
using Matches = DeviceView<int32_t, 1>;

}  // namespace

void bind_fiftyone_matching(py::module_& m) {
  m.def(
      "fiftyone_match",
      [](double threshold, Splits splits, Splits order, Boxes boxes, Labels labels, Splits gt_splits, Boxes gt_boxes,
         Labels gt_labels, DeviceView<const uint8_t, 1> crowd, DeviceView<int64_t, 2> scratch, Matches det_gt,
         DeviceView<double, 1> det_iou, Matches gt_det, uintptr_t stream) {
        const int64_t n = order.size(), k = crowd.size(), images = splits.size() - 1;
        TAMIS_CHECK(boxes.size() == 4 * n && labels.size() == n && det_gt.size() == n && det_iou.size() == n &&
                        gt_boxes.size() == 4 * k && gt_labels.size() == k && gt_det.size() == k &&
                        scratch.size() == 2 * k && gt_splits.size() == images + 1,
                    "fiftyone_match: arrays do not fit together");
        static_assert(sizeof(tamis::host::Candidate) == 2 * sizeof(int64_t));
        tamis::cuda::fiftyone_match({images,
                                     threshold,
                                     {splits.data, boxes.data, labels.data},
                                     {gt_splits.data, gt_boxes.data, gt_labels.data},
                                     order.data,
                                     crowd.data,
                                     reinterpret_cast<tamis::host::Candidate*>(scratch.data)},
                                    {det_gt.data, det_iou.data, gt_det.data}, reinterpret_cast<cudaStream_t>(stream));
      },
      py::call_guard<py::gil_scoped_release>());
}
