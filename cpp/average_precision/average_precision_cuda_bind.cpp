#include "average_precision/average_precision_cuda.hpp"
#include "core/array.hpp"
#include "core/error.hpp"

namespace py = pybind11;
using tamis::DeviceView;

void bind_average_precision(py::module_& m) {
  using Levels = DeviceView<const double, 1>;
  m.def(
      "average_precision",
      [](DeviceView<const int32_t, 1> category, DeviceView<const int32_t, 1> rank, Levels score,
         DeviceView<const int64_t, 3> verdicts, DeviceView<const int64_t, 2> n_regular,
         DeviceView<const int64_t, 1> max_dets, Levels recalls, Levels farthest, DeviceView<const int64_t, 1> places,
         DeviceView<double, 5> precision, DeviceView<double, 4> recall, DeviceView<double, 5> scores,
         uintptr_t stream) {
        const int64_t n = category.size(), k = n_regular.shape[0], a = n_regular.shape[1], m = max_dets.size();
        const int64_t t = recall.shape[0], r = recalls.size(), words = (t + 63) / 64;
        TAMIS_CHECK(rank.size() == n && score.size() == n &&
                        verdicts.shape == (std::array<int64_t, 3>{a * words, n, 2}) && farthest.size() == r &&
                        places.size() == r && precision.size() == t * r * k * a * m &&
                        scores.size() == precision.size() && recall.size() == t * k * a * m,
                    "average_precision: wrong shapes");
        tamis::cuda::average_precision({k, a, m, t, r, n, category.data, rank.data, score.data,
                                        reinterpret_cast<const tamis::host::Verdict*>(verdicts.data), n_regular.data,
                                        max_dets.data, recalls.data, farthest.data, places.data},
                                       precision.data, recall.data, scores.data,
                                       reinterpret_cast<cudaStream_t>(stream));
      },
      py::call_guard<py::gil_scoped_release>());
}
