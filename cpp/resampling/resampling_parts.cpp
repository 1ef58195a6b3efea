// A part of the images by itself, from what is stored of each image: the work is that of the part.
#include <algorithm>
#include <bit>

#include "average_precision/average_precision_math.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "resampling/resampling.hpp"

namespace tamis {
namespace {

constexpr int64_t kWordBits = 64, kClassesAtOnce = 2;

uint64_t all_levels(int64_t n_thresholds, int64_t word) {
  return ~uint64_t{0} >> (kWordBits - std::min(kWordBits, n_thresholds - word * kWordBits));
}

void for_each_level(uint64_t bits, const auto& f) {
  for (; bits != 0; bits &= bits - 1) f(int64_t{std::countr_zero(bits)});
}

// Lists, one an image, of what `each(add)` adds; it is called twice.
void fill_lists(int64_t images, const auto& each, Vector<int64_t>& splits, Vector<int32_t>& values) {
  splits.assign(images + 1, 0);
  each([&](int32_t image, int64_t) { ++splits[image + 1]; });
  for (int64_t i = 1; i < splits.size(); ++i) splits[i] += splits[i - 1];
  values.resize(splits.back());
  Vector<int64_t> next(splits.begin(), splits.end() - 1);
  each([&](int32_t image, int64_t value) { values[next[image]++] = static_cast<int32_t>(value); });
}

host::Verdict judge(const ResamplingMatches& p, int64_t words, int64_t det, int64_t area, int64_t word) {
  host::Verdict verdict{};
  for (int64_t e = p.first[p.row[det]]; e < p.first[p.row[det] + 1]; ++e) {
    const int32_t g = p.gt[e];
    host::judge_match(p.at[(e * p.n_areas + area) * words + word], p.gt_ignore[area * p.n_gts + g] != 0,
                      p.gt_counts == nullptr || p.gt_counts[g] != 0, &verdict);
  }
  if (p.outside[area * p.n_dets + det] != 0) host::judge_outside(&verdict);
  return verdict;
}

}  // namespace

ResamplingParts::ResamplingParts(const ResamplingMatches& p, const int64_t* caps, int64_t n_caps)
    : n_categories(p.n_categories),
      n_areas(p.n_areas),
      n_thresholds(p.n_thresholds),
      n_images(p.n_images),
      words_((p.n_thresholds + kWordBits - 1) / kWordBits),
      caps_(caps, caps + n_caps) {
  const int64_t cap = caps_.back();
  Vector<int64_t> dets;
  splits_.push_back(0);
  for (int64_t k = 0; k < p.n_categories; ++k) {
    for (int64_t d = p.splits[k]; d < p.splits[k + 1]; ++d)
      if (p.row[d] >= 0 && p.rank[d] < cap) dets.push_back(d);
    splits_.push_back(dets.size());
  }
  const int64_t n = splits_.back();
  verdicts_.resize(n * n_areas * words_);
  for (const int64_t d : dets) {
    image_.push_back(p.image[d]);
    cap_.push_back(static_cast<int32_t>(std::upper_bound(caps, caps + n_caps, p.rank[d]) - caps));
  }
  parallel_for(n, 1 << 10, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t a = 0; a < n_areas; ++a)
        for (int64_t word = 0; word < words_; ++word) {
          const host::Verdict v = judge(p, words_, dets[i], a, word);
          verdicts_[(a * words_ + word) * n + i] = {v.tp, v.ignored};
        }
  });
  fill_lists(
      n_images,
      [&](const auto& add) {
        for (int64_t k = 0, slot = 0; k < p.n_categories; ++k, ++slot)
          for (int64_t d = p.splits[k]; d < p.splits[k + 1]; ++d) {
            if (p.rank[d] >= cap) continue;
            if (p.row[d] >= 0) {
              ++slot;
              continue;
            }
            for (int64_t a = 0; a < n_areas; ++a)
              if (p.outside[a * p.n_dets + d] == 0) add(p.image[d], slot * n_areas + a);
          }
      },
      slot_splits_, slots_);
  fill_lists(
      n_images,
      [&](const auto& add) {
        for (int64_t g = 0; g < p.n_gts; ++g)
          for (int64_t a = 0; p.gt_category[g] >= 0 && p.gt_image[g] >= 0 && a < n_areas; ++a)
            if (p.gt_ignore[a * p.n_gts + g] == 0) add(p.gt_image[g], p.gt_category[g] * n_areas + a);
      },
      target_splits_, targets_);
}

struct ResamplingParts::Cell {
  int64_t category, area, targets;
  int64_t place, width;  // among the classes that have ground truth
};

// What is worked on: the part, and where its numbers go.
struct ResamplingParts::Part {
  const uint8_t* keep;
  const double* recalls;
  int64_t n_recalls;
  Vector<int32_t> unmatched;  // (slots, A): those that match nothing, above each match of a class and after the last
  double *precision, *recall;
};

