// The build without simdjson: every file goes through Python's json.
#include "coco_json/coco_json.hpp"

namespace tamis {
bool has_simdjson() { return false; }
CocoShapes result_shapes(std::string_view) { return CocoShapes::kNone; }
CocoShapes dataset_shapes(std::string_view) { return CocoShapes::kNone; }
std::optional<CocoTable> read_coco_results(std::string_view, CocoShapes, char*, int64_t) { return std::nullopt; }
std::optional<CocoTable> read_shapes_beside_boxes(std::string_view, CocoShapes, int64_t) { return std::nullopt; }
std::optional<CocoDataset> read_coco_dataset(std::string_view, CocoShapes, int64_t) { return std::nullopt; }
}  // namespace tamis
