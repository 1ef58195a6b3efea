// Results that are plain, straight to columns. No simdjson: no text is kept, and no tree is built.
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

#include "coco_json/coco_json.hpp"
#include "coco_json/coco_json_cursor.hpp"
#include "core/parallel.hpp"
#include "mask_iou/mask_iou.hpp"

namespace tamis {
namespace {

constexpr int64_t kShortestRecord = 40;                // characters: its keys alone are more
constexpr int64_t kLikely = 1 << 12, kMost = 1 << 18;  // how far from a part's end a cut is looked for

// Up to `size` bytes; fewer at the end of a file or where it cannot be read.
int64_t read_at(int descriptor, int64_t begin, int64_t size, char* to) {
  int64_t n = 0;
  while (n < size) {
    const ssize_t got = pread(descriptor, to + n, size_t(size - n), begin + n);
    if (got > 0)
      n += got;
    else if (got == 0 || errno != EINTR)
      break;
  }
  return n;
}

// The parts of a source, one at a time. A part is what stands between the first cut of its bytes and that of the next.
class Window {
 public:
  Window(const PlainSource& source, int64_t part_bytes)
      : source_(source),
        part_bytes_(part_bytes),
        room_(std::make_unique_for_overwrite<char[]>(size_t(source.text != nullptr ? 0 : part_bytes + kMost))) {}

  // The records of a part, which may be none; nullopt: it is not plain.
  std::optional<std::string_view> records(int64_t part) {
    const int64_t begin = part * part_bytes_, end = std::min(source_.size, begin + part_bytes_);
    for (const int64_t more : {kLikely, kMost}) {
      const int64_t stop = std::min(source_.size, end + more);
      const bool at_last = stop == source_.size;
      const std::string_view text = view(begin, stop - begin);
      if (int64_t(text.size()) != stop - begin) return std::nullopt;
      size_t first = part == 0 ? text.find_first_not_of(kBlank) : find_cut(text, 0);
      size_t last = end == source_.size ? text.npos : find_cut(text, size_t(end - begin));
      if (last == text.npos && !at_last) continue;
      const bool is_cut = last != text.npos;
      if (!is_cut) last = text.find_last_not_of(kBlank);
      if (part == 0 && (first == text.npos || first == last || text[first] != '[')) return std::nullopt;
      if (first == text.npos) return std::string_view();
      if (last == text.npos || text[last] != (is_cut ? ',' : ']')) return std::nullopt;
      ++first;
      return first < last ? text.substr(first, last - first) : std::string_view();
    }
    return std::nullopt;
  }

 private:
  std::string_view view(int64_t begin, int64_t size) {
    if (source_.text != nullptr) return {source_.text + begin, size_t(size)};
    return {room_.get(), size_t(read_at(source_.descriptor, begin, size, room_.get()))};
  }

  const PlainSource& source_;
  int64_t part_bytes_;
  std::unique_ptr<char[]> room_;
};

// Sums over the parts before each. Parts are taken in order and add once, soon, so the wait for the one before is
// short.
class SumBefore {
 public:
  explicit SumBefore(int64_t parts) : sums_(parts + 1) {
    for (auto& sum : sums_) sum = -1;
    sums_[0] = 0;
  }

  int64_t add(int64_t part, int64_t amount) {
    auto &mine = sums_[part], &next = sums_[part + 1];
    mine.wait(-1);
    next = mine + amount;
    next.notify_all();
    return mine;
  }
  int64_t total() const { return sums_.back(); }

 private:
  Vector<std::atomic<int64_t>> sums_;
};

constexpr std::array<std::string_view, 4> kKeys = {"image_id\"", "category_id\"", "score\"", ""};
constexpr std::string_view kShapeKeys[] = {"bbox\"", "segmentation\"", "keypoints\""};  // as in CocoShapes

class Reader {
 public:
  // The counts of masks go to `text`, which has room for as many characters as the records have.
  Reader(const PlainKind& kind, std::string_view records, int64_t first_row, const CocoColumns& to, char* text)
      : cursor_(records),
        kind_(kind),
        to_(to),
        text_(text),
        text_end_(text),
        row_(first_row),
        integers_(kind.integer_bytes() + 1) {
    form_.n_numbers = kind.n_numbers;
    form_.max_integer = kind.shapes == CocoShapes::kNone ? kMaxBoxInteger : kMaxKeypointInteger;
    form_.integer_bytes = kind.integer_bytes();
  }

  // Whether they are just n records.
  bool read(int64_t n) {
    const int64_t last = row_ + n;
    do {
      if (row_ == last || !read_record()) return false;
      finish(++row_);
      if (!read_alike_records(last)) return false;
    } while (cursor_.take(','));
    return cursor_.at_end() && row_ == last;
  }

  PlainOrder order() const { return order_; }
  std::string_view text() const { return {text_, size_t(text_end_ - text_)}; }

