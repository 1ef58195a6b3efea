#include "core/array.hpp"

namespace py = pybind11;

namespace {

// In the precision of the boxes, on which results depend.
template <class T>
py::object to_xywh(const tamis::Exported& boxes) {
  py::array_t<T> out(boxes.shape);
  const T* from = static_cast<const T*>(boxes.data);
  T* to = out.mutable_data();
  for (const T* end = from + 4 * boxes.shape[0]; from != end; from += 4, to += 4) {
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2] - from[0];
    to[3] = from[3] - from[1];
  }
  return out;
}

// A new array for each image, from boxes of one type on the host; None where any is something else.
py::object xyxy_to_xywh(const py::list& images) {
  py::list out(images.size());
  unsigned bits = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    tamis::Exported boxes;
    if (!boxes.open(images[i], false) || boxes.on_device || boxes.shape.size() != 2 || boxes.shape[1] != 4 ||
        boxes.dtype.code != tamis::dlpack::kFloat || boxes.dtype.lanes != 1)
      return py::none();
    if (i == 0) bits = boxes.dtype.bits;
    if (boxes.dtype.bits != bits || (bits != 32 && bits != 64)) return py::none();
    out[i] = bits == 32 ? to_xywh<float>(boxes) : to_xywh<double>(boxes);
  }
  return std::move(out);
}

}  // namespace

void bind_box_iou_format(py::module_& m) { m.def("xyxy_to_xywh", xyxy_to_xywh); }
