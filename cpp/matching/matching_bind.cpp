#include <pybind11/stl.h>

#include <algorithm>

#include "core/array.hpp"
#include "core/check.hpp"
#include "matching/matching.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;
using Ints = View<const int32_t, 1>;
using Bytes = View<const uint8_t, 1>;
using Boxes = View<const double, 2>;

namespace {

void check_columns(const Ints& category, const Ints& image, int64_t n_categories, int64_t n_images) {
  TAMIS_CHECK(category.size() == image.size(), "matching: category and image differ in length");
  TAMIS_CHECK(n_categories >= 0 && n_images >= 0, "matching: n_categories and n_images must not be negative");
  tamis::check_below("matching: category", category, n_categories);
  tamis::check_below("matching: image", image, n_images);
}

}  // namespace

void bind_matching(py::module_& m) {
  m.def("find_positions", [](View<const int64_t, 1> ids, View<const int64_t, 1> known, View<int32_t, 1> out) {
    TAMIS_CHECK(ids.size() == out.size(), "find_positions: out must be as long as ids");
    TAMIS_CHECK(std::is_sorted(known.data, known.data + known.size()) && known.size() <= INT32_MAX,
                "find_positions: known must ascend, and be at most 2^31 - 1");
    const py::gil_scoped_release release;
    tamis::find_positions(ids.data, ids.size(), known.data, known.size(), out.data);
  });

  m.def("order_detections", [](Ints category, Ints image, View<const double, 1> score, int64_t n_categories,
                               int64_t n_images, int64_t max_det) {
    TAMIS_CHECK(category.size() == score.size() && image.size() == score.size(),
                "order_detections: category, image and score must be of one length");
    check_columns(category, image, n_categories, n_images);
    tamis::DetectionOrder order;
    {
      const py::gil_scoped_release release;
      order = tamis::order_detections({score.size(), category.data, image.data, n_categories, n_images}, score.data,
                                      max_det);
    }
    return py::make_tuple(tamis::to_numpy(std::move(order.index)), tamis::to_numpy(std::move(order.rank)),
                          tamis::to_numpy(std::move(order.splits)));
  });

  m.def("find_outside", [](View<const double, 1> area, std::optional<View<const int64_t, 1>> index,
                           View<const double, 2> ranges, View<uint8_t, 2> out) {
    const int64_t n = index ? index->size() : area.size();
    TAMIS_CHECK(ranges.shape[1] == 2 && out.shape[0] == ranges.shape[0] && out.shape[1] == n,
                "find_outside: wrong shapes");
    if (index) tamis::check_indices("find_outside: index", *index, area.size());
    const py::gil_scoped_release release;
    tamis::find_outside({n, ranges.shape[0], area.data, index ? index->data : nullptr, ranges.data}, out.data);
  });

  m.def("pair_groups", [](View<const int64_t, 1> index, Ints det_category, Ints det_image, Ints gt_category,
                          Ints gt_image, Bytes gt_crowd, int64_t n_categories, int64_t n_images) {
    TAMIS_CHECK(det_category.size() == det_image.size() && gt_category.size() == gt_image.size(),
                "pair_groups: columns differ in length");
    check_columns(det_category, det_image, n_categories, n_images);
    check_columns(gt_category, gt_image, n_categories, n_images);
    tamis::check_indices("pair_groups: index", index, det_image.size());
    TAMIS_CHECK(gt_crowd.size() == gt_image.size(), "pair_groups: columns differ in length");
    tamis::MatchProblem problem{};
    problem.n_kept = index.size();
    problem.det_index = index.data;
    problem.n_dets = det_image.size();
    problem.det_category = det_category.data;
    problem.det_image = det_image.data;
    problem.n_gts = gt_category.size();
    problem.n_categories = n_categories;
    problem.n_images = n_images;
    problem.gt_category = gt_category.data;
    problem.gt_image = gt_image.data;
    problem.gt_crowd = gt_crowd.data;
    tamis::PairGroups groups;
    {
      const py::gil_scoped_release release;
      groups = tamis::pair_groups(problem);
    }
    return py::make_tuple(tamis::to_numpy(std::move(groups.det)), tamis::to_numpy(std::move(groups.det_splits)),
                          tamis::to_numpy(std::move(groups.gt)), tamis::to_numpy(std::move(groups.gt_splits)));
  });

  m.def(
      "match_detections",
      [](View<const int64_t, 1> index, Ints det_category, Ints det_image, std::optional<Boxes> det_boxes,
         std::optional<Bytes> det_claims, Ints gt_category, Ints gt_image, std::optional<Boxes> gt_boxes,
         Bytes gt_crowd, View<const uint8_t, 2> gt_ignore, View<const double, 1> thresholds, int64_t n_categories,
         int64_t n_images, std::optional<View<const double, 1>> similarity) {
        const int64_t n_gts = gt_category.size(), areas = gt_ignore.shape[0], levels = thresholds.size();
        TAMIS_CHECK(gt_image.size() == n_gts && gt_crowd.size() == n_gts && gt_ignore.shape[1] == n_gts &&
                        det_category.size() == det_image.size() &&
                        (similarity || (det_boxes && gt_boxes && gt_boxes->size() == 4 * n_gts &&
                                        det_boxes->size() == 4 * det_image.size())),
                    "match_detections: columns differ in length");
        check_columns(det_category, det_image, n_categories, n_images);
        check_columns(gt_category, gt_image, n_categories, n_images);
        tamis::check_indices("match_detections: index", index, det_image.size());
        TAMIS_CHECK(!det_claims || det_claims->size() == det_image.size(),
                    "match_detections: columns differ in length");
        tamis::Matches matches;
        {
          const py::gil_scoped_release release;
          matches = tamis::match_detections({index.size(),
                                             index.data,
                                             det_image.size(),
                                             det_category.data,
                                             det_image.data,
                                             similarity ? nullptr : det_boxes->data,
                                             det_claims ? det_claims->data : nullptr,
                                             n_gts,
                                             n_categories,
                                             n_images,
                                             gt_category.data,
                                             gt_image.data,
                                             similarity ? nullptr : gt_boxes->data,
                                             gt_crowd.data,
                                             gt_ignore.data,
                                             areas,
                                             levels,
                                             thresholds.data,
                                             similarity ? similarity->data : nullptr,
                                             similarity ? similarity->size() : 0});
        }
        const int64_t entries = matches.gt.size();
        return py::make_tuple(tamis::to_numpy(std::move(matches.row)), tamis::to_numpy(std::move(matches.first)),
                              tamis::to_numpy(std::move(matches.gt)),
                              tamis::to_numpy(std::move(matches.at), {entries, areas, tamis::words_for(levels)}));
      },
      py::kw_only(), "index"_a, "det_category"_a, "det_image"_a, "det_boxes"_a, "det_claims"_a, "gt_category"_a,
      "gt_image"_a, "gt_boxes"_a, "gt_crowd"_a, "gt_ignore"_a, "thresholds"_a, "n_categories"_a, "n_images"_a,
      "similarity"_a);

  m.def("coco_iou", [](View<const double, 2> dets, View<const double, 2> gts, Bytes crowd, View<double, 2> out) {
    const int64_t n_dets = dets.shape[0], n_gts = gts.shape[0];
    TAMIS_CHECK(dets.shape[1] == 4 && gts.shape[1] == 4 && crowd.size() == n_gts && out.size() == n_dets * n_gts,
                "coco_iou: wrong shapes");
    const py::gil_scoped_release release;
    tamis::coco_iou(dets.data, n_dets, gts.data, n_gts, crowd.data, out.data);
  });

  m.def("match_given", [](View<const double, 2> similarity, Bytes det_claims, Bytes gt_crowd,
                          View<const uint8_t, 2> gt_ignore, View<const double, 1> thresholds, View<int32_t, 3> out) {
    const int64_t n_dets = similarity.shape[0], n_gts = similarity.shape[1];
    TAMIS_CHECK(det_claims.size() == n_dets && gt_crowd.size() == n_gts && gt_ignore.shape[1] == n_gts &&
                    out.size() == gt_ignore.shape[0] * thresholds.size() * n_dets,
                "match_given: wrong shapes");
    const py::gil_scoped_release release;
    tamis::match_given({n_dets, n_gts, gt_ignore.shape[0], thresholds.size(), similarity.data, det_claims.data,
                        gt_crowd.data, gt_ignore.data, thresholds.data},
                       out.data);
  });
}
