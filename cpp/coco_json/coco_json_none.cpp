// The build without simdjson: every file goes through Python's json.
#include "coco_json/coco_json.hpp"

namespace tamis {
bool has_simdjson() { return false; }
std::optional<CocoTable> read_coco_results(std::string_view, int64_t) { return std::nullopt; }
std::optional<CocoDataset> read_coco_dataset(std::string_view, int64_t) { return std::nullopt; }
}  // namespace tamis