// Used again from cell to cell.
struct ResamplingParts::Scratch {
  Vector<int64_t> kept;      // matches of the class that are of the part
  Vector<int64_t> needed;    // (R,) true positives that reach each recall
  Vector<double> precision;  // (levels of a word, matches of the class)
  Vector<int64_t> found;     // (M, levels of a word) true positives, each at the first cap that holds it
};

void ResamplingParts::find_kept(const uint8_t* keep, int64_t category, Scratch& s) const {
  const int64_t first = splits_[category], last = splits_[category + 1];
  s.kept.resize(last - first + 1);
  int64_t n = 0;
  for (int64_t i = first; i < last; ++i) {  // free of branches, as nothing predicts these
    s.kept[n] = i;
    n += int64_t{keep[image_[i]] != 0};
  }
  s.kept.resize(n);
}

// The curves of one class, area range and word of thresholds, each kept match looked at once.
void ResamplingParts::run_cell(const Cell& cell, int64_t word, const Part& part, Scratch& s) const {
  const int64_t first = splits_[cell.category], room = splits_[cell.category + 1] - first;
  const int64_t n_caps = caps_.size();
  const uint64_t all = all_levels(n_thresholds, word);
  const Verdict* verdicts = verdicts_.data() + (cell.area * words_ + word) * splits_.back();
  const int32_t* unmatched = part.unmatched.data() + cell.category * n_areas + cell.area;
  int64_t tps[kWordBits] = {}, ignored[kWordBits] = {}, above = 0, slot = first;
  s.found.assign(n_caps * kWordBits, 0);
  s.precision.resize(kWordBits * room);
  for (const int64_t i : s.kept) {
    for (; slot <= i; ++slot) above += unmatched[slot * n_areas];
    const Verdict v{verdicts[i].tp & all, verdicts[i].ignored & all};
    if (v.ignored == all) continue;
    int64_t* found = s.found.data() + int64_t{cap_[i]} * kWordBits;
    for_each_level(v.tp, [&](int64_t t) {
      s.precision[t * room + tps[t]] = host::precision_of(tps[t] + 1, above - tps[t] - ignored[t]);
      ++tps[t];
      ++found[t];
    });
    for_each_level(v.ignored, [&](int64_t t) { ++ignored[t]; });
    ++above;
  }
  const int64_t levels = std::min(kWordBits, n_thresholds - word * kWordBits);
  for (int64_t t = 0; t < levels; ++t) {
    double* curve = s.precision.data() + t * room;
    double best = 0;
    for (int64_t i = tps[t]; i-- > 0;) curve[i] = best = std::max(best, curve[i]);
    const int64_t level = word * kWordBits + t;
    int64_t found = 0;
    for (int64_t c = 0; c < n_caps; ++c) {
      found += s.found[c * kWordBits + t];
      part.recall[(cell.area * n_caps + c) * n_thresholds * n_categories + level * cell.width + cell.place] =
          double(found) / double(cell.targets);
    }
    double* out = part.precision + (cell.area * n_categories * n_thresholds + level * cell.width) * part.n_recalls;
    bool past_end = tps[t] == 0;
    for (int64_t r = 0; r < part.n_recalls; ++r) {
      const int64_t needed = s.needed[r];
      past_end |= needed > tps[t];  // and stays so: pycocotools leaves its loop there
      out[r * cell.width + cell.place] = past_end ? 0.0 : curve[std::max<int64_t>(needed, 1) - 1];
    }
  }
}

void ResamplingParts::evaluate(const uint8_t* keep, const double* recalls, int64_t n_recalls, int64_t* regular,
                               double* precision, double* recall) const {
  Part part{keep, recalls, n_recalls, {}, precision, recall};
  part.unmatched.resize((splits_.back() + n_categories) * n_areas);
  std::fill_n(regular, n_categories * n_areas, 0);
  for (int64_t image = 0; image < n_images; ++image) {
    if (keep[image] == 0) continue;
    for (int64_t i = slot_splits_[image]; i < slot_splits_[image + 1]; ++i) ++part.unmatched[slots_[i]];
    for (int64_t i = target_splits_[image]; i < target_splits_[image + 1]; ++i) ++regular[targets_[i]];
  }
  Vector<int64_t> width, place;
  width.resize(n_areas);
  place.resize(n_categories * n_areas);
  for (int64_t k = 0; k < n_categories; ++k)
    for (int64_t a = 0; a < n_areas; ++a) {
      place[k * n_areas + a] = width[a];
      width[a] += regular[k * n_areas + a] > 0;
    }
  parallel_for(n_categories, kClassesAtOnce, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t k = begin; k < end; ++k) {
      find_kept(keep, k, scratch);
      for (int64_t a = 0; a < n_areas; ++a) {
        const int64_t at = k * n_areas + a, targets = regular[at];
        if (targets == 0) continue;
        scratch.needed.clear();
        for (int64_t r = 0; r < n_recalls; ++r) scratch.needed.push_back(host::needed_for_recall(recalls[r], targets));
        for (int64_t word = 0; word < words_; ++word)
          run_cell({k, a, targets, place[at], width[a]}, word, part, scratch);
      }
    }
  });
}

}  // namespace tamis
