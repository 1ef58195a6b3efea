#include "core/array.hpp"
#include "core/error.hpp"
#include "label_mistakes/label_mistakes_cuda.hpp"

namespace py = pybind11;
using tamis::DeviceView;

namespace {

using Rows = DeviceView<const int64_t, 1>;
using Numbers = DeviceView<const double, 1>;
using Flags = DeviceView<uint8_t, 1>;
using Counts = DeviceView<int64_t, 1>;
using Out = DeviceView<double, 1>;

}  // namespace

void bind_label_mistakes(py::module_& m) {
  m.def(
      "mistakes_of_matches",
      [](double least_iou, double missing_confidence, Rows splits, Rows gt_splits, Rows gt, Rows det, Numbers iou,
         Numbers confidence, Numbers certain, Rows labels, Rows gt_labels, DeviceView<const uint8_t, 1> judged,
         Out label, Out place, Flags spurious, Flags missing, Out worst, Counts n_missing, Counts n_spurious,
         Counts bad, uintptr_t stream) {
        const int64_t n = gt.size(), k = det.size(), images = splits.size() - 1;
        TAMIS_CHECK(iou.size() == n && confidence.size() == n && certain.size() == n && labels.size() == n &&
                        missing.size() == n && gt_labels.size() == k && judged.size() == k && label.size() == k &&
                        place.size() == k && spurious.size() == k && gt_splits.size() == images + 1 &&
                        worst.size() == images && n_missing.size() == images && n_spurious.size() == images &&
                        bad.size() == 4,
                    "mistakes_of_matches: arrays do not fit together");
        tamis::cuda::mistakes_of_matches(
            {n, k, images, splits.data, gt_splits.data, gt.data, det.data, iou.data, confidence.data, certain.data,
             labels.data, gt_labels.data, judged.data, least_iou, missing_confidence},
            {label.data, place.data, spurious.data, missing.data, worst.data, n_missing.data, n_spurious.data,
             bad.data},
            reinterpret_cast<cudaStream_t>(stream));
      },
      py::call_guard<py::gil_scoped_release>());
}
