#include "coco_json/coco_json_record.hpp"

#include <algorithm>
#include <utility>

#include "mask_iou/mask_iou.hpp"

namespace tamis {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr int64_t kMaxCategory = int64_t{1} << 53;
constexpr int64_t kMaxCount = (int64_t{1} << 32) - 1;
constexpr int64_t kMaxSide = INT32_MAX;

bool read_integer(element value, int64_t& out) { return value.get_int64().get(out) == simdjson::SUCCESS; }

// Of an integer that is spelled 1.0.
bool read_whole(element value, int64_t& out) {
  constexpr double kMax = 9007199254740992.0;  // 2^53
  double number = 0;
  if (value.type() != simdjson::dom::element_type::DOUBLE || value.get_double().get(number) != simdjson::SUCCESS)
    return false;
  if (!(number >= -kMax && number <= kMax) || number != static_cast<double>(static_cast<int64_t>(number))) return false;
  out = static_cast<int64_t>(number);
  return true;
}

bool read_number(element value, int64_t max_integer, double& out) {
  if (value.type() == simdjson::dom::element_type::DOUBLE) return value.get_double().get(out) == simdjson::SUCCESS;
  int64_t integer = 0;
  if (!read_integer(value, integer) || integer > max_integer || integer < -max_integer) return false;
  out = static_cast<double>(integer);
  return true;
}

bool read_bbox(element value, double (&out)[4]) {
  array numbers;
  if (value.get_array().get(numbers) != simdjson::SUCCESS) return false;
  int n = 0;
  for (const element number : numbers) {
    if (n == 4 || !read_number(number, kMaxBoxInteger, out[n])) return false;
    ++n;
  }
  return n == 4;
}

bool read_iscrowd(element value, uint8_t& out) {
  bool flag = false;
  int64_t integer = 0;
  if (value.get_bool().get(flag) == simdjson::SUCCESS) {
    out = flag;
    return true;
  }
  if ((!read_integer(value, integer) && !read_whole(value, integer)) || integer < 0 || integer > 255) return false;
  out = static_cast<uint8_t>(integer);
  return true;
}

bool read_within(element value, int64_t max, int64_t& out) {
  return value.get_int64().get(out) == simdjson::SUCCESS && out >= 0 && out <= max;
}

bool read_size(element value, int64_t (&out)[2]) {
  array sides;
  if (value.get_array().get(sides) != simdjson::SUCCESS) return false;
  int n = 0;
  for (const element side : sides) {
    if (n == 2 || !read_within(side, kMaxSide, out[n])) return false;
    ++n;
  }
  return n == 2;
}

// The shape of the record that is being read: begun with the piece as it is, and added to it with the record.
class ShapeReader {
 public:
  ShapeReader(CocoPiece& piece, Wanted wanted)
      : piece_(piece),
        wanted_(wanted),
        text_(piece.text.size()),
        parts_(piece.part_ends.size()),
        numbers_(piece.numbers.size()) {}

  // Whether the value is a shape of the wanted kind. A second one takes the place of the first.
  bool read_segmentation(element value, CocoRecord& record);
  bool read_keypoints(element value, CocoRecord& record);
  bool read_count(element value) {
    int64_t& count = shape_.extent[0];
    return read_within(value, kMaxSide, count) || (read_whole(value, count) && count >= 0 && count <= kMaxSide);
  }
  bool read_frequency(element value);
  // Whether both lists have been read well; `which` is 0 for the categories that are not there.
  bool read_categories(element value, size_t which);
  void finish();

 private:
  bool is_result() const { return wanted_.kind == Kind::kResults; }
  bool read_polygons(array polygons);
  bool read_numbers(array values, int64_t max_integer);
  bool read_counts(object mask);
  bool measure(CocoRecord& record);
  void rewind();

