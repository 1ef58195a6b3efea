#include "core/cuda_bind.hpp"
#include "zcore/zcore_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Spans = DeviceView<double, 2>;  // low, median, high

tamis::cuda::ZcoreSpans spans_of(const Spans& s) {
  TAMIS_CHECK(s.shape[0] == 3, "zcore: spans must have three rows");
  return {s.data, s.data + s.shape[1], s.data + 2 * s.shape[1]};
}

template <class T>
tamis::cuda::ZcoreColumns<T> columns(const DeviceView<T, 2>& x) {
  return {x.data, x.shape[1], x.shape[0]};
}

template <class T>
tamis::cuda::ZcoreRows<T> rows(const DeviceView<const T, 2>& x) {
  return {x.data, x.shape[0], x.shape[1]};
}

using Halves = DeviceView<int16_t, 2>;

template <class T>
tamis::cuda::ZcoreHalves halves_of(const Halves& h, const Spans& spans, double scale, const DeviceView<const T, 2>& x) {
  const bool aligned = reinterpret_cast<uintptr_t>(h.data) % 16 == 0 && h.shape[1] % tamis::kZcoreEight == 0;
  TAMIS_CHECK(aligned && h.shape[0] == x.shape[1] && h.shape[1] >= x.shape[0] && spans.shape[1] == x.shape[1],
              "zcore: halves must fit x");
  return {reinterpret_cast<uint16_t*>(h.data), h.shape[1], spans_of(spans).median, scale};
}

template <class T>
void bind_dtype(py::module_& m) {
  using Rows = DeviceView<const T, 2>;
  using Columns = DeviceView<T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "zcore_columns",
      [](Rows x, int64_t first, Columns out, Columns sample, Spans spans, DeviceView<int64_t, 1> bad,
         uintptr_t stream) {
        const int64_t n = x.shape[0], d = x.shape[1], count = out.shape[0];
        TAMIS_CHECK(out.shape[1] == n && sample.shape[0] == d && spans.shape[1] == d && bad.size() == 1 && first >= 0 &&
                        first + count <= d,
                    "zcore_columns: outputs must fit x");
        const auto all = spans_of(spans);
        tamis::cuda::zcore_columns(rows<T>(x), first, columns(out), reinterpret_cast<unsigned long long*>(bad.data),
                                   as_stream(stream));
        tamis::cuda::zcore_sample(columns(out), {sample.data + first * sample.shape[1], sample.shape[1], count},
                                  as_stream(stream));
        tamis::cuda::zcore_spans(columns(out), {all.low + first, all.median + first, all.high + first},
                                 as_stream(stream));
      },
      "x"_a, "first"_a, "out"_a, "sample"_a, "spans"_a, "bad"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "zcore_halves",
      [](Rows x, Spans spans, double scale, Halves out, uintptr_t stream) {
        tamis::cuda::zcore_halves(rows<T>(x), halves_of<T>(out, spans, scale, x), as_stream(stream));
      },
      "x"_a, "spans"_a, "scale"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "zcore_score",
      [](Rows x, Spans spans, double scale, Halves halves, Columns sample, DeviceView<int32_t, 2> dims,
         DeviceView<double, 2> points, int64_t wanted, double exponent, DeviceView<int64_t, 2> lists,
         DeviceView<int64_t, 1> sums, uintptr_t stream) {
        using Key = typename tamis::cuda::ZcoreKeyOf<T>::Type;
        const int64_t capacity = lists.shape[1] * int64_t(sizeof(int64_t)) / int64_t(sizeof(Key));
        TAMIS_CHECK(dims.shape == points.shape && sums.size() == x.shape[0] && wanted < x.shape[0] &&
                        capacity >= wanted && sample.shape[0] == x.shape[1],
                    "zcore_score: arrays must fit");
        const tamis::cuda::ZcoreScoring<T> scoring{rows<T>(x),
                                                   halves_of<T>(halves, spans, scale, x),
                                                   columns(sample),
                                                   wanted,
                                                   exponent,
                                                   reinterpret_cast<Key*>(lists.data),
                                                   lists.shape[0],
                                                   capacity,
                                                   reinterpret_cast<unsigned long long*>(sums.data)};
        tamis::cuda::zcore_score(scoring, {dims.data, points.data, dims.shape[0], dims.shape[1]}, as_stream(stream));
      },
      py::kw_only(), "x"_a, "spans"_a, "scale"_a, "halves"_a, "sample"_a, "dims"_a, "points"_a, "wanted"_a,
      "exponent"_a, "lists"_a, "sums"_a, "stream"_a, nogil);
}

}  // namespace

void bind_zcore(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  m.def(
      "zcore_draws",
      [](Spans spans, uint64_t seed, int64_t first, DeviceView<int32_t, 2> dims, DeviceView<double, 2> points,
         uintptr_t stream) {
        TAMIS_CHECK(dims.shape == points.shape && dims.shape[1] <= spans.shape[1], "zcore_draws: shapes differ");
        tamis::cuda::zcore_draws(spans_of(spans), spans.shape[1], seed, first,
                                 {dims.data, points.data, dims.shape[0], dims.shape[1]}, as_stream(stream));
      },
      "spans"_a, "seed"_a, "first"_a, "dims"_a, "points"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "zcore_start",
      [](uint64_t seed, DeviceView<double, 1> out, uintptr_t stream) {
        tamis::cuda::zcore_start(seed, out.data, out.size(), as_stream(stream));
      },
      "seed"_a, "out"_a, py::kw_only(), "stream"_a, nogil);
  m.attr("ZCORE_BLOCKS") = tamis::cuda::kZcoreBlocks;
  m.attr("ZCORE_EIGHT") = tamis::kZcoreEight;
  m.attr("ZCORE_SPARE") = tamis::cuda::kZcoreSpare;
}
