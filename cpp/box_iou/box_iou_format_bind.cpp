#include "box_iou/box_iou.hpp"
#include "core/array.hpp"

namespace py = pybind11;

namespace {

template <class T>
py::object converted(const tamis::Exported& boxes) {
  py::array_t<T> out(boxes.shape);
  tamis::xyxy_to_xywh(static_cast<const T*>(boxes.data), boxes.shape[0], out.mutable_data());
  return std::move(out);
}

// A new array for each image, from boxes of one type on the host; None where any is something else.
py::object xyxy_to_xywh(const py::sequence& images) {
  py::list out;
  unsigned bits = 0;
  for (const py::handle image : images) {
    tamis::Exported boxes;
    if (!boxes.open(image, false) || boxes.on_device || boxes.shape.size() != 2 || boxes.shape[1] != 4 ||
        boxes.dtype.code != tamis::dlpack::kFloat || boxes.dtype.lanes != 1)
      return py::none();
    if (bits != 0 && boxes.dtype.bits != bits) return py::none();
    bits = boxes.dtype.bits;
    if (bits != 32 && bits != 64) return py::none();
    out.append(bits == 32 ? converted<float>(boxes) : converted<double>(boxes));
  }
  return std::move(out);
}

}  // namespace

void bind_box_iou_format(py::module_& m) { m.def("xyxy_to_xywh", xyxy_to_xywh, py::arg("images")); }
