#include <pybind11/pybind11.h>
void bind_average_precision(pybind11::module_&) {}
