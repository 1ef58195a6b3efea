// Columns of annotations that are Python dicts already: boxes with plain numbers, or nothing.
#include "core/array.hpp"
#include "core/error.hpp"

namespace py = pybind11;
using namespace tamis;

namespace {
constexpr long long kExact = 1LL << 53;  // integers a double holds
constexpr py::ssize_t kSignalsEvery = 1 << 16;

// New references throughout: a list or dict may change under another thread's hands.
py::object taken(PyObject* value) {
  if (value == nullptr) PyErr_Clear();
  return py::reinterpret_steal<py::object>(value);
}

bool read(const py::object& value, int64_t& out) {
  if (!value || !PyLong_CheckExact(value.ptr())) return false;
  int overflow = 0;
  out = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  return overflow == 0;
}

bool read(const py::object& value, double& out) {
  if (value && PyFloat_Check(value.ptr())) {
    out = PyFloat_AS_DOUBLE(value.ptr());
    return true;
  }
  int64_t integer = 0;
  if (!read(value, integer) || integer > kExact || integer < -kExact) return false;
  out = static_cast<double>(integer);
  return true;
}

bool read(const py::object& value, uint8_t& out) {
  int64_t integer = 0;
  if (value && PyBool_Check(value.ptr())) {
    integer = value.ptr() == Py_True;
  } else if (!read(value, integer) || integer < 0 || integer > 255) {
    return false;
  }
  out = static_cast<uint8_t>(integer);
  return true;
}

bool read_box(const py::object& value, double* out) {
  if (!value || !PyList_CheckExact(value.ptr()) || PyList_GET_SIZE(value.ptr()) != 4) return false;
  for (py::ssize_t i = 0; i < 4; ++i) {
    if (!read(taken(PySequence_GetItem(value.ptr(), i)), out[i])) return false;
  }
  return true;
}

// None where a record is not a dict, or a value not a plain number; the caller then takes them one by one.
template <class Last>
py::object box_columns(const py::list& records, const char* last_key) {
  const auto n = py::ssize_t(records.size());
  py::array_t<int64_t> id(n), image(n), category(n);
  py::array_t<double> area(n), box({n, py::ssize_t{4}});
  py::array_t<Last> last(n);
  int64_t *ids = id.mutable_data(), *images = image.mutable_data(), *categories = category.mutable_data();
  double *areas = area.mutable_data(), *boxes = box.mutable_data();
  Last* lasts = last.mutable_data();
  const py::str keys[] = {"id", "image_id", "category_id", "area", "bbox", last_key};
  for (py::ssize_t i = 0; i < n; ++i) {
    const py::object record = taken(PySequence_GetItem(records.ptr(), i));
    if (!record || !PyDict_CheckExact(record.ptr())) return py::none();
    const auto get = [&](size_t key) { return taken(PyObject_GetItem(record.ptr(), keys[key].ptr())); };
    if (!read(get(0), ids[i]) || !read(get(1), images[i]) || !read(get(2), categories[i]) || !read(get(3), areas[i]) ||
        !read_box(get(4), boxes + 4 * i) || !read(get(5), lasts[i]))
      return py::none();
    if (i % kSignalsEvery == kSignalsEvery - 1 && PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
  using namespace py::literals;
  py::dict columns("id"_a = id, "image_id"_a = image, "category_id"_a = category, "area"_a = area, "bbox"_a = box);
  columns[keys[5]] = last;
  return columns;
}
}  // namespace

void bind_coco_dicts(py::module_& m) {
  m.def("result_columns", [](const py::list& records) { return box_columns<double>(records, "score"); });
  m.def("annotation_columns", [](const py::list& records) { return box_columns<uint8_t>(records, "iscrowd"); });
}
