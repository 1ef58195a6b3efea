// Many small files on all threads: chunks of them are read into columns, which are then put together in order.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/parallel.hpp"
#include "core/vector.hpp"

namespace tamis {

// A Chunk has read(path, file, text); `text` is room that files share.
template <class Chunk>
Vector<Chunk> read_chunks(const std::vector<std::string>& paths, int64_t files_per_chunk) {
  const auto n = static_cast<int64_t>(paths.size());
  Vector<Chunk> chunks((n + files_per_chunk - 1) / files_per_chunk);
  parallel_for(n, files_per_chunk, [&](int64_t begin, int64_t end) {
    std::string text;
    for (int64_t file = begin; file < end; ++file) {
      chunks[begin / files_per_chunk].read(paths[static_cast<size_t>(file)], file, text);
      check_interrupt();
    }
  });
  return chunks;
}

// Offsets that count from where the others end; a first 0 is not among `from`.
inline void append_shifted(Vector<int64_t>& to, const Vector<int64_t>& from) {
  const int64_t before = to.back();
  for (const int64_t split : from) to.push_back(before + split);
}

}  // namespace tamis
