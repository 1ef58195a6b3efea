// Tables to columns. The reading itself is in coco_json_simdjson.cpp.
#include "coco_json/coco_json.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <functional>

#include "core/parallel.hpp"

namespace tamis {

int64_t CocoTable::size() const {
  int64_t n = 0;
  for (const auto& piece : pieces) n += static_cast<int64_t>(piece.records.size());
  return n;
}

bool CocoTable::any_has(uint32_t fields) const {
  return std::any_of(pieces.begin(), pieces.end(),
                     [fields](const CocoPiece& piece) { return (piece.any & fields) != 0; });
}

void CocoTable::join_texts() {
  for (auto& piece : pieces) {
    if (!piece.texts) continue;
    const CocoTexts& own = *piece.texts;
    const auto id = own.id.places_in(texts.id), image = own.image_id.places_in(texts.image_id),
               category = own.category_id.places_in(texts.category_id);
    for (auto& record : piece.records) {
      if (record.fields & as_text(kCocoId)) record.id = id[record.id];
      if (record.fields & as_text(kCocoImageId)) record.image_id = image[record.image_id];
      if (record.fields & as_text(kCocoCategoryId)) record.category_id = category[record.category_id];
    }
  }
}

bool CocoTable::all_have(uint32_t fields) const {
  return std::all_of(pieces.begin(), pieces.end(),
                     [fields](const CocoPiece& piece) { return (piece.common & fields) == fields; });
}

namespace {
constexpr int64_t kRowsAtOnce = 1 << 13;
constexpr int64_t kReadAtOnce = 1 << 21;  // bytes

void write_record(const CocoRecord& record, int64_t row, const CocoColumns& to) {
  if (to.id) to.id[row] = record.id;
  if (to.image_id) to.image_id[row] = record.image_id;
  if (to.category_id) to.category_id[row] = record.category_id;
  if (to.bbox) std::copy_n(record.bbox, 4, to.bbox + 4 * row);
  if (to.number) to.number[row] = record.number;
  if (to.iscrowd) to.iscrowd[row] = record.iscrowd;
}

CocoSizes after(const CocoSizes& sizes, const CocoPiece& piece) {
  return {sizes.text + static_cast<int64_t>(piece.text.size()),
          sizes.parts + static_cast<int64_t>(piece.part_ends.size()),
          sizes.numbers + static_cast<int64_t>(piece.numbers.size())};
}

void write_shapes(const CocoPiece& piece, int64_t row, const CocoSizes& start, const CocoColumns& to) {
  if (to.text) std::copy_n(piece.text.view().data(), piece.text.size(), to.text + start.text);
  if (to.numbers) std::copy(piece.numbers.begin(), piece.numbers.end(), to.numbers + start.numbers);
  if (to.part_splits) {
    for (size_t i = 0; i < piece.part_ends.size(); ++i)
      to.part_splits[start.parts + int64_t(i) + 1] = start.numbers + piece.part_ends[i];
  }
  int64_t text_at = piece.text.in_buffer() ? static_cast<int64_t>(piece.text.start()) : start.text;
  const int64_t text_start = text_at;
  for (const CocoShape& shape : piece.shapes) {
    if (to.text_splits) to.text_splits[row] = text_at;
    text_at = text_start + shape.text_end;
    if (to.extent) std::copy_n(shape.extent, 2, to.extent + 2 * row);
    if (to.area) to.area[row] = shape.area;
    ++row;
    if (to.row_parts) to.row_parts[row] = start.parts + shape.parts_end;
  }
}

uint64_t mixed(uint64_t x) {  // the finalizer of MurmurHash3
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdu;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53u;
  return x ^ (x >> 33);
}

bool all_distinct(const Vector<int64_t>& values) {
  if (std::is_sorted(values.begin(), values.end(), std::less_equal<>())) return true;
  // open addressing, at most half full; 0 marks a free slot, so zeros are counted apart
  std::vector<int64_t> slots(std::bit_ceil(2 * static_cast<uint64_t>(values.size())));
  const uint64_t mask = slots.size() - 1;
  int zeros = 0;
  for (const int64_t value : values) {
    if (value == 0) {
      if (++zeros == 2) return false;
      continue;
    }
    uint64_t slot = mixed(static_cast<uint64_t>(value)) & mask;
    while (slots[slot] != 0 && slots[slot] != value) slot = (slot + 1) & mask;
    if (slots[slot] != 0) return false;
    slots[slot] = value;
  }
  return true;
}
}  // namespace

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

Vector<std::string_view> cut_text(std::string_view text, size_t chunk_bytes) {
  Vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t cut = find_cut(text, 0); cut != text.npos;) {
    parts.push_back(text.substr(begin, cut - begin));
    begin = cut + 1;
    cut = text.size() - begin < chunk_bytes ? text.npos : find_cut(text, begin + chunk_bytes);
  }
  parts.push_back(text.substr(begin));
  return parts;
}

