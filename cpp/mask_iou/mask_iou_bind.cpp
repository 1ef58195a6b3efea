#include <pybind11/stl.h>

#include <optional>
#include <string>

#include "core/array.hpp"
#include "core/error.hpp"
#include "mask_iou/mask_iou.hpp"

namespace py = pybind11;
using tamis::View;

namespace {

using Bytes = View<const uint8_t, 1>;
using Index = View<const int64_t, 1>;
using Sizes = View<const int64_t, 2>;
using Numbers = std::vector<int64_t>;

// Numbers that say where to read are copied and then checked: what other threads write meanwhile is not seen.
Numbers copy(const int64_t* data, int64_t n) { return {data, data + n}; }

Numbers offsets(const char* of, const Index& given, int64_t length) {
  Numbers out = copy(given.data, given.size());
  bool good = !out.empty() && out.front() >= 0 && out.back() <= length;
  for (size_t i = 1; i < out.size(); ++i) good &= out[i - 1] <= out[i];
  TAMIS_CHECK(good, std::string(of) + " must ascend within [0, " + std::to_string(length) + "]");
  return out;
}

Numbers rows(const char* of, const Index& given, int64_t n) {
  Numbers out = copy(given.data, given.size());
  for (const int64_t row : out) TAMIS_CHECK(row >= 0 && row < n, std::string(of) + ": no such row");
  return out;
}

Numbers sizes(const Sizes& given, size_t n) {
  TAMIS_CHECK(given.shape[0] == int64_t(n) && given.shape[1] == 2, "masks: size must be (n, 2)");
  Numbers out = copy(given.data, given.size());
  for (const int64_t side : out) TAMIS_CHECK(side >= 0, "masks: size must not be negative");
  return out;
}

class Owned {
 public:
  Owned(const Bytes& text, const Index& splits, const Sizes& size)
      : splits_(offsets("masks: splits", splits, text.size())),
        size_(sizes(size, splits_.size() - 1)),
        text_(reinterpret_cast<const char*>(text.data)) {}
  int64_t n() const { return static_cast<int64_t>(splits_.size()) - 1; }
  operator tamis::Masks() const { return {n(), text_, splits_.data(), size_.data()}; }

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
  const Numbers a_rows = a_index ? rows("mask_iou: a_index", *a_index, a.n()) : Numbers{};
  const Numbers b_rows = b_index ? rows("mask_iou: b_index", *b_index, b.n()) : Numbers{};
  const Numbers a_ends = offsets("mask_iou: a_splits", a_splits, a_index ? a_index->size() : a.n());
  const Numbers b_ends = offsets("mask_iou: b_splits", b_splits, b_index ? b_index->size() : b.n());
  int64_t pairs = 0;
  TAMIS_CHECK(a_ends.size() == b_ends.size(), "mask_iou: arrays do not fit together");
  for (size_t g = 1; g < a_ends.size(); ++g) pairs += (a_ends[g] - a_ends[g - 1]) * (b_ends[g] - b_ends[g - 1]);
  TAMIS_CHECK(out.size() == pairs && (!crowd || crowd->size() == b.n()) && (!a_boxes || a_boxes->size() == 4 * a.n()),
              "mask_iou: arrays do not fit together");
  const tamis::MaskPairs all{a,
                             b,
                             crowd ? crowd->data : nullptr,
                             int64_t(a_ends.size()) - 1,
                             a_index ? a_rows.data() : nullptr,
                             a_ends.data(),
                             b_index ? b_rows.data() : nullptr,
                             b_ends.data(),
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
    return texts(unlocked([&] { return tamis::take_masks(all, taken.data(), int64_t(taken.size())); }));
  });
  m.def("encode_masks", [](View<const uint8_t, 3> pixels, bool by_rows, bool nonzero) {
    const int64_t n = pixels.shape[0], first = pixels.shape[1], second = pixels.shape[2];
    const tamis::Pixels all{pixels.data, n, by_rows ? first : second, by_rows ? second : first, by_rows, nonzero};
    return texts(unlocked([&] { return tamis::encode_masks(all); }));
  });
  m.def("encode_counts", [](View<const uint32_t, 1> counts, Index splits) {
    const Numbers ends = offsets("encode_counts: splits", splits, counts.size());
    return texts(unlocked([&] { return tamis::encode_counts(counts.data, ends.data(), int64_t(ends.size()) - 1); }));
  });
  m.def("mask_counts", [](Bytes text, Index splits, Sizes size) {
    const Owned all(text, splits, size);
    Numbers ends;
    auto counts = unlocked([&] { return tamis::mask_counts(all, ends); });
    return py::make_tuple(tamis::to_numpy(std::move(counts)), tamis::to_numpy(std::move(ends)));
  });
  m.def("decode_masks", [](Bytes text, Index splits, Sizes size, View<uint8_t, 1> out) {
    const Owned all(text, splits, size);
    return unlocked([&] { return tamis::decode_masks(all, out.data, out.size()); });
  });
  m.def("merge_masks", [](Bytes text, Index splits, Sizes size, Index groups, bool intersect, View<int64_t, 2> to) {
    const Owned all(text, splits, size);
    const Numbers ends = offsets("merge_masks: groups", groups, all.n());
    const auto n = int64_t(ends.size()) - 1;
    const auto how = intersect ? tamis::MaskMerge::intersect : tamis::MaskMerge::unite;
    TAMIS_CHECK(to.size() == 2 * n, "merge_masks: wrong shapes");
    return texts(unlocked([&] { return tamis::merge_masks(all, ends.data(), n, how, to.data); }));
  });
  m.def("mask_boundaries", [](Bytes text, Index splits, Sizes size, Index dilation) {
    const Owned all(text, splits, size);
    TAMIS_CHECK(dilation.size() == all.n(), "mask_boundaries: wrong shapes");
    const Numbers reach = copy(dilation.data, all.n());
    for (const int64_t d : reach)
      TAMIS_CHECK(d >= 1 && d <= int64_t{1} << 40, "mask_boundaries: dilation out of range");
    return texts(unlocked([&] { return tamis::mask_boundaries(all, reach.data()); }));
  });
  m.def("polygon_masks", [](View<const double, 1> points, Index splits, Sizes size) {
    const Numbers ends = offsets("polygon_masks: splits", splits, points.size());
    const auto n = int64_t(ends.size()) - 1;
    const Numbers images = sizes(size, size_t(n));
    return texts(unlocked([&] { return tamis::polygon_masks(points.data, ends.data(), n, images.data()); }));
  });
  m.def("mask_iou_batched", &iou_batched);
}
