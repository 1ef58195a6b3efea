#include <pybind11/stl.h>

#include "column_sums/column_sums.hpp"
#include "core/array.hpp"

namespace py = pybind11;

namespace {

template <class T>
std::vector<std::vector<double>> sums(tamis::View<const T, 2> x) {
  const py::gil_scoped_release release;
  return tamis::column_sums(x.data, x.shape[0], x.shape[1]);
}

}  // namespace

void bind_column_sums(py::module_& m) {
  m.def("column_sums", &sums<float>);
  m.def("column_sums", &sums<double>);
}
