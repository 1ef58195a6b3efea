#include <pybind11/stl.h>

#include <optional>

#include "core/cuda_bind.hpp"
#include "knn/knn_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Scale = std::optional<Numbers>;
using Offset = Scale;

template <class T>
tamis::cuda::KnnMatrix<T> matrix(const DeviceView<const T, 2>& x, const Scale& scale, const Offset& offset) {
  TAMIS_CHECK((!scale || scale->size() == x.shape[0]) && (!offset || offset->size() == x.shape[1]),
              "knn: scale and offset must fit x");
  return {x.data, x.shape[0], x.shape[1], scale ? scale->data : nullptr, offset ? offset->data : nullptr};
}

struct Table {  // z, and what KnnScores has of each row, as rows of one matrix
  DeviceView<int16_t, 2> z;
  DeviceView<float, 2> of_rows;
};

tamis::cuda::KnnScores scores(const Table& t, int64_t n) {
  const int64_t padded = t.z.shape[0], width = t.z.shape[1];
  TAMIS_CHECK(padded >= n && padded % tamis::cuda::kKnnTile == 0 && width % tamis::cuda::kKnnSlice == 0 &&
                  t.of_rows.shape == (std::array<int64_t, 2>{6, padded}),
              "knn: a table must be padded to whole tiles");
  float* of = t.of_rows.data;
  return {reinterpret_cast<uint16_t*>(t.z.data),
          of,
          of + padded,
          of + 2 * padded,
          of + 3 * padded,
          of + 4 * padded,
          of + 5 * padded,
          n,
          padded,
          width,
          tamis::host::knn_order(n)};
}

