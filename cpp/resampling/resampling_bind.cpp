#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "core/array.hpp"
#include "core/check.hpp"
#include "resampling/resampling.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;
using Bytes = View<const uint8_t, 1>;
using Ints = View<const int32_t, 1>;
using Longs = View<const int64_t, 1>;
using Plan = tamis::ResamplingPlan;
using Parts = tamis::ResamplingParts;

namespace {

template <class T>
py::array_t<T> copied(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

// For a device: what its `resample` takes of a plan.
py::dict columns(const Plan& p) {
  static_assert(sizeof(tamis::ResamplingRun) == 3 * sizeof(int32_t));
  const py::array_t<int32_t> runs({static_cast<py::ssize_t>(p.runs.size()), py::ssize_t{3}},
                                  reinterpret_cast<const int32_t*>(p.runs.data()));
  return py::dict("target_splits"_a = copied(p.target_splits), "target_image"_a = copied(p.target_image),
                  "cell_area"_a = copied(p.cell_area), "cell_curve"_a = copied(p.cell_curve),
                  "stop_splits"_a = copied(p.stop_splits), "stop_end"_a = copied(p.stop_end),
                  "seen_image"_a = copied(p.seen_image), "run_splits"_a = copied(p.run_splits), "runs"_a = runs,
                  "tp_splits"_a = copied(p.tp_splits), "tp_image"_a = copied(p.tp_image),
                  "mixed_splits"_a = copied(p.mixed_splits), "mixed_image"_a = copied(p.mixed_image));
}

// Columns of one length each; what they hold is checked where the work begins.
tamis::ResamplingMatches matches_of(Longs splits, Ints rank, Ints image, View<const uint8_t, 2> outside, Ints row,
                                    Longs first, Ints gt, View<const uint64_t, 3> at, Ints gt_category, Ints gt_image,
                                    View<const uint8_t, 2> gt_ignore, const std::optional<Bytes>& gt_counts,
                                    int64_t n_thresholds, int64_t n_images) {
  TAMIS_CHECK(image.size() == rank.size() && row.size() == rank.size() && outside.shape[1] == rank.size() &&
                  gt_image.size() == gt_category.size() && gt_ignore.shape[1] == gt_category.size() &&
                  gt_ignore.shape[0] == outside.shape[0] && at.shape[0] == gt.size() &&
                  at.shape[1] == outside.shape[0] && 64 * at.shape[2] >= n_thresholds &&
                  (!gt_counts || gt_counts->size() == gt_category.size()),
              "ResamplingPlan: columns differ in length");
  return {splits.size() - 1,
          outside.shape[0],
          n_thresholds,
          rank.size(),
          gt_category.size(),
          n_images,
          splits.data,
          rank.data,
          image.data,
          outside.data,
          row.data,
          first.data,
          gt.data,
          at.data,
          gt_category.data,
          gt_image.data,
          gt_ignore.data,
          gt_counts ? gt_counts->data : nullptr};
}

}  // namespace

void bind_resampling(py::module_& m) {
  py::class_<Plan> plan(m, "ResamplingPlan");
  plan.def(py::init([](Longs splits, Ints rank, Ints image, View<const uint8_t, 2> outside, Ints row, Longs first,
                       Ints gt, View<const uint64_t, 3> at, Ints gt_category, Ints gt_image,
                       View<const uint8_t, 2> gt_ignore, std::optional<Bytes> gt_counts, int64_t n_thresholds,
                       int64_t n_images, View<const int64_t, 2> cells) {
             const auto matches = matches_of(splits, rank, image, outside, row, first, gt, at, gt_category, gt_image,
                                             gt_ignore, gt_counts, n_thresholds, n_images);
             TAMIS_CHECK(cells.shape[1] == 3, "ResamplingPlan: columns differ in length");
             const py::gil_scoped_release release;
             tamis::check_matches(matches, first.size(), gt.size());
             const auto wanted = tamis::read_cells(cells.data, cells.shape[0], matches.n_areas);
             return std::make_unique<Plan>(tamis::plan_resampling(matches, wanted));
           }),
           py::kw_only(), "splits"_a, "rank"_a, "image"_a, "outside"_a, "row"_a, "first"_a, "gt"_a, "at"_a,
           "gt_category"_a, "gt_image"_a, "gt_ignore"_a, "gt_counts"_a, "n_thresholds"_a, "n_images"_a, "cells"_a);
  plan.def_property_readonly("nbytes", &Plan::bytes);
  plan.def_property_readonly("n_images", [](const Plan& p) { return p.n_images; });

  plan.def_property_readonly("columns", &columns);

  py::class_<Parts> parts(m, "ResamplingParts");
  parts.def(
      py::init([](Longs splits, Ints rank, Ints image, View<const uint8_t, 2> outside, Ints row, Longs first, Ints gt,
                  View<const uint64_t, 3> at, Ints gt_category, Ints gt_image, View<const uint8_t, 2> gt_ignore,
                  std::optional<Bytes> gt_counts, int64_t n_thresholds, int64_t n_images, Longs caps) {
        const auto matches = matches_of(splits, rank, image, outside, row, first, gt, at, gt_category, gt_image,
                                        gt_ignore, gt_counts, n_thresholds, n_images);
        TAMIS_CHECK(caps.size() > 0 && std::is_sorted(caps.data, caps.data + caps.size()),
                    "ResamplingParts: caps must ascend, one at least");
        const py::gil_scoped_release release;
        tamis::check_matches(matches, first.size(), gt.size());
        return std::make_unique<Parts>(matches, caps.data, caps.size());
      }),
      py::kw_only(), "splits"_a, "rank"_a, "image"_a, "outside"_a, "row"_a, "first"_a, "gt"_a, "at"_a, "gt_category"_a,
      "gt_image"_a, "gt_ignore"_a, "gt_counts"_a, "n_thresholds"_a, "n_images"_a, "caps"_a);
  parts.def("evaluate", [](const Parts& p, Bytes keep, View<const double, 1> recalls, View<int64_t, 2> regular,
                           View<double, 2> precision, View<double, 3> recall) {
    const int64_t curves = p.n_thresholds * p.n_categories, a = p.n_areas;
    TAMIS_CHECK(keep.size() == p.n_images && regular.shape == (std::array{p.n_categories, a}) &&
                    precision.shape == (std::array{a, curves * recalls.size()}) &&
                    recall.shape == (std::array{a, p.n_caps(), curves}),
                "ResamplingParts.evaluate: wrong shapes");
    const py::gil_scoped_release release;
    p.evaluate(keep.data, recalls.data, recalls.size(), regular.data, precision.data, recall.data);
  });

  m.def("recall_table", [](View<const double, 1> recalls) {
    tamis::RecallTable table(recalls.data, recalls.size());
    return py::make_tuple(tamis::to_numpy(std::move(table.level)), tamis::to_numpy(std::move(table.before)),
                          table.depth);
  });

  m.def("resample", [](const Plan& p, View<const double, 2> weights, View<const double, 1> recalls, Ints cell,
                       Bytes precision, View<const uint8_t, 2> mask, View<double, 3> out) {
    const int64_t rows = cell.size(), n_cells = p.cell_area.size();
    TAMIS_CHECK(weights.shape[1] == p.n_images && precision.size() == rows && recalls.size() > 0 &&
                    mask.size() == rows * p.n_thresholds &&
                    out.shape == (std::array<int64_t, 3>{weights.shape[0], p.n_categories, rows}),
                "resample: wrong shapes");
    tamis::check_indices("resample: cell", cell, n_cells);
    const py::gil_scoped_release release;
    tamis::resample(p, weights.data, weights.shape[0], recalls.data, recalls.size(),
                    {rows, cell.data, precision.data, mask.data}, out.data);
  });
}
