#include <pybind11/stl.h>

#include "knn/knn_rows_bind.hpp"
#include "knn/knn_search.hpp"

namespace py = pybind11;
using tamis::KnnColumn;
using tamis::View;

namespace {

// The parts of an index that are copied, by name.
template <class Parts, class Visit>
void visit(Parts& parts, Visit&& f) {
  f("numbers", parts.numbers);
  f("order", parts.order);
  f("norm", parts.norm);
  f("sum", parts.sum);
  f("squares", parts.squares);
  f("lost", parts.lost);
  f("nodes", parts.nodes);
  f("splits", parts.splits);
  f("directions", parts.directions);
  f("cells", parts.cells);
}

py::dict parts_of(const std::shared_ptr<tamis::KnnIndex>& index) {
  TAMIS_CHECK(index->plan.codes, "KnnIndex: only codes have parts");
  tamis::KnnParts parts = index->parts();
  py::dict all;
  all["bias"] = parts.bias;
  visit(parts, [&](const char* name, auto& column) { all[name] = tamis::to_numpy(std::move(column)); });
  const py::object owner = py::cast(index);
  all["full"] = py::array_t<uint8_t>(parts.full_size, parts.full, owner);
  all["prefix"] = py::array_t<uint8_t>(parts.prefix_size, parts.prefix, owner);
  for (const char* name : {"full", "prefix"}) all[name].attr("setflags")(py::arg("write") = false);
  return all;
}

template <class T>
View<const T, 1> column_of(const py::dict& all, const char* name) {
  py::detail::make_caster<View<const T, 1>> found;
  TAMIS_CHECK(all.contains(name) && found.load(all[name], false), std::string("KnnIndex: parts lack ") + name);
  return py::detail::cast_op<View<const T, 1>>(found);
}

tamis::KnnParts read_parts(const py::dict& all) {
  tamis::KnnParts parts;
  parts.bias = all["bias"].cast<int32_t>();
  visit(parts, [&]<class T>(const char* name, tamis::Vector<T>& column) {
    const View<const T, 1> values = column_of<T>(all, name);
    column.assign(values.data, values.data + values.size());
  });
  const auto full = column_of<uint8_t>(all, "full"), prefix = column_of<uint8_t>(all, "prefix");
  parts.full = full.data;
  parts.full_size = full.size();
  parts.prefix = prefix.data;
  parts.prefix_size = prefix.size();
  return parts;
}

template <class Matrix>
std::shared_ptr<tamis::KnnIndex> index_of(const Matrix& x, KnnColumn scale, KnnColumn offset,
                                          const std::optional<py::dict>& parts, bool dots, View<const double, 1> mean,
                                          double gain, bool codes, bool ordered, std::optional<tamis::KnnFloats> basis,
                                          int64_t leading) {
  const tamis::KnnRows rows = tamis::knn_rows(x, scale, offset);
  tamis::KnnPlan plan = tamis::knn_plan(rows, dots, mean, gain, codes, ordered, basis, leading);
  if (!parts) {
    const py::gil_scoped_release release;
    return std::make_shared<tamis::KnnIndex>(rows, std::move(plan));
  }
  tamis::KnnParts read = read_parts(*parts);
  const py::gil_scoped_release release;
  return std::make_shared<tamis::KnnIndex>(rows, std::move(plan), std::move(read));
}

// An index points into x, scale, offset and the codes of its parts: arguments 2 to 5.
template <class Matrix, class Class>
void add_constructor(Class& c) {
  c.def(py::init(&index_of<Matrix>), py::kw_only(), py::arg("x"), py::arg("scale"), py::arg("offset"), py::arg("parts"),
        py::arg("dots"), py::arg("mean"), py::arg("gain"), py::arg("codes"), py::arg("ordered"), py::arg("basis"),
        py::arg("leading") = 0, py::keep_alive<1, 2>(), py::keep_alive<1, 3>(), py::keep_alive<1, 4>(),
        py::keep_alive<1, 5>());
}

}  // namespace

void bind_knn_index(py::module_& m) {
  py::class_<tamis::KnnIndex, std::shared_ptr<tamis::KnnIndex>> c(m, "KnnIndex");
  add_constructor<tamis::KnnFloats>(c);
  add_constructor<tamis::KnnDoubles>(c);
  add_constructor<tamis::KnnHalves>(c);
  c.def_property_readonly("nbytes", &tamis::KnnIndex::nbytes);
  c.def("parts", &parts_of);
}
