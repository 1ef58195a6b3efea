#include "average_precision/average_precision.hpp"

#include <algorithm>
#include <vector>

#include "average_precision/average_precision_math.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

struct Cell {
  int64_t category, area;
};

// What one category and area range needs, reused from cell to cell.
struct Scratch {
  std::vector<int64_t> needed;     // (R,) true positives that reach each recall threshold
  std::vector<int64_t> matched;    // detections that match anything, best score first
  std::vector<host::Verdict> verdicts;  // (T, matched)
  std::vector<int64_t> unmatched;  // (matched,) false positives before each that match nothing at any threshold
  std::vector<double> precision;   // (tp,) of one curve, with room for one more
  std::vector<int64_t> tp;         // (tp,) its detections
  int64_t n_tp = 0;
};

// Curves of a run of cells, each contiguous: (cells, M, T, R) and (cells, M, T).
struct Block {
  std::vector<double> precision, scores, recall;

  void reset(const CurveProblem& p, int64_t cells) {
    const size_t n = size_t(cells * p.n_max_dets * p.n_thresholds);
    recall.assign(n, -1.0);
    precision.assign(n * size_t(p.n_recalls), -1.0);
    scores.assign(n * size_t(p.n_recalls), -1.0);
  }
};

void judge_all(const CurveProblem& p, const Cell& cell, Scratch& s) {
  s.matched.clear();
  for (int64_t d = p.splits[cell.category]; d < p.splits[cell.category + 1]; ++d)
    if (p.row[d] >= 0) s.matched.push_back(d);
  const size_t n = s.matched.size();
  s.verdicts.resize(n * size_t(p.n_thresholds));
  const uint8_t* ignore = p.gt_ignore + cell.area * p.n_gts;
  for (size_t i = 0; i < n; ++i) {
    const int64_t d = s.matched[i];
    const int32_t* match = p.match + (p.row[d] * p.n_areas + cell.area) * p.n_thresholds;
    const bool outside = p.outside[cell.area * p.n_dets + d] != 0;
    host::Verdict verdict = host::judge(match[0], ignore, p.gt_counts, outside);
    for (int64_t t = 0; t < p.n_thresholds; ++t) {
      if (t > 0 && match[t] != match[t - 1])  // a match mostly holds for a run of thresholds
        verdict = host::judge(match[t], ignore, p.gt_counts, outside);
      s.verdicts[size_t(t) * n + i] = verdict;
    }
  }
}

// How many detections the cap lets through, and the score of the first.
struct Kept {
  int64_t count = 0;
  double first_score = 0;
};
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

// The precision at each true positive, before and then after it is made monotone.
void trace(const CurveProblem& p, int64_t cap, int64_t t, Scratch& s) {
  const size_t n = s.matched.size();
  const host::Verdict* verdict = s.verdicts.data() + size_t(t) * n;
  s.precision.resize(n + 1);
  s.tp.resize(n + 1);
  int64_t tp = 0, fp = 0;
  for (size_t i = 0; i < n; ++i) {
    const int64_t in_cap = p.rank[s.matched[i]] < cap;
    s.precision[size_t(tp)] = host::precision_of(tp + 1, s.unmatched[i] + fp);
    s.tp[size_t(tp)] = s.matched[i];
    tp += in_cap & int64_t{verdict[i].tp};
    fp += in_cap & int64_t{verdict[i].fp};
  }
  s.n_tp = tp;
  for (int64_t i = tp - 1; i > 0; --i)
    s.precision[size_t(i) - 1] = std::max(s.precision[size_t(i) - 1], s.precision[size_t(i)]);
}

// Reads the traced curve at the recall thresholds; `at` counts curves (cell, cap, threshold) in the block.
void read_curve(const CurveProblem& p, int64_t n_regular, const Kept& kept, const Scratch& s, size_t at,
                Block& block) {
  const int64_t tps = s.n_tp;
  block.recall[at] = kept.count > 0 ? static_cast<double>(tps) / static_cast<double>(n_regular) : 0.0;
  double* precision = block.precision.data() + at * size_t(p.n_recalls);
  double* scores = block.scores.data() + at * size_t(p.n_recalls);
  bool past_end = kept.count == 0;
  for (int64_t r = 0; r < p.n_recalls; ++r) {
    const int64_t c = s.needed[size_t(r)];
    past_end |= c > tps;  // and stays so: pycocotools leaves its loop there
    const size_t place = size_t(std::max<int64_t>(c, 1)) - 1;
    precision[r] = past_end || tps == 0 ? 0.0 : s.precision[place];
    scores[r] = past_end ? 0.0 : c == 0 ? kept.first_score : p.score[s.tp[place]];
  }
}

void copy_curves(const CurveProblem& p, size_t from, size_t to, Block& block) {
  const size_t levels = size_t(p.n_thresholds), n = levels * size_t(p.n_recalls);
  std::copy_n(block.recall.begin() + std::ptrdiff_t(from * levels), levels,
              block.recall.begin() + std::ptrdiff_t(to * levels));
  for (auto* values : {&block.precision, &block.scores})
    std::copy_n(values->begin() + std::ptrdiff_t(from * n), n, values->begin() + std::ptrdiff_t(to * n));
}

// Into the output's order, where cells are the fastest axis: a whole run at once, as neighbours share cache lines.
void write_block(const CurveProblem& p, int64_t first_cell, int64_t cells, const Block& block,
                 double* precision, double* recall, double* scores) {
  const int64_t step = p.n_categories * p.n_areas * p.n_max_dets, columns = cells * p.n_max_dets;
  const auto transpose = [&](const std::vector<double>& from, int64_t rows, double* to) {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column)
        to[row * step + first_cell * p.n_max_dets + column] = from[size_t(column * rows + row)];
  };
  transpose(block.recall, p.n_thresholds, recall);
  transpose(block.precision, p.n_thresholds * p.n_recalls, precision);
  transpose(block.scores, p.n_thresholds * p.n_recalls, scores);
}

// One category and area range, into cell `at` of the block.
void run_cell(const CurveProblem& p, const Cell& cell, int32_t largest_rank, int64_t at, Scratch& s,
              Block& block) {
  const int64_t n_regular = p.n_regular[cell.category * p.n_areas + cell.area];
  if (n_regular == 0) return;
  s.needed.clear();
  for (int64_t r = 0; r < p.n_recalls; ++r)
    s.needed.push_back(host::needed_for_recall(p.recall_thresholds[r], n_regular));
  judge_all(p, cell, s);
  for (int64_t m = 0; m < p.n_max_dets; ++m) {
    const size_t curves = size_t(at * p.n_max_dets + m);
    // caps above the largest rank all let everything through
    if (m > 0 && std::min(p.max_dets[m], p.max_dets[m - 1]) > largest_rank) {
      copy_curves(p, curves - 1, curves, block);
      continue;
    }
    const Kept kept = count_unmatched(p, cell, p.max_dets[m], s);
    for (int64_t t = 0; t < p.n_thresholds; ++t) {
      trace(p, p.max_dets[m], t, s);
      read_curve(p, n_regular, kept, s, curves * size_t(p.n_thresholds) + size_t(t), block);
    }
  }
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
    Block block;
    block.reset(p, end - begin);
    for (int64_t i = begin; i < end; ++i) {
      const Cell cell{i / p.n_areas, i % p.n_areas};
      run_cell(p, cell, largest_rank[size_t(cell.category)], i - begin, scratch, block);
    }
    write_block(p, begin, end - begin, block, precision, recall, scores);
  });
}

}  // namespace tamis
