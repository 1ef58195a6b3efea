#include <pybind11/pybind11.h>

namespace py = pybind11;

void bind_box_iou(py::module_&);

PYBIND11_MODULE(_cuda, m, py::mod_gil_not_used()) { bind_box_iou(m); }
