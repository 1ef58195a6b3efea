#include <pybind11/pybind11.h>
void bind_coco_json(pybind11::module_& m) { m.attr("has_simdjson") = false; }
