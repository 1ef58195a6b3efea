#include <pybind11/stl.h>

#include "core/parallel.hpp"
#include "knn/knn_rows_bind.hpp"
#include "knn/knn_search.hpp"

namespace py = pybind11;
using tamis::View;
using Floats = tamis::KnnFloats;
using Doubles = tamis::KnnDoubles;
using Halves = tamis::KnnHalves;
using Column = tamis::KnnColumn;

void bind_knn_index(py::module_& m);  // knn_index_bind.cpp
void bind_knn_pass(py::module_& m);   // knn_pass_bind.cpp

namespace {

template <class Matrix>
int64_t scan(const Matrix& x, Column offset, View<double, 1> norms, std::optional<View<double, 1>> sums) {
  const tamis::KnnRows rows = tamis::knn_rows(x, std::nullopt, offset);
  TAMIS_CHECK(norms.size() == rows.n && (!sums || sums->size() == rows.d), "knn_scan: outputs must fit x");
  const py::gil_scoped_release release;
  return tamis::scan_matrix(rows, norms.data, sums ? sums->data : nullptr);
}

std::unique_ptr<tamis::KnnSearch> search_of(std::shared_ptr<tamis::KnnIndex> index, const tamis::KnnRows& asked,
                                            int64_t k, double radius) {
  const tamis::KnnRows& rows = index->x.rows;
  const bool self = asked.n == 0;
  TAMIS_CHECK(self || asked.d == rows.d, "KnnSearch: shapes differ");
  TAMIS_CHECK(self || (asked.scale != nullptr) == (rows.scale != nullptr),
              "KnnSearch: scales and offset must be given together");
  TAMIS_CHECK(k >= 0 && k <= rows.n - self, "KnnSearch: k must be 0 to the number of neighbours");
  return std::make_unique<tamis::KnnSearch>(std::move(index), asked, k, radius);
}

template <class Matrix>
std::unique_ptr<tamis::KnnSearch> search_once(const Matrix& x, Column scale, Column offset,
                                              const std::optional<Matrix>& queries, Column query_scale, int64_t k,
                                              double radius, bool dots, View<const double, 1> mean, double gain,
                                              bool codes, bool ordered, std::optional<Floats> basis, int64_t leading) {
  const tamis::KnnRows rows = tamis::knn_rows(x, scale, offset);
  tamis::KnnRows asked;
  if (queries) asked = tamis::knn_rows(*queries, query_scale, offset);
  TAMIS_CHECK(!queries || asked.n > 0, "KnnSearch: x and queries must not be empty");
  tamis::KnnPlan plan = tamis::knn_plan(rows, dots, mean, gain, codes, ordered, basis, leading);
  const py::gil_scoped_release release;
  return search_of(std::make_shared<tamis::KnnIndex>(rows, std::move(plan)), asked, k, radius);
}

template <class Matrix>
std::unique_ptr<tamis::KnnSearch> search_index(std::shared_ptr<tamis::KnnIndex> index,
                                               const std::optional<Matrix>& queries, Column query_scale, int64_t k,
                                               double radius) {
  tamis::KnnRows asked;
  if (queries) {
    asked = tamis::knn_rows(*queries, query_scale, std::nullopt);
    asked.offset = index->x.rows.offset;
    const tamis::KnnRows& rows = index->x.rows;
    TAMIS_CHECK(asked.n > 0, "KnnSearch: x and queries must not be empty");
    TAMIS_CHECK((rows.f32 == nullptr) == (asked.f32 == nullptr) && (rows.f64 == nullptr) == (asked.f64 == nullptr),
                "KnnSearch: queries must have the dtype of the index");
  }
  const py::gil_scoped_release release;
  return search_of(std::move(index), asked, k, radius);
}

// A search points into x, scale, offset, queries and query_scale: arguments 2 to 6 live as long as it does.
template <class Matrix, class Class>
void add_constructor(Class& c) {
  c.def(py::init(&search_once<Matrix>), py::kw_only(), py::arg("x"), py::arg("scale"), py::arg("offset"),
        py::arg("queries"), py::arg("query_scale"), py::arg("k"), py::arg("radius"), py::arg("dots"), py::arg("mean"),
        py::arg("gain"), py::arg("codes"), py::arg("ordered"), py::arg("basis"), py::arg("leading") = 0,
        py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>(), py::keep_alive<1, 5>(),
        py::keep_alive<1, 6>());
  c.def(py::init(&search_index<Matrix>), py::kw_only(), py::arg("index"), py::arg("queries"), py::arg("query_scale"),
        py::arg("k"), py::arg("radius"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>());
}

}  // namespace

void bind_knn(py::module_& m) {
  m.def("cap_knn_codes", &tamis::cap_knn_codes);
  m.def("knn_codes", [] { return tamis::knn_code_kernels().name; });
  m.attr("KNN_BLOCK") = tamis::kKnnBlock;
  m.def("knn_scan", &scan<Floats>);
  m.def("knn_scan", &scan<Doubles>);
  m.def("knn_scan", &scan<Halves>);

  m.def("project_rows", [](Floats z, Floats basis, View<float, 2> out) {
    const int64_t n = z.shape[0], d = z.shape[1], p = basis.shape[1];
    TAMIS_CHECK(basis.shape[0] == d && out.shape[0] == n && out.shape[1] == p, "project_rows: shapes differ");
    const py::gil_scoped_release release;
    tamis::parallel_for(n, 128, [&](int64_t begin, int64_t end) {
      tamis::project_rows(z.data + begin * d, end - begin, d, basis.data, p, out.data + begin * p);
    });
  });

  m.def("merge_neighbours", [](View<const double, 2> keys, View<const int64_t, 2> rows, View<double, 2> out_keys,
                               View<int64_t, 2> out_rows) {
    TAMIS_CHECK(rows.shape == keys.shape && out_rows.shape == out_keys.shape && out_keys.shape[0] == keys.shape[0],
                "merge_neighbours: keys and rows must be (n, m), and (n, k)");
    const py::gil_scoped_release release;
    tamis::merge_neighbours({keys.data, rows.data, keys.shape[0], keys.shape[1]}, out_keys.shape[1], out_keys.data,
                            out_rows.data);
  });

  bind_knn_index(m);
  bind_knn_pass(m);
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
  c.def("set_balls", [](tamis::KnnSearch& s, View<const double, 1> balls) {
    TAMIS_CHECK(s.self() && s.k() > 0 && balls.size() == s.searched(),
                "set_balls: balls must have shape (searched rows,), of a search for neighbours among themselves");
    s.set_balls(balls.data);
  });
  c.def("write_held", [](const tamis::KnnSearch& s, View<uint8_t, 1> held) {
    TAMIS_CHECK(s.has_balls() && held.size() == s.searched(), "write_held: held must have shape (searched rows,)");
    s.write_held(held.data);
  });
  c.def("set_paged", &tamis::KnnSearch::set_paged);
  c.def_property_readonly("too_many_pairs", &tamis::KnnSearch::too_many_pairs);
  c.def("run", &tamis::KnnSearch::run, py::call_guard<py::gil_scoped_release>());
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
