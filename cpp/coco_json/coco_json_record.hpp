// One record out of simdjson's DOM: its fields, and its mask or keypoints.
#pragma once
#include <simdjson.h>

#include "coco_json/coco_json.hpp"

namespace tamis {

enum class Kind { kResults, kDataset, kBesideBoxes };

struct Wanted {
  Kind kind;
  CocoShapes shapes;
  char* counts = nullptr;  // where those of results go

  bool dataset() const { return kind == Kind::kDataset; }
  bool keeps_boxes() const { return dataset() && shapes == CocoShapes::kKeypoints; }
};

void read_record(simdjson::dom::object fields, Wanted wanted, CocoPiece& to);

// The records of a dataset's chunk, where they are plain; false: they are not, and `to` is empty.
bool read_plain_records(std::string_view chunk, Wanted wanted, CocoPiece& to);

}  // namespace tamis
