// Columns out of BSON documents as MongoDB sends them; Python objects are never made.
//
//   for doc in documents:
//     items = get(doc, table.path)                      # a list of documents, or one document
//     counts.append(-1 if items is None else len(items))
//     for item in items or []:
//       for column in table.columns: column.append(item.get(column.name))
//
// A reader answers only for regular documents: every document has an ObjectId "_id", items are documents, and each
// value is of its column's kind, null or missing. Anything else (a label that is a number, a box of three) is
// std::nullopt, and the caller takes the database driver's own decoder. Bytes that are not BSON are invalid_argument.
//
// Cost: one pass. Memory: the columns, and each distinct text once.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tamis {

enum class BsonKind {
  id,      // ObjectId, must be there: 12 bytes
  text,    // a position among the distinct texts of the call, -1 without one
  number,  // double, int32 or int64 as double
  box,     // an array of four numbers
  flag,    // Python's bool(value): null and missing are 0
  empty,   // nothing to keep: null, missing or an empty document
};

struct BsonColumn {
  std::string name;
  BsonKind kind;
  std::vector<uint8_t> bytes;  // id: (n, 12); flag: (n,); number and box: (n,) whether there is one
  std::vector<int32_t> codes;  // text
  std::vector<double> values;  // number: (n,); box: (n, 4); 0 where there is none
};

struct BsonTable {
  std::vector<std::string> path;
  std::vector<BsonColumn> columns;
  std::vector<int64_t> counts;  // items of each document, -1: no list
};

struct BsonDocuments {
  std::vector<uint8_t> ids;  // (documents, 12)
  std::vector<BsonTable> tables;
  std::vector<std::string> texts;
};

// `batches` hold consecutive whole documents; `tables` bring names, kinds and paths.
std::optional<BsonDocuments> read_bson_columns(const std::vector<std::string_view>& batches,
                                               std::vector<BsonTable> tables);

}  // namespace tamis
