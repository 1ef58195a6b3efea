#include "average_precision/average_precision_cuda.hpp"
#include "core/cuda_bind.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

void bind_average_precision(py::module_& m) {
  m.def(
      "average_precision",
      [](Ints category, Ints rank, Numbers score, DeviceView<const int64_t, 3> verdicts,
         DeviceView<const int64_t, 2> n_regular, Longs max_dets, Numbers recalls, Numbers farthest, Longs places,
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
                                       precision.data, recall.data, scores.data, as_stream(stream));
      },
      py::kw_only(), "category"_a, "rank"_a, "score"_a, "verdicts"_a, "n_regular"_a, "max_dets"_a, "recalls"_a,
      "farthest"_a, "places"_a, "precision"_a, "recall"_a, "scores"_a, "stream"_a,
      py::call_guard<py::gil_scoped_release>());
}
