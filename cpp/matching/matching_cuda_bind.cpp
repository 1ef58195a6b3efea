#include <pybind11/stl.h>

#include <optional>
#include <tuple>

#include "core/cuda_bind.hpp"
#include "matching/matching_cuda.hpp"

namespace py = pybind11;
using namespace tamis::device;
using namespace py::literals;

namespace {

using Boxes = DeviceView<const double, 2>;
using Ranges = DeviceView<const double, 2>;  // (areas, 2)

using Side = std::tuple<Longs, Longs, Boxes, Numbers>;  // GroupedRows
using Scratch = std::tuple<DeviceView<int64_t, 2>, DeviceView<int32_t, 1>, DeviceView<uint8_t, 2>>;

tamis::cuda::GroupedRows rows_of(const Side& side) {
  const auto& [order, groups, boxes, area] = side;
  const int64_t n = order.size();
  TAMIS_CHECK(groups.size() == n && boxes.shape[0] == n && area.size() == n, "match: columns differ in length");
  return {n, order.data, groups.data, boxes.data, area.data};
}

tamis::cuda::DeviceMatchProblem problem_of(const Side& dets, const Side& gts, const Bytes& crowd, int64_t max_det,
                                           const Ranges& ranges, const Numbers& thresholds, double lowest) {
  const tamis::cuda::GroupedRows gt_rows = rows_of(gts);
  const int64_t numbers = std::get<2>(gts).shape[1];
  TAMIS_CHECK(crowd.size() == gt_rows.n && ranges.shape[1] == 2 && (numbers == 4 || numbers == 5) &&
                  std::get<2>(dets).shape[1] == numbers,
              "match: wrong shapes");
  return {rows_of(dets),   gt_rows,           crowd.data,  numbers == 5,    max_det,
          ranges.shape[0], thresholds.size(), ranges.data, thresholds.data, lowest};
}

tamis::cuda::MatchScratch scratch_of(const Scratch& scratch, const tamis::cuda::DeviceMatchProblem& p) {
  const auto& [words, candidates, flags] = scratch;
  const int64_t n = p.gts.n;
  TAMIS_CHECK(words.size() == n * tamis::cuda::match_scratch_words(p.rotated, p.n_areas, p.n_thresholds) &&
                  candidates.size() == n && flags.size() == n * (p.n_areas + 1),
              "match: scratch must fit");
  return {words.data, candidates.data, flags.data};
}

void bind_order(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  m.def("match_scratch_words", &tamis::cuda::match_scratch_words, py::kw_only(), "rotated"_a, "n_areas"_a,
        "n_thresholds"_a);
  m.def(
      "match_keys",
      [](Longs splits, Ints category, Boxes boxes, Numbers values, DeviceView<int64_t, 1> groups,
         std::optional<DeviceView<int64_t, 1>> scores, DeviceView<int64_t, 1> bad, uintptr_t stream) {
        const int64_t n = category.size();
        TAMIS_CHECK(boxes.shape[0] == n && values.size() == n && groups.size() == n && bad.size() == 2 &&
                        (!scores || scores->size() == n),
                    "match_keys: columns differ in length");
        tamis::cuda::match_keys(
            {n, splits.size() - 1, splits.data, category.data, boxes.shape[1], boxes.data, values.data},
            {groups.data, scores ? scores->data : nullptr, bad.data}, as_stream(stream));
      },
      "splits"_a, "category"_a, "boxes"_a, "values"_a, "groups"_a, "scores"_a, "bad"_a, py::kw_only(), "stream"_a,
      nogil);
  m.def(
      "match_ranks",
      [](Longs order, Longs groups, Ints category, int64_t n_categories, int64_t max_det, DeviceView<int32_t, 1> rank,
         DeviceView<int32_t, 1> kept, uintptr_t stream) {
        const int64_t n = order.size();
        TAMIS_CHECK(groups.size() == n && category.size() == n && rank.size() == n && kept.size() == n,
                    "match_ranks: columns differ in length");
        tamis::cuda::match_ranks({n, order.data, groups.data, nullptr, nullptr}, category.data, n_categories, max_det,
                                 rank.data, kept.data, as_stream(stream));
      },
      "order"_a, "groups"_a, "category"_a, "n_categories"_a, "max_det"_a, "rank"_a, "kept"_a, py::kw_only(), "stream"_a,
      nogil);
  m.def(
      "match_places",
      [](Longs index, Ranges ranges, Numbers area, DeviceView<int64_t, 1> place, DeviceView<int64_t, 3> verdicts,
         uintptr_t stream) {
        const int64_t n = index.size(), areas = ranges.shape[0], words = areas > 0 ? verdicts.shape[0] / areas : 0;
        TAMIS_CHECK(area.size() == n && place.size() == n && ranges.shape[1] == 2 &&
                        verdicts.shape == (std::array<int64_t, 3>{areas * words, n, 2}),
                    "match_places: wrong shapes");
        tamis::cuda::match_places({n, areas, words, index.data, ranges.data, area.data, place.data,
                                   reinterpret_cast<tamis::host::Verdict*>(verdicts.data)},
                                  as_stream(stream));
      },
      "index"_a, "ranges"_a, "area"_a, "place"_a, "verdicts"_a, py::kw_only(), "stream"_a, nogil);
}

}  // namespace

