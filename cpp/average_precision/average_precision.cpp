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
constexpr int64_t kJudgedAtOnce = 1 << 12, kJudgedAhead = 8, kWordsAtOnce = 1 << 10;
constexpr int64_t kCellsInBlock = 4;                 // about 100 KB: more would be fresh pages each time
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

struct Bits {
  int64_t words;
  Vector<uint64_t> matched, in_cap, outside;  // as in CurveBits
};

// The detections that match anything, by category, best score first, and how each counts.
struct Matched {
  Vector<int64_t> det;
  Vector<double> score;
  Vector<int64_t> splits;          // (K + 1) bounds of each category
  Vector<host::Verdict> verdicts;  // (A, words, detections)
};

// What one category and area range needs, reused from cell to cell.
struct Scratch {
  Vector<int64_t> needed;  // (R,) true positives that reach each recall threshold
  Vector<Seen> seen;
  int64_t n_seen = 0;
  Vector<int64_t> place, fp;
  Vector<double> precision;
  Steps steps;

  void make_room(int64_t matched) {  // one more, as what is left out is written too
    if (matched < seen.size()) return;
    seen.resize(matched + 1);
    place.resize(matched + 1);
    fp.resize(matched + 1);
    precision.resize(matched + 1);
  }
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

Bits find_bits(const CurveProblem& p) {
  Bits bits;
  bits.words = (p.n_dets + kWordBits - 1) / kWordBits;
  bits.matched.resize(bits.words);
  bits.in_cap.resize(p.n_max_dets * bits.words);
  bits.outside.resize(p.n_areas * bits.words);
  parallel_for(bits.words, kWordsAtOnce, [&](int64_t begin, int64_t end) {
    mark_bits(p, {bits.matched.data(), bits.in_cap.data(), bits.outside.data()}, begin, end);
  });
  return bits;
}

Matched find_matched(const CurveProblem& p, const Bits& bits) {
  Matched matched;
  matched.splits.push_back(0);
  for (int64_t k = 0; k < p.n_categories; ++k) {
    int64_t n = 0;
    if (p.splits[k] < p.splits[k + 1]) count_bits(bits.matched.data(), p.splits[k], p.splits[k + 1], &n);
    matched.splits.push_back(matched.splits[k] + n);
  }
  const int64_t n = matched.splits.back(), words = words_of(p);
  matched.det.reserve(n);
  for (int64_t word = 0; word < bits.words; ++word)
    for (uint64_t left = bits.matched[word]; left != 0; left &= left - 1)
      matched.det.push_back(word * kWordBits + __builtin_ctzll(left));
  matched.score.resize(n);
  matched.verdicts.resize(n * p.n_areas * words);
  parallel_for(n, kJudgedAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t ahead = matched.det[std::min(i + kJudgedAhead, n - 1)];
      __builtin_prefetch(p.at + p.first[p.row[ahead]] * p.n_areas * words);
      __builtin_prefetch(p.score + p.index[ahead]);
      matched.score[i] = p.score[p.index[matched.det[i]]];
      for (int64_t area = 0; area < p.n_areas; ++area)
        for (int64_t word = 0; word < words; ++word)
          matched.verdicts[(area * words + word) * n + i] = judge(p, matched.det[i], area, word);
    }
  });
  return matched;
}

Kept find_kept(const CurveProblem& p, int64_t category, int64_t cap, const Bits& bits) {
  const int64_t first = p.splits[category], last = p.splits[category + 1];
  Kept kept;
  if (first < last) count_bits(bits.in_cap.data() + cap * bits.words, first, last, &kept.count);
  for (int64_t d = first; kept.count > 0; ++d) {
    kept.first_score = p.score[p.index[d]];
    if (p.rank[d] < p.max_dets[cap]) break;
  }
  return kept;
}

void find_seen(const CurveProblem& p, const Cell& cell, const Slice& slice, const Matched& matched, const Bits& bits,
               Scratch& s) {
  const int64_t begin = matched.splits[cell.category];
  const int64_t row = (cell.area * words_of(p) + slice.word) * matched.splits.back();
  s.make_room(matched.splits[cell.category + 1] - begin);
  s.n_seen = 0;
  if (p.splits[cell.category] == p.splits[cell.category + 1]) return;
  find_seen({p.splits[cell.category], p.splits[cell.category + 1], bits.matched.data(),
             bits.in_cap.data() + slice.first_cap * bits.words, bits.outside.data() + cell.area * bits.words,
             &matched.verdicts.data()[row + begin].tp, matched.score.data() + begin,
             ~uint64_t{0} >> (kWordBits - std::min(kWordBits, p.n_thresholds - slice.word * kWordBits))},
            s.seen.data(), &s.n_seen);
}

// Reads the traced curve of a threshold at the recall thresholds, for all caps of the slice.
void read_curve(const CurveProblem& p, const Slice& slice, int64_t level, int64_t tps, int64_t n_regular,
                const Kept& kept, int64_t cell_at, const Scratch& s, Block& block) {
  const auto write = [&](double* to, int64_t row, double value) {
    double* at = to + row * block.columns + cell_at * p.n_max_dets;
    for (int64_t m = slice.first_cap; m < slice.last_cap; ++m) at[m] = value;
  };
  write(block.recall.get(), level, kept.count > 0 ? double(tps) / double(n_regular) : 0.0);
  int64_t row = level * p.n_recalls;
  const int64_t last = row + p.n_recalls;
  if (kept.count > 0)
    for (const int64_t c : s.needed) {
      if (c > tps) break;  // pycocotools leaves its loop there
      const int64_t place = std::max<int64_t>(c, 1) - 1;
      write(block.precision.get(), row, tps == 0 ? 0.0 : s.precision[place]);
      write(block.scores.get(), row++, c == 0 ? kept.first_score : s.seen[s.place[place]].score);
    }
  for (; row < last; ++row) {
    write(block.precision.get(), row, 0.0);
    write(block.scores.get(), row, 0.0);
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
void run_cell(const CurveProblem& p, const Cell& cell, const Matched& matched, const Bits& bits, int64_t at, Scratch& s,
              Block& block) {
  const int64_t n_regular = p.n_regular[cell.category * p.n_areas + cell.area];
  if (n_regular == 0) return write_nothing(p, at, block);
  s.needed.clear();
  for (int64_t r = 0; r < p.n_recalls; ++r)
    s.needed.push_back(host::needed_for_recall(p.recall_thresholds[r], n_regular));
  Slice slice{};
  for (slice.first_cap = 0; slice.first_cap < p.n_max_dets; slice.first_cap = slice.last_cap) {
    const Kept kept = find_kept(p, cell.category, slice.first_cap, bits);
    slice.last_cap = slice.first_cap + 1;
    while (slice.last_cap < p.n_max_dets && find_kept(p, cell.category, slice.last_cap, bits).count == kept.count)
      ++slice.last_cap;  // of two caps one lets through what the other does
    for (int64_t level = 0; level < p.n_thresholds; ++level) {
      slice.word = level / kWordBits;
      if (level % kWordBits == 0) find_seen(p, cell, slice, matched, bits, s);
      int64_t tps = 0;
      trace(s.seen.data(), s.n_seen, level % kWordBits, {s.place.data(), s.fp.data(), s.precision.data()}, &tps);
      s.steps.took(4 * s.n_seen);
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
  const Bits bits = find_bits(p);
  const Matched matched = find_matched(p, bits);
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
        run_cell(p, cell, matched, bits, i - first, scratch, block);
      }
      write_block(p, first, block, precision, recall, scores);
    }
  });
}

}  // namespace tamis