 private:
  bool read_record() {
    if (!cursor_.take('{')) return false;
    std::fill(integers_.begin(), integers_.end(), uint8_t{0});
    PlainOrder order;
    for (unsigned i = 0, seen = 0; i < kPlainFields; ++i) {
      uint8_t field = order_.fields[i];
      if (!take_between(i)) {
        field = take_key(order_.known ? field : kPlainFields);
        if (field == kPlainFields || (seen >> field & 1) != 0 || !cursor_.take(':') || cursor_.at_end()) return false;
        learn(i);
      }
      if (!read_value(field, order)) return false;
      last_stop_ = cursor_.at();
      seen |= 1u << field;
      order.fields[i] = field;
      if (!cursor_.take(i + 1 < kPlainFields ? ',' : '}')) return false;
    }
    order.known = true;
    if (order_.known && order != order_) return false;
    order_ = order;
    std::copy_n(integers_.data(), kind_.integer_bytes(), to_.integers + kind_.integer_bytes() * row_);
    return true;
  }

  // What stands between the value before and this one.
  void learn(unsigned i) {
    const char* first = last_stop_ == nullptr ? cursor_.at() : last_stop_;
    form_.size[i] = cursor_.at() - first;
    std::copy_n(first, std::min<int64_t>(form_.size[i], sizeof(form_.between[i])), form_.between[i]);
  }

  // Past what stands between the value before and this one, where it is the same as in the record before.
  bool take_between(unsigned i) {
    const int64_t size = form_.size[i];
    if (i == 0 || !order_.known || size > int64_t{sizeof(form_.between[i])} || cursor_.end() - last_stop_ < size ||
        std::memcmp(last_stop_, form_.between[i], size_t(size)) != 0)
      return false;
    cursor_.move_to(last_stop_ + size);
    return true;
  }

  // What is spelled as the records before. False: what follows is not the end of a record.
  bool read_alike_records(int64_t last) {
    constexpr auto kMost = int64_t{sizeof(form_.between[0])};
    if (kind_.shapes == CocoShapes::kMasks) return true;
    for (const int64_t size : form_.size)
      if (size == 0 || size > kMost) return true;
    std::copy_n(order_.fields, kPlainFields, form_.fields);
    AlikeRows taken{last_stop_, 0};
    read_alike(last_stop_, cursor_.end(), form_, row_, last, to_, &taken);
    if (taken.n == 0) return true;
    cursor_.move_to(last_stop_ = taken.stop);
    for (const int64_t stop = row_ + taken.n; row_ < stop;) finish(++row_);
    return cursor_.take('}');
  }

  // What follows from the columns of the row before this one.
  void finish(int64_t row) {
    double* bbox = to_.bbox + 4 * (row - 1);
    if (kind_.shapes == CocoShapes::kMasks) return;
    if (kind_.shapes == CocoShapes::kKeypoints) bound(to_.numbers + kind_.n_numbers * (row - 1), bbox);
    to_.area[row - 1] = bbox[2] * bbox[3];
  }

  std::string_view key(uint8_t field) const {
    return field == kPlainShape ? kShapeKeys[size_t(kind_.shapes)] : kKeys[field];
  }

  // The field of the next key: the expected one, or any if none is.
  uint8_t take_key(uint8_t expected) {
    if (!cursor_.take('"')) return kPlainFields;
    if (expected != kPlainFields) return cursor_.take_word(key(expected)) ? expected : kPlainFields;
    uint8_t field = 0;
    while (field < kPlainFields && !cursor_.take_word(key(field))) ++field;
    return field;
  }

  bool read_value(uint8_t field, PlainOrder& order) {
    constexpr int64_t kMaxId = INT64_MAX;
    double* bbox = to_.bbox + 4 * row_;
    const int64_t n = kind_.n_numbers;
    bool is_integer = false;
    switch (field) {
      case kPlainImageId:
        return cursor_.take_integer(kMaxId, to_.image_id[row_]);
      case kPlainCategoryId:
        return cursor_.take_integer(kMaxId, to_.category_id[row_]);
      case kPlainScore:
        if (!cursor_.take_number(kMaxBoxInteger, to_.number[row_], is_integer)) return false;
        integers_[n / 8] = static_cast<uint8_t>(integers_[n / 8] | is_integer << n % 8);
        return true;
      default:
        break;
    }
    if (kind_.shapes == CocoShapes::kMasks) return read_mask(bbox, order);
    double* numbers = kind_.shapes == CocoShapes::kNone ? bbox : to_.numbers + n * row_;
    return cursor_.take_numbers(n, form_.max_integer, numbers, integers_.data());
  }

  void bound(const double* points, double* bbox) const {
    for (int axis = 0; axis < 2; ++axis) {
      double low = points[axis], high = low;
      for (int64_t i = axis; i < kind_.n_numbers; i += 3)
        low = std::min(low, points[i]), high = std::max(high, points[i]);
      bbox[axis] = low;
      bbox[axis + 2] = high - low;
    }
  }