void bind_matching(py::module_& m) {
  const auto nogil = py::call_guard<py::gil_scoped_release>();
  bind_order(m);
  m.def(
      "match_verdicts",
      [](const Side& dets, const Side& gts, Bytes crowd, int64_t max_det, Ranges ranges, Numbers thresholds,
         double lowest, const Scratch& scratch, Longs place, Ints gt_category, DeviceView<int64_t, 3> verdicts,
         DeviceView<int64_t, 2> n_regular, uintptr_t stream) {
        const auto p = problem_of(dets, gts, crowd, max_det, ranges, thresholds, lowest);
        const int64_t cells = p.n_areas * tamis::cuda::match_words(p.n_thresholds);
        TAMIS_CHECK(place.size() == p.dets.n && gt_category.size() == p.gts.n && n_regular.shape[1] == p.n_areas &&
                        verdicts.shape == (std::array<int64_t, 3>{cells, p.dets.n, 2}),
                    "match_verdicts: wrong shapes");
        tamis::cuda::match_verdicts(p, scratch_of(scratch, p),
                                    {place.data, reinterpret_cast<tamis::host::Verdict*>(verdicts.data),
                                     gt_category.data, reinterpret_cast<unsigned long long*>(n_regular.data)},
                                    as_stream(stream));
      },
      py::kw_only(), "dets"_a, "gts"_a, "crowd"_a, "max_det"_a, "ranges"_a, "thresholds"_a, "lowest"_a, "scratch"_a,
      "place"_a, "gt_category"_a, "verdicts"_a, "n_regular"_a, "stream"_a, nogil);
  m.def(
      "match_pairs",
      [](const Side& dets, const Side& gts, Bytes crowd, int64_t max_det, Ranges ranges, Numbers thresholds,
         double lowest, const Scratch& scratch, DeviceView<int64_t, 2> gt, DeviceView<double, 2> iou,
         DeviceView<uint8_t, 2> ignored, DeviceView<int64_t, 2> det, uintptr_t stream) {
        const auto p = problem_of(dets, gts, crowd, max_det, ranges, thresholds, lowest);
        TAMIS_CHECK(p.n_areas == 1 && gt.size() == p.n_thresholds * p.dets.n && iou.size() == gt.size() &&
                        ignored.size() == gt.size() && det.size() == p.n_thresholds * p.gts.n,
                    "match_pairs: wrong shapes");
        tamis::cuda::match_pairs(p, scratch_of(scratch, p), {gt.data, iou.data, ignored.data, det.data},
                                 as_stream(stream));
      },
      py::kw_only(), "dets"_a, "gts"_a, "crowd"_a, "max_det"_a, "ranges"_a, "thresholds"_a, "lowest"_a, "scratch"_a,
      "gt"_a, "iou"_a, "ignored"_a, "det"_a, "stream"_a, nogil);
}
