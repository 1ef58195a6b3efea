// Results that are plain, straight to columns. No simdjson: no text is copied, and no tree is built.
#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <cstring>

#include "coco_json/coco_json.hpp"
#include "core/hd.hpp"
#include "core/parallel.hpp"
#include "mask_iou/mask_iou.hpp"

namespace tamis {
namespace {

constexpr int64_t kMaxInteger = int64_t{1} << 31, kMaxKeypointInteger = int64_t{1} << 24;  // as the readers have them
constexpr int64_t kShortestRecord = 40;  // characters: its keys alone are more
constexpr int kMostDigits = 18;  // of a number that fits 64 bits whatever they are
constexpr uint64_t kExact = uint64_t{1} << 53;
constexpr double kPowers[kMostDigits + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                             1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t count_braces(std::string_view text) {
  size_t n = 0;
  for (size_t at = text.find('{'); at != text.npos; at = text.find('{', at + 1)) ++n;
  return n;
}

// No control character and nothing but ASCII.
bool is_printable(const char* at, const char* end) {
  constexpr uint64_t kHigh = 0x8080808080808080u, kBlanks = 0x2020202020202020u;
  for (uint64_t eight; end - at >= 8; at += 8) {
    std::memcpy(&eight, at, 8);
    if (((eight | (eight - kBlanks)) & kHigh) != 0) return false;  // borrows only where a byte is below
  }
  return std::all_of(at, end, [](char c) { return c >= ' '; });
}

// A part of the text. The character at its end is a comma or bracket of the file, so that nothing but structure has to
// look out for it.
class Cursor {
 public:
  explicit Cursor(std::string_view part, char* text, std::string_view whole)
      : at_(text + (part.data() - whole.data())), end_(at_ + part.size()) {}

  TAMIS_HD bool at_end() {
    while (at_ != end_ && is_blank(*at_)) ++at_;
    return at_ == end_;
  }

  TAMIS_HD bool take(char c) {
    if (at_end() || *at_ != c) return false;
    ++at_;
    return true;
  }

  bool take_word(std::string_view word) {
    if (size_t(end_ - at_) < word.size() || std::memcmp(at_, word.data(), word.size()) != 0) return false;
    at_ += word.size();
    return true;
  }

  bool take_integer(int64_t max, int64_t& out) {
    const bool negative = take('-');
    Digits digits;
    if (!take_digits(digits) || digits.has_places || has_exponent() || digits.value > uint64_t(max)) return false;
    out = negative ? -int64_t(digits.value) : int64_t(digits.value);
    return true;
  }

  // As Python's float: the quotient of two exact numbers is rounded once, and so is what from_chars makes.
  TAMIS_HD bool take_number(int64_t max_integer, double& out) {
    const bool negative = take('-');
    Digits digits;
    if (!take_few_digits(digits)) {
      Cursor other(*this);  // this one stays in registers
      const bool good = other.take_any_number(negative, max_integer, out);
      *this = other;
      return good;
    }
    const double whole = static_cast<double>(digits.value) / kPowers[digits.places];
    out = negative && (digits.has_places || digits.value > 0) ? -whole : whole;
    return true;
  }

  // The characters up to a quote. They stay where they are, without their escapes and with zeros for what these leave.
  bool take_counts(std::string_view& out) {
    const std::string_view rest(at_, size_t(end_ - at_));
    const std::string_view raw = rest.substr(0, rest.find('"'));
    if (raw.size() == rest.size() || !is_printable(raw.data(), raw.data() + raw.size())) return false;
    const size_t first = raw.find('\\');
    for (size_t i = first; i != raw.npos; i = raw.find('\\', i + 2))
      if (rest[i + 1] != '\\') return false;
    char *begin = at_, *close = begin + raw.size(), *to = close;
    for (size_t i = first; i != raw.npos;) {
      if (i == first) to = begin + first;
      const size_t next = raw.find('\\', i + 2), end = std::min(next, raw.size());
      std::memmove(to, begin + i + 1, end - i - 1);
      to += end - i - 1;
      i = next;
    }
    std::fill(to, close + 1, '\0');
    at_ = close + 1;
    out = {begin, size_t(to - begin)};
    return true;
  }

 private:
  struct Digits {
    uint64_t value = 0;
    int64_t places = 0;  // after the point
    bool has_places = false;
  };

  // What stands before an exponent. False: more digits than `value` holds; or none as JSON has them, and none is taken.
  bool take_digits(Digits& to) {
    to = {};
    const char* first = at_;
    for (; is_digit(*at_); ++at_) to.value = 10 * to.value + uint64_t(*at_ - '0');
    bool good = at_ != first && (*first != '0' || at_ - first == 1);
    if (good && *at_ == '.') {
      const char* point = at_++;
      for (; is_digit(*at_); ++at_) to.value = 10 * to.value + uint64_t(*at_ - '0');
      to.places = at_ - point - 1;
      to.has_places = true;
      good = to.places > 0;
    }
    if (!good) at_ = const_cast<char*>(first);
    return good && at_ - first <= kMostDigits + to.has_places;
  }

  bool take_any_number(bool negative, int64_t max_integer, double& out) {
    const char* first = at_;
    Digits digits;
    const bool fits = take_digits(digits);
    if (at_ == first) return false;
    if (!digits.has_places && !has_exponent()) {
      if (!fits || digits.value > uint64_t(max_integer)) return false;
      out = static_cast<double>(negative ? -int64_t(digits.value) : int64_t(digits.value));
      return true;
    }
    if (fits && !has_exponent() && digits.value <= kExact) out = static_cast<double>(digits.value) / kPowers[digits.places];
    else if ((has_exponent() && !take_exponent()) || !round(first, out)) return false;
    out = negative ? -out : out;
    return true;
  }

  // Up to seven characters at once: no branch then depends on how many they are. Nothing is taken where it is not so.
  TAMIS_HD bool take_few_digits(Digits& to) {
    if (std::endian::native != std::endian::little || end_ - at_ < 8) return false;
    uint64_t digits;
    std::memcpy(&digits, at_, 8);
    digits ^= 0x3030303030303030u;
    const uint64_t others = (((digits & 0x7f7f7f7f7f7f7f7fu) + 0x7676767676767676u) | digits) & 0x8080808080808080u;
    if (others == 0) return false;
    int length = std::countr_zero(others) / 8, n = length;
    to.has_places = at_[length] == '.';
    if (length == 0 || (*at_ == '0' && length > 1)) return false;
    if (to.has_places) {
      const uint64_t after = others & (others - 1);
      length = std::countr_zero(after) / 8;
      if (after == 0 || length == n + 1) return false;
      const uint64_t whole = (uint64_t{1} << 8 * n) - 1;
      digits = (digits & whole) | (digits >> 8 & ~whole);
      to.places = length - n - 1;
      n = length - 1;
    }
    if (at_[length] == 'e' || at_[length] == 'E') return false;
    digits <<= 64 - 8 * n;
    digits = digits * 2561 >> 8 & 0x00ff00ff00ff00ffu;  // pairs, fours, all
    digits = digits * 6553601 >> 16 & 0x0000ffff0000ffffu;
    to.value = digits * 42949672960001u >> 32;
    at_ += length;
    return true;
  }

  bool has_exponent() const { return *at_ == 'e' || *at_ == 'E'; }

  bool take_exponent() {
    ++at_;
    if (*at_ == '+' || *at_ == '-') ++at_;
    const char* first = at_;
    while (is_digit(*at_)) ++at_;
    return at_ != first;
  }

  // False: too large, too small, or no such function in this library.
  bool round([[maybe_unused]] const char* first, [[maybe_unused]] double& out) const {
#if defined(__cpp_lib_to_chars)
    return std::from_chars(first, at_, out).ec == std::errc();
#else
    return false;
#endif
  }

  char *at_, *end_;
};

enum Field : unsigned { kUnknown = 0, kImageId = 1, kCategoryId = 2, kScore = 4, kShape = 8, kAllFields = 15 };

class Reader {
 public:
  Reader(const PlainResults& plan, size_t part, char* text, const CocoColumns& to)
      : cursor_(plan.parts[part], text, plan.text), plan_(plan), to_(to), text_(text), row_(plan.first_row[part]),
        last_(plan.first_row[part + 1]) {}

  // Whether the part holds just as many records as were counted.
  bool read() {
    do {
      if (row_ == last_ || !read_record()) return false;
      ++row_;
    } while (cursor_.take(','));
    return cursor_.at_end() && row_ == last_;
  }

  // The row after the last whose counts were unescaped.
  int64_t touched() const { return touched_; }

 private:
  bool read_record() {
    if (!cursor_.take('{')) return false;
    unsigned seen = 0;
    do {
      const Field field = take_key();
      if (field == kUnknown || (seen & field) != 0 || !cursor_.take(':') || !read_value(field)) return false;
      seen |= field;
    } while (cursor_.take(','));
    return seen == kAllFields && cursor_.take('}');
  }

  Field take_key() {
    if (!cursor_.take('"')) return kUnknown;
    if (cursor_.take_word("image_id\"")) return kImageId;
    if (cursor_.take_word("category_id\"")) return kCategoryId;
    if (cursor_.take_word("score\"")) return kScore;
    constexpr std::string_view kShapes[] = {"bbox\"", "segmentation\"", "keypoints\""};  // as in CocoShapes
    return cursor_.take_word(kShapes[size_t(plan_.shapes)]) ? kShape : kUnknown;
  }

  bool read_value(Field field) {
    constexpr int64_t kMaxId = INT64_MAX;
    switch (field) {
      case kImageId: return cursor_.take_integer(kMaxId, to_.image_id[row_]);
      case kCategoryId: return cursor_.take_integer(kMaxId, to_.category_id[row_]);
      case kScore: return cursor_.take_number(kMaxInteger, to_.number[row_]);
      default: break;
    }
    double* bbox = to_.bbox + 4 * row_;
    switch (plan_.shapes) {
      case CocoShapes::kNone: return read_numbers(bbox, 4, kMaxInteger);
      case CocoShapes::kMasks: return read_mask(bbox);
      default: break;
    }
    double* numbers = to_.numbers + plan_.n_numbers * row_;
    if (!read_numbers(numbers, plan_.n_numbers, kMaxKeypointInteger)) return false;
    bound(numbers, bbox);
    return true;
  }

  bool read_numbers(double* to, int64_t n, int64_t max_integer) {
    Cursor cursor(cursor_);
    for (int64_t i = 0; i < n; ++i)
      if (!cursor.take(i == 0 ? '[' : ',') || !cursor.take_number(max_integer, to[i])) return false;
    cursor_ = cursor;
    return cursor_.take(']');
  }

  void bound(const double* points, double* bbox) const {
    for (int axis = 0; axis < 2; ++axis) {
      double low = points[axis], high = low;
      for (int64_t i = axis; i < plan_.n_numbers; i += 3) low = std::min(low, points[i]), high = std::max(high, points[i]);
      bbox[axis] = low;
      bbox[axis + 2] = high - low;
    }
  }

  bool read_mask(double* bbox) {
    std::string_view counts;
    bool has_size = false, has_counts = false;
    if (!cursor_.take('{')) return false;
    do {
      if (!cursor_.take('"')) return false;
      if (!has_size && cursor_.take_word("size\"")) {
        has_size = cursor_.take(':') && read_size();
        if (!has_size) return false;
      } else if (!has_counts && cursor_.take_word("counts\"")) {
        has_counts = cursor_.take(':') && cursor_.take('"') && cursor_.take_counts(counts);
        if (!has_counts) return false;
        to_.text_splits[row_] = counts.data() - text_;
        touched_ = row_ + 1;
      } else {
        return false;
      }
    } while (cursor_.take(','));
    uint32_t area = 0;
    const int64_t size[2] = {to_.extent[2 * row_], to_.extent[2 * row_ + 1]};
    double box[4];
    if (!has_size || !has_counts || !cursor_.take('}') || !measure_mask(counts, size, area, box)) return false;
    to_.area[row_] = area;
    std::copy_n(box, 4, bbox);
    return true;
  }

  bool read_size() {
    for (int i = 0; i < 2; ++i) {
      int64_t& side = to_.extent[2 * row_ + i];
      if (!cursor_.take(i == 0 ? '[' : ',') || !cursor_.take_integer(INT32_MAX, side) || side < 0) return false;
    }
    return cursor_.take(']');
  }

  Cursor cursor_;
  const PlainResults& plan_;
  const CocoColumns& to_;
  char* text_;
  int64_t row_, last_, touched_ = 0;
};

}  // namespace

std::optional<PlainResults> plan_plain_results(std::string_view text, int64_t chunk_bytes) {
  const size_t open = text.find_first_not_of(kBlank), close = text.find_last_not_of(kBlank);
  if (open == text.npos || open == close || text[open] != '[' || text[close] != ']') return std::nullopt;
  const std::string_view inside = text.substr(open + 1, close - open - 1);
  const std::string_view first = inside.substr(0, inside.find("}"));
  PlainResults plan{text, CocoShapes::kNone, 0, cut_text(inside, size_t(std::max<int64_t>(1, chunk_bytes))), {0}};
  const size_t keypoints = first.find("\"keypoints\"");
  if (first.find("\"counts\"") != first.npos) plan.shapes = CocoShapes::kMasks;
  if (keypoints != first.npos) {
    plan.shapes = CocoShapes::kKeypoints;
    const std::string_view list = first.substr(keypoints, first.find(']', keypoints) - keypoints);
    plan.n_numbers = std::count(list.begin(), list.end(), ',') + 1;
    if (plan.n_numbers % 3 != 0) return std::nullopt;
  }
  const int64_t braces = plan.shapes == CocoShapes::kMasks ? 2 : 1, n = int64_t(plan.parts.size());
  plan.first_row.resize(size_t(n) + 1);
  parallel_for(n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      plan.first_row[size_t(i) + 1] = int64_t(count_braces(plan.parts[size_t(i)])) / braces;
  });
  for (size_t i = 0; i < size_t(n); ++i) plan.first_row[i + 1] += plan.first_row[i];
  // memory is asked for on the word of the plan, so it must be one that the text can keep
  const int64_t shortest = kShortestRecord + 2 * plan.n_numbers;
  return plan.size() > 0 && plan.size() <= int64_t(text.size()) / shortest ? std::optional(plan) : std::nullopt;
}

bool read_plain_results(const PlainResults& plan, char* text, const CocoColumns& columns) {
  const auto n = int64_t(plan.parts.size());
  std::vector<int64_t> touched(plan.parts.size(), 0);
  std::atomic<bool> plain{true};
  parallel_for(n, 1, [&](int64_t begin, int64_t end) {
    for (auto i = size_t(begin); i < size_t(end) && plain; ++i) {
      Reader reader(plan, i, text, columns);
      if (!reader.read()) plain = false;
      touched[i] = reader.touched();
    }
  });
  if (columns.text_splits) columns.text_splits[plan.first_row.back()] = int64_t(plan.text.size());
  for (size_t i = 0; i < touched.size() && !plain; ++i)
    restore_counts(text, columns.text_splits + plan.first_row[i], touched[i] - plan.first_row[i]);
  return plain;
}

void restore_counts(char* text, const int64_t* starts, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    char* begin = text + starts[i];
    const size_t length = std::strlen(begin);
    auto escapes = std::count(begin, begin + length, '\\');
    char *from = begin + length, *to = from + escapes;
    *to = '"';
    while (escapes > 0) {
      *--to = *--from;
      if (*to == '\\') *--to = '\\', --escapes;
    }
  }
}

}  // namespace tamis