template <class T>
void bind_dtype(py::module_& m) {
  using Matrix = DeviceView<const T, 2>;
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def(
      "knn_scan",
      [](Matrix x, Offset offset, DeviceView<double, 1> norms, DeviceView<int64_t, 1> stats, uintptr_t stream) {
        TAMIS_CHECK(norms.size() == x.shape[0] && stats.size() == 3, "knn_scan: outputs must fit x");
        tamis::cuda::knn_scan(matrix<T>(x, std::nullopt, offset), norms.data,
                              reinterpret_cast<unsigned long long*>(stats.data), as_stream(stream));
      },
      "x"_a, "offset"_a, "norms"_a, "stats"_a, py::kw_only(), "stream"_a, nogil);
  m.def(
      "knn_encode",
      [](Matrix x, Scale scale, Offset offset, Numbers centre, double gain, bool dots, DeviceView<int16_t, 2> z,
         DeviceView<float, 2> of_rows, uintptr_t stream) {
        TAMIS_CHECK(centre.size() == x.shape[1] && z.shape[1] >= x.shape[1], "knn_encode: arrays must fit x");
        tamis::cuda::knn_encode(matrix<T>(x, scale, offset), centre.data, gain, dots, scores({z, of_rows}, x.shape[0]),
                                as_stream(stream));
      },
      py::kw_only(), "x"_a, "scale"_a, "offset"_a, "centre"_a, "gain"_a, "dots"_a, "z"_a, "of_rows"_a, "stream"_a,
      nogil);
  m.def(
      "knn_search",
      [](Matrix x, Scale scale, Matrix queries, Scale query_scale, Offset offset, DeviceView<int16_t, 2> z,
         DeviceView<float, 2> of_columns, DeviceView<int16_t, 2> query_z, DeviceView<float, 2> of_rows,
         DeviceView<float, 2> sampled, DeviceView<float, 2> limits, DeviceView<int32_t, 1> counts,
         DeviceView<int64_t, 2> entries, bool dots, bool without_self, int output, int64_t begin, int64_t rows,
         DeviceView<double, 2> keys, DeviceView<int64_t, 2> indices, uintptr_t stream) {
        const int64_t k = keys.shape[1], room = entries.shape[1];
        const bool fits = limits.shape[1] == 3 && rows <= limits.shape[0] && limits.shape[0] == counts.size() &&
                          rows <= entries.shape[0] && rows <= sampled.shape[0] && begin + rows <= query_z.shape[0] &&
                          z.shape[1] == query_z.shape[1];
        const bool whole = begin % tamis::cuda::kKnnTile == 0 && rows % tamis::cuda::kKnnTile == 0 &&
                           sampled.shape[1] % tamis::cuda::kKnnTile == 0 && sampled.shape[1] <= z.shape[0];
        TAMIS_CHECK(fits && whole && keys.shape == indices.shape && keys.shape[0] == queries.shape[0] &&
                        (room & (room - 1)) == 0 && room >= 4 * k && room <= 4096,
                    "knn_search: arrays must fit");
        const tamis::cuda::KnnDeviceSearch<T> search{
            matrix<T>(x, scale, offset),
            matrix<T>(queries, query_scale, offset),
            scores({z, of_columns}, x.shape[0]),
            scores({query_z, of_rows}, queries.shape[0]),
            {sampled.data, sampled.shape[1], reinterpret_cast<tamis::host::ScoreLimit*>(limits.data),
             reinterpret_cast<uint32_t*>(counts.data), reinterpret_cast<tamis::cuda::KnnEntry*>(entries.data), room},
            k,
            dots,
            without_self,
            tamis::host::KnnOutput(output),
            keys.data,
            indices.data};
        tamis::cuda::knn_search(search, begin, rows, as_stream(stream));
      },
      py::kw_only(), "x"_a, "scale"_a, "queries"_a, "query_scale"_a, "offset"_a, "z"_a, "of_columns"_a, "query_z"_a,
      "of_rows"_a, "sampled"_a, "limits"_a, "counts"_a, "entries"_a, "dots"_a, "without_self"_a, "output"_a, "begin"_a,
      "rows"_a, "keys"_a, "indices"_a, "stream"_a, nogil);
  m.def(
      "knn_pairs",
      [](Matrix x, Scale scale, Matrix queries, Scale query_scale, Offset offset, DeviceView<int16_t, 2> z,
         DeviceView<float, 2> of_columns, DeviceView<int16_t, 2> query_z, DeviceView<float, 2> of_rows,
         DeviceView<float, 2> limits, DeviceView<int32_t, 2> candidates, DeviceView<int64_t, 1> counts,
         DeviceView<int64_t, 2> pairs, DeviceView<double, 1> keys, bool self, double radius, double reach,
         std::array<int64_t, 4> part, uintptr_t stream) {
        bool fits = counts.size() == 2 && candidates.shape[1] == 2 && candidates.shape == pairs.shape &&
                    keys.size() == candidates.shape[0] && limits.shape[1] == 3 &&
                    part[1] - part[0] <= limits.shape[0] && part[1] <= query_z.shape[0] && part[3] <= z.shape[0] &&
                    z.shape[1] == query_z.shape[1];
        for (const int64_t edge : part) fits &= edge >= 0 && edge % tamis::cuda::kKnnTile == 0;
        TAMIS_CHECK(fits, "knn_pairs: arrays must fit");
        const tamis::cuda::KnnDevicePairs<T> search{matrix<T>(x, scale, offset),
                                                    matrix<T>(queries, query_scale, offset),
                                                    scores({z, of_columns}, x.shape[0]),
                                                    scores({query_z, of_rows}, queries.shape[0]),
                                                    self,
                                                    radius,
                                                    reach,
                                                    reinterpret_cast<tamis::host::ScoreLimit*>(limits.data),
                                                    reinterpret_cast<uint32_t*>(candidates.data),
                                                    candidates.shape[0],
                                                    reinterpret_cast<unsigned long long*>(counts.data),
                                                    pairs.data,
                                                    keys.data};
        tamis::cuda::knn_pairs(search, {part[0], part[1], part[2], part[3]}, as_stream(stream));
      },
      py::kw_only(), "x"_a, "scale"_a, "queries"_a, "query_scale"_a, "offset"_a, "z"_a, "of_columns"_a, "query_z"_a,
      "of_rows"_a, "limits"_a, "candidates"_a, "counts"_a, "pairs"_a, "keys"_a, "self"_a, "radius"_a, "reach"_a,
      "part"_a, "stream"_a, nogil);
}

}  // namespace

void bind_knn(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
