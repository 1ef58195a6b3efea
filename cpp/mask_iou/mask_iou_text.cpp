// Text to runs, counts and pixels, and back.
#include <atomic>
#include <cstring>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "mask_iou/mask_iou_read.hpp"

namespace tamis {
namespace {

constexpr int64_t kMasksAtOnce = 256;
constexpr int64_t kPixelsAtOnce = 1 << 22;  // a few milliseconds
constexpr size_t kTextAtOnce = 1 << 26;

int64_t chunks_of(int64_t n, int64_t grain) { return (n + grain - 1) / grain; }

void set_pixels(uint8_t* to, int64_t n) {
  for (int64_t more; n > 0; to += more, n -= more) {
    std::memset(to, 1, size_t(more = std::min(n, kPixelsAtOnce)));
    if (more == kPixelsAtOnce) check_interrupt();
  }
}

void append_run_lengths(const host::Runs& runs, Vector<uint32_t>& counts) {
  for (int64_t i = 0; i < runs.n; ++i) counts.push_back(runs.ends[i] - (i > 0 ? runs.ends[i - 1] : 0));
}

bool same_sizes(const int64_t* first, const int64_t* last) {
  for (const int64_t* size = first; size != last; size += 2)
    if (size[0] != first[0] || size[1] != first[1]) return false;
  return true;
}

// A mask that others are merged into.
struct Merger {
  explicit Merger(MaskMerge how) : unite(how == MaskMerge::unite) {}

  void add(const host::Runs& next, bool first) {
    counts.clear();
    if (first)
      append_run_lengths(next, counts);
    else
      merge(next);
    ends.resize(counts.size());
    uint32_t sum = 0;
    for (int64_t i = 0; i < counts.size(); ++i) ends[i] = sum += counts[i];
  }

  void merge(const host::Runs& next) {
    host::Runs so_far{};
    so_far.ends = ends.data();
    so_far.n = ends.size();
    uint32_t length = 0;
    const auto in = [this](bool a, bool b) { return unite ? a || b : a && b; };
    const bool together =
        host::walk(so_far, next, [&](uint32_t more, bool was_a, bool was_b, bool a, bool b, bool at_end) {
          length += more;
          steps.took(1);
          if (in(was_a, was_b) == in(a, b) && !at_end) return;
          counts.push_back(length);
          length = 0;
        });
    TAMIS_CHECK(together, "merge: the counts of two masks of one size do not end together");
  }

  bool unite;
  Vector<uint32_t> counts, ends;
  Steps steps;
};

}  // namespace

void append_counts(const uint32_t* counts, int64_t n, std::string& out) {
  constexpr int64_t kAtOnce = 64;
  char some[kAtOnce * host::kLongestNumber];
  for (int64_t begin = 0; begin < n; begin += kAtOnce) {
    char* to = some;
    for (int64_t i = begin; i < std::min(n, begin + kAtOnce); ++i)
      to += host::write_number(int64_t{counts[i]} - (i > 2 ? int64_t{counts[i - 2]} : 0), to);
    out.append(some, size_t(to - some));
  }
}

MaskTexts join(Vector<MaskTexts>&& parts) {
  MaskTexts all;
  size_t length = 0;
  int64_t n = 1;
  for (const MaskTexts& part : parts) length += part.text.size(), n += part.splits.size() - 1;
  all.text.reserve(length);
  all.splits.reserve(n);
  for (MaskTexts& part : parts) {
    const auto before = static_cast<int64_t>(all.text.size());
    for (int64_t i = 1; i < part.splits.size(); ++i) all.splits.push_back(before + part.splits[i]);
    all.text += part.text;
    part = {};
    check_interrupt();
  }
  return all;
}

void measure_masks(const Masks& masks, const MaskMeasures& out) {
  parallel_for(masks.n, kMasksAtOnce, [&](int64_t begin, int64_t end) {
    Reader read(masks);
    for (int64_t i = begin; i < end; ++i) {
      const host::Runs runs = read(i);
      if (out.area) out.area[i] = runs.area;
      if (out.bbox) std::memcpy(out.bbox + 4 * i, runs.box, sizeof(runs.box));
      if (out.pixels) out.pixels[i] = runs.pixels;
    }
  });
}

bool measure_mask(std::string_view text, const int64_t (&size)[2], uint32_t& area, double (&bbox)[4]) {
  constexpr size_t kShort = 4096;  // characters of most masks; longer texts take memory of their own
  uint32_t some[kShort + kSpareRuns];
  Vector<uint32_t> many(static_cast<int64_t>(text.size() > kShort ? text.size() + kSpareRuns : 0));
  host::Runs runs;
  if (!read_mask(text.data(), text.data() + text.size(), size, many.empty() ? some : many.data(), &runs)) return false;
  area = runs.area;
  std::memcpy(bbox, runs.box, sizeof(bbox));
  return true;
}

int64_t first_bad_mask(const Masks& masks) {
  std::atomic<int64_t> first{masks.n};
  parallel_for(masks.n, kMasksAtOnce, [&](int64_t begin, int64_t end) {
    Vector<uint32_t> ends;
    for (int64_t i = begin; i < end; ++i) {
      const char *from = masks.text + masks.splits[i], *to = masks.text + masks.splits[i + 1];
      const int64_t h = masks.size[2 * i], w = masks.size[2 * i + 1];
      host::Runs runs{};
      ends.resize(to - from);
      bool good = pixels_of(h, w) < int64_t{1} << 32 && from != to;
      if (to - from > kLongText) check_interrupt();
      for (const char* p = from; p != to; ++p) good &= *p >= '0' && *p < '0' + 64;
      good = good && host::read_runs(from, to, ends.data(), &runs) >= 0 && runs.pixels == h * w;
      if (good) continue;
      for (int64_t seen = first; i < seen && !first.compare_exchange_weak(seen, i);) {
      }
      break;
    }
  });
  return first < masks.n ? first.load() : -1;
}

MaskTexts take_masks(const Masks& masks, const int64_t* index, int64_t n) {
  MaskTexts taken;
  taken.splits.reserve(n + 1);
  for (int64_t i = 0; i < n; ++i)
    taken.splits.push_back(taken.splits.back() + masks.splits[index[i] + 1] - masks.splits[index[i]]);
  const auto length = static_cast<size_t>(taken.splits.back());
  for (taken.text.reserve(length); taken.text.size() < length; check_interrupt())
    taken.text.resize(std::min(length, taken.text.size() + kTextAtOnce));
  parallel_for(n, kMasksAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const char *from = masks.text + masks.splits[index[i]], *to = masks.text + masks.splits[index[i] + 1];
      if (to - from > kLongText) check_interrupt();
      std::copy(from, to, taken.text.data() + taken.splits[i]);
    }
  });
  return taken;
}

