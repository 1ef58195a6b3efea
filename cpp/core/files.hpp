// Small files, many at a time: their cost is open, read and close, so readers call this from parallel_for.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tamis {

// All bytes of a plain file into `text`; 0, or the errno of what failed (EISDIR for what is not a plain file).
int read_small_file(const char* path, std::string& text);

// Drops a byte order mark; UTF-16 with one, or with zeros where it has them for ASCII, becomes UTF-8.
void to_utf8(std::string& text);

// The UTF-8 bytes of a code point.
void append_utf8(std::string& to, uint32_t code);

// What is wrong with one line of one file.
struct FileProblem {
  int64_t file;
  int64_t line;  // from 1; 0: the file as a whole
  std::string text;
};

// "`text`" cut to what fits a message.
std::string quoted(const char* begin, const char* end);

// A finite number that fills [begin, end), as the C locale spells it.
bool read_number(const char* begin, const char* end, double& value);
}  // namespace tamis
