// A register of text at a time: a list of numbers takes an eighth of the time of one by one.
#include "coco_json/coco_json_lanes.hpp"

namespace tamis::TAMIS_ISA {

#if defined(TAMIS_TEXT_LANES)
void take_short_numbers(const char* at, const char* end, int64_t n, double* out, uint8_t* integers,
                        ShortNumbers* taken) {
  taken->n = 0;
  for (bool more = true; more && taken->n < n && end - at > kAtOnce;) {
    const char* base = at + 1;
    const Block block(text_at(base));
    const uint64_t in_list = block.close ^ (block.close - 1);  // up to the first bracket
    const uint64_t ends = (block.commas | block.close) & in_list;
    const auto wanted = static_cast<int>(n - taken->n < kLanes ? n - taken->n : kLanes);
    const int there = __builtin_popcountll(ends), count = there < wanted ? there : wanted;
    if (count == 0) break;
    int64_t ending[kLanes], place[kLanes];
    uint64_t left = ends;
    for (int i = 0; i < kLanes; ++i, left &= left - 1) {  // all lanes, without a branch: 64 is the place of none
      place[i] = static_cast<int64_t>(_tzcnt_u64(left));
      __builtin_memcpy(&ending[i], base + place[i] - 8, 8);
    }
    const int64_t last = place[count - 1];
    const uint64_t part = ~uint64_t{0} >> (63 - last);
    if (!block.is_plain(part, ends)) break;
    const uint32_t lanes = (1u << count) - 1;
    const Converted found = convert(ending, wanted, out + taken->n);
    if ((found.is_short & lanes) != lanes) break;
    const unsigned bits = (found.integers & lanes) << taken->n % 8;
    integers[taken->n / 8] = static_cast<uint8_t>(integers[taken->n / 8] | bits);
    if (bits >> 8 != 0) integers[taken->n / 8 + 1] = static_cast<uint8_t>(bits >> 8);
    taken->n += count;
    at = base + last;
    more = *at == ',';
  }
  taken->stop = at;
}

void skip_number_lists(const char* at, const char* end, const char** stop) {
  constexpr int64_t kMostNested = 8;
  *stop = nullptr;
  Structure before{0, 1, 0};
  int64_t depth = 1;
  for (const char* base = at + 1; base < end;) {
    const int64_t left = end - base < kAtOnce ? end - base : kAtOnce;
    const Text text = text_at(base, left);
    const Block block(text);
    const Structure found{block.commas, equal(text, '['), block.close};
    if (found.all() == 0) return;
    int last = 63 - __builtin_clzll(found.all());
    for (uint64_t brackets = found.open | found.close; brackets != 0 && depth > 0; brackets &= brackets - 1) {
      const int place = __builtin_ctzll(brackets);
      depth += found.at(place).open != 0 ? 1 : -1;
      if (depth > kMostNested) return;
      if (depth == 0) last = place;
    }
    if (!is_nested(block, found, before, ~uint64_t{0} >> (63 - last))) return;
    base += last + 1;
    if (depth == 0) *stop = base;
    if (depth == 0) return;
    before = found.at(last);
  }
}

void copy_printable(const char* at, const char* end, char* to, const char** stop) {
  for (; at != end; at += kAtOnce, to += kAtOnce) {
    const int64_t left = end - at < kAtOnce ? end - at : kAtOnce;
    const Text text = text_at(at, left);
    const uint64_t other =
        (below_blank(text) | equal(text, '"') | equal(text, '\\')) & ~uint64_t{0} >> (kAtOnce - left);
    const int64_t n = other == 0 ? left : __builtin_ctzll(other);
    copy_text(text, at, n, to);
    if (n == kAtOnce) continue;
    *stop = at + n;
    return;
  }
  *stop = end;
}

namespace {

// Records whose texts between values are known, up to the first that is spelled otherwise.
class AlikeReader {
 public:
  AlikeReader(const char* at, const char* end, const AlikeForm& form, const CocoColumns& to)
      : at_(at), end_(end), form_(form), to_(to) {}

  const char* at() const { return at_; }

  bool read(int64_t row) {
    uint8_t* integers = to_.integers + form_.integer_bytes * row;
    for (int64_t i = 0; i < form_.integer_bytes; ++i) integers[i] = 0;
    for (int i = 0; i < 4; ++i)
      if (!take_between(i) || !take_value(form_.fields[i], row, integers)) return false;
    return *at_ == '}' || *at_ == ' ' || *at_ == '\n';  // no exponent, for one
  }

 private:
  bool take_between(int i) {
    if (end_ - at_ < kAtOnce) return false;
    const uint64_t others = unlike(text_at(at_), text_at(form_.between[i]));
    at_ += form_.size[i];
    return (others & ~uint64_t{0} >> (kAtOnce - form_.size[i])) == 0;
  }

