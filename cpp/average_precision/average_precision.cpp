#include "average_precision/average_precision.hpp"

#include <algorithm>
#include <memory>

#include "average_precision/average_precision_math.hpp"
#include "core/grain.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"

namespace tamis {
namespace {

constexpr int64_t kWordBits = 64;
constexpr int64_t kJudgedAtOnce = 1 << 12, kJudgedAhead = 8;
constexpr int64_t kCellsInBlock = 4;                 // some 100 KB: more would be fresh pages each time
constexpr int64_t kLineDoubles = 8, kRowsAhead = 2;  // fetched before they are written: a tenth less time in all

struct Cell {
  int64_t category, area;
};

// A run of caps that let through the same detections, and one word of up to 64 thresholds.
struct Slice {
  int64_t first_cap, last_cap, word;
};

// How many detections a cap lets through, and the score of the first.
struct Kept {
  int64_t count = 0;
  double first_score = 0;
};

// The detections that match anything, by category, best score first, and how each counts.
struct Matched {
  Vector<int64_t> det;
  Vector<double> score;
  Vector<int64_t> splits;          // (K + 1) bounds of each category
  Vector<host::Verdict> verdicts;  // (A, words, detections)
};

// A matched detection within the cap that is not ignored at every threshold.
struct Seen {
  host::Verdict verdict;
  int64_t before;  // detections above it that are false positives, or seen as well
  double score;
};

// What one category and area range needs, reused from cell to cell.
struct Scratch {
  Vector<int64_t> needed;     // (R,) true positives that reach each recall threshold
  Vector<int64_t> unmatched;  // (matched + 1,) false positives before each that match nothing at any threshold
  Vector<Seen> seen;
  Vector<int64_t> fp;               // false positives before each true positive of one threshold
  Vector<double> precision, score;  // at each of them
  Steps steps;
};

// The curves of a run of cells as the output has them: (T, R, cells, M) and (T, cells, M).
struct Block {
  int64_t columns, curve, levels;  // cells * M, and the sizes of the arrays
  std::unique_ptr<double[]> precision, scores, recall;

  Block(const CurveProblem& p, int64_t cells)
      : columns(cells * p.n_max_dets),
        curve(p.n_thresholds * p.n_recalls * columns),
        levels(p.n_thresholds * columns),
        precision(std::make_unique_for_overwrite<double[]>(size_t(curve))),
        scores(std::make_unique_for_overwrite<double[]>(size_t(curve))),
        recall(std::make_unique_for_overwrite<double[]>(size_t(levels))) {}
};

int64_t words_of(const CurveProblem& p) { return (p.n_thresholds + kWordBits - 1) / kWordBits; }

host::Verdict judge(const CurveProblem& p, int64_t det, int64_t area, int64_t word) {
  host::Verdict verdict{};
  for (int64_t e = p.first[p.row[det]]; e < p.first[p.row[det] + 1]; ++e) {
    const int32_t g = p.gt[e];
    const bool counts = p.gt_counts == nullptr || p.gt_counts[g] != 0;
    host::judge_match(p.at[(e * p.n_areas + area) * words_of(p) + word], p.gt_ignore[area * p.n_gts + g] != 0, counts,
                      &verdict);
  }
  if (p.outside[area * p.n_dets + det] != 0) host::judge_outside(&verdict);
  return verdict;
}

Matched find_matched(const CurveProblem& p) {
  Matched matched;
  matched.splits.push_back(0);
  for (int64_t k = 0; k < p.n_categories; ++k) {
    for (int64_t d = p.splits[k]; d < p.splits[k + 1]; ++d)
      if (p.row[d] >= 0) matched.det.push_back(d);
    matched.splits.push_back(matched.det.size());
  }
  const int64_t n = matched.splits.back(), words = words_of(p);
  matched.score.resize(n);
  matched.verdicts.resize(n * p.n_areas * words);
  parallel_for(n, kJudgedAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t ahead = matched.det[std::min(i + kJudgedAhead, n - 1)];
      __builtin_prefetch(p.at + p.first[p.row[ahead]] * p.n_areas * words);
      matched.score[i] = p.score[p.index[matched.det[i]]];
      for (int64_t area = 0; area < p.n_areas; ++area)
        for (int64_t word = 0; word < words; ++word)
          matched.verdicts[(area * words + word) * n + i] = judge(p, matched.det[i], area, word);
    }
  });
  return matched;
}

