#include "image_size/image_size.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kFilesPerChunk = 32;
constexpr size_t kWindow = 4096;
constexpr int kMostSegments = 4096;  // of a JPEG, entries of a TIFF: a crafted file must not take forever

// A file as bytes at offsets, one window in memory.
class Bytes {
 public:
  explicit Bytes(int file) : file_(file) {}

  const uint8_t* at(int64_t offset, size_t n) {  // nullptr past the end
    if (offset < 0) return nullptr;
    if (offset < begin_ || offset + static_cast<int64_t>(n) > begin_ + static_cast<int64_t>(got_)) {
      const ssize_t read = pread(file_, window_.data(), window_.size(), offset);
      begin_ = offset, got_ = read > 0 ? static_cast<size_t>(read) : 0;
      if (got_ < n) return nullptr;
    }
    return window_.data() + (offset - begin_);
  }

  // An unsigned integer of n bytes; ok turns false past the end.
  int64_t number(int64_t offset, size_t n, bool big_endian) {
    const uint8_t* p = at(offset, n);
    ok = ok && p != nullptr;
    int64_t value = 0;
    for (size_t i = 0; p != nullptr && i < n; ++i) value = value << 8 | p[big_endian ? i : n - 1 - i];
    return value;
  }
  int64_t big(int64_t offset, size_t n) { return number(offset, n, true); }
  int64_t little(int64_t offset, size_t n) { return number(offset, n, false); }

  bool ok = true;

 private:
  int file_;
  int64_t begin_ = 0;
  size_t got_ = 0;
  std::array<uint8_t, kWindow> window_;
};

struct Size {
  int64_t width = 0, height = 0;
};

// A value of the first directory of a TIFF file, or of EXIF; -1 without one.
struct Directory {
  int64_t width = -1, height = -1, orientation = -1;
};

Directory read_directory(Bytes& bytes, int64_t base) {
  Directory found;
  const bool big_endian = bytes.big(base, 1) == 'M';
  const int64_t at = base + bytes.number(base + 4, 4, big_endian);
  const int64_t count = std::min<int64_t>(bytes.number(at, 2, big_endian), kMostSegments);
  for (int64_t i = 0; i < count && bytes.ok; ++i) {
    const int64_t entry = at + 2 + 12 * i;
    const int64_t tag = bytes.number(entry, 2, big_endian);
    const int64_t value = bytes.number(entry + 8, bytes.number(entry + 2, 2, big_endian) == 3 ? 2 : 4, big_endian);
    if (tag == 256) found.width = value;
    if (tag == 257) found.height = value;
    if (tag == 274) found.orientation = value;
  }
  return found;
}

Size jpeg(Bytes& bytes) {
  int64_t orientation = 1, at = 2;
  for (int i = 0; i < kMostSegments && bytes.ok; ++i) {
    if (bytes.big(at, 1) != 0xFF) return {};
    const int64_t marker = bytes.big(at + 1, 1);
    if (marker == 0xFF) {  // a fill byte
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {  // without a length
      at += 2;
      continue;
    }
    const int64_t length = bytes.big(at + 2, 2);
    const bool is_size = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (is_size) {
      Size size{bytes.big(at + 7, 2), bytes.big(at + 5, 2)};
      if (orientation >= 5 && orientation <= 8) std::swap(size.width, size.height);
      return size;
    }
    const uint8_t* head = marker == 0xE1 && length >= 16 ? bytes.at(at + 4, 6) : nullptr;
    if (head != nullptr && std::memcmp(head, "Exif\0\0", 6) == 0) {
      const int64_t found = read_directory(bytes, at + 10).orientation;
      if (found > 0) orientation = found;
      bytes.ok = true;  // damaged metadata do not matter
    }
    if (length < 2 || marker == 0xD9 || marker == 0xDA) return {};
    at += 2 + length;
  }
  return {};
}

Size webp(Bytes& bytes) {
  const uint8_t* kind = bytes.at(12, 4);
  if (kind == nullptr) return {};
  if (std::memcmp(kind, "VP8X", 4) == 0) return {1 + bytes.little(24, 3), 1 + bytes.little(27, 3)};
  if (std::memcmp(kind, "VP8L", 4) == 0) {
    const int64_t bits = bytes.little(21, 4);
    return {1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)};
  }
  if (std::memcmp(kind, "VP8 ", 4) == 0) return {bytes.little(26, 2) & 0x3FFF, bytes.little(28, 2) & 0x3FFF};
  return {};
}

Size bmp(Bytes& bytes) {
  if (bytes.little(14, 4) == 12) return {bytes.little(18, 2), bytes.little(20, 2)};
  const auto height = static_cast<int32_t>(static_cast<uint32_t>(bytes.little(22, 4)));  // negative: top row first
  return {bytes.little(18, 4), height < 0 ? -int64_t{height} : height};
}

bool starts_with(Bytes& bytes, const char* magic, size_t n, int64_t offset = 0) {
  const uint8_t* p = bytes.at(offset, n);
  return p != nullptr && std::memcmp(p, magic, n) == 0;
}

ImageStatus read_size(Bytes& bytes, Size& size) {
  if (starts_with(bytes, "\xFF\xD8\xFF", 3)) {
    size = jpeg(bytes);
  } else if (starts_with(bytes, "\x89PNG\r\n\x1A\n", 8)) {
    size = {bytes.big(16, 4), bytes.big(20, 4)};
  } else if (starts_with(bytes, "GIF8", 4)) {
    size = {bytes.little(6, 2), bytes.little(8, 2)};
  } else if (starts_with(bytes, "BM", 2)) {
    size = bmp(bytes);
  } else if (starts_with(bytes, "RIFF", 4) && starts_with(bytes, "WEBP", 4, 8)) {
    size = webp(bytes);
  } else if (starts_with(bytes, "II*\0", 4) || starts_with(bytes, "MM\0*", 4)) {
    const Directory found = read_directory(bytes, 0);
    size = {found.width, found.height};
  } else {
    return ImageStatus::kUnknown;
  }
  constexpr int64_t kMost = (int64_t{1} << 31) - 1;
  const bool good = size.width >= 1 && size.height >= 1 && size.width <= kMost && size.height <= kMost;
  return bytes.ok && good ? ImageStatus::kRead : ImageStatus::kBroken;
}

}  // namespace

void read_image_sizes(const std::vector<std::string>& paths, int64_t* sizes, uint8_t* status) {
  parallel_for(static_cast<int64_t>(paths.size()), kFilesPerChunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int file = open(paths[static_cast<size_t>(i)].c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      Size size;
      ImageStatus found = ImageStatus::kMissing;
      if (file >= 0) {
        Bytes bytes(file);
        found = read_size(bytes, size);
        close(file);
      }
      if (found != ImageStatus::kRead) size = {};
      sizes[2 * i] = size.width, sizes[2 * i + 1] = size.height;
      status[i] = static_cast<uint8_t>(found);
      check_interrupt();
    }
  });
}

}  // namespace tamis
