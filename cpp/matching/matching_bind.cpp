#include <pybind11/pybind11.h>
void bind_matching(pybind11::module_&) {}