// Free of branches, as nothing predicts these.
Kept count_unmatched(const CurveProblem& p, const Cell& cell, int64_t cap, Scratch& s) {
  const uint8_t* outside = p.outside + cell.area * p.n_dets;
  const int64_t first = p.splits[cell.category], last = p.splits[cell.category + 1];
  Kept kept;
  int64_t unmatched = 0, at = 0;
  for (int64_t d = first; d < last; ++d) {
    const int64_t in_cap = p.rank[d] < cap, matched = p.row[d] >= 0;
    kept.count += in_cap;
    s.unmatched[at] = unmatched;
    at += matched;
    unmatched += in_cap & (outside[d] == 0) & (1 - matched);
  }
  for (int64_t d = first; kept.count > 0; ++d) {
    kept.first_score = p.score[p.index[d]];
    if (p.rank[d] < cap) break;
  }
  return kept;
}

void find_seen(const CurveProblem& p, const Cell& cell, const Slice& slice, const Matched& matched, Scratch& s) {
  const int64_t first = matched.splits[cell.category], last = matched.splits[cell.category + 1];
  const int64_t row = (cell.area * words_of(p) + slice.word) * matched.splits.back();
  const uint64_t all = ~uint64_t{0} >> (kWordBits - std::min(kWordBits, p.n_thresholds - slice.word * kWordBits));
  s.seen.resize(last - first);
  int64_t n = 0;
  for (int64_t i = first; i < last; ++i) {
    const host::Verdict& verdict = matched.verdicts[row + i];
    const int64_t det = matched.det[i];
    s.seen[n] = {verdict, s.unmatched[i - first] + n, matched.score[i]};
    n += (p.rank[det] < p.max_dets[slice.first_cap]) & ((verdict.ignored & all) != all);
  }
  s.seen.resize(n);
}

// The precision at each true positive of one threshold; returns their number. Of the detections seen, those that are
// neither true positives nor ignored are false positives. Free of branches but for the loops.
int64_t trace(int64_t bit, Scratch& s) {
  const int64_t room = s.seen.size();
  s.precision.resize(room);
  s.fp.resize(room);
  s.score.resize(room);
  int64_t tps = 0, ignored = 0;
  for (const Seen& seen : s.seen) {
    s.fp[tps] = seen.before - tps - ignored;
    s.score[tps] = seen.score;
    tps += static_cast<int64_t>(seen.verdict.tp >> bit & 1);
    ignored += static_cast<int64_t>(seen.verdict.ignored >> bit & 1);
  }
  double best = 0;
  for (int64_t i = tps - 1; i >= 0; --i) s.precision[i] = best = std::max(best, host::precision_of(i + 1, s.fp[i]));
  return tps;
}

// Reads the traced curve of a threshold at the recall thresholds, for all caps of the slice.
void read_curve(const CurveProblem& p, const Slice& slice, int64_t level, int64_t tps, int64_t n_regular,
                const Kept& kept, int64_t cell_at, const Scratch& s, Block& block) {
  const auto write = [&](double* to, int64_t row, double value) {
    double* at = to + row * block.columns + cell_at * p.n_max_dets;
    for (int64_t m = slice.first_cap; m < slice.last_cap; ++m) at[m] = value;
  };
  write(block.recall.get(), level, kept.count > 0 ? double(tps) / double(n_regular) : 0.0);
  bool past_end = kept.count == 0;
  for (int64_t r = 0; r < p.n_recalls; ++r) {
    const int64_t c = s.needed[r], row = level * p.n_recalls + r;
    const int64_t place = std::max<int64_t>(c, 1) - 1;
    past_end |= c > tps;  // and stays so: pycocotools leaves its loop there
    write(block.precision.get(), row, past_end || tps == 0 ? 0.0 : s.precision[place]);
    write(block.scores.get(), row, past_end ? 0.0 : c == 0 ? kept.first_score : s.score[place]);
  }
}

