#include "yolo_text/yolo_text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/file_chunks.hpp"

namespace tamis {
namespace {

constexpr int64_t kFilesPerChunk = 32;
constexpr double kMostClasses = 2147483648.0;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

// The files of one chunk, with texts of its own.
struct Chunk {
  YoloRows rows;

  // One token of a row, the label first; false with a problem.
  bool token(const char* begin, const char* end, bool first, int64_t file, int64_t line) {
    double value = 0;
    const bool number = read_number(begin, end, value);
    if (!first) {
      if (number) rows.values.push_back(value);
      if (!number) rows.problems.push_back({file, line, "expected a finite number, got " + quoted(begin, end)});
      return number;
    }
    if (number && (value < 0 || value >= kMostClasses || value != static_cast<double>(static_cast<int64_t>(value)))) {
      rows.problems.push_back({file, line, "expected a class number (0, 1, ...), got " + quoted(begin, end)});
      return false;
    }
    rows.labels.push_back(number ? static_cast<int64_t>(value) : -1 - rows.texts.place_of({begin, end}));
    return true;
  }

  void row(const char* begin, const char* end, int64_t file, int64_t line) {
    const int64_t labels = rows.labels.size(), values = rows.values.size();
    bool first = true;
    for (const char* p = begin; p < end;) {
      while (p < end && is_space(*p)) ++p;
      const char* start = p;
      while (p < end && !is_space(*p)) ++p;
      if (p == start) continue;
      if (!token(start, p, first, file, line)) {
        rows.labels.resize(labels), rows.values.resize(values);
        return;
      }
      first = false;
    }
    if (first) return;
    rows.value_splits.push_back(rows.values.size());
    rows.lines.push_back(line);
  }

  void read(const std::string& path, int64_t file, std::string& text) {
    const int failed = read_small_file(path.c_str(), text);
    rows.missing.push_back(failed == ENOENT);
    if (failed != 0 && failed != ENOENT)
      rows.problems.push_back({file, 0, std::string("cannot be read: ") + std::strerror(failed)});
    to_utf8(text);
    int64_t line = 1;
    const char* end = text.data() + text.size();
    for (const char* p = text.data(); p < end; ++line) {
      const auto left = static_cast<size_t>(end - p);
      const char* stop = static_cast<const char*>(std::memchr(p, '\n', left));
      if (const void* bare = std::memchr(p, '\r', stop ? static_cast<size_t>(stop - p) : left)) {
        const char* at = static_cast<const char*>(bare);  // a lone one ends a line, as Python reads it
        if (at + 1 < end && at[1] != '\n') stop = at;
      }
      if (stop == nullptr) stop = end;
      row(p, stop, file, line);
      p = stop + 1;
    }
    rows.row_splits.push_back(rows.labels.size());
  }
};

}  // namespace

YoloRows read_yolo_files(const std::vector<std::string>& paths) {
  YoloRows all;
  all.row_splits.push_back(0);
  all.value_splits.push_back(0);
  for (Chunk& chunk : read_chunks<Chunk>(paths, kFilesPerChunk)) {
    YoloRows& part = chunk.rows;
    const Vector<int64_t> codes = part.texts.places_in(all.texts);
    for (int64_t& label : part.labels)
      if (label < 0) label = -1 - codes[-1 - label];
    append_shifted(all.row_splits, part.row_splits);
    append_shifted(all.value_splits, part.value_splits);
    append(all.labels, part.labels);
    append(all.values, part.values);
    append(all.lines, part.lines);
    append(all.missing, part.missing);
    append(all.problems, part.problems);
    part = YoloRows();
  }
  return all;
}

}  // namespace tamis
