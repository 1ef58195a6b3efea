// The readers: records out of simdjson's DOM, chunks in parallel, the skeleton that holds them together.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "coco_json/coco_json.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

enum class Kind { kResults, kDataset };
constexpr size_t kMaxDepth = 128;  // Python's json gives up at its recursion limit, usually 1000
constexpr int64_t kMaxBoxInteger = int64_t{1} << 31;
constexpr int64_t kMaxAreaInteger = int64_t{1} << 53;
constexpr std::string_view kBlank = " \t\n\r";
constexpr std::string_view kPlaceholderKey = "$";

// --- one record ---

bool read_integer(element value, int64_t& out) { return value.get_int64().get(out) == simdjson::SUCCESS; }

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
  if (!read_integer(value, integer) || integer < 0 || integer > 255) return false;
  out = static_cast<uint8_t>(integer);
  return true;
}

// The field that a key names and whether its value has the type; 0 for keys of no interest.
std::pair<uint8_t, bool> read_field(std::string_view key, element value, Kind kind, CocoRecord& out) {
  switch (key.size()) {
    case 2:
      if (key == "id") return {kCocoId, read_integer(value, out.id)};
      break;
    case 4:
      if (key == "bbox") return {kCocoBbox, read_bbox(value, out.bbox)};
      if (key == "area" && kind == Kind::kDataset) {
        return {kCocoNumber, read_number(value, kMaxAreaInteger, out.number)};
      }
      break;
    case 5:
      if (key == "score" && kind == Kind::kResults) {
        return {kCocoNumber, read_number(value, kMaxBoxInteger, out.number)};
      }
      break;
    case 7:
      if (key == "iscrowd") return {kCocoIscrowd, read_iscrowd(value, out.iscrowd)};
      if (key == "caption") return {kCocoCaption, true};
      break;
    case 8:
      if (key == "image_id") return {kCocoImageId, read_integer(value, out.image_id)};
      break;
    case 11:
      if (key == "category_id") return {kCocoCategoryId, read_integer(value, out.category_id)};
      break;
    default:
      break;
  }
  return {0, false};
}

CocoRecord read_record(object fields, Kind kind) {
  CocoRecord record{};
  for (const auto [key, value] : fields) {
    const auto [field, good] = read_field(key, value, kind, record);
    record.fields = static_cast<uint8_t>(good ? record.fields | field : record.fields & ~field);
  }
  return record;
}

// --- chunks ---

// The first comma after `from` that stands between `}` and `{`, or npos.
size_t find_cut(std::string_view text, size_t from) {
  for (size_t brace = text.find('}', from); brace != text.npos; brace = text.find('}', brace + 1)) {
    const size_t comma = text.find_first_not_of(kBlank, brace + 1);
    if (comma == text.npos) return text.npos;
    if (text[comma] != ',') continue;
    const size_t open = text.find_first_not_of(kBlank, comma + 1);
    if (open != text.npos && text[open] == '{') return comma;
  }
  return text.npos;
}

// The text between cuts. The first piece is short, so that little is left to the skeleton.
std::vector<std::string_view> cut_text(std::string_view text, size_t chunk_bytes) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t cut = find_cut(text, 0); cut != text.npos;) {
    parts.push_back(text.substr(begin, cut - begin));
    begin = cut + 1;
    cut = text.size() - begin < chunk_bytes ? text.npos : find_cut(text, begin + chunk_bytes);
  }
  parts.push_back(text.substr(begin));
  return parts;
}

struct Workspace {  // a parser and its padded text, reused from chunk to chunk
  simdjson::dom::parser parser;
  std::string text;

  bool parse(size_t depth, element& root) {
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
    if (parser.max_depth() != depth || parser.capacity() == 0) {
      if (parser.allocate(std::max<size_t>(text.size(), 64), depth) != simdjson::SUCCESS) return false;
    }
    return parser.parse(text).get(root) == simdjson::SUCCESS;
  }