  CocoPiece& piece_;
  Wanted wanted_;
  size_t text_, parts_, numbers_;  // where the record's own begin
  CocoShape shape_{};
  std::vector<double> categories_[2];
  bool has_categories_[2] = {};
};

void ShapeReader::rewind() {
  piece_.text.shrink(text_);
  piece_.part_ends.resize(parts_);
  piece_.numbers.resize(numbers_);
}

bool ShapeReader::read_numbers(array values, int64_t max_integer) {
  for (const element value : values) {
    double number = 0;
    if (!read_number(value, max_integer, number)) return false;
    piece_.numbers.push_back(number);
  }
  piece_.part_ends.push_back(static_cast<int64_t>(piece_.numbers.size()));
  return true;
}

bool ShapeReader::read_polygons(array polygons) {
  int64_t n = 0;
  for (const element polygon : polygons) {
    array points;
    if (polygon.get_array().get(points) != simdjson::SUCCESS) return false;
    const size_t before = piece_.numbers.size();
    if (!read_numbers(points, kMaxPointInteger) || piece_.numbers.size() - before <= 4) return false;
    ++n;
  }
  return n > 0;
}

bool ShapeReader::read_counts(object mask) {
  bool has_size = false, has_counts = false;
  for (const auto [key, value] : mask) {
    std::string_view text;
    array counts;
    if (key == "size") {
      has_size = read_size(value, shape_.extent);
    } else if (key == "counts") {
      piece_.text.shrink(text_);
      has_counts = true;
      if (value.get_string().get(text) == simdjson::SUCCESS) {
        piece_.text.append(text);
      } else if (!is_result() && value.get_array().get(counts) == simdjson::SUCCESS) {
        std::vector<uint32_t> runs;
        for (const element count : counts) {
          int64_t run = 0;
          has_counts = has_counts && read_within(count, kMaxCount, run);
          runs.push_back(static_cast<uint32_t>(run));
        }
        std::string packed;
        append_counts(runs.data(), static_cast<int64_t>(runs.size()), packed);
        piece_.text.append(packed);
      } else {
        has_counts = false;
      }
    }
  }
  return has_size && has_counts;
}

// Area and box of a result's mask; false where its text is not that of counts.
bool ShapeReader::measure(CocoRecord& record) {
  return measure_mask(piece_.text.view().substr(text_), shape_.extent, shape_.area, record.bbox);
}

bool ShapeReader::read_segmentation(element value, CocoRecord& record) {
  rewind();
  array polygons;
  object mask;
  bool good = false;
  if (value.get_object().get(mask) == simdjson::SUCCESS)
    good = read_counts(mask) && (!is_result() || measure(record));
  else if (!is_result() && value.get_array().get(polygons) == simdjson::SUCCESS)
    good = read_polygons(polygons);
  if (!good) rewind();
  return good;
}

bool ShapeReader::read_keypoints(element value, CocoRecord& record) {
  rewind();
  array values;
  const bool good = value.get_array().get(values) == simdjson::SUCCESS && read_numbers(values, kMaxKeypointInteger) &&
                    (piece_.numbers.size() - numbers_) % 3 == 0 && piece_.numbers.size() > numbers_;
  if (!good) {
    rewind();
  } else if (is_result()) {
    for (size_t axis = 0; axis < 2; ++axis) {
      double low = piece_.numbers[numbers_ + axis], high = low;
      for (size_t i = numbers_ + axis; i < piece_.numbers.size(); i += 3) {
        low = std::min(low, piece_.numbers[i]);
        high = std::max(high, piece_.numbers[i]);
      }
      record.bbox[axis] = low;
      record.bbox[axis + 2] = high - low;
    }
  }
  return good;
}

bool ShapeReader::read_frequency(element value) {
  rewind();
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return false;
  piece_.text.append(text);
  return true;
}

bool ShapeReader::read_categories(element value, size_t which) {
  array ids;
  bool good = value.get_array().get(ids) == simdjson::SUCCESS;
  categories_[which].clear();
  if (good) {
    for (const element id : ids) {
      int64_t integer = 0;
      good = good && read_integer(id, integer) && integer <= kMaxCategory && integer >= -kMaxCategory;
      categories_[which].push_back(static_cast<double>(integer));
    }
  }
  has_categories_[which] = good;
  return has_categories_[0] && has_categories_[1];
}

void ShapeReader::finish() {
  if (wanted_.shapes == CocoShapes::kNone) return;
  if (has_categories_[0] && has_categories_[1]) {
    for (const auto& ids : categories_) {
      piece_.numbers.insert(piece_.numbers.end(), ids.begin(), ids.end());
      piece_.part_ends.push_back(static_cast<int64_t>(piece_.numbers.size()));
    }
  }
  shape_.text_end = static_cast<int64_t>(piece_.text.size());
  shape_.parts_end = static_cast<int64_t>(piece_.part_ends.size());
  piece_.shapes.push_back(shape_);
}

using Field = std::pair<uint32_t, bool>;  // what a key names, and whether its value has the type; 0: of no interest

// `field` is that of the id; the record is told how it was spelled.
Field read_id(element value, uint32_t field, int64_t& out, CocoRecord& record, CocoPiece& piece) {
  record.fields &= ~(as_text(field) | as_float(field));
  if (read_integer(value, out)) return {field, true};
  std::string_view text;
  if (read_whole(value, out)) {
    record.fields |= as_float(field);
  } else if (value.get_string().get(text) == simdjson::SUCCESS) {
    if (!piece.texts) piece.texts = std::make_unique<CocoTexts>();
    CocoTexts& texts = *piece.texts;
    out = (field == kCocoId ? texts.id : field == kCocoImageId ? texts.image_id : texts.category_id).place_of(text);
    record.fields |= as_text(field);
  } else {
    return {field, false};
  }
  return {field, true};
}

Field read_field(std::string_view key, element value, bool dataset, CocoRecord& out, CocoPiece& piece) {
  switch (key.size()) {
    case 2:
      if (key == "id") return read_id(value, kCocoId, out.id, out, piece);
      break;
    case 4:
      if (key == "area" && dataset) return {kCocoNumber, read_number(value, kMaxAreaInteger, out.number)};
      break;
    case 5:
      if (key == "score" && !dataset) return {kCocoNumber, read_number(value, kMaxBoxInteger, out.number)};
      break;
    case 7:
      if (key == "iscrowd") return {kCocoIscrowd, read_iscrowd(value, out.iscrowd)};
      if (key == "caption") return {kCocoCaption, true};
      break;
    case 8:
      if (key == "image_id") return read_id(value, kCocoImageId, out.image_id, out, piece);
      break;
    case 11:
      if (key == "category_id") return read_id(value, kCocoCategoryId, out.category_id, out, piece);
      break;
    default:
      break;
  }
  return {0, false};
}

// What is read where shapes are asked for.
Field read_shape(std::string_view key, element value, Wanted wanted, ShapeReader& shape, CocoRecord& out) {
  int64_t side = 0;
  if (wanted.shapes == CocoShapes::kKeypoints) {
    if (key == "keypoints") return {kCocoShape, shape.read_keypoints(value, out)};
    if (key == "num_keypoints") return {kCocoCount, shape.read_count(value)};
  } else if (wanted.shapes == CocoShapes::kLvis) {
    if (key == "ignore") out.fields &= ~uint32_t{kCocoNoIgnore};
    if (key == "frequency") return {kCocoShape, shape.read_frequency(value)};
    if (key == "neg_category_ids") return {kCocoShape, shape.read_categories(value, 0)};
    if (key == "not_exhaustive_category_ids") return {kCocoShape, shape.read_categories(value, 1)};
  } else if (key == "segmentation") {
    return {kCocoShape, shape.read_segmentation(value, out)};
  } else if (wanted.dataset() && (key == "height" || key == "width")) {
    const bool good = read_within(value, kMaxSide, side);
    out.bbox[key == "width"] = static_cast<double>(side);
    return {key == "width" ? kCocoWidth : kCocoHeight, good};
  }
  return {0, false};
}

Field read_box(element value, Wanted wanted, CocoRecord& out) {
  out.fields &= ~uint32_t{kCocoNoBox};
  const bool of_shape = wanted.shapes == CocoShapes::kMasks || wanted.shapes == CocoShapes::kKeypoints;
  if (of_shape && !wanted.keeps_boxes()) return {0, false};  // bbox is that of the shape
  return {kCocoBbox, read_bbox(value, out.bbox)};
}

}  // namespace

void read_record(object fields, Wanted wanted, CocoPiece& to) {
  CocoRecord record{};
  record.fields = kCocoNoBox | kCocoNoMask | kCocoNoIgnore;
  ShapeReader shape(to, wanted);
  for (const auto [key, value] : fields) {
    if (key == "segmentation") record.fields &= ~uint32_t{kCocoNoMask};
    Field field =
        key == "bbox" ? read_box(value, wanted, record) : read_field(key, value, wanted.dataset(), record, to);
    if (field.first == 0 && wanted.shapes != CocoShapes::kNone) field = read_shape(key, value, wanted, shape, record);
    record.fields = field.second ? record.fields | field.first : record.fields & ~field.first;
  }
  shape.finish();
  to.add(record);
}

}  // namespace tamis
