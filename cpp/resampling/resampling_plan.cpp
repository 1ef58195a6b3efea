#include <algorithm>

#include "average_precision/average_precision_math.hpp"
#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "resampling/resampling.hpp"

namespace tamis {
namespace {

constexpr int64_t kWordBits = 64;

// A detection within the cap that matches something, and is not ignored at every threshold.
struct Matched {
  int64_t verdict;  // its first word
  int32_t image;
  bool mixed;    // ignored at some threshold
  int64_t seen;  // detections down to it that count at every threshold
};

// The lists of one category, to be joined with those of the others.
struct Part {
  Vector<int64_t> stop_count, stop_end, run_count, tp_count, mixed_count;
  Vector<int32_t> seen_image, tp_image, mixed_image;
  Vector<ResamplingRun> runs;
  int64_t most_stops = 0, most_runs = 0;
};

class Planner {
 public:
  explicit Planner(const ResamplingMatches& matches)
      : p_(matches), words_((matches.n_thresholds + kWordBits - 1) / kWordBits), all_(words_, ~uint64_t{0}) {
    const int64_t left = p_.n_thresholds % kWordBits;
    if (left > 0) all_.back() = (uint64_t{1} << left) - 1;
  }

  void add_cell(int64_t category, const ResamplingCell& cell, Part& part) {
    find_matched(category, cell);
    needed_.assign(matched_.size(), 0);
    const int64_t first_run = part.runs.size();
    for (int64_t level = 0; level < p_.n_thresholds; ++level) add_curve(level, cell.curve, part);
    add_stops(part, first_run);
  }

 private:
  const ResamplingMatches& p_;
  const int64_t words_;
  Vector<uint64_t> all_;
  Vector<host::Verdict> verdicts_;
  Vector<Matched> matched_;
  Vector<uint8_t> needed_;  // a run ends at it
  Vector<int32_t> seen_;

  void judge(int64_t det, int64_t area) {
    for (int64_t word = 0; word < words_; ++word) {
      host::Verdict verdict{};
      for (int64_t e = p_.first[p_.row[det]]; e < p_.first[p_.row[det] + 1]; ++e) {
        const int32_t g = p_.gt[e];
        host::judge_match(p_.at[(e * p_.n_areas + area) * words_ + word], p_.gt_ignore[area * p_.n_gts + g] != 0,
                          p_.gt_counts == nullptr || p_.gt_counts[g] != 0, &verdict);
      }
      if (p_.outside[area * p_.n_dets + det] != 0) host::judge_outside(&verdict);
      verdicts_.push_back(verdict);
    }
  }

  void find_matched(int64_t category, const ResamplingCell& cell) {
    verdicts_.clear();
    matched_.clear();
    seen_.clear();
    for (int64_t d = p_.splits[category]; d < p_.splits[category + 1]; ++d) {
      if (p_.rank[d] >= cell.cap) continue;
      if (p_.row[d] < 0) {
        if (p_.outside[cell.area * p_.n_dets + d] == 0) seen_.push_back(p_.image[d]);
        continue;
      }
      const int64_t at = verdicts_.size();
      judge(d, cell.area);
      bool none = true, all = true;
      for (int64_t word = 0; word < words_; ++word) {
        const uint64_t ignored = verdicts_[at + word].ignored & all_[word];
        none &= ignored == 0;
        all &= ignored == all_[word];
      }
      if (all) continue;
      if (none) seen_.push_back(p_.image[d]);
      matched_.push_back({at, p_.image[d], !none, seen_.size()});
    }
  }

  // The runs of one threshold; their stops are places in `matched_` until add_stops.
  void add_curve(int64_t level, bool whole, Part& part) {
    const int64_t word = level / kWordBits, bit = level % kWordBits;
    const int64_t tp_first = part.tp_image.size(), mixed_first = part.mixed_image.size(), run_first = part.runs.size();
    int64_t tps = 0, mixed = 0, fps_at_run = -1;
    for (int64_t i = 0; i < matched_.size(); ++i) {
      const Matched& m = matched_[i];
      const host::Verdict& verdict = verdicts_[m.verdict + word];
      if (verdict.ignored >> bit & 1) continue;
      const bool tp = verdict.tp >> bit & 1;
      if (m.mixed && whole) part.mixed_image.push_back(m.image);
      mixed += m.mixed;
      if (!tp) continue;
      part.tp_image.push_back(m.image);
      const int64_t fps = m.seen + mixed - ++tps;
      if (!whole) continue;
      if (fps != fps_at_run) part.runs.push_back({});
      fps_at_run = fps;
      part.runs.back() = {static_cast<int32_t>(i), static_cast<int32_t>(tps), static_cast<int32_t>(mixed)};
    }
    if (whole && part.runs.size() > run_first)
      part.mixed_image.resize(mixed_first + part.runs.back().mixed_end);
    else
      part.mixed_image.resize(mixed_first);
    for (int64_t r = run_first; r < part.runs.size(); ++r) needed_[part.runs[r].stop] = 1;
    part.run_count.push_back(part.runs.size() - run_first);
    part.tp_count.push_back(part.tp_image.size() - tp_first);
    part.mixed_count.push_back(part.mixed_image.size() - mixed_first);
    part.most_runs = std::max(part.most_runs, part.run_count.back());
  }