  bool read_chunk(std::string_view chunk, Kind kind, CocoPiece& out) {
    text.clear();
    text.reserve(chunk.size() + 2 + simdjson::SIMDJSON_PADDING);
    text.append("[").append(chunk).append("]");
    // a dataset's arrays lie one level deeper in the file than in the chunk
    element root;
    array records;
    if (!parse(kind == Kind::kResults ? kMaxDepth : kMaxDepth - 1, root)) return false;
    if (root.get_array().get(records) != simdjson::SUCCESS) return false;
    out.records.reserve(records.size());
    for (const element value : records) {
      object fields;
      if (value.get_object().get(fields) != simdjson::SUCCESS) return false;
      out.add(read_record(fields, kind));
    }
    return true;
  }
};

class WorkspacePool {
 public:
  std::unique_ptr<Workspace> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Workspace>();
    auto workspace = std::move(free_.back());
    free_.pop_back();
    return workspace;
  }
  void give(std::unique_ptr<Workspace> workspace) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(workspace));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Workspace>> free_;
};

struct Chunks {
  std::string skeleton;
  std::vector<CocoPiece> pieces;  // by placeholder
};

bool may_hold_placeholder(std::string_view text) {
  return text.find("\"$\"") != text.npos || text.find("\"\\u0024\"") != text.npos;
}

// nullopt: nothing was gained by cutting.
std::optional<Chunks> read_chunks(std::string_view text, Kind kind, size_t chunk_bytes) {
  const auto parts = cut_text(text, chunk_bytes);
  if (parts.size() < 3) return std::nullopt;
  std::vector<CocoPiece> pieces(parts.size());
  WorkspacePool pool;
  parallel_for(static_cast<int64_t>(parts.size()) - 2, 1, [&](int64_t begin, int64_t end) {
    auto workspace = pool.take();
    for (auto i = size_t(begin) + 1; i <= size_t(end); ++i) {
      if (!workspace->read_chunk(parts[i], kind, pieces[i])) pieces[i] = {};
    }
    pool.give(std::move(workspace));
  });
  Chunks chunks;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) chunks.skeleton += ',';
    if (pieces[i].records.empty()) {
      if (may_hold_placeholder(parts[i])) return std::nullopt;
      chunks.skeleton += parts[i];
    } else {
      chunks.skeleton += "{\"$\":" + std::to_string(chunks.pieces.size()) + "}";
      chunks.pieces.push_back(std::move(pieces[i]));
    }
  }
  if (chunks.pieces.empty()) return std::nullopt;
  return chunks;
}

// --- the tree: the skeleton's, or the whole file's where there are no chunks ---

class TableReader {
 public:
  TableReader(std::vector<CocoPiece>& chunks, Kind kind) : chunks_(chunks), kind_(kind) {}

  // nullopt: not an array of objects.
  std::optional<CocoTable> read(element value) {
    array elements;
    if (value.get_array().get(elements) != simdjson::SUCCESS) return std::nullopt;
    CocoTable table;
    CocoPiece loose;
    for (const element item : elements) {
      object fields;
      if (item.get_object().get(fields) != simdjson::SUCCESS) return std::nullopt;
      int64_t chunk = 0;
      if (chunks_.empty() || fields[kPlaceholderKey].get(chunk) != simdjson::SUCCESS) {
        loose.add(read_record(fields, kind_));
        continue;
      }
      if (!loose.records.empty()) table.pieces.push_back(std::exchange(loose, {}));
      table.pieces.push_back(std::move(chunks_[size_t(chunk)]));
      ++placed_;
    }
    if (!loose.records.empty()) table.pieces.push_back(std::move(loose));
    return table;
  }

  bool all_placed() const { return placed_ == chunks_.size(); }

 private:
  std::vector<CocoPiece>& chunks_;
  Kind kind_;
  size_t placed_ = 0;
};

// What a tree says. `final` is false where only the file in one piece can tell.
template <class T>
struct Verdict {
  bool final = true;
  std::optional<T> value;
};

