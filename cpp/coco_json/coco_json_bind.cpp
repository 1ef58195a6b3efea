#include "coco_json/coco_json.hpp"
#include "core/array.hpp"
#include "core/error.hpp"

namespace py = pybind11;
using namespace tamis;
using namespace py::literals;
using Text = View<const uint8_t, 1>;

namespace {
template <class T>
using Reader = std::optional<T> (*)(std::string_view, CocoShapes, int64_t);

std::string_view characters(const Text& data) {
  return {reinterpret_cast<const char*>(data.data), size_t(data.size())};
}

template <class T>
std::optional<T> read(Reader<T> reader, const Text& data, CocoShapes shapes, int64_t chunk_bytes) {
  const py::gil_scoped_release unlocked;
  return reader(characters(data), shapes, chunk_bytes);
}

template <class T>
T* column(py::dict& to, const char* name, std::vector<int64_t> shape) {
  py::array_t<T> values(std::move(shape));
  to[name] = values;
  return values.mutable_data();
}

void shape_columns(py::dict& to, const CocoTable& table, CocoShapes shapes, CocoColumns& at) {
  const CocoSizes sizes = shape_sizes(table);
  const int64_t n = table.size();
  at.extent = column<int64_t>(to, "extent", {n, 2});
  at.numbers = column<double>(to, "numbers", {sizes.numbers});
  at.part_splits = column<int64_t>(to, "part_splits", {sizes.parts + 1});
  at.row_parts = column<int64_t>(to, "row_parts", {n + 1});
  if (shapes == CocoShapes::kKeypoints) return;
  if (!to.contains("text")) at.text = column<uint8_t>(to, "text", {sizes.text});
  at.text_splits = column<int64_t>(to, "text_splits", {n + 1});
  at.area = column<double>(to, "area", {n});
}

py::list names(const Names& texts) {
  py::list out;
  for (const std::string* name : texts.in_order()) out.append(*name);
  return out;
}

// `*_names`: the texts that ids are places in; `float_ids`: some were spelled 1.0.
void spellings(py::dict& to, const CocoTable& table, uint32_t fields) {
  const CocoTexts& texts = table.texts;
  if (table.any_has(as_float(fields & kCocoId))) to["float_ids"] = true;
  if (table.any_has(as_text(fields & kCocoId))) to["id_names"] = names(texts.id);
  if (table.any_has(as_text(fields & kCocoImageId))) to["image_names"] = names(texts.image_id);
  if (table.any_has(as_text(fields & kCocoCategoryId))) to["category_names"] = names(texts.category_id);
}

py::object columns(std::optional<CocoTable>&& table, uint32_t fields, const char* number,
                   CocoShapes shapes = CocoShapes::kNone, py::dict to = {}) {
  if (!table) return py::none();
  const int64_t n = table->size();
  CocoColumns at{};
  if (fields & kCocoId) at.id = column<int64_t>(to, "id", {n});
  if (fields & kCocoImageId) at.image_id = column<int64_t>(to, "image_id", {n});
  if (fields & kCocoCategoryId) at.category_id = column<int64_t>(to, "category_id", {n});
  if (fields & kCocoBbox) at.bbox = column<double>(to, "bbox", {n, 4});
  if (fields & kCocoNumber) at.number = column<double>(to, number, {n});
  if (fields & kCocoIscrowd) at.iscrowd = column<uint8_t>(to, "iscrowd", {n});
  if (shapes != CocoShapes::kNone) shape_columns(to, *table, shapes, at);
  spellings(to, *table, fields);
  {
    const py::gil_scoped_release unlocked;
    write_coco_columns(std::move(*table), at);
  }
  return to;
}

py::object results(const Text& data, int64_t chunk_bytes) {
  const CocoShapes shapes = result_shapes(characters(data));
  py::dict to;
  char* counts = nullptr;
  if (shapes == CocoShapes::kMasks) {
    const py::array_t<uint8_t> text = py::module_::import("numpy").attr("zeros")(data.size(), "u1");
    to["text"] = text;  // zeros that take no memory until they are written
    counts = const_cast<char*>(reinterpret_cast<const char*>(text.data()));
  }
  std::optional<CocoTable> table;
  {
    const py::gil_scoped_release unlocked;
    table = read_coco_results(characters(data), shapes, counts, chunk_bytes);
  }
  return columns(std::move(table), kCocoResultFields, "score", shapes, to);
}

void shrink(const py::dict& columns, const PlainRead& read) {
  for (const auto& [name, values] : columns) {
    auto column = py::reinterpret_borrow<py::array>(values);
    const py::str key = py::reinterpret_borrow<py::str>(name);
    std::vector<py::ssize_t> shape(column.shape(), column.shape() + column.ndim());
    shape[0] = key.equal(py::str("text")) ? read.characters : read.rows + (key.equal(py::str("text_splits")) ? 1 : 0);
    column.resize(shape, false);
  }
}

py::object plain_results(const PlainSource& source, int64_t chunk_bytes) {
  TAMIS_CHECK(source.size >= 0, "read_plain_results: size must not be negative");
  const std::optional<PlainKind> kind = plain_kind(source);
  if (!kind) return py::none();
  const int64_t n = kind->most_rows;
  py::dict to;
  CocoColumns at{};
  at.image_id = column<int64_t>(to, "image_id", {n});
  at.category_id = column<int64_t>(to, "category_id", {n});
  at.bbox = column<double>(to, "bbox", {n, 4});
  at.number = column<double>(to, "score", {n});
  at.area = column<double>(to, "area", {n});
  at.integers = column<uint8_t>(to, "integers", {n, kind->integer_bytes()});
  if (kind->shapes == CocoShapes::kKeypoints) at.numbers = column<double>(to, "keypoints", {n, kind->n_numbers / 3, 3});
  if (kind->shapes == CocoShapes::kMasks) {
    at.text = column<uint8_t>(to, "text", {source.size});
    at.text_splits = column<int64_t>(to, "text_splits", {n + 1});
    at.extent = column<int64_t>(to, "extent", {n, 2});
  }
  std::optional<PlainRead> read;
  {
    const py::gil_scoped_release unlocked;
    read = read_plain_results(source, *kind, at, chunk_bytes);
  }
  if (!read) return py::none();
  shrink(to, *read);
  constexpr const char* kNames[] = {"image_id", "category_id", "score", nullptr};
  constexpr const char* kShapeNames[] = {"bbox", "segmentation", "keypoints"};
  py::list keys;
  for (const uint8_t field : read->order.fields)
    keys.append(py::str(kNames[field] != nullptr ? kNames[field] : kShapeNames[size_t(kind->shapes)]));
  to["keys"] = keys;
  to["size_first"] = read->order.size_first;
  return to;
}

py::object plain_text(const Text& data, int64_t chunk_bytes) {
  return plain_results({-1, characters(data).data(), data.size()}, chunk_bytes);
}

py::object plain_file(int descriptor, int64_t size, int64_t chunk_bytes) {
  return plain_results({descriptor, nullptr, size}, chunk_bytes);
}

py::object result_masks(const Text& data, int64_t chunk_bytes) {
  constexpr CocoShapes kMasks = CocoShapes::kMasks;
  return columns(read(read_shapes_beside_boxes, data, kMasks, chunk_bytes), 0, "", kMasks);
}

py::object dataset(const Text& data, int64_t chunk_bytes) {
  const CocoShapes shapes = dataset_shapes(characters(data));
  auto tables = read(read_coco_dataset, data, shapes, chunk_bytes);
  if (!tables) return py::none();
  const bool have = tables->annotations && tables->annotations->all_have(kCocoShape | kCocoCount);
  const auto ids = [](auto& table) { return columns(std::move(table), kCocoId, ""); };
  return py::dict("images"_a = ids(tables->images), "categories"_a = ids(tables->categories),
                  "annotations"_a = columns(std::move(tables->annotations), kCocoAnnotationFields, "area",
                                            have ? shapes : CocoShapes::kNone),
                  "unique_images"_a = tables->unique_images, "unique_categories"_a = tables->unique_categories,
                  "unique_ids"_a = tables->unique_ids);
}

py::object dataset_masks(const Text& data, int64_t chunk_bytes) {
  auto tables = read(read_coco_dataset, data, CocoShapes::kMasks, chunk_bytes);
  if (!tables || !tables->unique_images) return py::none();
  return py::make_tuple(columns(std::move(tables->images), kCocoId | kCocoBbox, ""),
                        columns(std::move(tables->annotations), 0, "", CocoShapes::kMasks));
}

py::object lvis_dataset(const Text& data, int64_t chunk_bytes) {
  constexpr CocoShapes kLvis = CocoShapes::kLvis;
  auto tables = read(read_coco_dataset, data, kLvis, chunk_bytes);
  if (!tables || !tables->unique_images || !tables->unique_ids || !tables->unique_categories) return py::none();
  return py::dict("images"_a = columns(std::move(tables->images), kCocoId, "", kLvis),
                  "categories"_a = columns(std::move(tables->categories), kCocoId, "", kLvis),
                  "annotations"_a = columns(std::move(tables->annotations), kCocoResultFields | kCocoId, "area"));
}

template <class T>
py::object rows(const View<const T, 2>& data) {
  TAMIS_CHECK(data.shape[1] == 7, "split_coco_rows: data must have shape (N, 7)");
  const int64_t n = data.shape[0];
  py::dict to;
  CocoColumns at{};
  at.id = column<int64_t>(to, "id", {n});
  at.image_id = column<int64_t>(to, "image_id", {n});
  at.category_id = column<int64_t>(to, "category_id", {n});
  at.bbox = column<double>(to, "bbox", {n, 4});
  at.number = column<double>(to, "score", {n});
  T* area = column<T>(to, "area", {n});
  bool plain = false;
  {
    const py::gil_scoped_release unlocked;
    plain = write_row_columns(data.data, n, at, area);
  }
  return plain ? py::object(to) : py::none();
}
}  // namespace

void bind_coco_dicts(py::module_& m);

void bind_coco_json(py::module_& m) {
  m.def("read_coco_results", results, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_plain_results", plain_text, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_plain_file", plain_file, "descriptor"_a, "size"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_file", [](int descriptor, View<uint8_t, 1> to) {
    const py::gil_scoped_release unlocked;
    return read_file(descriptor, to.data, to.size());
  });
  m.def("split_coco_rows", rows<float>, "data"_a);
  m.def("split_coco_rows", rows<double>, "data"_a);
  m.def("read_coco_dataset", dataset, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_lvis_dataset", lvis_dataset, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_result_masks", result_masks, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_dataset_masks", dataset_masks, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  bind_coco_dicts(m);
}
