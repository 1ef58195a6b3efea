#include <pybind11/stl.h>

#include <optional>

#include "core/array.hpp"
#include "core/error.hpp"
#include "uniqueness/uniqueness.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

template <class T>
void keep_largest(View<const T, 2> block, View<T, 2> of_rows, std::optional<View<T, 2>> of_columns) {
  const auto [n, m] = block.shape;
  const int64_t k = of_rows.shape[1];
  TAMIS_CHECK(k > 0 && of_rows.shape[0] == n && (!of_columns || of_columns->shape == std::array{m, k}),
              "keep_largest: shapes differ");
  const py::gil_scoped_release release;
  tamis::keep_largest(block.data, n, m, k, of_rows.data, of_columns ? of_columns->data : nullptr);
}

}  // namespace

void bind_uniqueness(py::module_& m) {
  m.def("keep_largest", &keep_largest<float>);
  m.def("keep_largest", &keep_largest<double>);
}