bool read_file(int descriptor, uint8_t* to, int64_t size) {
  std::atomic<bool> complete{true};
  parallel_for(size, kReadAtOnce, [&](int64_t begin, int64_t end) {
    while (begin < end && complete) {
      const ssize_t got = pread(descriptor, to + begin, size_t(end - begin), begin);
      if (got > 0)
        begin += got;
      else if (got == 0 || errno != EINTR)
        complete = false;
    }
  });
  return complete;
}

CocoSizes shape_sizes(const CocoTable& table) {
  CocoSizes sizes{};
  for (const auto& piece : table.pieces) sizes = after(sizes, piece);
  return sizes;
}

void write_coco_columns(CocoTable&& table, const CocoColumns& columns) {
  Vector<int64_t> start{0};
  Vector<CocoSizes> shape_start{{}};
  for (const auto& piece : table.pieces) {
    start.push_back(start.back() + static_cast<int64_t>(piece.records.size()));
    shape_start.push_back(after(shape_start.back(), piece));
  }
  if (columns.text_splits) {
    const CocoText* last = table.pieces.empty() ? nullptr : &table.pieces.back().text;
    columns.text_splits[start.back()] =
        last && last->in_buffer() ? static_cast<int64_t>(last->start() + last->size()) : shape_start.back().text;
  }
  if (columns.part_splits) *columns.part_splits = *columns.row_parts = 0;
  parallel_for(table.pieces.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const CocoPiece piece = std::move(table.pieces[i]);  // freed at the end of the turn
      int64_t row = start[i];
      write_shapes(piece, row, shape_start[i], columns);
      for (const CocoRecord& record : piece.records) write_record(record, row++, columns);
    }
  });
}

template <class T>
bool write_row_columns(const T* rows, int64_t n, const CocoColumns& to, T* area) {
  constexpr T kLimit = T(int64_t{1} << 53);
  std::atomic<bool> plain{true};
  parallel_for(n, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    bool good = true;
    for (int64_t i = begin; i < end; ++i) {
      const T* row = rows + 7 * i;
      good = std::abs(row[0]) < kLimit && std::abs(row[6]) < kLimit;  // not so for NaN
      if (!good) break;
      to.id[i] = i + 1;
      to.image_id[i] = static_cast<int64_t>(row[0]);  // towards zero, as Python's int()
      to.category_id[i] = static_cast<int64_t>(row[6]);
      std::copy_n(row + 1, 4, to.bbox + 4 * i);
      to.number[i] = row[5];
      area[i] = row[3] * row[4];
    }
    if (!good) plain = false;
  });
  return plain;
}
template bool write_row_columns(const float*, int64_t, const CocoColumns&, float*);
template bool write_row_columns(const double*, int64_t, const CocoColumns&, double*);

bool unique_ids(const std::optional<CocoTable>& table) {
  if (!table) return true;
  Vector<int64_t> ids;
  ids.reserve(table->size());
  for (const auto& piece : table->pieces) {
    for (const CocoRecord& record : piece.records) ids.push_back(record.id);
  }
  return all_distinct(ids);
}
}  // namespace tamis
