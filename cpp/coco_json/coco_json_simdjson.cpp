// The readers: chunks in parallel, the skeleton that holds them together.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "coco_json/coco_json.hpp"
#include "coco_json/coco_json_record.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

constexpr size_t kMaxDepth = 128;  // Python's json gives up at its recursion limit, usually 1000
constexpr std::string_view kPlaceholderKey = "$";

// --- chunks ---

struct Workspace {  // a parser and its padded text, reused from chunk to chunk
  simdjson::dom::parser parser;
  std::string text;

  bool parse(size_t depth, element& root) {
    text.reserve(text.size() + simdjson::SIMDJSON_PADDING);
    const bool ready = parser.max_depth() == depth && parser.capacity() != 0;
    if (!ready && parser.allocate(std::max<size_t>(text.size(), 64), depth) != simdjson::SUCCESS) return false;
    return parser.parse(text).get(root) == simdjson::SUCCESS;
  }

  bool read_chunk(std::string_view chunk, Wanted wanted, CocoPiece& out) {
    if (wanted.dataset() && read_plain_records(chunk, wanted, out)) return true;
    text.clear();
    text.reserve(chunk.size() + 2 + simdjson::SIMDJSON_PADDING);
    text.append("[").append(chunk).append("]");
    // a dataset's arrays lie one level deeper in the file than in the chunk
    element root;
    array records;
    if (!parse(wanted.dataset() ? kMaxDepth - 1 : kMaxDepth, root)) return false;
    if (root.get_array().get(records) != simdjson::SUCCESS) return false;
    out.records.reserve(records.size());
    if (wanted.shapes != CocoShapes::kNone) out.shapes.reserve(records.size());
    if (wanted.shapes == CocoShapes::kKeypoints) out.numbers.reserve(chunk.size() / 8);
    for (const element value : records) {
      object fields;
      if (value.get_object().get(fields) != simdjson::SUCCESS) return false;
      read_record(fields, wanted, out);
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
  Vector<CocoPiece> pieces;  // by placeholder
};

bool may_hold_placeholder(std::string_view text) {
  return text.find("\"$\"") != text.npos || text.find("\"\\u0024\"") != text.npos;
}

// nullopt: nothing was gained by cutting.
std::optional<Chunks> read_chunks(std::string_view text, Wanted wanted, size_t chunk_bytes) {
  const auto parts = cut_text(text, chunk_bytes);
  if (parts.size() < 3) return std::nullopt;
  Vector<CocoPiece> pieces(parts.size());
  WorkspacePool pool;
  parallel_for(parts.size() - 2, 1, [&](int64_t begin, int64_t end) {
    auto workspace = pool.take();
    for (int64_t i = begin + 1; i <= end; ++i) {
      const auto at = static_cast<size_t>(parts[i].data() - text.data());
      if (wanted.counts != nullptr) pieces[i].text = {wanted.counts, at};
      if (!workspace->read_chunk(parts[i], wanted, pieces[i])) {
        pieces[i].text.shrink(0);
        pieces[i] = {};
      }
    }
    pool.give(std::move(workspace));
  });
  Chunks chunks;
  for (int64_t i = 0; i < parts.size(); ++i) {
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
  TableReader(Vector<CocoPiece>& chunks, Wanted wanted) : chunks_(chunks), wanted_(wanted) {}

  // nullopt: not an array of objects.
  std::optional<CocoTable> read(element value) {
    array elements;
    if (value.get_array().get(elements) != simdjson::SUCCESS) return std::nullopt;
    CocoTable table;
    CocoPiece loose = begin_loose(0);
    for (const element item : elements) {
      object fields;
      if (item.get_object().get(fields) != simdjson::SUCCESS) return std::nullopt;
      int64_t chunk = 0;
      if (chunks_.empty() || fields[kPlaceholderKey].get(chunk) != simdjson::SUCCESS) {
        read_record(fields, wanted_, loose);
        continue;
      }
      if (!loose.records.empty()) table.pieces.push_back(std::move(loose));
      table.pieces.push_back(std::move(chunks_[chunk]));
      const CocoText& text = table.pieces.back().text;
      loose = begin_loose(text.start() + text.size());
      ++placed_;
    }
    if (!loose.records.empty()) table.pieces.push_back(std::move(loose));
    return table;
  }

  bool all_placed() const { return placed_ == chunks_.size(); }

 private:
  // Records outside of chunks stand between them in the file, so their counts fit between those of the chunks.
  CocoPiece begin_loose(size_t at) const {
    CocoPiece piece;
    if (wanted_.counts != nullptr) piece.text = {wanted_.counts, at};
    return piece;
  }

  Vector<CocoPiece>& chunks_;
  Wanted wanted_;
  int64_t placed_ = 0;
};

// What a tree says. `final` is false where only the file in one piece can tell.
template <class T>
struct Verdict {
  bool final = true;
  std::optional<T> value;
};

bool is_plain(const CocoTable& table, Wanted wanted) {
  if (table.pieces.empty()) return false;
  if (wanted.kind == Kind::kBesideBoxes) return table.all_have(kCocoShape);
  const uint32_t first = table.pieces[0].records[0].fields;
  if (first & kCocoCaption) return false;
  if (!table.alike(as_text(kCocoImageId)) || !table.alike(as_text(kCocoCategoryId))) return false;
  constexpr uint32_t kOthers = kCocoResultFields & ~kCocoBbox;
  switch (wanted.shapes) {
    case CocoShapes::kNone:
      return table.all_have(kCocoResultFields);
    case CocoShapes::kMasks:
      return table.all_have(kOthers | kCocoShape | kCocoNoBox);
    case CocoShapes::kLvis:
      return false;  // results are as those of COCO
    case CocoShapes::kKeypoints:
      return table.all_have(kOthers | kCocoShape) && (first & kCocoNoBox) && (first & kCocoNoMask);
  }
  return false;
}

Verdict<CocoTable> results_of(element root, Wanted wanted, Vector<CocoPiece>& chunks) {
  TableReader reader(chunks, wanted);
  auto table = reader.read(root);
  if (table && !reader.all_placed()) return {false, {}};
  if (!table || !is_plain(*table, wanted)) return {};
  table->join_texts();
  return {true, std::move(table)};
}

// Whether the ids of a dataset's table are of kinds that columns hold: those of images and categories are asked for, so
// all are spelled alike; LVIS' own are integers.
bool has_plain_ids(const CocoTable& table, bool annotations, bool lvis) {
  if (lvis && table.any_has(as_text(kCocoIds))) return false;
  if (annotations)
    return !table.any_has(as_text(kCocoId)) && table.alike(as_text(kCocoImageId)) &&
           table.alike(as_text(kCocoCategoryId));
  if (lvis) return !table.any_has(as_float(kCocoId));
  return table.alike(as_text(kCocoId)) && table.alike(as_float(kCocoId));
}

Verdict<CocoDataset> dataset_of(element root, Wanted wanted, Vector<CocoPiece>& chunks) {
  object top;
  if (root.get_object().get(top) != simdjson::SUCCESS) return {};
  constexpr std::array<std::string_view, 3> kNames{"images", "annotations", "categories"};
  std::array<uint32_t, 3> needed{kCocoId, kCocoAnnotationFields, kCocoId};
  if (wanted.shapes == CocoShapes::kMasks) needed = {kCocoId | kCocoHeight | kCocoWidth, kCocoShape, kCocoId};
  if (wanted.shapes == CocoShapes::kLvis)
    needed = {kCocoId | kCocoShape, kCocoResultFields | kCocoId | kCocoNoIgnore, kCocoId | kCocoShape};
  std::array<std::optional<element>, 3> last;
  for (const auto [key, value] : top) {
    const auto at = std::find(kNames.begin(), kNames.end(), key);
    if (at != kNames.end()) last[size_t(at - kNames.begin())] = value;
  }
  TableReader reader(chunks, wanted);
  std::array<std::optional<CocoTable>, 3> tables;
  for (size_t i = 0; i < 3; ++i) {
    if (!last[i]) continue;
    tables[i] = reader.read(*last[i]);
    if (!tables[i] || !tables[i]->all_have(needed[i])) return {};
    if (!has_plain_ids(*tables[i], i == 1, wanted.shapes == CocoShapes::kLvis)) return {};
    tables[i]->join_texts();
  }
  if (!reader.all_placed()) return {false, {}};
  CocoDataset out{std::move(tables[0]), std::move(tables[1]), std::move(tables[2])};
  out.unique_images = unique_ids(out.images);
  out.unique_ids = unique_ids(out.annotations);
  out.unique_categories = unique_ids(out.categories);
  return {true, std::move(out)};
}

template <class T>
using TreeReader = Verdict<T> (*)(element root, Wanted wanted, Vector<CocoPiece>& chunks);

template <class T>
Verdict<T> read_in_chunks(std::string_view text, Wanted wanted, size_t chunk_bytes, TreeReader<T> read_tree) {
  auto chunks = read_chunks(text, wanted, chunk_bytes);
  if (!chunks) return {false, {}};
  Workspace workspace;
  workspace.text = std::move(chunks->skeleton);
  element root;
  if (!workspace.parse(kMaxDepth, root)) return {false, {}};
  return read_tree(root, wanted, chunks->pieces);
}

template <class T>
std::optional<T> read_whole(std::string_view text, Wanted wanted, TreeReader<T> read_tree) {
  simdjson::dom::parser parser;
  if (text.size() > parser.max_capacity()) return std::nullopt;
  if (parser.allocate(std::max<size_t>(text.size(), 64), kMaxDepth) != simdjson::SUCCESS) return std::nullopt;
  element root;
  if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
  Vector<CocoPiece> none;
  return read_tree(root, wanted, none).value;
}

template <class T>
std::optional<T> read_tables(std::string_view text, Wanted wanted, int64_t chunk_bytes, TreeReader<T> read_tree) {
  if (text.empty() || text.starts_with("\xef\xbb\xbf")) return std::nullopt;  // Python's json refuses the mark
  const auto chunk = static_cast<size_t>(std::max<int64_t>(1, chunk_bytes));
  if (text.size() >= chunk) {
    Verdict<T> verdict = read_in_chunks(text, wanted, chunk, read_tree);
    if (verdict.final) return std::move(verdict.value);
  }
  return read_whole(text, wanted, read_tree);
}

}  // namespace

CocoShapes result_shapes(std::string_view text) {
  // up to the first comma between records, which may stand inside of the first: then it is left to json
  const size_t cut = find_cut(text, 0);
  const std::string first = std::string(text.substr(0, cut)) + (cut == text.npos ? "" : "]");
  simdjson::dom::parser parser;
  element root;
  object record;
  if (text.empty() || parser.parse(first).at_pointer("/0").get(root) != simdjson::SUCCESS) return CocoShapes::kNone;
  if (root.get_object().get(record) != simdjson::SUCCESS) return CocoShapes::kNone;
  const auto has = [&](std::string_view key) { return record[key].error() == simdjson::SUCCESS; };
  if (has("bbox")) return CocoShapes::kNone;
  if (has("segmentation")) return CocoShapes::kMasks;
  return has("keypoints") ? CocoShapes::kKeypoints : CocoShapes::kNone;
}

CocoShapes dataset_shapes(std::string_view text) {
  constexpr size_t kNear = 1 << 16;
  const size_t at = text.find("\"annotations\"");
  if (at == text.npos) return CocoShapes::kNone;
  const bool has_keypoints = text.substr(at, kNear).find("\"num_keypoints\"") != text.npos;
  return has_keypoints ? CocoShapes::kKeypoints : CocoShapes::kNone;
}

std::optional<CocoTable> read_coco_results(std::string_view text, CocoShapes shapes, char* counts,
                                           int64_t chunk_bytes) {
  return read_tables<CocoTable>(text, {Kind::kResults, shapes, counts}, chunk_bytes, results_of);
}

std::optional<CocoTable> read_shapes_beside_boxes(std::string_view text, CocoShapes shapes, int64_t chunk_bytes) {
  return read_tables<CocoTable>(text, {Kind::kBesideBoxes, shapes}, chunk_bytes, results_of);
}

std::optional<CocoDataset> read_coco_dataset(std::string_view text, CocoShapes shapes, int64_t chunk_bytes) {
  return read_tables<CocoDataset>(text, {Kind::kDataset, shapes}, chunk_bytes, dataset_of);
}
}  // namespace tamis
