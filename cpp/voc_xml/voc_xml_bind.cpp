#include <pybind11/stl.h>

#include "core/array.hpp"
#include "voc_xml/voc_xml.hpp"

namespace py = pybind11;
using namespace pybind11::literals;
using namespace tamis;

namespace {

// (n, k) values out of n arrays of k.
template <class T, size_t k>
py::array_t<T> matrix(const std::vector<std::array<T, k>>& rows) {
  return py::array_t<T>({static_cast<py::ssize_t>(rows.size()), static_cast<py::ssize_t>(k)},
                        rows.empty() ? nullptr : rows.front().data());
}

py::dict objects(const std::vector<std::string>& paths) {
  VocObjects found;
  {
    const py::gil_scoped_release unlocked;
    found = read_voc_files(paths);
  }
  py::list texts, names, problems;
  for (const std::string* text : found.texts.in_order()) texts.append(py::bytes(*text));
  for (const std::string& name : found.names) names.append(py::bytes(name));
  for (const FileProblem& p : found.problems) problems.append(py::make_tuple(p.file, p.line, py::bytes(p.text)));
  return py::dict("row_splits"_a = to_numpy(std::move(found.row_splits)), "sizes"_a = matrix(found.sizes),
                  "names"_a = names, "labels"_a = to_numpy(std::move(found.labels)), "boxes"_a = matrix(found.boxes),
                  "flags"_a = matrix(found.flags), "lines"_a = to_numpy(std::move(found.lines)), "texts"_a = texts,
                  "problems"_a = problems);
}

}  // namespace

void bind_voc_xml(py::module_& m) { m.def("read_voc_files", objects, "paths"_a); }
