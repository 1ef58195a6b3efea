// libFuzzer: whatever the bytes, reading in chunks of any size gives what reading in one piece gives.
#include <cstdlib>
#include <cstring>
#include <string>

#include "coco_json/coco_json.hpp"
#include "core/parallel.hpp"

namespace {
using tamis::CocoDataset;
using tamis::CocoShapes;
using tamis::CocoTable;

struct Flat {
  std::vector<int64_t> id, image_id, category_id, text_splits, extent, part_splits, row_parts;
  std::vector<double> bbox, number, area, numbers;
  std::vector<uint8_t> iscrowd, text;
  std::vector<std::string> counts;  // of each mask, without what lies between pieces

  explicit Flat(CocoTable&& table, const std::string& buffer = {}) {
    const bool in_buffer = !table.pieces.empty() && table.pieces[0].text.in_buffer();
    const auto n = size_t(table.size());
    const tamis::CocoSizes sizes = tamis::shape_sizes(table);
    id.resize(n), image_id.resize(n), category_id.resize(n), bbox.resize(4 * n), number.resize(n), iscrowd.resize(n);
    text.resize(size_t(sizes.text)), text_splits.resize(n + 1), extent.resize(2 * n), area.resize(n);
    numbers.resize(size_t(sizes.numbers)), part_splits.resize(size_t(sizes.parts) + 1), row_parts.resize(n + 1);
    write_coco_columns(std::move(table),
                       {id.data(), image_id.data(), category_id.data(), bbox.data(), number.data(), iscrowd.data(),
                        in_buffer ? nullptr : text.data(), text_splits.data(), extent.data(), area.data(),
                        numbers.data(), part_splits.data(), row_parts.data(), nullptr});
    for (size_t i = 0; i < n; ++i) {
      const auto* from = in_buffer ? buffer.data() : reinterpret_cast<const char*>(text.data());
      const std::string one(from + text_splits[i], from + text_splits[i + 1]);
      counts.push_back(one.substr(0, one.find('\0')));
    }
  }
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

void check(bool good) {
  if (!good) std::abort();
}

void check_same(std::optional<CocoTable> a, std::optional<CocoTable> b, const std::string& a_counts = {},
                const std::string& b_counts = {}) {
  check(a.has_value() == b.has_value());
  if (!a) return;
  const Flat x(std::move(*a), a_counts), y(std::move(*b), b_counts);
  check(same_bits(x.id, y.id) && same_bits(x.image_id, y.image_id) && same_bits(x.category_id, y.category_id));
  check(same_bits(x.bbox, y.bbox) && same_bits(x.number, y.number) && same_bits(x.iscrowd, y.iscrowd));
  check(x.counts == y.counts && same_bits(x.extent, y.extent));
  check(same_bits(x.area, y.area) && same_bits(x.numbers, y.numbers));
  check(same_bits(x.part_splits, y.part_splits) && same_bits(x.row_parts, y.row_parts));
}

// The plain reader says no, or what the general one says.
void check_plain(const std::string_view text, int64_t chunk) {
  const tamis::PlainSource source{-1, text.data(), int64_t(text.size())};
  const auto kind = tamis::plain_kind(source);
  if (!kind) return;
  const bool masks = kind->shapes == CocoShapes::kMasks, points = kind->shapes == CocoShapes::kKeypoints;
  auto n = size_t(kind->most_rows);
  std::string mine(masks ? text.size() : 0, '\0');
  std::vector<uint8_t> integers(n * size_t(kind->integer_bytes()));
  std::vector<int64_t> image_id(n), category_id(n), splits(n + 1), extent(2 * n);
  std::vector<double> bbox(4 * n), score(n), area(n), numbers(points ? n * size_t(kind->n_numbers) : 0);
  tamis::CocoColumns columns{};
  columns.image_id = image_id.data(), columns.category_id = category_id.data();
  columns.bbox = bbox.data(), columns.number = score.data(), columns.numbers = numbers.data();
  columns.text = masks ? reinterpret_cast<uint8_t*>(mine.data()) : nullptr;
  columns.text_splits = masks ? splits.data() : nullptr;
  columns.extent = extent.data(), columns.area = area.data(), columns.integers = integers.data();
  const auto read = tamis::read_plain_results(source, *kind, columns, chunk);
  if (!read) return;
  n = size_t(read->rows);
  image_id.resize(n), category_id.resize(n), bbox.resize(4 * n), score.resize(n), extent.resize(2 * n), area.resize(n);
  if (points) numbers.resize(n * size_t(kind->n_numbers));
  std::string buffer(masks ? text.size() : 0, '\0');
  auto table = tamis::read_coco_results(text, kind->shapes, masks ? buffer.data() : nullptr, chunk);
  check(table.has_value() && tamis::result_shapes(text) == kind->shapes);
  const Flat want(std::move(*table), buffer);
  check(image_id == want.image_id && category_id == want.category_id && same_bits(bbox, want.bbox));
  check(same_bits(score, want.number) && same_bits(numbers, want.numbers));
  if (!masks) return;
  check(extent == want.extent && same_bits(area, want.area));
  for (size_t i = 0; i < n; ++i)
    check(std::string(mine.data() + splits[i], mine.data() + splits[i + 1]) == want.counts[i]);
}

void check_same(std::optional<CocoDataset> a, std::optional<CocoDataset> b) {
  check(a.has_value() == b.has_value());
  if (!a) return;
  check(a->unique_images == b->unique_images && a->unique_categories == b->unique_categories);
  check(a->unique_ids == b->unique_ids);
  check_same(std::move(a->images), std::move(b->images));
  check_same(std::move(a->annotations), std::move(b->annotations));
  check_same(std::move(a->categories), std::move(b->categories));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const int64_t whole = int64_t(size) + 1;
  tamis::result_shapes(text);
  check_plain(text, whole);
  for (const int64_t chunk : {1, 32, 150}) {
    // threads are slow to make under a sanitizer: most inputs go without
    tamis::set_num_threads(size % 32 == 0 ? 3 : 1);
    check_plain(text, chunk);
    for (const CocoShapes shapes : {CocoShapes::kNone, CocoShapes::kMasks, CocoShapes::kKeypoints}) {
      std::string a(shapes == CocoShapes::kMasks ? size : 0, '\0'), b = a;
      auto x = tamis::read_coco_results(text, shapes, a.empty() ? nullptr : a.data(), chunk);
      auto y = tamis::read_coco_results(text, shapes, b.empty() ? nullptr : b.data(), whole);
      check_same(std::move(x), std::move(y), a, b);
      check_same(tamis::read_coco_dataset(text, shapes, chunk), tamis::read_coco_dataset(text, shapes, whole));
    }
    const CocoShapes masks = CocoShapes::kMasks, lvis = CocoShapes::kLvis;
    check_same(tamis::read_coco_dataset(text, lvis, chunk), tamis::read_coco_dataset(text, lvis, whole));
    check_same(tamis::read_shapes_beside_boxes(text, masks, chunk),
               tamis::read_shapes_beside_boxes(text, masks, whole));
  }
  return 0;
}
