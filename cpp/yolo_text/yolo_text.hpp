// The rows of many YOLO label files as columns.
//
//   for path in paths:
//     for number, line in enumerate(open(path), 1):        # lines of white space are none
//       label, *row = line.split()
//       labels.append(class_number(label)); values += map(float, row); value_splits.append(len(values))
//     row_splits.append(len(labels))
//
// How many numbers a row must have is the caller's to say: a box, a polygon and keypoints differ in nothing else.
// A label is a whole number in [0, 2**31) ("3" or "3.0"), or a word: -1 - its place among `texts`.
// UTF-8 with or without a byte order mark, UTF-16, and any line ends. A file that is not there is `missing`, with no
// rows. Whatever else cannot be read is a problem with file and line, and the row is left out; NaN, infinite and
// overflowing numbers are. Exact: numbers are rounded once. The same for any number of threads.
//
// Cost: one pass, files in parallel. Memory: the columns twice.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/files.hpp"
#include "core/names.hpp"
#include "core/vector.hpp"

namespace tamis {

struct YoloRows {
  Vector<int64_t> row_splits;    // (files + 1,)
  Vector<int64_t> labels;        // (rows,)
  Vector<int64_t> value_splits;  // (rows + 1,)
  Vector<double> values;
  Vector<int64_t> lines;  // (rows,) from 1
  Names texts;
  Vector<uint8_t> missing;  // (files,)
  Vector<FileProblem> problems;
};

YoloRows read_yolo_files(const std::vector<std::string>& paths);
}  // namespace tamis
