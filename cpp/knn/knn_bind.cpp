#include <pybind11/stl.h>

#include <optional>

#include "core/array.hpp"
#include "core/check.hpp"
#include "knn/knn_search.hpp"

namespace py = pybind11;
using tamis::View;
using Floats = View<const float, 2>;
using Doubles = View<const double, 2>;
using Halves = View<const uint16_t, 2>;  // float16 by its bits
using Scale = std::optional<View<const double, 1>>;

namespace {

using Offset = std::optional<View<const double, 1>>;

template <class Matrix>
tamis::KnnRows rows_of(const Matrix& x, const Scale& scale, const Offset& offset) {
  tamis::KnnRows rows;
  if constexpr (std::is_same_v<Matrix, Floats>)
    rows.f32 = x.data;
  else if constexpr (std::is_same_v<Matrix, Halves>)
    rows.f16 = x.data;
  else
    rows.f64 = x.data;
  if (scale) rows.scale = scale->data;
  if (offset) rows.offset = offset->data;
  rows.n = x.shape[0];
  rows.d = x.shape[1];
  TAMIS_CHECK((!scale || scale->size() == rows.n) && (!offset || offset->size() == rows.d),
              "knn: scale and offset must fit x");
  return rows;
}

template <class Matrix>
int64_t scan(const Matrix& x, Offset offset, View<double, 1> norms, std::optional<View<double, 1>> sums) {
  const tamis::KnnRows rows = rows_of(x, std::nullopt, offset);
  TAMIS_CHECK(norms.size() == rows.n && (!sums || sums->size() == rows.d), "knn_scan: outputs must fit x");
  const py::gil_scoped_release release;
  return tamis::scan_matrix(rows, norms.data, sums ? sums->data : nullptr);
}

template <class Matrix>
std::unique_ptr<tamis::KnnSearch> search(const Matrix& x, Scale scale, Offset offset,
                                         const std::optional<Matrix>& queries, Scale query_scale, int64_t k,
                                         double radius, bool dots, View<const double, 1> mean, double gain, bool codes,
                                         bool ordered, std::optional<Floats> basis) {
  const tamis::KnnRows rows = rows_of(x, scale, offset);
  tamis::KnnRows asked;
  if (queries) asked = rows_of(*queries, query_scale, offset);
  TAMIS_CHECK(mean.size() == rows.d && (!queries || asked.d == rows.d) && (!basis || basis->shape[0] == rows.d),
              "KnnSearch: shapes differ");
  TAMIS_CHECK(rows.d > 0 && rows.n > 0 && (!queries || asked.n > 0), "KnnSearch: x and queries must not be empty");
  TAMIS_CHECK(scale.has_value() == offset.has_value() && (!queries || scale.has_value() == query_scale.has_value()),
              "KnnSearch: scales and offset must be given together");
  TAMIS_CHECK(k >= 0 && k <= rows.n - (queries ? 0 : 1), "KnnSearch: k must be 0 to the number of neighbours");
  TAMIS_CHECK(!basis || (codes && basis->shape[1] > 0), "KnnSearch: a basis needs codes and columns");
  tamis::KnnPlan plan;
  plan.metric = dots ? tamis::KnnMetric::inner_product : tamis::KnnMetric::squared_distance;
  plan.mean.assign(mean.data, mean.data + mean.size());
  plan.gain = gain;
  plan.codes = codes;
  plan.ordered = ordered;
  if (basis) plan.basis.assign(basis->data, basis->data + basis->size());
  const py::gil_scoped_release release;
  return std::make_unique<tamis::KnnSearch>(rows, asked, std::move(plan), k, radius);
}

// A search points into x, scale, offset, queries and query_scale: arguments 2 to 6 live as long as it does.
template <class Matrix, class Class>
void add_constructor(Class& c) {
  c.def(py::init(&search<Matrix>), py::kw_only(), py::arg("x"), py::arg("scale"), py::arg("offset"), py::arg("queries"),
        py::arg("query_scale"), py::arg("k"), py::arg("radius"), py::arg("dots"), py::arg("mean"), py::arg("gain"),
        py::arg("codes"), py::arg("ordered"), py::arg("basis"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>(),
        py::keep_alive<1, 4>(), py::keep_alive<1, 5>(), py::keep_alive<1, 6>());
}

}  // namespace

void bind_knn(py::module_& m) {
  m.def("cap_knn_codes", &tamis::cap_knn_codes);
  m.def("knn_codes", [] { return tamis::knn_code_kernels().name; });
  m.attr("KNN_BLOCK") = tamis::kKnnBlock;
  m.def("knn_scan", &scan<Floats>);
  m.def("knn_scan", &scan<Doubles>);
  m.def("knn_scan", &scan<Halves>);

  m.def("merge_neighbours", [](View<const double, 2> keys, View<const int64_t, 2> rows, View<double, 2> out_keys,
                               View<int64_t, 2> out_rows) {
    TAMIS_CHECK(rows.shape == keys.shape && out_rows.shape == out_keys.shape && out_keys.shape[0] == keys.shape[0],
                "merge_neighbours: keys and rows must be (n, m), and (n, k)");
    const py::gil_scoped_release release;
    tamis::merge_neighbours({keys.data, rows.data, keys.shape[0], keys.shape[1]}, out_keys.shape[1], out_keys.data,
                            out_rows.data);
  });

  py::class_<tamis::KnnSearch> c(m, "KnnSearch");
  add_constructor<Floats>(c);
  add_constructor<Doubles>(c);
  add_constructor<Halves>(c);
  c.def_property_readonly("steps", &tamis::KnnSearch::steps);
  c.def("set_most_pairs", &tamis::KnnSearch::set_most_pairs);
  c.def("lower_limits", [](tamis::KnnSearch& s, View<const double, 1> limits) {
    TAMIS_CHECK(limits.size() == s.searched() && s.k() > 0, "lower_limits: limits must have shape (searched rows,)");
    s.lower_limits(limits.data);
  });
  c.def("set_paged", &tamis::KnnSearch::set_paged);
  c.def_property_readonly("too_many_pairs", &tamis::KnnSearch::too_many_pairs);
  c.def("run", [](tamis::KnnSearch& s, int64_t begin, int64_t end) {
    TAMIS_CHECK(begin >= 0 && begin <= end && end <= s.steps(), "KnnSearch: steps must be within `steps`");
    const py::gil_scoped_release release;
    s.run(begin, end);
  });
  c.def("write_neighbours", [](tamis::KnnSearch& s, View<double, 2> keys, View<int64_t, 2> indices) {
    TAMIS_CHECK(keys.shape == indices.shape && keys.shape == (std::array{s.searched(), s.k()}) && s.k() > 0,
                "write_neighbours: outputs must have shape (searched rows, k)");
    const py::gil_scoped_release release;
    s.write_neighbours(keys.data, indices.data);
  });
  c.def_property_readonly("n_pairs", &tamis::KnnSearch::n_pairs);
  c.def("write_pairs", [](tamis::KnnSearch& s, View<int64_t, 2> ends, View<double, 1> keys) {
    TAMIS_CHECK(keys.size() == s.n_pairs() && ends.size() == 2 * keys.size(), "write_pairs: outputs must fit n_pairs");
    const py::gil_scoped_release release;
    s.write_pairs(ends.data, keys.data);
  });
}
