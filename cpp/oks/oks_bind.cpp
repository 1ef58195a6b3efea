#include <pybind11/stl.h>

#include <optional>

#include "core/array.hpp"
#include "core/check.hpp"
#include "oks/oks.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;
using Index = View<const int64_t, 1>;

namespace {

// Groups of rows, or of indices of rows.
void check_side(const char* what, const std::optional<Index>& index, const Index& splits, int64_t n) {
  tamis::check_splits(what, splits, index ? index->size() : n);
  if (index) tamis::check_indices(what, *index, n);
}

}  // namespace

void bind_oks(py::module_& m) {
  m.def(
      "oks",
      [](View<const double, 3> det, std::optional<Index> det_index, Index det_splits, View<const double, 3> gt,
         View<const double, 2> boxes, View<const double, 1> area, std::optional<Index> gt_index, Index gt_splits,
         View<const double, 1> variances, double least, const py::function& exp, View<double, 1> out) {
        const int64_t k = variances.size(), n = gt.shape[0];
        TAMIS_CHECK(det.shape[1] == k && gt.shape[1] == k && det.shape[2] == 3 && gt.shape[2] == 3 &&
                        boxes.size() == 4 * n && area.size() == n && det_splits.size() == gt_splits.size() &&
                        det_splits.size() > 0,
                    "oks: arrays do not fit together");
        TAMIS_CHECK(k > 0 && boxes.shape[1] == 4, "oks: there must be keypoints, and boxes of four numbers");
        check_side("oks: detections", det_index, det_splits, det.shape[0]);
        check_side("oks: ground truths", gt_index, gt_splits, n);
        TAMIS_CHECK(out.size() == tamis::count_pairs("oks", det_splits, gt_splits), "oks: out must hold all pairs");
        const auto exponentials = [&exp](double* terms, int64_t size) {
          const py::gil_scoped_acquire acquire;
          exp(py::array_t<double>(size, terms, py::capsule(terms, [](void*) {})));  // a view
        };
        const py::gil_scoped_release release;
        tamis::oks({k, det_splits.size() - 1, det.data, det_index ? det_index->data : nullptr, det_splits.data, gt.data,
                    boxes.data, area.data, gt_index ? gt_index->data : nullptr, gt_splits.data, variances.data, least},
                   exponentials, out.data);
      },
      py::kw_only(), "det"_a, "det_index"_a, "det_splits"_a, "gt"_a, "gt_boxes"_a, "gt_area"_a, "gt_index"_a,
      "gt_splits"_a, "variances"_a, "least"_a, "exp"_a, "out"_a);
}
