#include <pybind11/stl.h>

#include <optional>

#include "core/array.hpp"
#include "core/check.hpp"
#include "mask_iou/mask_iou.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

using Bytes = View<const uint8_t, 1>;
using Index = View<const int64_t, 1>;
using Sizes = View<const int64_t, 2>;

tamis::Masks masks(const Bytes& text, const Index& splits, const Sizes& size) {
  const int64_t n = splits.size() - 1;
  tamis::check_offsets("masks: splits", splits, text.size());
  TAMIS_CHECK(size.shape[0] == n && size.shape[1] == 2, "masks: text, splits and size do not fit together");
  return {n, reinterpret_cast<const char*>(text.data), splits.data, size.data};
}

// Groups of rows, or of indices of rows.
void check_side(const char* what, const std::optional<Index>& index, const Index& splits, int64_t n) {
  tamis::check_splits(what, splits, index ? index->size() : n);
  if (index) tamis::check_indices(what, *index, n);
}

template <class F>
auto unlocked(const F& f) {
  const py::gil_scoped_release release;
  return f();
}

py::tuple texts(tamis::MaskTexts&& made) {
  auto* text = new std::string(std::move(made.text));
  const py::capsule owner(text, [](void* p) { delete static_cast<std::string*>(p); });
  const py::array_t<uint8_t> view(static_cast<py::ssize_t>(text->size()),
                                  reinterpret_cast<const uint8_t*>(text->data()), owner);
  return py::make_tuple(view, tamis::to_numpy(std::move(made.splits)));
}

}  // namespace

void bind_mask_iou(py::module_& m) {
  m.def("measure_masks", [](Bytes text, Index splits, Sizes size, View<uint32_t, 1> area, View<double, 2> bbox) {
    const auto all = masks(text, splits, size);
    TAMIS_CHECK(area.size() == all.n && bbox.size() == 4 * all.n, "measure_masks: wrong shapes");
    unlocked([&] { tamis::measure_masks(all, {area.data, bbox.data, nullptr}); });
  });
  m.def("first_bad_mask", [](Bytes text, Index splits, Sizes size) {
    const auto all = masks(text, splits, size);
    return unlocked([&] { return tamis::first_bad_mask(all); });
  });
  m.def("take_masks", [](Bytes text, Index splits, Sizes size, Index rows) {
    const auto all = masks(text, splits, size);
    tamis::check_indices("take_masks: rows", rows, all.n);
    return texts(unlocked([&] { return tamis::take_masks(all, rows.data, rows.size()); }));
  });
  m.def("encode_masks", [](View<const uint8_t, 3> pixels) {  // (n, w, h)
    return texts(
        unlocked([&] { return tamis::encode_masks(pixels.data, pixels.shape[0], pixels.shape[2], pixels.shape[1]); }));
  });
  m.def("encode_counts", [](View<const uint32_t, 1> counts, Index splits) {
    tamis::check_offsets("encode_counts: splits", splits, counts.size());
    return texts(unlocked([&] { return tamis::encode_counts(counts.data, splits.data, splits.size() - 1); }));
  });
  m.def("mask_counts", [](Bytes text, Index splits, Sizes size) {
    const auto all = masks(text, splits, size);
    std::vector<int64_t> ends;
    auto counts = unlocked([&] { return tamis::mask_counts(all, ends); });
    return py::make_tuple(tamis::to_numpy(std::move(counts)), tamis::to_numpy(std::move(ends)));
  });
  m.def("decode_masks", [](Bytes text, Index splits, Sizes size, View<uint8_t, 1> out) {
    const auto all = masks(text, splits, size);
    return unlocked([&] { return tamis::decode_masks(all, out.data, out.size()); });
  });
  m.def("merge_masks", [](Bytes text, Index splits, Sizes size, Index groups, bool intersect, View<int64_t, 2> to) {
    const auto all = masks(text, splits, size);
    const auto how = intersect ? tamis::MaskMerge::intersect : tamis::MaskMerge::unite;
    tamis::check_offsets("merge_masks: splits", groups, all.n);
    TAMIS_CHECK(to.size() == 2 * (groups.size() - 1), "merge_masks: wrong shapes");
    return texts(unlocked([&] { return tamis::merge_masks(all, groups.data, groups.size() - 1, how, to.data); }));
  });
  m.def("mask_boundaries", [](Bytes text, Index splits, Sizes size, Index dilation) {
    const auto all = masks(text, splits, size);
    TAMIS_CHECK(dilation.size() == all.n, "mask_boundaries: wrong shapes");
    tamis::check_indices("mask_boundaries: dilation", dilation, int64_t{1} << 61);
    return texts(unlocked([&] { return tamis::mask_boundaries(all, dilation.data); }));
  });
  m.def("polygon_masks", [](View<const double, 1> points, Index splits, Sizes size) {
    tamis::check_offsets("polygon_masks: splits", splits, points.size());
    TAMIS_CHECK(size.shape[0] == splits.size() - 1 && size.shape[1] == 2, "polygon_masks: wrong shapes");
    return texts(unlocked([&] { return tamis::polygon_masks(points.data, splits.data, size.shape[0], size.data); }));
  });
  m.def("mask_iou_batched",
        [](Bytes a_text, Index a_text_splits, Sizes a_size, Bytes b_text, Index b_text_splits, Sizes b_size,
           std::optional<Bytes> crowd, std::optional<Index> a_index, Index a_splits, std::optional<Index> b_index,
           Index b_splits, std::optional<View<const double, 2>> a_boxes, double least, View<double, 1> out) {
          const tamis::MaskPairs pairs{masks(a_text, a_text_splits, a_size), masks(b_text, b_text_splits, b_size),
                                       crowd ? crowd->data : nullptr,        a_splits.size() - 1,
                                       a_index ? a_index->data : nullptr,    a_splits.data,
                                       b_index ? b_index->data : nullptr,    b_splits.data,
                                       a_boxes ? a_boxes->data : nullptr,    least};
          check_side("mask_iou_batched: a", a_index, a_splits, pairs.a.n);
          check_side("mask_iou_batched: b", b_index, b_splits, pairs.b.n);
          TAMIS_CHECK((!crowd || crowd->size() == pairs.b.n) &&
                          (!a_boxes || (a_boxes->shape[0] == pairs.a.n && a_boxes->shape[1] == 4)) &&
                          out.size() == tamis::count_pairs("mask_iou_batched", a_splits, b_splits),
                      "mask_iou_batched: arrays do not fit together");
          unlocked([&] { tamis::mask_iou_batched(pairs, out.data); });
        });
}
