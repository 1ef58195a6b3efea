#include "average_precision/average_precision.hpp"

#include <algorithm>
#include <vector>

#include "average_precision/average_precision_math.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

// The true positives of one threshold in score order.
struct Curve {
  std::vector<double> precision;
  std::vector<double> score;
  int64_t false_positives = 0;  // of detections with candidates; the others are counted once for all thresholds

  void clear() {
    precision.clear();
    score.clear();
    false_positives = 0;
  }
};

struct Cell {
  int64_t category, area, cap;
};

// Walks one category's detections; returns how many the cap lets through.
int64_t walk(const CurveProblem& p, const Cell& cell, std::vector<Curve>& curves) {
  const int64_t cells = p.n_areas * p.n_thresholds;
  const uint8_t* outside = p.outside + cell.area * p.n_dets;
  const uint8_t* ignore = p.gt_ignore + cell.area * p.n_gts;
  const int64_t max_det = p.max_dets[cell.cap];
  int64_t kept = 0, without_candidates = 0;
  for (int64_t d = p.splits[cell.category]; d < p.splits[cell.category + 1]; ++d) {
    const bool in_cap = p.rank[d] < max_det;
    kept += in_cap;
    if (p.row[d] < 0) {
      without_candidates += in_cap && outside[d] == 0;
      continue;
    }
    if (!in_cap) continue;
    const int32_t* match = p.match + p.row[d] * cells + cell.area * p.n_thresholds;
    for (int64_t t = 0; t < p.n_thresholds; ++t) {
      Curve& curve = curves[size_t(t)];
      const host::Verdict verdict = host::judge(match[t], ignore, p.gt_counts, outside[d] != 0);
      curve.false_positives += verdict.fp;
      if (!verdict.tp) continue;
      const int64_t tp = static_cast<int64_t>(curve.precision.size()) + 1;
      curve.precision.push_back(
          host::precision_of(tp, without_candidates + curve.false_positives));
      curve.score.push_back(p.score[d]);
    }
  }
  return kept;
}

double first_score(const CurveProblem& p, const Cell& cell) {
  int64_t d = p.splits[cell.category];
  while (p.rank[d] >= p.max_dets[cell.cap]) ++d;
  return p.score[d];
}

struct Output {
  double *precision, *recall, *scores;
};

void write(const CurveProblem& p, const Cell& cell, int64_t kept, const std::vector<int64_t>& needed,
           std::vector<Curve>& curves, const Output& out) {
  const int64_t step = p.n_categories * p.n_areas * p.n_max_dets;  // between recall thresholds
  const int64_t at = (cell.category * p.n_areas + cell.area) * p.n_max_dets + cell.cap;
  const double n_regular = static_cast<double>(p.n_regular[cell.category * p.n_areas + cell.area]);
  for (int64_t t = 0; t < p.n_thresholds; ++t) {
    Curve& curve = curves[size_t(t)];
    const int64_t tps = static_cast<int64_t>(curve.precision.size());
    for (size_t i = curve.precision.size(); i-- > 1;)
      curve.precision[i - 1] = std::max(curve.precision[i - 1], curve.precision[i]);
    out.recall[t * step + at] = kept > 0 ? static_cast<double>(tps) / n_regular : 0.0;
    double* precision = out.precision + t * p.n_recalls * step + at;
    double* scores = out.scores + t * p.n_recalls * step + at;
    bool past_end = kept == 0;
    for (int64_t r = 0; r < p.n_recalls; ++r) {
      const int64_t c = needed[size_t(r)];
      past_end |= c > tps;  // and stays so: pycocotools leaves its loop there
      const size_t place = size_t(std::max<int64_t>(c, 1)) - 1;
      precision[r * step] = past_end || tps == 0 ? 0.0 : curve.precision[place];
      scores[r * step] = past_end ? 0.0 : c == 0 ? first_score(p, cell) : curve.score[place];
    }
  }
}

void run_cell(const CurveProblem& p, int64_t category, int64_t area, std::vector<Curve>& curves,
              std::vector<int64_t>& needed, const Output& out) {
  const int64_t n_regular = p.n_regular[category * p.n_areas + area];
  if (n_regular == 0) return;
  for (int64_t r = 0; r < p.n_recalls; ++r)
    needed[size_t(r)] = host::needed_for_recall(p.recall_thresholds[r], n_regular);
  for (int64_t cap = 0; cap < p.n_max_dets; ++cap) {
    for (Curve& curve : curves) curve.clear();
    const Cell cell{category, area, cap};
    const int64_t kept = walk(p, cell, curves);
    write(p, cell, kept, needed, curves, out);
  }
}

}  // namespace

void average_precision(const CurveProblem& p, double* precision, double* recall, double* scores) {
  const int64_t cells = p.n_thresholds * p.n_categories * p.n_areas * p.n_max_dets;
  std::fill_n(precision, cells * p.n_recalls, -1.0);
  std::fill_n(scores, cells * p.n_recalls, -1.0);
  std::fill_n(recall, cells, -1.0);
  const int64_t tasks = p.n_categories * p.n_areas;
  const int64_t grain = std::max<int64_t>(1, tasks / (32 * num_threads()));
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    std::vector<Curve> curves{size_t(p.n_thresholds)};
    std::vector<int64_t> needed(size_t(p.n_recalls));
    for (int64_t task = begin; task < end; ++task)
      run_cell(p, task / p.n_areas, task % p.n_areas, curves, needed, {precision, recall, scores});
  });
}

}  // namespace tamis
