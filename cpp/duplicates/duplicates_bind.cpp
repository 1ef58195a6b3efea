#include "core/array.hpp"
#include "duplicates/duplicates.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

template <class T>
const T* or_null(const View<const T, 1>& column) {  // empty: not given
  return column.size() > 0 ? column.data : nullptr;
}

template <class T>
void bind_dtype(py::module_& m) {
  m.def("find_duplicate_boxes",
        [](int format, int method, double threshold, View<const T, 2> boxes, View<const int64_t, 1> splits,
           View<const int64_t, 1> labels, View<const double, 1> scores, View<const uint8_t, 1> crowd) {
          std::vector<int64_t> row, of;
          std::vector<double> iou;
          {
            const py::gil_scoped_release release;
            for (const tamis::Duplicate& d : tamis::find_duplicate_boxes<T>(
                     {tamis::BoxFormat(format), tamis::DuplicateMethod(method), threshold, boxes.data,
                      splits.size() - 1, splits.data, or_null(labels), or_null(scores), or_null(crowd)})) {
              row.push_back(d.row);
              of.push_back(d.of);
              iou.push_back(d.iou);
            }
          }
          return py::make_tuple(tamis::to_numpy(std::move(row)), tamis::to_numpy(std::move(of)),
                                tamis::to_numpy(std::move(iou)));
        });
}

}  // namespace

void bind_duplicates(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
}
