#include "core/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>

namespace tamis {
namespace {

constexpr size_t kFirstRead = 16384;  // most files are shorter: no fstat for their size

std::string from_utf16(const std::string& text, size_t begin, bool big_endian) {
  const auto unit = [&](size_t at) {
    const auto a = static_cast<uint8_t>(text[at]), b = static_cast<uint8_t>(text[at + 1]);
    return static_cast<uint32_t>(big_endian ? a << 8 | b : b << 8 | a);
  };
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = begin; i + 1 < text.size(); i += 2) {
    uint32_t code = unit(i);
    if (code >= 0xD800 && code < 0xDC00 && i + 3 < text.size()) {
      const uint32_t low = unit(i + 2);
      if (low >= 0xDC00 && low < 0xE000) code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), i += 2;
    }
    append_utf8(out, code);
  }
  return out;
}

}  // namespace

void append_utf8(std::string& to, uint32_t code) {
  const auto byte = [&](uint32_t bits) { to.push_back(static_cast<char>(bits)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6), byte(0x80 | (code & 63));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63));
  } else {
    byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 63)), byte(0x80 | (code >> 6 & 63)), byte(0x80 | (code & 63));
  }
}

int read_small_file(const char* path, std::string& text) {
  text.clear();
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe without a writer must not hang
  if (file < 0) return errno;
  int failed = 0;
  size_t got = 0;
  text.resize(kFirstRead);
  while (true) {
    const ssize_t n = read(file, text.data() + got, text.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) failed = errno;
    if (n <= 0) break;
    got += static_cast<size_t>(n);
    if (got < text.size()) continue;
    struct stat about{};
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode)) {  // an endless device, say
      failed = EISDIR;
      break;
    }
    text.resize(std::max(static_cast<size_t>(about.st_size), got) + kFirstRead);
  }
  text.resize(failed ? 0 : got);
  close(file);
  return failed;
}

void to_utf8(std::string& text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 256; };
  if (byte(0) == 0xEF && byte(1) == 0xBB && byte(2) == 0xBF) {
    text.erase(0, 3);
  } else if (byte(0) == 0xFF && byte(1) == 0xFE) {
    text = from_utf16(text, 2, false);
  } else if (byte(0) == 0xFE && byte(1) == 0xFF) {
    text = from_utf16(text, 2, true);
  } else if (byte(0) != 0 && byte(1) == 0) {
    text = from_utf16(text, 0, false);
  } else if (byte(0) == 0 && byte(1) != 0 && byte(1) != 256) {
    text = from_utf16(text, 0, true);
  }
}

std::string quoted(const char* begin, const char* end) {
  constexpr int64_t kMost = 40;
  std::string out = "'";
  for (const char* p = begin; p < end && p - begin < kMost; ++p)
    out.push_back(static_cast<uint8_t>(*p) < ' ' ? '?' : *p);
  return out + (end - begin > kMost ? "...'" : "'");
}

bool read_number(const char* begin, const char* end, double& value) {
  if (begin < end && *begin == '+' && end - begin > 1 && begin[1] != '-') ++begin;
  const auto [stop, error] = std::from_chars(begin, end, value);
  return error == std::errc() && stop == end && std::isfinite(value);
}

}  // namespace tamis
