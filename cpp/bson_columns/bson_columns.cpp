#include "bson_columns/bson_columns.hpp"

#include <cstring>
#include <deque>
#include <exception>
#include <unordered_map>

#include "core/error.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

enum Type : uint8_t {
  kDouble = 0x01,
  kString = 0x02,
  kDocument = 0x03,
  kArray = 0x04,
  kBinary = 0x05,
  kUndefined = 0x06,
  kObjectId = 0x07,
  kBool = 0x08,
  kDate = 0x09,
  kNull = 0x0A,
  kRegex = 0x0B,
  kCode = 0x0D,
  kSymbol = 0x0E,
  kScopedCode = 0x0F,
  kInt32 = 0x10,
  kTimestamp = 0x11,
  kInt64 = 0x12,
  kDecimal = 0x13,
  kMaxKey = 0x7F,
  kMinKey = 0xFF,
};

struct NotPlain : std::exception {};  // left to the driver's own decoder

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct Element {
  Type type;
  std::string_view name, value;  // a string's and a document's value with its length and closing zero
  bool missing() const { return type == kNull || type == kUndefined; }
};

// The elements of one document, whose bounds have been checked against those of what holds it.
class Elements {
 public:
  explicit Elements(std::string_view document) {
    check(document.size() >= 5 && size_t(load<int32_t>(document.data())) == document.size() && document.back() == 0);
    rest_ = document.substr(4, document.size() - 5);
  }
  bool next(Element& element) {
    if (rest_.empty()) return false;
    element.type = Type(rest_[0]);
    const size_t end = rest_.find('\0', 1);
    check(end != rest_.npos);
    element.name = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    const size_t length = value_length(element.type);
    check(length <= rest_.size());
    element.value = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return true;
  }

 private:
  static void check(bool sound) { TAMIS_CHECK(sound, "bson_columns: batches must hold BSON documents"); }
  size_t prefix() const {
    check(rest_.size() >= 4);
    const int32_t length = load<int32_t>(rest_.data());
    check(length >= 0);
    return size_t(length);
  }
  size_t value_length(Type type) const {
    switch (type) {
      case kUndefined:
      case kNull:
      case kMaxKey:
      case kMinKey:
        return 0;
      case kBool:
        return 1;
      case kInt32:
        return 4;
      case kDouble:
      case kDate:
      case kTimestamp:
      case kInt64:
        return 8;
      case kObjectId:
        return 12;
      case kDecimal:
        return 16;
      case kDocument:
      case kArray:
      case kScopedCode:
        return prefix();
      case kString:
      case kCode:
      case kSymbol:
        return 4 + prefix();
      case kBinary:
        return 5 + prefix();
      case kRegex:
        break;
    }
    throw NotPlain{};
  }
  std::string_view rest_;
};

double number(const Element& e) {
  switch (e.type) {
    case kDouble:
      return load<double>(e.value.data());
    case kInt32:
      return load<int32_t>(e.value.data());
    case kInt64:
      return static_cast<double>(load<int64_t>(e.value.data()));
    default:
      throw NotPlain{};
  }
}

std::string_view text(const Element& e) {
  if (e.type != kString || e.value.size() < 5) throw NotPlain{};
  return e.value.substr(4, e.value.size() - 5);
}

bool truth(const Element& e) {
  switch (e.type) {
    case kBool:
      return e.value[0] != 0;
    case kString:
      return !text(e).empty();
    default:
      return number(e) != 0;
  }
}

class Reader {
 public:
  explicit Reader(std::vector<BsonTable> tables) { to_.tables = std::move(tables); }

  void read(std::string_view document) {
    bool has_id = false;
    seen_.assign(to_.tables.size(), false);
    Element element;
    for (Elements elements(document); elements.next(element);) {
      if (element.name == "_id") {
        if (element.type != kObjectId) throw NotPlain{};
        to_.ids.insert(to_.ids.end(), element.value.begin(), element.value.end());
        has_id = true;
      }
      for (size_t t = 0; t < to_.tables.size(); ++t)
        if (to_.tables[t].path[0] == element.name) descend(t, element, 1);
    }
    if (!has_id) throw NotPlain{};
    for (size_t t = 0; t < to_.tables.size(); ++t)
      if (!seen_[t]) to_.tables[t].counts.push_back(-1);
  }

  BsonDocuments take() && {
    to_.texts.assign(texts_.begin(), texts_.end());
    return std::move(to_);
  }

