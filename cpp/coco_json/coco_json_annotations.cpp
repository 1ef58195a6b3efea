// Records of a dataset's chunk as most tools write them, without simdjson: no tree is built, and of polygons that are
// not asked for only the form is checked, a register of text at a time. Whatever is out of the ordinary (an escape, a
// character that is not ASCII, a key twice, an id that is not an integer) is refused, and simdjson decides.
#include <cstring>

#include "coco_json/coco_json.hpp"
#include "coco_json/coco_json_cursor.hpp"
#include "coco_json/coco_json_record.hpp"
#include "mask_iou/mask_iou.hpp"

namespace tamis {
namespace {

constexpr int kMostNested = 8;  // of values that are not read
constexpr int64_t kNumbersAtOnce = 64;

class Annotations {
 public:
  Annotations(std::string_view records, Wanted wanted, CocoPiece& to) : cursor_(records), wanted_(wanted), to_(to) {}

  bool read() {
    do {
      if (!read_record()) return false;
    } while (cursor_.take(','));
    return cursor_.at_end();
  }

 private:
  bool masks() const { return wanted_.shapes == CocoShapes::kMasks; }
  bool keypoints() const { return wanted_.shapes == CocoShapes::kKeypoints; }

  bool read_record() {
    if (!cursor_.take('{')) return false;
    record_ = {};
    record_.fields = kCocoNoBox | kCocoNoMask | kCocoNoIgnore;
    shape_ = {};
    seen_ = 0;
    do {
      std::string_view key;
      if (!cursor_.take('"') || !cursor_.take_text(key) || !cursor_.take(':') || cursor_.at_end()) return false;
      if (!read_value(key)) return false;
    } while (cursor_.take(','));
    if (!cursor_.take('}')) return false;
    if (wanted_.shapes != CocoShapes::kNone) {
      shape_.text_end = static_cast<int64_t>(to_.text.size());
      shape_.parts_end = static_cast<int64_t>(to_.part_ends.size());
      to_.shapes.push_back(shape_);
    }
    to_.add(record_);
    return true;
  }

  // What a field's key names is read once; `good` is whether the value has the type.
  bool field(uint32_t name, bool good) {
    if (!good || (seen_ & name) != 0) return false;
    seen_ |= name;
    record_.fields |= name;
    return true;
  }

  bool read_value(std::string_view key) {
    int64_t side = 0;
    bool is_integer = false;
    switch (key.size()) {
      case 2:
        if (key == "id") return field(kCocoId, cursor_.take_integer(INT64_MAX, record_.id));
        break;
      case 4:
        if (key == "area") return field(kCocoNumber, cursor_.take_number(kMaxAreaInteger, record_.number, is_integer));
        if (key == "bbox") return read_box();
        break;
      case 5:
        if (key == "width" && masks()) return read_side(1, kCocoWidth);
        break;
      case 6:
        if (key == "height" && masks()) return read_side(0, kCocoHeight);
        if (key == "ignore") record_.fields &= ~uint32_t{kCocoNoIgnore};
        break;
      case 7:
        if (key == "caption") return false;
        if (key == "iscrowd") {
          const bool good = cursor_.take_integer(255, side) && side >= 0;
          record_.iscrowd = static_cast<uint8_t>(side);
          return field(kCocoIscrowd, good);
        }
        break;
      case 8:
        if (key == "image_id") return field(kCocoImageId, cursor_.take_integer(INT64_MAX, record_.image_id));
        break;
      case 9:
        if (key == "keypoints" && keypoints()) return field(kCocoShape, read_keypoints());
        if (key == "frequency" && wanted_.shapes == CocoShapes::kLvis) return false;
        break;
      case 11:
        if (key == "category_id") return field(kCocoCategoryId, cursor_.take_integer(INT64_MAX, record_.category_id));
        break;
      case 12:
        if (key == "segmentation") {
          record_.fields &= ~uint32_t{kCocoNoMask};
          return masks() ? field(kCocoShape, read_mask()) : skip_value(0);
        }
        break;
      case 13:
        if (key == "num_keypoints" && keypoints()) {
          return field(kCocoCount, cursor_.take_integer(INT32_MAX, shape_.extent[0]) && shape_.extent[0] >= 0);
        }
        break;
      default:
        if (wanted_.shapes == CocoShapes::kLvis && key.ends_with("_category_ids")) return false;
        break;
    }
    return skip_value(0);
  }

  bool read_side(int axis, uint32_t name) {
    int64_t side = 0;
    const bool good = cursor_.take_integer(INT32_MAX, side) && side >= 0;
    record_.bbox[axis] = static_cast<double>(side);
    return field(name, good);
  }

