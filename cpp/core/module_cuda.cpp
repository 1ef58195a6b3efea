#include <pybind11/pybind11.h>

namespace py = pybind11;

void bind_average_precision(py::module_&);
void bind_box_iou(py::module_&);
void bind_duplicates(py::module_&);
void bind_fiftyone_matching(py::module_&);
void bind_knn(py::module_&);
void bind_label_mistakes(py::module_&);
void bind_mask_iou(py::module_&);
void bind_matching(py::module_&);
void bind_max_iou(py::module_&);
void bind_oks(py::module_&);
void bind_resampling(py::module_&);
void bind_rotated_iou(py::module_&);
void bind_zcore(py::module_&);

#if defined(TAMIS_EMULATION)
#define TAMIS_MODULE _emulated
#else
#define TAMIS_MODULE _cuda
#endif
PYBIND11_MODULE(TAMIS_MODULE, m, py::mod_gil_not_used()) {
  m.attr("__version__") = TAMIS_VERSION;
  bind_average_precision(m);
  bind_box_iou(m);
  bind_duplicates(m);
  bind_fiftyone_matching(m);
  bind_knn(m);
  bind_label_mistakes(m);
  bind_mask_iou(m);
  bind_matching(m);
  bind_max_iou(m);
  bind_oks(m);
  bind_resampling(m);
  bind_rotated_iou(m);
  bind_zcore(m);
}