  bool read_mask(double* bbox, PlainOrder& order) {
    const char* counts = text_end_;
    if (!cursor_.take('{') || !cursor_.take('"')) return false;
    order.size_first = cursor_.take_word("size\"");
    if (order.size_first) {
      if (!read_size() || !cursor_.take(',') || !cursor_.take('"') || !cursor_.take_word("counts\"") || !read_counts())
        return false;
    } else if (!cursor_.take_word("counts\"") || !read_counts() || !cursor_.take(',') || !cursor_.take('"') ||
               !cursor_.take_word("size\"") || !read_size()) {
      return false;
    }
    uint32_t area = 0;
    double box[4];
    const int64_t size[2] = {to_.extent[2 * row_], to_.extent[2 * row_ + 1]};
    if (!cursor_.take('}') || !measure_mask({counts, size_t(text_end_ - counts)}, size, area, box)) return false;
    to_.area[row_] = area;
    std::copy_n(box, 4, bbox);
    return true;
  }

  bool read_counts() {
    to_.text_splits[row_] = text_end_ - text_;
    return cursor_.take(':') && cursor_.take('"') && cursor_.take_counts(text_end_);
  }

  bool read_size() {
    if (!cursor_.take(':')) return false;
    for (int i = 0; i < 2; ++i) {
      int64_t& side = to_.extent[2 * row_ + i];
      if (!cursor_.take(i == 0 ? '[' : ',') || !cursor_.take_integer(INT32_MAX, side) || side < 0) return false;
    }
    return cursor_.take(']');
  }

  Cursor cursor_;
  const PlainKind& kind_;
  const CocoColumns& to_;
  char *text_, *text_end_;
  int64_t row_;
  PlainOrder order_;
  Vector<uint8_t> integers_;
  AlikeForm form_{};
  const char* last_stop_ = nullptr;  // of the last value
};

}  // namespace

std::optional<PlainKind> plain_kind(const PlainSource& source) {
  constexpr int64_t kHead = 1 << 16;
  std::string room;
  std::string_view head(source.text == nullptr ? "" : source.text, size_t(source.text == nullptr ? 0 : source.size));
  if (source.text == nullptr) {
    room.resize(size_t(std::min(source.size, kHead)));
    room.resize(size_t(read_at(source.descriptor, 0, int64_t(room.size()), room.data())));
    head = room;
  }
  const std::string_view first = head.substr(0, head.find('}'));
  const size_t keypoints = first.find("\"keypoints\"");
  PlainKind kind{CocoShapes::kNone, 4, 0};
  if (first.find("\"counts\"") != first.npos) kind = {CocoShapes::kMasks, 0, 0};
  if (keypoints != first.npos) {
    const std::string_view list = first.substr(keypoints, first.find(']', keypoints) - keypoints);
    kind = {CocoShapes::kKeypoints, std::count(list.begin(), list.end(), ',') + 1, 0};
    if (kind.n_numbers % 3 != 0) return std::nullopt;
  }
  kind.most_rows = source.size / (kShortestRecord + 2 * kind.n_numbers);
  return kind.most_rows > 0 ? std::optional(kind) : std::nullopt;
}

std::optional<PlainRead> read_plain_results(const PlainSource& source, const PlainKind& kind, const CocoColumns& to,
                                            int64_t chunk_bytes) {
  const int64_t part_bytes = std::max<int64_t>(1, chunk_bytes), n = (source.size + part_bytes - 1) / part_bytes;
  const bool masks = kind.shapes == CocoShapes::kMasks;
  SumBefore rows(n), characters(n);
  Vector<PlainOrder> orders(n);
  std::atomic<int64_t> next{0};
  std::atomic<bool> plain{true};
  parallel_for(std::min<int64_t>(num_threads(), n), 1, [&](int64_t, int64_t) {
    Window window(source, part_bytes);
    const auto text = std::make_unique_for_overwrite<char[]>(size_t(masks ? part_bytes + kMost : 0));
    for (int64_t i; (i = next++) < n; check_interrupt()) {
      const auto records = plain ? window.records(i) : std::nullopt;
      int64_t count = 0;
      if (records) count_character(records->data(), int64_t(records->size()), '{', &count);
      if (masks) count /= 2;
      const int64_t row = rows.add(i, count);
      bool good = records && row + count <= kind.most_rows;
      std::string_view counts;
      try {
        if (good && !records->empty()) {
          Reader reader(kind, *records, row, to, text.get());
          good = reader.read(count);
          orders[i] = reader.order();
          counts = reader.text();
        }
      } catch (const std::bad_alloc&) {  // the next part waits for this one whatever happens
        good = false;
      }
      if (!good) plain = false;
      if (!masks) continue;
      const int64_t start = characters.add(i, good ? int64_t(counts.size()) : 0);
      if (!good) continue;
      counts.copy(reinterpret_cast<char*>(to.text) + start, counts.size());
      for (int64_t j = row; j < row + count; ++j) to.text_splits[j] += start;
    }
  });
  PlainRead read{rows.total(), masks ? characters.total() : 0, {}};
  if (!plain || read.rows == 0) return std::nullopt;
  if (masks) to.text_splits[read.rows] = read.characters;
  for (const PlainOrder& order : orders) {
    if (order.known && read.order.known && order != read.order) return std::nullopt;
    if (order.known) read.order = order;
  }
  return read;
}

}  // namespace tamis
