#include "average_precision/average_precision.hpp"

#include <algorithm>
#include <bit>
#include <vector>

#include "average_precision/average_precision_math.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kWordBits = 64;

struct Cell {
  int64_t category, area;
};

// A run of caps that let through the same detections, and one word of up to 64 thresholds.
struct Slice {
  int64_t first_cap, last_cap, first_threshold, n_thresholds;
};

// How many detections a cap lets through, and the score of the first.
struct Kept {
  int64_t count = 0;
  double first_score = 0;
};

// What one category and area range needs, reused from cell to cell.
struct Scratch {
  std::vector<int64_t> needed;          // (R,) true positives that reach each recall threshold
  std::vector<int64_t> matched;         // detections that match anything, best score first
  std::vector<host::Verdict> verdicts;  // (matched,) for one word of thresholds
  std::vector<int64_t> unmatched;       // (matched,) false positives before each that match nothing at any threshold
  int64_t n_tp[kWordBits], n_ignored[kWordBits];
  std::vector<double> precision;        // (T, matched) at each true positive
  std::vector<int64_t> tp;              // (T, matched) its detection
};

// The curves of a run of cells as the output has them: (T, R, cells, M) and (T, cells, M).
struct Block {
  int64_t columns;  // cells * M
  std::vector<double> precision, scores, recall;

  Block(const CurveProblem& p, int64_t cells)
      : columns(cells * p.n_max_dets),
        precision(size_t(p.n_thresholds * p.n_recalls * columns), -1.0),
        scores(size_t(p.n_thresholds * p.n_recalls * columns), -1.0),
        recall(size_t(p.n_thresholds * columns), -1.0) {}
};

void find_matched(const CurveProblem& p, const Cell& cell, Scratch& s) {
  s.matched.clear();
  for (int64_t d = p.splits[cell.category]; d < p.splits[cell.category + 1]; ++d)
    if (p.row[d] >= 0) s.matched.push_back(d);
}

void judge(const CurveProblem& p, const Cell& cell, int64_t word, Scratch& s) {
  const uint8_t* ignore = p.gt_ignore + cell.area * p.n_gts;
  const int64_t words = (p.n_thresholds + kWordBits - 1) / kWordBits;
  s.verdicts.clear();
  for (const int64_t d : s.matched) {
    host::Verdict verdict{};
    uint64_t matched = 0;
    for (int64_t e = p.first[p.row[d]]; e < p.first[p.row[d] + 1]; ++e) {
      const int32_t g = p.gt[e];
      const bool counts = p.gt_counts == nullptr || p.gt_counts[g] != 0;
      host::judge_match(p.at[(e * p.n_areas + cell.area) * words + word], ignore[g] != 0, counts, &matched,
                        &verdict);
    }
    if (p.outside[cell.area * p.n_dets + d] != 0) verdict.ignored |= ~matched;
    s.verdicts.push_back(verdict);
  }
}

// Free of branches, as nothing predicts these.
Kept count_unmatched(const CurveProblem& p, const Cell& cell, int64_t cap, Scratch& s) {
  const uint8_t* outside = p.outside + cell.area * p.n_dets;
  const int64_t first = p.splits[cell.category], last = p.splits[cell.category + 1];
  Kept kept;
  int64_t unmatched = 0, at = 0;
  s.unmatched.resize(s.matched.size() + 1);
  for (int64_t d = first; d < last; ++d) {
    const int64_t in_cap = p.rank[d] < cap, matched = p.row[d] >= 0;
    kept.count += in_cap;
    s.unmatched[size_t(at)] = unmatched;
    at += matched;
    unmatched += in_cap & (outside[d] == 0) & (1 - matched);
  }
  for (int64_t d = first; kept.count > 0; ++d) {
    kept.first_score = p.score[d];
    if (p.rank[d] < cap) break;
  }
  return kept;
}

template <class F>
void for_each_bit(uint64_t bits, F f) {
  for (; bits != 0; bits &= bits - 1) f(std::countr_zero(bits));
}

