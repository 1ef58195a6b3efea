#include "core/cuda_bind.hpp"
#include "oks/oks_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Points = DeviceView<const double, 3>;

}  // namespace

void bind_oks(py::module_& m) {
  m.def(
      "oks",
      [](Points det, Splits splits, Points gt, DeviceView<const double, 2> boxes, Numbers area, Splits gt_splits,
         Numbers variances, Splits out_splits, DeviceView<double, 1> out, uintptr_t stream) {
        const int64_t k = variances.size(), m = gt.shape[0], images = out_splits.size() - 1;
        TAMIS_CHECK(det.shape[1] == k && gt.shape[1] == k && (det.shape[2] == 2 || det.shape[2] == 3) &&
                        gt.shape[2] == 3 && boxes.size() == 4 * m && area.size() == m && splits.size() == images + 1 &&
                        gt_splits.size() == images + 1,
                    "oks: arrays do not fit together");
        tamis::cuda::oks({k,
                          det.shape[2],
                          det.data,
                          gt.data,
                          boxes.data,
                          area.data,
                          variances.data,
                          {splits.data, gt_splits.data, out_splits.data, images},
                          out.size()},
                         out.data, as_stream(stream));
      },
      py::kw_only(), "det"_a, "splits"_a, "gt"_a, "boxes"_a, "area"_a, "gt_splits"_a, "variances"_a, "out_splits"_a,
      "out"_a, "stream"_a, py::call_guard<py::gil_scoped_release>());
}