Verdict<CocoTable> results_of(element root, std::vector<CocoPiece>& chunks) {
  TableReader reader(chunks, Kind::kResults);
  auto table = reader.read(root);
  if (table && !reader.all_placed()) return {false, {}};
  if (!table || table->pieces.empty() || !table->all_have(kCocoResultFields)) return {};
  if (table->pieces[0].records[0].fields & kCocoCaption) return {};
  return {true, std::move(table)};
}

Verdict<CocoDataset> dataset_of(element root, std::vector<CocoPiece>& chunks) {
  object top;
  if (root.get_object().get(top) != simdjson::SUCCESS) return {};
  constexpr std::array<std::string_view, 3> kNames{"images", "annotations", "categories"};
  constexpr std::array<uint8_t, 3> kFields{kCocoId, kCocoAnnotationFields, kCocoId};
  std::array<std::optional<element>, 3> last;
  for (const auto [key, value] : top) {
    const auto at = std::find(kNames.begin(), kNames.end(), key);
    if (at != kNames.end()) last[size_t(at - kNames.begin())] = value;
  }
  TableReader reader(chunks, Kind::kDataset);
  std::array<std::optional<CocoTable>, 3> tables;
  for (size_t i = 0; i < 3; ++i) {
    if (!last[i]) continue;
    tables[i] = reader.read(*last[i]);
    if (!tables[i] || !tables[i]->all_have(kFields[i])) return {};
  }
  if (!reader.all_placed()) return {false, {}};
  CocoDataset out{std::move(tables[0]), std::move(tables[1]), std::move(tables[2])};
  out.unique_images = unique_ids(out.images);
  out.unique_ids = unique_ids(out.annotations);
  out.unique_categories = unique_ids(out.categories);
  return {true, std::move(out)};
}

template <class T>
using TreeReader = Verdict<T> (*)(element root, std::vector<CocoPiece>& chunks);

template <class T>
Verdict<T> read_in_chunks(std::string_view text, Kind kind, size_t chunk_bytes, TreeReader<T> read_tree) {
  auto chunks = read_chunks(text, kind, chunk_bytes);
  if (!chunks) return {false, {}};
  Workspace workspace;
  workspace.text = std::move(chunks->skeleton);
  element root;
  if (!workspace.parse(kMaxDepth, root)) return {false, {}};
  return read_tree(root, chunks->pieces);
}

template <class T>
std::optional<T> read_whole(std::string_view text, TreeReader<T> read_tree) {
  simdjson::dom::parser parser;
  if (text.size() > parser.max_capacity()) return std::nullopt;
  if (parser.allocate(std::max<size_t>(text.size(), 64), kMaxDepth) != simdjson::SUCCESS) return std::nullopt;
  element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  std::vector<CocoPiece> none;
  return read_tree(root, none).value;
}

template <class T>
std::optional<T> read_tables(std::string_view text, Kind kind, int64_t chunk_bytes, TreeReader<T> read_tree) {
  if (text.empty() || text.starts_with("\xef\xbb\xbf")) return std::nullopt;  // Python's json refuses the mark
  const auto chunk = static_cast<size_t>(std::max<int64_t>(1, chunk_bytes));
  if (text.size() >= chunk) {
    Verdict<T> verdict = read_in_chunks(text, kind, chunk, read_tree);
    if (verdict.final) return std::move(verdict.value);
  }
  return read_whole(text, read_tree);
}

}  // namespace

bool has_simdjson() { return true; }

std::optional<CocoTable> read_coco_results(std::string_view text, int64_t chunk_bytes) {
  return read_tables<CocoTable>(text, Kind::kResults, chunk_bytes, results_of);
}

std::optional<CocoDataset> read_coco_dataset(std::string_view text, int64_t chunk_bytes) {
  return read_tables<CocoDataset>(text, Kind::kDataset, chunk_bytes, dataset_of);
}
}  // namespace tamis
