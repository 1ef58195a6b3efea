#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <vector>

#include "core/array.hpp"
#include "core/check.hpp"
#include "mask_iou/mask_iou.hpp"

namespace py = pybind11;
using namespace py::literals;
using tamis::View;

namespace {

using Bytes = View<const uint8_t, 1>;
using Index = View<const int64_t, 1>;
using Sizes = View<const int64_t, 2>;

// Numbers that say where to read are copied and then checked: what other threads write meanwhile is not seen.
class Numbers {
 public:
  template <class Given>
  explicit Numbers(const Given& given) : kept_(given.data, given.data + given.size()), data(kept_.data()) {}
  Numbers(Numbers&&) = default;
  Numbers& operator=(Numbers&&) = default;
  int64_t size() const { return static_cast<int64_t>(kept_.size()); }
  int64_t operator[](int64_t i) const { return data[i]; }

 private:
  std::vector<int64_t> kept_;

 public:
  const int64_t* data;
};

Numbers offsets(const char* of, const Index& given, int64_t length) {
  Numbers out(given);
  tamis::check_offsets(of, out, length);
  return out;
}

// Numbers of rows, or others of [least, n).
template <class Given>
Numbers rows(const char* of, const Given& given, int64_t n, int64_t least = 0) {
  Numbers out(given);
  tamis::check_indices(of, out, n, least);
  return out;
}

Numbers sizes(const Sizes& given, int64_t n) {
  TAMIS_CHECK(given.shape == (std::array{n, int64_t{2}}), "masks: size must be (n, 2)");
  return rows("masks: size", given, INT64_MAX);
}

class Owned {
 public:
  Owned(const Bytes& text, const Index& splits, const Sizes& size)
      : splits_(offsets("masks: splits", splits, text.size())),
        size_(sizes(size, splits_.size() - 1)),
        text_(reinterpret_cast<const char*>(text.data)) {}
  int64_t n() const { return splits_.size() - 1; }
  operator tamis::Masks() const { return {n(), text_, splits_.data, size_.data}; }

 private:
  Numbers splits_, size_;
  const char* text_;
};

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

void iou_batched(Bytes a_text, Index a_text_splits, Sizes a_size, Bytes b_text, Index b_text_splits, Sizes b_size,
                 std::optional<Bytes> crowd, std::optional<Index> a_index, Index a_splits, std::optional<Index> b_index,
                 Index b_splits, std::optional<View<const double, 2>> a_boxes, double least, View<double, 1> out) {
  const Owned a(a_text, a_text_splits, a_size), b(b_text, b_text_splits, b_size);
  std::optional<Numbers> a_rows, b_rows;
  if (a_index) a_rows = rows("mask_iou: a_index", *a_index, a.n());
  if (b_index) b_rows = rows("mask_iou: b_index", *b_index, b.n());
  const Numbers a_ends = offsets("mask_iou: a_splits", a_splits, a_index ? a_index->size() : a.n());
  const Numbers b_ends = offsets("mask_iou: b_splits", b_splits, b_index ? b_index->size() : b.n());
  TAMIS_CHECK(out.size() == tamis::count_pairs("mask_iou", a_ends, b_ends) && (!crowd || crowd->size() == b.n()) &&
                  (!a_boxes || a_boxes->size() == 4 * a.n()),
              "mask_iou: arrays do not fit together");
  const tamis::MaskPairs all{a,
                             b,
                             crowd ? crowd->data : nullptr,
                             a_ends.size() - 1,
                             a_rows ? a_rows->data : nullptr,
                             a_ends.data,
                             b_rows ? b_rows->data : nullptr,
                             b_ends.data,
                             a_boxes ? a_boxes->data : nullptr,
                             least};
  unlocked([&] { tamis::mask_iou_batched(all, out.data); });
}

}  // namespace