void write_nothing(const CurveProblem& p, int64_t cell_at, Block& block) {
  const auto fill = [&](double* to, int64_t rows) {
    for (int64_t row = 0; row < rows; ++row)
      std::fill_n(to + row * block.columns + cell_at * p.n_max_dets, p.n_max_dets, -1.0);
  };
  fill(block.recall.get(), p.n_thresholds);
  fill(block.precision.get(), p.n_thresholds * p.n_recalls);
  fill(block.scores.get(), p.n_thresholds * p.n_recalls);
}

// One category and area range, into the block's cell `at`.
void run_cell(const CurveProblem& p, const Cell& cell, const Matched& matched, int32_t largest_rank, int64_t at,
              Scratch& s, Block& block) {
  const int64_t n_regular = p.n_regular[cell.category * p.n_areas + cell.area];
  if (n_regular == 0) return write_nothing(p, at, block);
  s.needed.clear();
  for (int64_t r = 0; r < p.n_recalls; ++r)
    s.needed.push_back(host::needed_for_recall(p.recall_thresholds[r], n_regular));
  s.unmatched.resize(matched.splits[cell.category + 1] - matched.splits[cell.category] + 1);
  Slice slice{};
  for (slice.first_cap = 0; slice.first_cap < p.n_max_dets; slice.first_cap = slice.last_cap) {
    const int64_t cap = p.max_dets[slice.first_cap];
    slice.last_cap = slice.first_cap + 1;
    if (cap > largest_rank)  // caps above the largest rank all let everything through
      while (slice.last_cap < p.n_max_dets && p.max_dets[slice.last_cap] > largest_rank) ++slice.last_cap;
    const Kept kept = count_unmatched(p, cell, cap, s);
    for (int64_t level = 0; level < p.n_thresholds; ++level) {
      slice.word = level / kWordBits;
      if (level % kWordBits == 0) find_seen(p, cell, slice, matched, s);
      const int64_t tps = trace(level % kWordBits, s);
      s.steps.took(4 * s.seen.size());
      read_curve(p, slice, level, tps, n_regular, kept, at, s, block);
    }
  }
}

// Where cells are the fastest axis, a run of them at once: neighbours share cache lines and pages.
void write_block(const CurveProblem& p, int64_t first_cell, const Block& block, double* precision, double* recall,
                 double* scores) {
  const int64_t step = p.n_categories * p.n_areas * p.n_max_dets, first = first_cell * p.n_max_dets;
  const auto copy = [&](const double* from, int64_t size, double* to) {
    for (double* row = to + first; size > 0; size -= block.columns, from += block.columns, row += step) {
      for (int64_t i = 0; i < block.columns; i += kLineDoubles) __builtin_prefetch(row + kRowsAhead * step + i, 1);
      std::copy_n(from, block.columns, row);
    }
  };
  copy(block.recall.get(), block.levels, recall);
  copy(block.precision.get(), block.curve, precision);
  copy(block.scores.get(), block.curve, scores);
}

}  // namespace

void average_precision(const CurveProblem& p, double* precision, double* recall, double* scores) {
  Vector<int32_t> largest_rank(p.n_categories, -1);
  for (int64_t k = 0; k < p.n_categories; ++k)
    for (int64_t d = p.splits[k]; d < p.splits[k + 1]; ++d) largest_rank[k] = std::max(largest_rank[k], p.rank[d]);
  const Matched matched = find_matched(p);
  const int64_t cells = p.n_categories * p.n_areas;
  const int64_t steps = p.n_thresholds * (cells * p.n_recalls + p.n_areas * p.n_max_dets * p.n_dets);
  const int64_t least = std::clamp<int64_t>(cells / (8 * num_threads()), 1, 32),
                in_block = std::max(least, kCellsInBlock);
  parallel_for(cells, grain_of(cells, steps, least), [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t first = begin; first < end; first += in_block) {
      const int64_t last = std::min(end, first + in_block);
      Block block(p, last - first);
      for (int64_t i = first; i < last; ++i) {
        const Cell cell{i / p.n_areas, i % p.n_areas};
        run_cell(p, cell, matched, largest_rank[cell.category], i - first, scratch, block);
      }
      write_block(p, first, block, precision, recall, scores);
    }
  });
}

}  // namespace tamis
