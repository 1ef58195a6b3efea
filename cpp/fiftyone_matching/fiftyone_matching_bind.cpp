#include <algorithm>

#include "core/array.hpp"
#include "core/check.hpp"
#include "fiftyone_matching/fiftyone_matching.hpp"

namespace py = pybind11;
using namespace py::literals;
using namespace tamis;

namespace {
using Splits = View<const int64_t, 1>;
using Boxes = View<const double, 2>;
using Codes = View<const int32_t, 1>;
using Bytes = View<const uint8_t, 1>;
using Numbers = View<const double, 1>;
}  // namespace

void bind_fiftyone_matching(py::module_& m) {
  m.def(
      "fiftyone_match",
      [](int rule, int64_t max_dets, Numbers thresholds, Splits det_splits, Boxes det_boxes, Codes det_labels,
         Codes det_groups, Numbers confidence, Splits gt_splits, Boxes gt_boxes, Codes gt_labels, Codes gt_groups,
         Bytes crowd, Bytes given, Splits pair_splits, Codes pair_gts, Numbers pair_iou) {
        const int64_t n = det_labels.size(), n_gts = gt_labels.size(), levels = thresholds.size();
        const int64_t images = det_splits.size() - 1;
        TAMIS_CHECK(images >= 0 && gt_splits.size() == images + 1 && given.size() == images &&
                        det_splits[images] == n && gt_splits[images] == n_gts && confidence.size() == n &&
                        crowd.size() == n_gts && pair_splits.size() == n + 1 && pair_gts.size() == pair_iou.size() &&
                        pair_splits[n] == pair_gts.size() && levels > 0 && det_groups.size() == n &&
                        gt_groups.size() == n_gts,
                    "fiftyone_match: wrong shapes");
        check_option("fiftyone_match: rule", rule, 2);
        check_splits("fiftyone_match: splits", det_splits, n);
        check_splits("fiftyone_match: gt_splits", gt_splits, n_gts);
        check_splits("fiftyone_match: pair_splits", pair_splits, pair_gts.size());
        check_indices("fiftyone_match: pair_gts", pair_gts, n_gts);
        TAMIS_CHECK(det_boxes.size() == 4 * n && gt_boxes.size() == 4 * n_gts,
                    "fiftyone_match: boxes must have shape (N, 4)");
        TAMIS_CHECK(std::max(n, n_gts) <= INT32_MAX, "fiftyone_match: at most 2^31 - 1 boxes");
        std::vector<int64_t> order(static_cast<size_t>(n + n_gts));
        std::vector<uint8_t> kept(static_cast<size_t>(n));
        std::vector<int32_t> det_gt(static_cast<size_t>(levels * n)), gt_det(static_cast<size_t>(levels * n_gts));
        std::vector<double> det_iou(det_gt.size()), gt_iou(gt_det.size());
        {
          const py::gil_scoped_release unlocked;
          fiftyone_match(
              {FiftyoneRule(rule),
               images,
               max_dets,
               levels,
               {n, det_splits.data, det_boxes.data, det_labels.data, det_groups.data, confidence.data, nullptr},
               {n_gts, gt_splits.data, gt_boxes.data, gt_labels.data, gt_groups.data, nullptr, crowd.data},
               {given.data, pair_splits.data, pair_gts.data, pair_iou.data},
               thresholds.data},
              {order.data(), kept.data(), det_gt.data(), det_iou.data(), gt_det.data(), gt_iou.data()});
        }
        return py::make_tuple(to_numpy(std::move(order)), to_numpy(std::move(kept)),
                              to_numpy(std::move(det_gt), {levels, n}), to_numpy(std::move(det_iou), {levels, n}),
                              to_numpy(std::move(gt_det), {levels, n_gts}),
                              to_numpy(std::move(gt_iou), {levels, n_gts}));
      },
      py::kw_only(), "rule"_a, "max_dets"_a, "thresholds"_a, "det_splits"_a, "det_boxes"_a, "det_labels"_a,
      "det_groups"_a, "confidence"_a, "gt_splits"_a, "gt_boxes"_a, "gt_labels"_a, "gt_groups"_a, "crowd"_a, "given"_a,
      "pair_splits"_a, "pair_gts"_a, "pair_iou"_a);
}
