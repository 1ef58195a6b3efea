// Many Pascal VOC annotation files as columns.
//
//   for path in paths:
//     root = ElementTree.parse(path).getroot()                                   # <annotation>
//     sizes.append([float(root.findtext(f"size/{key}") or 0) for key in ("width", "height")])
//     for obj in root.findall("object"):
//       boxes.append([float(obj.findtext(f"bndbox/{key}")) for key in ("xmin", "ymin", "xmax", "ymax")])
//
// Numbers are the file's: nothing is subtracted. Only direct children count, so the <part>s of an object are no
// objects. Names are texts of their own: -1 in `labels` never occurs. `flags` are difficult, truncated and occluded.
// The parser knows elements, attributes (which it skips), comments, CDATA and the five entities of XML; a document type
// is skipped and its entities are never expanded: one that is used is a problem, so nothing grows. UTF-8 with or
// without a byte order mark, and UTF-16. What is not well formed, an object without a name or without four finite
// corners, another root: a problem with file and line; such an object is left out, of such a file nothing is kept.
// Exact; the same for any number of threads.
//
// Cost: one pass, files in parallel. Memory: the columns twice.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "core/names.hpp"
#include "core/vector.hpp"

namespace tamis {

struct VocObjects {
  Vector<int64_t> row_splits;           // (files + 1,)
  Vector<std::array<double, 2>> sizes;  // (files,) width and height, 0 where there is none
  Vector<std::string> names;            // (files,) <filename>, "" without one
  Vector<int64_t> labels;               // (rows,) places among `texts`
  Vector<std::array<double, 4>> boxes;  // (rows,) xmin, ymin, xmax, ymax
  Vector<std::array<uint8_t, 3>> flags;
  Vector<int64_t> lines;  // (rows,) of <object>
  Names texts;
  Vector<FileProblem> problems;
};

VocObjects read_voc_files(const std::vector<std::string>& paths);
}  // namespace tamis