void bind_mask_iou(py::module_& m) {
  m.def("measure_masks", [](Bytes text, Index splits, Sizes size, View<uint32_t, 1> area, View<double, 2> bbox) {
    const Owned all(text, splits, size);
    TAMIS_CHECK(area.size() == all.n() && bbox.size() == 4 * all.n(), "measure_masks: wrong shapes");
    unlocked([&] { tamis::measure_masks(all, {area.data, bbox.data, nullptr}); });
  });
  m.def("first_bad_mask", [](Bytes text, Index splits, Sizes size) {
    const Owned all(text, splits, size);
    return unlocked([&] { return tamis::first_bad_mask(all); });
  });
  m.def("take_masks", [](Bytes text, Index splits, Sizes size, Index index) {
    const Owned all(text, splits, size);
    const Numbers taken = rows("take_masks", index, all.n());
    return texts(unlocked([&] { return tamis::take_masks(all, taken.data, taken.size()); }));
  });
  m.def(
      "encode_masks",
      [](View<const uint8_t, 3> pixels, bool by_rows, bool nonzero) {
        const int64_t n = pixels.shape[0], first = pixels.shape[1], second = pixels.shape[2];
        const tamis::Pixels all{pixels.data, n, by_rows ? first : second, by_rows ? second : first, by_rows, nonzero};
        return texts(unlocked([&] { return tamis::encode_masks(all); }));
      },
      "pixels"_a, py::kw_only(), "by_rows"_a, "nonzero"_a);
  m.def("encode_counts", [](View<const uint32_t, 1> counts, Index splits) {
    const Numbers ends = offsets("encode_counts: splits", splits, counts.size());
    return texts(unlocked([&] { return tamis::encode_counts(counts.data, ends.data, ends.size() - 1); }));
  });
  m.def("mask_counts", [](Bytes text, Index splits, Sizes size) {
    const Owned all(text, splits, size);
    tamis::Vector<int64_t> ends;
    auto counts = unlocked([&] { return tamis::mask_counts(all, ends); });
    return py::make_tuple(tamis::to_numpy(std::move(counts)), tamis::to_numpy(std::move(ends)));
  });
  m.def("decode_masks", [](Bytes text, Index splits, Sizes size, View<uint8_t, 1> out) {
    const Owned all(text, splits, size);
    return unlocked([&] { return tamis::decode_masks(all, out.data, out.size()); });
  });
  m.def(
      "merge_masks",
      [](Bytes text, Index splits, Sizes size, Index groups, bool intersect, View<int64_t, 2> to) {
        const Owned all(text, splits, size);
        const Numbers ends = offsets("merge_masks: groups", groups, all.n());
        const int64_t n = ends.size() - 1;
        const auto how = intersect ? tamis::MaskMerge::intersect : tamis::MaskMerge::unite;
        TAMIS_CHECK(to.size() == 2 * n, "merge_masks: wrong shapes");
        return texts(unlocked([&] { return tamis::merge_masks(all, ends.data, n, how, to.data); }));
      },
      "text"_a, "splits"_a, "size"_a, "groups"_a, py::kw_only(), "intersect"_a, "out_size"_a);
  m.def("mask_boundaries", [](Bytes text, Index splits, Sizes size, Index dilation) {
    const Owned all(text, splits, size);
    TAMIS_CHECK(dilation.size() == all.n(), "mask_boundaries: wrong shapes");
    const Numbers reach = rows("mask_boundaries: dilation", dilation, (int64_t{1} << 40) + 1, 1);
    return texts(unlocked([&] { return tamis::mask_boundaries(all, reach.data); }));
  });
  m.def("polygon_masks", [](View<const double, 1> points, Index splits, Sizes size) {
    const Numbers ends = offsets("polygon_masks: splits", splits, points.size());
    const int64_t n = ends.size() - 1;
    const Numbers images = sizes(size, n);
    return texts(unlocked([&] { return tamis::polygon_masks(points.data, ends.data, n, images.data); }));
  });
  m.def("mask_iou_batched", &iou_batched, py::kw_only(), "a_text"_a, "a_text_splits"_a, "a_size"_a, "b_text"_a,
        "b_text_splits"_a, "b_size"_a, "crowd"_a, "a_index"_a, "a_splits"_a, "b_index"_a, "b_splits"_a, "a_boxes"_a,
        "least"_a, "out"_a);
}
