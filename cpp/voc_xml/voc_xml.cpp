#include "voc_xml/voc_xml.hpp"

#include <cmath>
#include <cstring>

#include "core/file_chunks.hpp"
#include "voc_xml/voc_xml_cursor.hpp"

namespace tamis {
namespace {

constexpr int64_t kFilesPerChunk = 16;
constexpr std::string_view kCorners[] = {"xmin", "ymin", "xmax", "ymax"};
constexpr std::string_view kFlags[] = {"difficult", "truncated", "occluded"};
constexpr std::string_view kSides[] = {"width", "height"};

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

template <size_t n>
int place(const std::string_view (&names)[n], std::string_view name) {
  for (size_t i = 0; i < n; ++i)
    if (names[i] == name) return static_cast<int>(i);
  return -1;
}

struct Object {
  std::string name, wrong;
  std::array<double, 4> box{NAN, NAN, NAN, NAN};
  std::array<uint8_t, 3> flags{};
  int64_t line = 0;
};

struct Chunk {
  VocObjects rows;
  Object object{};

  void read(const std::string& path, int64_t file, std::string& text);
  bool parse(std::string_view text, int64_t file);
  void leaf(const XmlCursor& xml);
  void of_object(const XmlCursor& xml, std::string_view value);
  void finish_object(int64_t file);
};

// What an element that has just closed says.
void Chunk::leaf(const XmlCursor& xml) {
  const std::string_view value = trimmed(xml.text);
  const auto& around = xml.open;
  if (around.size() == 1 && xml.name == "filename") rows.names.back() = value;
  if (around.size() < 2) return;
  if (around.size() == 2 && around[1] == "size") {
    const int side = place(kSides, xml.name);
    double number = 0;
    if (side >= 0 && read_number(value.data(), value.data() + value.size(), number) && number > 0)
      rows.sizes.back()[static_cast<size_t>(side)] = number;
  }
  if (around[1] == "object") of_object(xml, value);
}

void Chunk::of_object(const XmlCursor& xml, std::string_view value) {
  if (xml.open.size() == 2) {
    if (xml.name == "name") object.name = value;
    const int flag = place(kFlags, xml.name);
    if (flag >= 0) object.flags[static_cast<size_t>(flag)] = value == "1" || value == "True" || value == "true";
  } else if (xml.open.size() == 3 && xml.open[2] == "bndbox") {
    const int corner = place(kCorners, xml.name);
    if (corner < 0) return;
    double& to = object.box[static_cast<size_t>(corner)];
    if (!read_number(value.data(), value.data() + value.size(), to)) {
      to = NAN;
      object.wrong =
          std::string(xml.name) + " must be a finite number, got " + quoted(value.data(), value.data() + value.size());
    }
  }
}

void Chunk::finish_object(int64_t file) {
  if (object.wrong.empty() && object.name.empty()) object.wrong = "<object> must have a <name>";
  for (size_t i = 0; i < 4 && object.wrong.empty(); ++i)
    if (std::isnan(object.box[i]))
      object.wrong =
          "<object> must have a <bndbox> with xmin, ymin, xmax and ymax: there is no " + std::string(kCorners[i]);
  if (!object.wrong.empty()) {
    rows.problems.push_back({file, object.line, object.wrong});
    return;
  }
  rows.labels.push_back(rows.texts.place_of(object.name));
  rows.boxes.push_back(object.box);
  rows.flags.push_back(object.flags);
  rows.lines.push_back(object.line);
}

bool Chunk::parse(std::string_view text, int64_t file) {
  XmlCursor xml(text);
  while (true) {
    switch (xml.next()) {
      case XmlCursor::Event::kOpen:
        if (xml.open.size() == 1 && xml.name != "annotation") {
          rows.problems.push_back(
              {file, xml.line, "expected <annotation>, got <" + std::string(xml.name.substr(0, 40)) + ">"});
          return false;
        }
        if (xml.open.size() == 2 && xml.name == "object") object = Object(), object.line = xml.line;
        break;
      case XmlCursor::Event::kClose:
        leaf(xml);
        if (xml.open.size() == 1 && xml.name == "object") finish_object(file);
        xml.text.clear();
        break;
      case XmlCursor::Event::kEnd:
        return true;
      case XmlCursor::Event::kProblem:
        rows.problems.push_back({file, xml.line, xml.problem});
        return false;
    }
  }
}

void Chunk::read(const std::string& path, int64_t file, std::string& text) {
  rows.names.emplace_back();
  rows.sizes.push_back({0, 0});
  const int failed = read_small_file(path.c_str(), text);
  const int64_t before = rows.labels.size();
  bool good = false;
  if (failed != 0) {
    rows.problems.push_back({file, 0, std::string("cannot be read: ") + std::strerror(failed)});
  } else {
    to_utf8(text);
    good = parse(text, file);
  }
  if (!good)
    rows.labels.resize(before), rows.boxes.resize(before), rows.flags.resize(before), rows.lines.resize(before);
  rows.row_splits.push_back(rows.labels.size());
}

}  // namespace

VocObjects read_voc_files(const std::vector<std::string>& paths) {
  VocObjects all;
  all.row_splits.push_back(0);
  for (Chunk& chunk : read_chunks<Chunk>(paths, kFilesPerChunk)) {
    VocObjects& part = chunk.rows;
    const Vector<int64_t> codes = part.texts.places_in(all.texts);
    for (const int64_t label : part.labels) all.labels.push_back(codes[label]);
    append_shifted(all.row_splits, part.row_splits);
    append(all.sizes, part.sizes);
    append(all.names, part.names);
    append(all.boxes, part.boxes);
    append(all.flags, part.flags);
    append(all.lines, part.lines);
    append(all.problems, part.problems);
    part = VocObjects();
  }
  return all;
}

}  // namespace tamis
