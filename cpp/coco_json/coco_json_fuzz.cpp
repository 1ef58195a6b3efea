// libFuzzer: whatever the bytes, reading in chunks of any size gives what reading in one piece gives.
#include <cstdlib>
#include <cstring>

#include "coco_json/coco_json.hpp"
#include "core/parallel.hpp"

namespace {
using tamis::CocoDataset;
using tamis::CocoTable;

struct Flat {
  std::vector<int64_t> id, image_id, category_id;
  std::vector<double> bbox, number;
  std::vector<uint8_t> iscrowd;

  explicit Flat(CocoTable&& table) {
    const auto n = size_t(table.size());
    id.resize(n), image_id.resize(n), category_id.resize(n), bbox.resize(4 * n), number.resize(n), iscrowd.resize(n);
    write_coco_columns(std::move(table), {id.data(), image_id.data(), category_id.data(), bbox.data(), number.data(),
                                          iscrowd.data()});
  }
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

void check(bool good) {
  if (!good) std::abort();
}

void check_same(std::optional<CocoTable> a, std::optional<CocoTable> b) {
  check(a.has_value() == b.has_value());
  if (!a) return;
  const Flat x(std::move(*a)), y(std::move(*b));
  check(same_bits(x.id, y.id) && same_bits(x.image_id, y.image_id) && same_bits(x.category_id, y.category_id));
  check(same_bits(x.bbox, y.bbox) && same_bits(x.number, y.number) && same_bits(x.iscrowd, y.iscrowd));
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
  for (const int64_t chunk : {1, 32, 150}) {
    // threads are slow to make under a sanitizer: most inputs go without
    tamis::set_num_threads(size % 32 == 0 ? 3 : 1);
    check_same(tamis::read_coco_results(text, chunk), tamis::read_coco_results(text, whole));
    check_same(tamis::read_coco_dataset(text, chunk), tamis::read_coco_dataset(text, whole));
  }
  return 0;
}
