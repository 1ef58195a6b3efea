#include <pybind11/stl.h>

#include "core/array.hpp"
#include "yolo_text/yolo_text.hpp"

namespace py = pybind11;
using namespace pybind11::literals;
using namespace tamis;

namespace {

py::dict rows(const std::vector<std::string>& paths) {
  YoloRows found;
  {
    const py::gil_scoped_release unlocked;
    found = read_yolo_files(paths);
  }
  py::list texts, problems;
  for (const std::string* text : found.texts.in_order()) texts.append(py::bytes(*text));
  for (const FileProblem& p : found.problems) problems.append(py::make_tuple(p.file, p.line, py::bytes(p.text)));
  return py::dict("row_splits"_a = to_numpy(std::move(found.row_splits)),
                  "labels"_a = to_numpy(std::move(found.labels)),
                  "value_splits"_a = to_numpy(std::move(found.value_splits)),
                  "values"_a = to_numpy(std::move(found.values)), "lines"_a = to_numpy(std::move(found.lines)),
                  "missing"_a = to_numpy(std::move(found.missing)), "texts"_a = texts, "problems"_a = problems);
}

}  // namespace

void bind_yolo_text(py::module_& m) { m.def("read_yolo_files", rows, "paths"_a); }
