#include "box_iou/box_iou.hpp"
#include "core/array.hpp"

namespace py = pybind11;

namespace {

// A new array for each image; None where any is not boxes of that type on the host.
template <class T>
py::object converted(const py::sequence& images) {
  using Boxes = tamis::View<const T, 2>;
  py::list out;
  for (const py::handle image : images) {
    py::detail::make_caster<Boxes> given;  // holds the boxes
    if (!given.load(image, false)) return py::none();
    const auto boxes = py::detail::cast_op<Boxes>(given);
    if (boxes.shape[1] != 4) return py::none();
    py::array_t<T> xywh({boxes.shape[0], boxes.shape[1]});
    tamis::xyxy_to_xywh(boxes.data, boxes.shape[0], xywh.mutable_data());
    out.append(xywh);
  }
  return out;
}

py::object xyxy_to_xywh(const py::sequence& images) {
  py::object floats = converted<float>(images);
  return floats.is_none() ? converted<double>(images) : floats;
}

}  // namespace

void bind_box_iou_format(py::module_& m) { m.def("xyxy_to_xywh", xyxy_to_xywh, py::arg("images")); }