MaskTexts encode_counts(const uint32_t* counts, const int64_t* splits, int64_t n) {
  Vector<MaskTexts> parts(chunks_of(n, kMasksAtOnce));
  parallel_for(n, kMasksAtOnce, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[begin / kMasksAtOnce];
    for (int64_t i = begin; i < end; ++i) {
      if (splits[i + 1] - splits[i] > kLongText) check_interrupt();
      append_counts(counts + splits[i], splits[i + 1] - splits[i], part.text);
      part.end_mask();
    }
  });
  return join(std::move(parts));
}

Vector<uint32_t> mask_counts(const Masks& masks, Vector<int64_t>& splits) {
  Vector<uint32_t> counts;
  splits.assign(1, 0);
  Reader read(masks);
  for (int64_t i = 0; i < masks.n; ++i) {
    const host::Runs runs = read(i);
    append_run_lengths(runs, counts);
    splits.push_back(counts.size());
  }
  return counts;
}

bool decode_masks(const Masks& masks, uint8_t* out, int64_t size) {
  Vector<int64_t> start(masks.n + 1, 0);
  measure_masks(masks, {nullptr, nullptr, start.data() + 1});
  for (int64_t i = 1; i < start.size(); ++i) {
    start[i] += start[i - 1];
    if (start[i] > size) return false;
  }
  const int64_t grain = 1 + kPixelsAtOnce * masks.n / (size + 1);
  parallel_for(masks.n, grain, [&](int64_t begin, int64_t end) {
    Reader read(masks);
    for (int64_t i = begin; i < end; ++i) {
      const host::Runs runs = read(i);
      uint8_t* to = out + start[i];
      TAMIS_CHECK(runs.pixels == start[i + 1] - start[i], "decode: the masks changed meanwhile");
      for (int64_t k = 1; k < runs.n; k += 2) set_pixels(to + runs.ends[k - 1], runs.ends[k] - runs.ends[k - 1]);
    }
  });
  return true;
}

MaskTexts merge_masks(const Masks& masks, const int64_t* groups, int64_t n_groups, MaskMerge how, int64_t* size) {
  Vector<MaskTexts> parts(chunks_of(n_groups, kMasksAtOnce));
  parallel_for(n_groups, kMasksAtOnce, [&](int64_t begin, int64_t end) {
    MaskTexts& part = parts[begin / kMasksAtOnce];
    Reader read(masks);
    Merger merger(how);
    for (int64_t g = begin; g < end; ++g) {
      const int64_t *first = masks.size + 2 * groups[g], *last = masks.size + 2 * groups[g + 1];
      const bool one_size = first != last && same_sizes(first, last);
      for (int64_t i = groups[g]; i < groups[g + 1] && one_size; ++i) merger.add(read(i), i == groups[g]);
      if (one_size) append_counts(merger.counts.data(), merger.counts.size(), part.text);
      part.end_mask();
      size[2 * g] = one_size ? first[0] : 0;
      size[2 * g + 1] = one_size ? first[1] : 0;
    }
  });
  return join(std::move(parts));
}

}  // namespace tamis
