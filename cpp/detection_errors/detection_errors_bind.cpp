#include <pybind11/stl.h>

#include "core/array.hpp"
#include "core/check.hpp"
#include "detection_errors/detection_errors.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;
using Rows = View<const int64_t, 1>;
using Labels = View<const int32_t, 1>;
using Boxes = View<const double, 2>;

void bind_detection_errors(py::module_& m) {
  m.def(
      "detection_errors",
      [](Rows det, Rows det_splits, Rows gt, Rows gt_splits, Labels det_label, Labels gt_label,
         std::optional<Boxes> det_boxes, std::optional<Boxes> gt_boxes, View<const uint8_t, 1> gt_crowd,
         std::optional<View<const double, 1>> similarity, double foreground, double background, View<int8_t, 1> kind,
         View<uint8_t, 1> ignored, View<uint8_t, 1> fixes, View<int64_t, 1> target, View<int8_t, 1> gt_state) {
        const int64_t n = det_label.size(), n_gts = gt_label.size();
        TAMIS_CHECK(det_splits.size() == gt_splits.size() && det_splits.size() > 0,
                    "detection_errors: splits differ in length");
        TAMIS_CHECK(kind.size() == n && ignored.size() == n && fixes.size() == n && target.size() == n &&
                        gt_crowd.size() == n_gts && gt_state.size() == n_gts,
                    "detection_errors: columns differ in length");
        TAMIS_CHECK(
            similarity || (det_boxes && gt_boxes && det_boxes->size() == 4 * n && gt_boxes->size() == 4 * n_gts),
            "detection_errors: neither boxes nor similarities");
        tamis::check_splits("detection_errors: det_splits", det_splits, det.size());
        tamis::check_splits("detection_errors: gt_splits", gt_splits, gt.size());
        tamis::check_indices("detection_errors: det", det, n);
        tamis::check_indices("detection_errors: gt", gt, n_gts);
        TAMIS_CHECK(!similarity || similarity->size() == tamis::count_pairs("detection_errors", det_splits, gt_splits),
                    "detection_errors: similarities must be those of all pairs");
        const py::gil_scoped_release release;
        tamis::detection_errors(
            {det_splits.size() - 1, det.data, det_splits.data, gt.data, gt_splits.data, det_label.data, gt_label.data,
             similarity ? nullptr : det_boxes->data, similarity ? nullptr : gt_boxes->data, gt_crowd.data,
             similarity ? similarity->data : nullptr, foreground, background},
            {kind.data, ignored.data, fixes.data, target.data, gt_state.data});
      },
      py::kw_only(), "det"_a, "det_splits"_a, "gt"_a, "gt_splits"_a, "det_label"_a, "gt_label"_a, "det_boxes"_a,
      "gt_boxes"_a, "gt_crowd"_a, "similarity"_a, "foreground"_a, "background"_a, "kind"_a, "ignored"_a, "fixes"_a,
      "target"_a, "gt_state"_a);
}
