#include "core/cuda_bind.hpp"
#include "label_mistakes/label_mistakes_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Flags = DeviceView<uint8_t, 1>;
using Counts = DeviceView<int64_t, 1>;
using Out = DeviceView<double, 1>;

}  // namespace

void bind_label_mistakes(py::module_& m) {
  m.def(
      "mistakes_of_matches",
      [](double least_iou, double missing_confidence, Splits splits, Splits gt_splits, Longs gt, Longs det, Numbers iou,
         Numbers confidence, Numbers certain, Longs labels, Longs gt_labels, Bytes judged, Out label, Out place,
         Flags spurious, Flags missing, Out worst, Counts n_missing, Counts n_spurious, Counts bad, uintptr_t stream) {
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
            as_stream(stream));
      },
      py::kw_only(), "least_iou"_a, "missing_confidence"_a, "splits"_a, "gt_splits"_a, "gt"_a, "det"_a, "iou"_a,
      "confidence"_a, "certain"_a, "labels"_a, "gt_labels"_a, "judged"_a, "label"_a, "place"_a, "spurious"_a,
      "missing"_a, "worst"_a, "n_missing"_a, "n_spurious"_a, "bad"_a, "stream"_a,
      py::call_guard<py::gil_scoped_release>());
}
