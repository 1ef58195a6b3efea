#include <pybind11/stl.h>

#include "knn/knn_pass.hpp"
#include "knn/knn_rows_bind.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

template <class Matrix>
std::unique_ptr<tamis::KnnPass> pass_of(const Matrix& x, const Matrix& queries, tamis::KnnColumn query_scale, int64_t k,
                                        bool dots) {
  const tamis::KnnRows rows = tamis::knn_rows(x, std::nullopt, std::nullopt);
  tamis::KnnRows asked = tamis::knn_rows(queries, query_scale, std::nullopt);
  TAMIS_CHECK(asked.n > 0 && asked.d > 0 && asked.d == rows.d, "KnnPass: queries must have shape (M, D)");
  TAMIS_CHECK(k > 0 && k <= rows.n && !(dots && query_scale), "KnnPass: k must be 1 to the number of rows");
  const py::gil_scoped_release release;
  return std::make_unique<tamis::KnnPass>(rows, asked, k,
                                          dots ? tamis::KnnMetric::inner_product : tamis::KnnMetric::squared_distance);
}

// A pass points into x, queries and query_scale.
template <class Matrix, class Class>
void add_constructor(Class& c) {
  c.def(py::init(&pass_of<Matrix>), py::kw_only(), py::arg("x"), py::arg("queries"), py::arg("query_scale"),
        py::arg("k"), py::arg("dots"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>());
}

}  // namespace

void bind_knn_pass(py::module_& m) {
  py::class_<tamis::KnnPass> c(m, "KnnPass");
  add_constructor<tamis::KnnFloats>(c);
  add_constructor<tamis::KnnDoubles>(c);
  c.def("run", [](tamis::KnnPass& s, int64_t begin, int64_t end) {
    TAMIS_CHECK(begin >= 0 && begin <= end && end <= s.rows(), "KnnPass: rows must be within x");
    const py::gil_scoped_release release;
    return s.run(begin, end);
  });
  c.def("write_neighbours", [](tamis::KnnPass& s, View<double, 2> keys, View<int64_t, 2> indices) {
    TAMIS_CHECK(keys.shape == indices.shape && keys.shape == (std::array{s.queries(), s.k()}),
                "write_neighbours: outputs must have shape (queries, k)");
    const py::gil_scoped_release release;
    s.write_neighbours(keys.data, indices.data);
  });
}
