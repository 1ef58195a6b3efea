#include "coco_json/coco_json.hpp"
#include "core/array.hpp"
#include "core/error.hpp"

namespace py = pybind11;
using namespace tamis;
using namespace py::literals;
using Text = View<const uint8_t, 1>;

namespace {
template <class T>
std::optional<T> read(std::optional<T> (*reader)(std::string_view, int64_t), const Text& data, int64_t chunk_bytes) {
  const py::gil_scoped_release unlocked;
  return reader({reinterpret_cast<const char*>(data.data), size_t(data.size())}, chunk_bytes);
}

template <class T>
T* column(py::dict& to, const char* name, std::vector<int64_t> shape) {
  py::array_t<T> values(std::move(shape));
  to[name] = values;
  return values.mutable_data();
}

py::object columns(std::optional<CocoTable>&& table, uint8_t fields, const char* number) {
  if (!table) return py::none();
  const int64_t n = table->size();
  py::dict to;
  CocoColumns at{};
  if (fields & kCocoId) at.id = column<int64_t>(to, "id", {n});
  if (fields & kCocoImageId) at.image_id = column<int64_t>(to, "image_id", {n});
  if (fields & kCocoCategoryId) at.category_id = column<int64_t>(to, "category_id", {n});
  if (fields & kCocoBbox) at.bbox = column<double>(to, "bbox", {n, 4});
  if (fields & kCocoNumber) at.number = column<double>(to, number, {n});
  if (fields & kCocoIscrowd) at.iscrowd = column<uint8_t>(to, "iscrowd", {n});
  {
    const py::gil_scoped_release unlocked;
    write_coco_columns(std::move(*table), at);
  }
  return to;
}

py::object results(const Text& data, int64_t chunk_bytes) {
  return columns(read(read_coco_results, data, chunk_bytes), kCocoResultFields, "score");
}

py::object dataset(const Text& data, int64_t chunk_bytes) {
  auto tables = read(read_coco_dataset, data, chunk_bytes);
  if (!tables) return py::none();
  const auto ids = [](auto& table) { return columns(std::move(table), kCocoId, ""); };
  return py::dict("images"_a = ids(tables->images), "categories"_a = ids(tables->categories),
                  "annotations"_a = columns(std::move(tables->annotations), kCocoAnnotationFields, "area"),
                  "unique_images"_a = tables->unique_images, "unique_categories"_a = tables->unique_categories,
                  "unique_ids"_a = tables->unique_ids);
}

template <class T>
py::object rows(const View<const T, 2>& data) {
  TAMIS_CHECK(data.shape[1] == 7, "split_coco_rows: data must have shape (N, 7)");
  const int64_t n = data.shape[0];
  py::dict to;
  CocoColumns at{column<int64_t>(to, "id", {n}), column<int64_t>(to, "image_id", {n}),
                 column<int64_t>(to, "category_id", {n}), column<double>(to, "bbox", {n, 4}),
                 column<double>(to, "score", {n}), nullptr};
  T* area = column<T>(to, "area", {n});
  bool plain = false;
  {
    const py::gil_scoped_release unlocked;
    plain = write_row_columns(data.data, n, at, area);
  }
  return plain ? py::object(to) : py::none();
}
}  // namespace

void bind_coco_json(py::module_& m) {
  m.attr("has_simdjson") = has_simdjson();
  m.def("read_coco_results", results, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
  m.def("read_file", [](int descriptor, View<uint8_t, 1> to) {
    const py::gil_scoped_release unlocked;
    return read_file(descriptor, to.data, to.size());
  });
  m.def("split_coco_rows", rows<float>, "data"_a);
  m.def("split_coco_rows", rows<double>, "data"_a);
  m.def("read_coco_dataset", dataset, "data"_a, "chunk_bytes"_a = kCocoChunkBytes);
}
