#include "core/array.hpp"
#include "core/check.hpp"
#include "duplicates/duplicates.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;

namespace {

template <class T>
const T* or_null(const View<const T, 1>& column) {  // empty: not given
  return column.size() > 0 ? column.data : nullptr;
}

using Splits = View<const int64_t, 1>;
using Labels = View<const int64_t, 1>;
using Scores = View<const double, 1>;
using Crowd = View<const uint8_t, 1>;

template <class Rows>
py::tuple find(int method, double threshold, const Rows& rows, int64_t n, const Splits& splits, const Labels& labels,
               const Scores& scores, const Crowd& crowd) {
  tamis::check_option("find_duplicate_boxes: method", method, 3);
  tamis::check_splits("find_duplicate_boxes: splits", splits, n);
  for (const int64_t size : {labels.size(), scores.size(), crowd.size()})
    TAMIS_CHECK(size == 0 || size == n, "find_duplicate_boxes: columns differ in length");
  tamis::Duplicates found;
  {
    const py::gil_scoped_release release;
    found = tamis::find_duplicate_boxes({tamis::DuplicateMethod(method), threshold, rows, splits.size() - 1,
                                         splits.data, or_null(labels), or_null(scores), or_null(crowd)});
  }
  return py::make_tuple(tamis::to_numpy(std::move(found.row)), tamis::to_numpy(std::move(found.of)),
                        tamis::to_numpy(std::move(found.iou)));
}

template <class T>
void bind_dtype(py::module_& m) {
  m.def(
      "find_duplicate_boxes",
      [](int method, double threshold, int format, View<const T, 2> boxes, Splits splits, Labels labels, Scores scores,
         Crowd crowd) {
        tamis::check_option("find_duplicate_boxes: format", format, 3);
        TAMIS_CHECK(boxes.shape[1] == 4, "find_duplicate_boxes: boxes must have shape (N, 4)");
        return find(method, threshold, tamis::BoxRows<T>{tamis::BoxFormat(format), boxes.data}, boxes.shape[0], splits,
                    labels, scores, crowd);
      },
      py::kw_only(), "method"_a, "threshold"_a, "format"_a, "boxes"_a, "splits"_a, "labels"_a, "scores"_a, "crowd"_a);
  m.def(
      "find_duplicate_rotated_boxes",
      [](int method, double threshold, View<const T, 2> boxes, Splits splits, Labels labels, Scores scores,
         Crowd crowd) {
        TAMIS_CHECK(boxes.shape[1] == 5, "find_duplicate_boxes: rotated boxes must have shape (N, 5)");
        return find(method, threshold, tamis::RotatedRows<T>{boxes.data}, boxes.shape[0], splits, labels, scores,
                    crowd);
      },
      py::kw_only(), "method"_a, "threshold"_a, "boxes"_a, "splits"_a, "labels"_a, "scores"_a, "crowd"_a);
}

}  // namespace

void bind_duplicates(py::module_& m) {
  bind_dtype<float>(m);
  bind_dtype<double>(m);
  m.def(
      "find_duplicate_masks",
      [](int method, double threshold, View<const uint8_t, 1> text, Splits text_splits, View<const int64_t, 2> size,
         Splits splits, Labels labels, Scores scores, Crowd crowd) {
        tamis::check_offsets("find_duplicate_boxes: masks", text_splits, text.size());
        TAMIS_CHECK(text_splits.size() == size.shape[0] + 1 && size.shape[1] == 2,
                    "find_duplicate_boxes: text, splits and size of masks do not fit together");
        const tamis::Masks masks{size.shape[0], reinterpret_cast<const char*>(text.data), text_splits.data, size.data};
        return find(method, threshold, masks, masks.n, splits, labels, scores, crowd);
      },
      py::kw_only(), "method"_a, "threshold"_a, "text"_a, "text_splits"_a, "size"_a, "splits"_a, "labels"_a, "scores"_a,
      "crowd"_a);
}
