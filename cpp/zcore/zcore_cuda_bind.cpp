#include "core/array.hpp"
#include "core/error.hpp"
#include "zcore/zcore_cuda.hpp"

namespace py = pybind11;
using tamis::DeviceView;

namespace {

cudaStream_t as_stream(uintptr_t stream) { return reinterpret_cast<cudaStream_t>(stream); }

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
void bind_dtype(py::module_& m) {
  using Columns = DeviceView<T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def("zcore_columns", [](DeviceView<const T, 2> x, Columns out, Columns sample, Spans spans,
                            DeviceView<int64_t, 1> bad, uintptr_t stream) {
    const bool fits = out.shape[0] == x.shape[1] && out.shape[1] == x.shape[0] && sample.shape[0] == x.shape[1];
    TAMIS_CHECK(fits && spans.shape[1] == x.shape[1] && bad.size() == 1, "zcore_columns: outputs must fit x");
    tamis::cuda::zcore_columns(x.data, columns(out), reinterpret_cast<unsigned long long*>(bad.data),
                               as_stream(stream));
    tamis::cuda::zcore_sample(columns(out), columns(sample), as_stream(stream));
    tamis::cuda::zcore_spans(columns(out), spans_of(spans), as_stream(stream));
  }, nogil);
  m.def("zcore_score", [](Columns x, Columns sample, DeviceView<int32_t, 2> dims, DeviceView<double, 2> points,
                          int64_t wanted, double exponent, DeviceView<int64_t, 2> lists, DeviceView<int64_t, 1> sums,
                          uintptr_t stream) {
    using Key = typename tamis::cuda::ZcoreKeyOf<T>::Type;
    const int64_t capacity = lists.shape[1] * int64_t(sizeof(int64_t)) / int64_t(sizeof(Key));
    TAMIS_CHECK(dims.shape == points.shape && sums.size() == x.shape[1] && wanted < x.shape[1] &&
                    capacity >= wanted,
                "zcore_score: arrays must fit");
    const tamis::cuda::ZcoreScoring<T> scoring{
        columns(x), columns(sample), wanted, exponent, reinterpret_cast<Key*>(lists.data), lists.shape[0], capacity,
        reinterpret_cast<unsigned long long*>(sums.data)};
    tamis::cuda::zcore_score(scoring, {dims.data, points.data, dims.shape[0], dims.shape[1]}, as_stream(stream));
  }, nogil);
}

}  // namespace

void bind_zcore(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  m.def("zcore_draws", [](Spans spans, uint64_t seed, int64_t first, DeviceView<int32_t, 2> dims,
                          DeviceView<double, 2> points, uintptr_t stream) {
    TAMIS_CHECK(dims.shape == points.shape && dims.shape[1] <= spans.shape[1], "zcore_draws: shapes differ");
    tamis::cuda::zcore_draws(spans_of(spans), spans.shape[1], seed, first,
                             {dims.data, points.data, dims.shape[0], dims.shape[1]}, as_stream(stream));
  }, nogil);
  m.def("zcore_start", [](uint64_t seed, DeviceView<double, 1> out, uintptr_t stream) {
    tamis::cuda::zcore_start(seed, out.data, out.size(), as_stream(stream));
  }, nogil);
  m.attr("ZCORE_BLOCKS") = tamis::cuda::kZcoreBlocks;
  m.attr("ZCORE_SPARE") = tamis::cuda::kZcoreSpare;
}