  void add_stops(Part& part, int64_t first_run) {
    const int64_t begin = part.seen_image.size();
    Vector<int32_t> place(matched_.size());
    int32_t stops = 0;
    int64_t used = 0;
    for (int64_t i = 0; i < matched_.size(); ++i) {
      place[i] = stops;
      if (needed_[i] == 0) continue;
      used = matched_[i].seen;
      part.stop_end.push_back(begin + used);
      ++stops;
    }
    part.seen_image.insert(part.seen_image.end(), seen_.begin(), seen_.begin() + used);
    for (int64_t r = first_run; r < part.runs.size(); ++r) part.runs[r].stop = place[part.runs[r].stop];
    part.stop_count.push_back(stops);
    part.most_stops = std::max<int64_t>(part.most_stops, stops);
  }
};

void append_splits(const Vector<int64_t>& counts, Vector<int64_t>& splits) {
  for (const int64_t n : counts) splits.push_back(splits.back() + n);
}

void join(Vector<Part>& parts, ResamplingPlan& plan) {
  for (auto* splits : {&plan.stop_splits, &plan.run_splits, &plan.tp_splits, &plan.mixed_splits}) splits->push_back(0);
  for (Part& part : parts) {
    const int64_t seen = plan.seen_image.size();
    for (const int64_t end : part.stop_end) plan.stop_end.push_back(seen + end);
    append_splits(part.stop_count, plan.stop_splits);
    append_splits(part.run_count, plan.run_splits);
    append_splits(part.tp_count, plan.tp_splits);
    append_splits(part.mixed_count, plan.mixed_splits);
    append(plan.seen_image, part.seen_image);
    append(plan.tp_image, part.tp_image);
    append(plan.mixed_image, part.mixed_image);
    append(plan.runs, part.runs);
    plan.most_stops = std::max(plan.most_stops, part.most_stops);
    plan.most_runs = std::max(plan.most_runs, part.most_runs);
    part = {};
  }
}

void add_targets(const ResamplingMatches& p, ResamplingPlan& plan) {
  const auto counts = [&](int64_t g, int64_t a) {
    return p.gt_category[g] >= 0 && p.gt_image[g] >= 0 && p.gt_ignore[a * p.n_gts + g] == 0;
  };
  plan.target_splits.assign(p.n_categories * p.n_areas + 1, 0);
  for (int64_t a = 0; a < p.n_areas; ++a)
    for (int64_t g = 0; g < p.n_gts; ++g)
      if (counts(g, a)) ++plan.target_splits[p.gt_category[g] * p.n_areas + a + 1];
  for (int64_t i = 1; i < plan.target_splits.size(); ++i) plan.target_splits[i] += plan.target_splits[i - 1];
  Vector<int64_t> next(plan.target_splits.begin(), plan.target_splits.end() - 1);
  plan.target_image.resize(plan.target_splits.back());
  for (int64_t a = 0; a < p.n_areas; ++a)
    for (int64_t g = 0; g < p.n_gts; ++g)
      if (counts(g, a)) plan.target_image[next[p.gt_category[g] * p.n_areas + a]++] = p.gt_image[g];
}

bool all_within(const int32_t* values, int64_t n, int64_t low, int64_t high) {
  return std::all_of(values, values + n, [=](int32_t v) { return v >= low && v < high; });
}

}  // namespace

void check_matches(const ResamplingMatches& p, int64_t firsts, int64_t entries) {
  TAMIS_CHECK(p.n_categories >= 0 && p.splits[0] == 0 && p.splits[p.n_categories] == p.n_dets &&
                  std::is_sorted(p.splits, p.splits + p.n_categories + 1) && firsts > 0 && p.first[0] == 0 &&
                  p.first[firsts - 1] == entries && std::is_sorted(p.first, p.first + firsts) && p.n_thresholds >= 0,
              "ResamplingPlan: offsets must ascend from 0 to the number of rows");
  TAMIS_CHECK(all_within(p.image, p.n_dets, 0, p.n_images) && all_within(p.gt_image, p.n_gts, -1, p.n_images) &&
                  all_within(p.gt_category, p.n_gts, -1, p.n_categories) && all_within(p.gt, entries, 0, p.n_gts) &&
                  all_within(p.row, p.n_dets, -1, firsts - 1),
              "ResamplingPlan: an image, category, row or ground truth is out of range");
}

Vector<ResamplingCell> read_cells(const int64_t* cells, int64_t n, int64_t n_areas) {
  Vector<ResamplingCell> read;
  for (const int64_t* c = cells; c < cells + 3 * n; c += 3) {
    TAMIS_CHECK(c[0] >= 0 && c[0] < n_areas, "ResamplingPlan: a cell's area is out of range");
    read.push_back({static_cast<int32_t>(c[0]), c[1], c[2] != 0});
  }
  return read;
}

ResamplingPlan plan_resampling(const ResamplingMatches& matches, const Vector<ResamplingCell>& cells) {
  ResamplingPlan plan{};
  plan.n_categories = matches.n_categories;
  plan.n_areas = matches.n_areas;
  plan.n_thresholds = matches.n_thresholds;
  plan.n_images = matches.n_images;
  for (const ResamplingCell& cell : cells) {
    plan.cell_area.push_back(cell.area);
    plan.cell_curve.push_back(cell.curve);
  }
  Vector<Part> parts(matches.n_categories);
  parallel_for(matches.n_categories, 1, [&](int64_t begin, int64_t end) {
    Planner planner(matches);
    for (int64_t k = begin; k < end; ++k)
      for (const ResamplingCell& cell : cells) planner.add_cell(k, cell, parts[k]);
  });
  join(parts, plan);
  add_targets(matches, plan);
  return plan;
}

}  // namespace tamis
