#include "core/array.hpp"
#include "core/error.hpp"
#include "label_mistakes/label_mistakes.hpp"

namespace py = pybind11;

namespace {

template <class T>
void bind_dtype(py::module_& m) {
  m.def("entropy_terms", [](tamis::View<const T, 2> p, tamis::View<T, 2> out) {
    TAMIS_CHECK(out.size() == p.size(), "entropy_terms: out must be as long as p");
    const py::gil_scoped_release release;
    tamis::entropy_terms(p.data, p.size(), out.data);
  });
}

}  // namespace

void bind_label_mistakes(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