// The precision at each true positive of every threshold of the word. Of the detections seen, those that are neither
// true positives nor ignored at a threshold are its false positives: they need no work of their own.
void trace(const CurveProblem& p, int64_t cap, int64_t n_thresholds, Scratch& s) {
  const size_t n = s.matched.size();
  const uint64_t all = ~uint64_t{0} >> (kWordBits - n_thresholds);
  s.precision.resize(n * size_t(n_thresholds));
  s.tp.resize(n * size_t(n_thresholds));
  std::fill_n(s.n_tp, kWordBits, 0);
  std::fill_n(s.n_ignored, kWordBits, 0);
  int64_t seen = 0;
  for (size_t i = 0; i < n; ++i) {
    const host::Verdict verdict{s.verdicts[i].tp & all, s.verdicts[i].ignored & all};
    if (p.rank[s.matched[i]] >= cap || verdict.ignored == all) continue;
    for_each_bit(verdict.tp, [&](int t) {
      const int64_t tp = s.n_tp[t]++;
      const size_t at = size_t(t) * n + size_t(tp);
      s.precision[at] = host::precision_of(tp + 1, s.unmatched[i] + seen - tp - s.n_ignored[t]);
      s.tp[at] = s.matched[i];
    });
    for_each_bit(verdict.ignored, [&](int t) { ++s.n_ignored[t]; });
    ++seen;
  }
  for (size_t t = 0; t < size_t(n_thresholds); ++t) {
    double* precision = s.precision.data() + t * n;
    for (int64_t i = s.n_tp[t] - 1; i > 0; --i) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
}

// Reads the traced curves at the recall thresholds, for all caps of the slice.
void read_curves(const CurveProblem& p, const Slice& slice, int64_t n_regular, const Kept& kept, int64_t cell_at,
                 const Scratch& s, Block& block) {
  const size_t n = s.matched.size();
  for (int64_t t = 0; t < slice.n_thresholds; ++t) {
    const double* precision_at = s.precision.data() + size_t(t) * n;
    const int64_t* tp = s.tp.data() + size_t(t) * n;
    const int64_t tps = s.n_tp[t], level = slice.first_threshold + t;
    const auto write = [&](std::vector<double>& to, int64_t row, double value) {
      double* at = to.data() + row * block.columns + cell_at * p.n_max_dets;
      for (int64_t m = slice.first_cap; m < slice.last_cap; ++m) at[m] = value;
    };
    write(block.recall, level, kept.count > 0 ? double(tps) / double(n_regular) : 0.0);
    bool past_end = kept.count == 0;
    for (int64_t r = 0; r < p.n_recalls; ++r) {
      const int64_t c = s.needed[size_t(r)], place = std::max<int64_t>(c, 1) - 1;
      past_end |= c > tps;  // and stays so: pycocotools leaves its loop there
      write(block.precision, level * p.n_recalls + r, past_end || tps == 0 ? 0.0 : precision_at[place]);
      write(block.scores, level * p.n_recalls + r,
            past_end ? 0.0 : c == 0 ? kept.first_score : p.score[tp[place]]);
    }
  }
}

// One category and area range, into the block's cell `at`.
void run_cell(const CurveProblem& p, const Cell& cell, int32_t largest_rank, int64_t at, Scratch& s,
              Block& block) {
  const int64_t n_regular = p.n_regular[cell.category * p.n_areas + cell.area];
  if (n_regular == 0) return;
  s.needed.clear();
  for (int64_t r = 0; r < p.n_recalls; ++r)
    s.needed.push_back(host::needed_for_recall(p.recall_thresholds[r], n_regular));
  find_matched(p, cell, s);
  Slice slice{};
  for (int64_t word = 0; word * kWordBits < p.n_thresholds; ++word) {
    slice.first_threshold = word * kWordBits;
    slice.n_thresholds = std::min(kWordBits, p.n_thresholds - slice.first_threshold);
    judge(p, cell, word, s);
    for (slice.first_cap = 0; slice.first_cap < p.n_max_dets; slice.first_cap = slice.last_cap) {
      const int64_t cap = p.max_dets[slice.first_cap];
      slice.last_cap = slice.first_cap + 1;
      if (cap > largest_rank)  // caps above the largest rank all let everything through
        while (slice.last_cap < p.n_max_dets && p.max_dets[slice.last_cap] > largest_rank) ++slice.last_cap;
      const Kept kept = count_unmatched(p, cell, cap, s);
      trace(p, cap, slice.n_thresholds, s);
      read_curves(p, slice, n_regular, kept, at, s, block);
    }
  }
}

// Where cells are the fastest axis, a run of them at once: neighbours share cache lines and pages.
void write_block(const CurveProblem& p, int64_t first_cell, const Block& block, double* precision, double* recall,
                 double* scores) {
  const int64_t step = p.n_categories * p.n_areas * p.n_max_dets, first = first_cell * p.n_max_dets;
  const auto copy = [&](const std::vector<double>& from, double* to) {
    const double* at = from.data();
    for (double* row = to + first; at < from.data() + from.size(); at += block.columns, row += step)
      std::copy_n(at, block.columns, row);
  };
  copy(block.recall, recall);
  copy(block.precision, precision);
  copy(block.scores, scores);
}

}  // namespace

void average_precision(const CurveProblem& p, double* precision, double* recall, double* scores) {
  std::vector<int32_t> largest_rank(size_t(p.n_categories), -1);
  for (int64_t k = 0; k < p.n_categories; ++k)
    for (int64_t d = p.splits[k]; d < p.splits[k + 1]; ++d)
      largest_rank[size_t(k)] = std::max(largest_rank[size_t(k)], p.rank[d]);
  const int64_t cells = p.n_categories * p.n_areas;
  const int64_t grain = std::clamp<int64_t>(cells / (16 * num_threads()), 1, 32);
  parallel_for(cells, grain, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    Block block(p, end - begin);
    for (int64_t i = begin; i < end; ++i) {
      const Cell cell{i / p.n_areas, i % p.n_areas};
      run_cell(p, cell, largest_rank[size_t(cell.category)], i - begin, scratch, block);
    }
    write_block(p, begin, block, precision, recall, scores);
  });
}

}  // namespace tamis