 private:
  void descend(size_t t, const Element& at, size_t depth) {
    BsonTable& table = to_.tables[t];
    if (at.missing()) return;
    if (depth == table.path.size()) return items(t, at);
    if (at.type != kDocument) throw NotPlain{};
    Element element;
    for (Elements elements(at.value); elements.next(element);)
      if (element.name == table.path[depth]) descend(t, element, depth + 1);
  }

  void items(size_t t, const Element& at) {
    if (seen_[t]) throw NotPlain{};  // a key twice
    BsonTable& table = to_.tables[t];
    seen_[t] = true;
    if (at.type == kDocument) {
      table.counts.push_back(1);
      return item(table, at.value);
    }
    if (at.type != kArray) throw NotPlain{};
    int64_t n = 0;
    Element element;
    for (Elements elements(at.value); elements.next(element); ++n) {
      if (element.type != kDocument) throw NotPlain{};
      item(table, element.value);
    }
    table.counts.push_back(n);
  }

  void item(BsonTable& table, std::string_view document) {
    for (BsonColumn& column : table.columns) append_missing(column);
    Element element;
    for (Elements elements(document); elements.next(element);) {
      if (element.missing()) continue;
      for (BsonColumn& column : table.columns)
        if (element.name == column.name) set_last(column, element);
    }
    for (const BsonColumn& column : table.columns)
      if (column.kind == BsonKind::id && column.bytes.size() % 12 != 0) throw NotPlain{};
  }

  // An id's place is one byte, which is not a multiple of 12, until the id comes.
  void append_missing(BsonColumn& column) {
    if (column.kind == BsonKind::text)
      column.codes.push_back(-1);
    else if (column.kind != BsonKind::empty)
      column.bytes.push_back(0);
    if (column.kind == BsonKind::number) column.values.push_back(0);
    if (column.kind == BsonKind::box) column.values.resize(column.values.size() + 4);
  }

  void set_last(BsonColumn& column, const Element& element) {
    switch (column.kind) {
      case BsonKind::id:
        if (element.type != kObjectId || column.bytes.size() % 12 != 1) throw NotPlain{};
        column.bytes.pop_back();
        column.bytes.insert(column.bytes.end(), element.value.begin(), element.value.end());
        return;
      case BsonKind::text:
        column.codes.back() = code(text(element));
        return;
      case BsonKind::number:
        column.values.back() = number(element);
        column.bytes.back() = 1;
        return;
      case BsonKind::box:
        return set_box(column, element);
      case BsonKind::flag:
        column.bytes.back() = truth(element);
        return;
      case BsonKind::empty:
        if (element.type != kDocument || element.value.size() > 5) throw NotPlain{};
        return;
    }
  }

  static void set_box(BsonColumn& column, const Element& element) {
    if (element.type != kArray) throw NotPlain{};
    double* to = column.values.data() + column.values.size() - 4;
    int n = 0;
    Element side;
    for (Elements sides(element.value); sides.next(side); ++n) {
      if (n == 4) throw NotPlain{};
      to[n] = number(side);
    }
    if (n != 4) throw NotPlain{};
    column.bytes.back() = 1;
  }

  int32_t code(std::string_view value) {
    const auto found = codes_.find(value);
    if (found != codes_.end()) return found->second;
    const auto next = static_cast<int32_t>(texts_.size());
    texts_.emplace_back(value);
    codes_.emplace(texts_.back(), next);
    return next;
  }

  BsonDocuments to_;
  std::vector<bool> seen_;
  std::deque<std::string> texts_;  // stay where they are: the map's keys look into them
  std::unordered_map<std::string_view, int32_t> codes_;
};

}  // namespace

std::optional<BsonDocuments> read_bson_columns(const std::vector<std::string_view>& batches,
                                               std::vector<BsonTable> tables) {
  Reader reader(std::move(tables));
  try {
    Steps steps;
    for (std::string_view rest : batches) {
      while (!rest.empty()) {
        const int32_t length = rest.size() < 4 ? 0 : load<int32_t>(rest.data());
        TAMIS_CHECK(length > 0 && size_t(length) <= rest.size(), "bson_columns: batches must hold BSON documents");
        reader.read(rest.substr(0, size_t(length)));
        steps.took(length);
        rest.remove_prefix(size_t(length));
      }
    }
  } catch (const NotPlain&) {
    return std::nullopt;
  }
  return std::move(reader).take();
}

}  // namespace tamis
