#include "core/cuda_bind.hpp"
#include "resampling/resampling_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

void bind_resampling(py::module_& m) {
  // The columns come from ResamplingPlan.columns, which has checked them.
  m.def(
      "resample",
      [](Longs target_splits, Ints target_image, Ints cell_area, Bytes cell_curve, Longs stop_splits, Longs stop_end,
         Ints seen_image, Longs run_splits, DeviceView<const int32_t, 2> runs, Longs tp_splits, Ints tp_image,
         Longs mixed_splits, Ints mixed_image, Numbers level, Ints before, int32_t depth, int64_t n_recalls,
         DeviceView<const double, 2> weights, DeviceView<double, 2> precisions, DeviceView<int32_t, 2> reached,
         DeviceView<double, 4> precision, DeviceView<double, 4> recall, DeviceView<double, 4> targets,
         uintptr_t stream) {
        const int64_t k = precision.shape[0], c = precision.shape[1], t = precision.shape[2], n = weights.shape[1];
        const int64_t areas = k > 0 ? (target_splits.size() - 1) / k : 0;
        TAMIS_CHECK(cell_area.size() == c && cell_curve.size() == c && stop_splits.size() == k * c + 1 &&
                        run_splits.size() == k * c * t + 1 && tp_splits.size() == run_splits.size() &&
                        mixed_splits.size() == run_splits.size() && runs.shape[1] == 3 &&
                        precisions.size() == runs.shape[0] * n && reached.size() == precisions.size() &&
                        before.size() == tamis::kRecallBuckets + 1 && level.size() == n_recalls + depth &&
                        precision.shape[3] == n && recall.shape == precision.shape && targets.shape == precision.shape,
                    "resample: wrong shapes");
        tamis::cuda::resample({{k, areas, c, t, weights.shape[0], target_splits.data, target_image.data, cell_area.data,
                                cell_curve.data, stop_splits.data, stop_end.data, seen_image.data, run_splits.data,
                                reinterpret_cast<const tamis::ResamplingRun*>(runs.data), tp_splits.data, tp_image.data,
                                mixed_splits.data, mixed_image.data},
                               {n_recalls, level.data, before.data, depth},
                               weights.data,
                               n,
                               precisions.data,
                               reached.data},
                              precision.data, recall.data, targets.data, as_stream(stream));
      },
      py::kw_only(), "target_splits"_a, "target_image"_a, "cell_area"_a, "cell_curve"_a, "stop_splits"_a, "stop_end"_a,
      "seen_image"_a, "run_splits"_a, "runs"_a, "tp_splits"_a, "tp_image"_a, "mixed_splits"_a, "mixed_image"_a,
      "level"_a, "before"_a, "depth"_a, "n_recalls"_a, "weights"_a, "precisions"_a, "reached"_a, "precision"_a,
      "recall"_a, "targets"_a, "stream"_a, py::call_guard<py::gil_scoped_release>());
}
