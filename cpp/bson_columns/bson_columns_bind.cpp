#include <pybind11/stl.h>

#include <algorithm>

#include "bson_columns/bson_columns.hpp"
#include "core/array.hpp"
#include "core/error.hpp"

namespace py = pybind11;
using namespace tamis;

namespace {

using Columns = std::vector<std::pair<std::string, std::string>>;
constexpr std::string_view kKinds[] = {"id", "text", "number", "box", "flag", "empty"};

BsonKind kind_of(const std::string& name) {
  const auto* const found = std::find(std::begin(kKinds), std::end(kKinds), name);
  TAMIS_CHECK(found != std::end(kKinds),
              "bson_columns: kind must be id, text, number, box, flag or empty, got " + name);
  return BsonKind(found - kKinds);
}

// A column, with "has_NAME" beside it where values can be missing.
void put(py::dict& to, BsonColumn&& column) {
  const py::str name(column.name);
  const auto n = static_cast<int64_t>(column.bytes.size());
  switch (column.kind) {
    case BsonKind::id:
      to[name] = to_numpy(std::move(column.bytes), {n / 12, 12});
      return;
    case BsonKind::text:
      to[name] = to_numpy(std::move(column.codes));
      return;
    case BsonKind::flag:
      to[name] = to_numpy(std::move(column.bytes));
      return;
    case BsonKind::empty:
      return;
    case BsonKind::number:
      to[name] = to_numpy(std::move(column.values));
      break;
    case BsonKind::box:
      to[name] = to_numpy(std::move(column.values), {n, 4});
      break;
  }
  to[py::str("has_" + column.name)] = to_numpy(std::move(column.bytes));
}

py::object columns(const std::vector<py::bytes>& batches,
                   const std::vector<std::pair<std::vector<std::string>, Columns>>& tables) {
  std::vector<std::string_view> texts(batches.begin(), batches.end());
  std::vector<BsonTable> wanted;
  for (const auto& [path, names] : tables) {
    TAMIS_CHECK(!path.empty(), "bson_columns: path must not be empty");
    BsonTable& table = wanted.emplace_back();
    table.path = path;
    for (const auto& [name, kind] : names) table.columns.push_back({name, kind_of(kind), {}, {}, {}});
  }
  std::optional<BsonDocuments> found;
  {
    const py::gil_scoped_release unlocked;
    found = read_bson_columns(texts, std::move(wanted));
  }
  if (!found) return py::none();
  py::list read;
  for (BsonTable& table : found->tables) {
    py::dict to;
    to["counts"] = to_numpy(std::move(table.counts));
    for (BsonColumn& column : table.columns) put(to, std::move(column));
    read.append(to);
  }
  const auto n = static_cast<int64_t>(found->ids.size() / 12);
  return py::make_tuple(to_numpy(std::move(found->ids), {n, 12}), read, found->texts);
}

}  // namespace

void bind_bson_columns(py::module_& m) { m.def("bson_columns", columns); }