  bool take_value(uint8_t field, int64_t row, uint8_t* integers) {
    const int64_t n = form_.n_numbers;
    if (end_ - at_ < kAtOnce) return false;
    if (field == kPlainImageId) return take_id(to_.image_id[row]);
    if (field == kPlainCategoryId) return take_id(to_.category_id[row]);
    if (field == kPlainShape) return take_list((to_.numbers == nullptr ? to_.bbox : to_.numbers) + n * row, integers);
    bool is_integer = false;
    const char* stop = number_end(at_);
    if (stop == nullptr || !convert_one({at_, stop, kMaxBoxInteger}, to_.number + row, &is_integer)) return false;
    integers[n / 8] = static_cast<uint8_t>(integers[n / 8] | is_integer << n % 8);
    at_ = stop;
    return true;
  }

  bool take_id(int64_t& out) {
    constexpr int64_t kMostDigits = 18;
    const char* first = at_;
    uint64_t value = 0;
    at_ = take_digits(first, end_, value);
    out = static_cast<int64_t>(value);
    return at_ != first && at_ - first <= kMostDigits && (*first != '0' || at_ - first == 1);
  }

  bool take_list(double* out, uint8_t* integers) {
    const int64_t n = form_.n_numbers;
    ShortNumbers taken{at_, 0};
    if (--skip_short_ < 0) {
      TAMIS_ISA::take_short_numbers(at_, end_, n, out, integers, &taken);
      skip_short_ = taken.n == 0 ? kShortSkipped : 0;
    }
    const char *before = taken.stop, *base = nullptr;
    uint64_t ends = 0;
    for (int64_t i = taken.n; i < n; ++i) {
      const char* first = before + 1;
      first += *first == ' ';
      if (ends == 0) {
        if (end_ - first <= kAtOnce) return false;  // one more is looked at behind the last end
        base = first;
        const Text text = text_at(base);
        ends = equal(text, ',') | equal(text, ']');
        if (ends == 0) return false;
      }
      const char* stop = base + _tzcnt_u64(ends);
      ends &= ends - 1;
      bool is_integer = false;
      if (*before != (i == 0 ? '[' : ',') || !convert_one({first, stop, form_.max_integer}, out + i, &is_integer))
        return false;
      integers[i / 8] = static_cast<uint8_t>(integers[i / 8] | is_integer << i % 8);
      before = stop;
    }
    at_ = before + 1;
    return *before == ']';
  }

  const char *at_, *end_;
  const AlikeForm& form_;
  const CocoColumns& to_;
  int skip_short_ = 0;
};

}  // namespace

void read_alike(const char* at, const char* end, const AlikeForm& form, int64_t row, int64_t last,
                const CocoColumns& to, AlikeRows* taken) {
  *taken = {at, 0};
  for (AlikeReader reader(at, end, form, to); row < last && reader.read(row); ++row)
    *taken = {reader.at(), taken->n + 1};
}
#else
void read_alike(const char* at, const char*, const AlikeForm&, int64_t, int64_t, const CocoColumns&, AlikeRows* taken) {
  *taken = {at, 0};
}

void take_short_numbers(const char* at, const char*, int64_t, double*, uint8_t*, ShortNumbers* taken) {
  *taken = {at, 0};
}

void skip_number_lists(const char*, const char*, const char** stop) { *stop = nullptr; }

void copy_printable(const char* at, const char* end, char* to, const char** stop) {
  constexpr uint64_t kHigh = 0x8080808080808080u, kOnes = 0x0101010101010101u;
  for (uint64_t eight; end - at >= 8; at += 8, to += 8) {  // a borrow comes only from a byte that stops it anyway
    __builtin_memcpy(&eight, at, 8);
    const uint64_t quotes = eight ^ kOnes * '"', escapes = eight ^ kOnes * '\\';
    if (((eight | (eight - kOnes * ' ') | (quotes - kOnes) | (escapes - kOnes)) & kHigh) != 0) break;
    __builtin_memcpy(to, &eight, 8);
  }
  while (at != end && static_cast<signed char>(*at) >= ' ' && *at != '"' && *at != '\\') *to++ = *at++;
  *stop = at;
}
#endif

void count_character(const char* text, int64_t size, char c, int64_t* n) {
  constexpr int64_t kCounted = 255;  // by as many bytes
  *n = 0;
  for (int64_t begin = 0; begin < size; begin += 64 * kCounted) {
    uint8_t counts[64] = {};
    const int64_t left = size - begin, rows = left / 64 < kCounted ? left / 64 : kCounted;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < 64; ++j) counts[j] = static_cast<uint8_t>(counts[j] + (text[begin + 64 * i + j] == c));
    for (int64_t j = 0; j < 64; ++j) *n += counts[j];
    if (rows < kCounted)
      for (int64_t i = begin + 64 * rows; i < size; ++i) *n += text[i] == c;
    if (rows < kCounted) return;
  }
}

}  // namespace tamis::TAMIS_ISA
