#include <pybind11/stl.h>

#include "average_precision/average_precision.hpp"
#include "core/array.hpp"
#include "core/check.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;

void bind_average_precision(py::module_& m) {
  m.def(
      "average_precision",
      [](View<const int64_t, 1> splits, View<const int32_t, 1> rank, View<const int64_t, 1> index,
         View<const double, 1> score, View<const uint8_t, 2> outside, View<const int32_t, 1> row,
         View<const int64_t, 1> first, View<const int32_t, 1> gt, View<const uint64_t, 3> at,
         View<const uint8_t, 2> gt_ignore, std::optional<View<const uint8_t, 1>> gt_counts,
         View<const int64_t, 2> n_regular, View<const int64_t, 1> max_dets, View<const double, 1> recall_thresholds,
         View<double, 5> precision, View<double, 4> recall, View<double, 5> scores) {
        const int64_t k = splits.size() - 1, a = outside.shape[0], n = rank.size();
        const int64_t t = precision.shape[0], r = recall_thresholds.size(), m = max_dets.size();
        TAMIS_CHECK(index.size() == n && row.size() == n && outside.shape[1] == n,
                    "average_precision: detection columns differ in length");
        TAMIS_CHECK(at.shape[0] == gt.size() && at.shape[1] == a && at.shape[2] == (t + 63) / 64 &&
                        gt_ignore.shape[0] == a && n_regular.size() == k * a,
                    "average_precision: area ranges differ in number");
        TAMIS_CHECK(precision.size() == t * r * k * a * m && scores.size() == precision.size() &&
                        recall.size() == t * k * a * m,
                    "average_precision: outputs have the wrong size");
        tamis::check_splits("average_precision: splits", splits, n);
        tamis::check_indices("average_precision: index", index, score.size());
        tamis::check_splits("average_precision: first", first, gt.size());
        tamis::check_indices("average_precision: row", row, first.size() - 1, INT32_MIN);
        tamis::check_indices("average_precision: gt", gt, gt_ignore.shape[1]);
        tamis::check_indices("average_precision: n_regular", n_regular, INT64_MAX);
        TAMIS_CHECK(!gt_counts || gt_counts->size() == gt_ignore.shape[1],
                    "average_precision: gt_counts must be as long as gt_ignore");
        const py::gil_scoped_release release;
        tamis::average_precision({k,
                                  a,
                                  m,
                                  t,
                                  r,
                                  n,
                                  gt_ignore.shape[1],
                                  splits.data,
                                  rank.data,
                                  index.data,
                                  score.data,
                                  outside.data,
                                  row.data,
                                  first.data,
                                  gt.data,
                                  at.data,
                                  gt_ignore.data,
                                  gt_counts ? gt_counts->data : nullptr,
                                  n_regular.data,
                                  max_dets.data,
                                  recall_thresholds.data},
                                 precision.data, recall.data, scores.data);
      },
      py::kw_only(), "splits"_a, "rank"_a, "index"_a, "score"_a, "outside"_a, "row"_a, "first"_a, "gt"_a, "at"_a,
      "gt_ignore"_a, "gt_counts"_a, "n_regular"_a, "max_dets"_a, "recall_thresholds"_a, "precision"_a, "recall"_a,
      "scores"_a);
}