  bool read_box() {
    record_.fields &= ~uint32_t{kCocoNoBox};
    if (masks()) return skip_value(0);
    uint8_t integers[2] = {};
    return field(kCocoBbox, cursor_.take_numbers(4, kMaxBoxInteger, record_.bbox, integers));
  }

  bool read_keypoints() {
    const size_t before = to_.numbers.size();
    if (!cursor_.take('[') || !read_numbers(kMaxKeypointInteger)) return false;
    const size_t n = to_.numbers.size() - before;
    return n > 0 && n % 3 == 0;
  }

  // The rest of a list of at least one number.
  bool read_numbers(int64_t max_integer) {
    double numbers[kNumbersAtOnce];
    uint8_t integers[kNumbersAtOnce / 8 + 1] = {};
    do {
      int64_t n = cursor_.take_short(kNumbersAtOnce, numbers, integers);
      bool is_integer = false;
      if (n == 0 && !cursor_.take_number(max_integer, numbers[n++], is_integer)) return false;
      to_.numbers.insert(to_.numbers.end(), numbers, numbers + n);
    } while (cursor_.take(','));
    to_.part_ends.push_back(static_cast<int64_t>(to_.numbers.size()));
    return cursor_.take(']');
  }

  bool read_mask() {
    if (cursor_.take('{')) return read_counts();
    if (!cursor_.take('[')) return false;
    do {
      const size_t before = to_.numbers.size();
      if (!cursor_.take('[') || !read_numbers(kMaxPointInteger) || to_.numbers.size() - before <= 4) return false;
    } while (cursor_.take(','));
    return cursor_.take(']');
  }

  // The rest of {"counts": [...], "size": [h, w]}, in either order.
  bool read_counts() {
    bool has_size = false, has_counts = false;
    do {
      std::string_view key, text;
      if (!cursor_.take('"') || !cursor_.take_text(key) || !cursor_.take(':')) return false;
      if (key == "size" && !has_size) {
        for (int i = 0; i < 2; ++i) {
          int64_t& side = shape_.extent[i];
          if (!cursor_.take(i == 0 ? '[' : ',') || !cursor_.take_integer(INT32_MAX, side) || side < 0) return false;
        }
        has_size = cursor_.take(']');
        if (!has_size) return false;
      } else if (key == "counts" && !has_counts) {
        has_counts = true;
        if (cursor_.take('"')) {
          if (!cursor_.take_text(text)) return false;
          to_.text.append(text);
        } else if (!read_runs()) {
          return false;
        }
      } else {
        return false;
      }
    } while (cursor_.take(','));
    return has_size && has_counts && cursor_.take('}');
  }

  bool read_runs() {
    runs_.clear();
    if (!cursor_.take('[')) return false;
    do {
      int64_t run = 0;
      if (cursor_.at_end() || !cursor_.take_integer(UINT32_MAX, run) || run < 0) return false;
      runs_.push_back(static_cast<uint32_t>(run));
    } while (cursor_.take(','));
    std::string packed;
    append_counts(runs_.data(), static_cast<int64_t>(runs_.size()), packed);
    to_.text.append(packed);
    return cursor_.take(']');
  }

  // A value that is not asked for, as strictly.
  bool skip_value(int nested) {
    if (nested == kMostNested || cursor_.at_end()) return false;
    std::string_view text;
    if (cursor_.take('"')) return cursor_.take_text(text);
    if (cursor_.skip_numbers()) return true;
    if (cursor_.take('[')) {
      if (cursor_.take(']')) return true;
      do {
        if (!skip_value(nested + 1)) return false;
      } while (cursor_.take(','));
      return cursor_.take(']');
    }
    if (cursor_.take('{')) {
      if (cursor_.take('}')) return true;
      do {
        if (!cursor_.take('"') || !cursor_.take_text(text) || !cursor_.take(':') || !skip_value(nested + 1))
          return false;
      } while (cursor_.take(','));
      return cursor_.take('}');
    }
    double number = 0;
    bool is_integer = false;
    return cursor_.take_word("null") || cursor_.take_word("true") || cursor_.take_word("false") ||
           cursor_.take_number(INT64_MAX, number, is_integer);
  }

  Cursor cursor_;
  Wanted wanted_;
  CocoPiece& to_;
  CocoRecord record_{};
  CocoShape shape_{};
  uint32_t seen_ = 0;  // fields
  std::vector<uint32_t> runs_;
};

}  // namespace

bool read_plain_records(std::string_view chunk, Wanted wanted, CocoPiece& to) {
  if (Annotations(chunk, wanted, to).read()) return true;
  to = {};
  return false;
}

}  // namespace tamis
