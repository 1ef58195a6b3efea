#include <pybind11/pybind11.h>

#include "core/isa.hpp"
#include "core/parallel.hpp"
#include "core/progress.hpp"

namespace py = pybind11;

void bind_box_iou(py::module_&);
void bind_box_iou_format(py::module_&);
void bind_max_iou(py::module_&);
void bind_mask_iou(py::module_&);
void bind_matching(py::module_&);
void bind_average_precision(py::module_&);
void bind_bson_columns(py::module_&);
void bind_coco_json(py::module_&);
void bind_column_sums(py::module_&);
void bind_detection_errors(py::module_&);
void bind_fiftyone_matching(py::module_&);
void bind_duplicates(py::module_&);
void bind_image_size(py::module_&);
void bind_knn(py::module_&);
void bind_label_mistakes(py::module_&);
void bind_near_duplicates(py::module_&);
void bind_oks(py::module_&);
void bind_resampling(py::module_&);
void bind_rotated_iou(py::module_&);
void bind_uniqueness(py::module_&);
void bind_voc_xml(py::module_&);
void bind_yolo_text(py::module_&);
void bind_zcore(py::module_&);

namespace {
bool signal_pending() {
  const py::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;
}

thread_local PyObject* listener = nullptr;  // called with how far the loops of this thread are

bool tell(int64_t done, int64_t total) {
  if (listener == nullptr) return false;
  const py::gil_scoped_acquire gil;
  const auto held = py::reinterpret_borrow<py::object>(listener);  // it may be exchanged meanwhile
  const auto answer = py::reinterpret_steal<py::object>(
      PyObject_CallFunction(held.ptr(), "LL", static_cast<long long>(done), static_cast<long long>(total)));
  return !answer;
}

py::object listen(py::object next) {
  const auto before = py::reinterpret_steal<py::object>(listener);
  listener = next.is_none() ? nullptr : next.release().ptr();
  return before ? before : py::none();
}
}  // namespace

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.attr("__version__") = TAMIS_VERSION;
  tamis::set_interrupt_poll(signal_pending);
  tamis::set_progress_poll(tell);
  py::register_exception_translator(
      [](std::exception_ptr p) {  // NOLINT(performance-unnecessary-value-param): pybind11's type
        try {
          if (p) std::rethrow_exception(p);
        } catch (const tamis::Interrupted&) {
          if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
        }
      });
  m.def("isa", [] { return static_cast<int>(tamis::isa()); });
  m.def("cap_isa", [](int most) { tamis::cap_isa(static_cast<tamis::Isa>(most)); });
  m.def("num_threads", &tamis::num_threads);
  m.def("set_num_threads", &tamis::set_num_threads);
  m.def("set_thread_limit", &tamis::set_thread_limit);
  m.def("listen", listen);
  bind_box_iou(m);
  bind_box_iou_format(m);
  bind_max_iou(m);
  bind_mask_iou(m);
  bind_matching(m);
  bind_average_precision(m);
  bind_bson_columns(m);
  bind_coco_json(m);
  bind_column_sums(m);
  bind_detection_errors(m);
  bind_fiftyone_matching(m);
  bind_duplicates(m);
  bind_image_size(m);
  bind_knn(m);
  bind_label_mistakes(m);
  bind_near_duplicates(m);
  bind_oks(m);
  bind_resampling(m);
  bind_rotated_iou(m);
  bind_uniqueness(m);
  bind_voc_xml(m);
  bind_yolo_text(m);
  bind_zcore(m);
}
