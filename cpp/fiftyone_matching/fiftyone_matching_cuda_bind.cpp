#include "core/cuda_bind.hpp"
#include "fiftyone_matching/fiftyone_matching_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Boxes = DeviceView<const double, 2>;
using Matches = DeviceView<int32_t, 1>;

}  // namespace

void bind_fiftyone_matching(py::module_& m) {
  m.def(
      "fiftyone_match",
      [](double threshold, Splits splits, Longs order, Boxes boxes, Ints labels, Splits gt_splits, Boxes gt_boxes,
         Ints gt_labels, Bytes crowd, DeviceView<int64_t, 2> scratch, Matches det_gt, DeviceView<double, 1> det_iou,
         Matches gt_det, uintptr_t stream) {
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
                                    {det_gt.data, det_iou.data, gt_det.data}, as_stream(stream));
      },
      py::kw_only(), "threshold"_a, "splits"_a, "order"_a, "boxes"_a, "labels"_a, "gt_splits"_a, "gt_boxes"_a,
      "gt_labels"_a, "crowd"_a, "scratch"_a, "det_gt"_a, "det_iou"_a, "gt_det"_a, "stream"_a,
      py::call_guard<py::gil_scoped_release>());
}
