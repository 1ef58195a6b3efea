#include "resampling/resampling.hpp"

namespace tamis::TAMIS_ISA {
namespace {

#define TAMIS_EACH_LANE for (int64_t l = 0; l < kLanes; ++l)

struct Lanes {
  double v[kLanes] = {};
};

TAMIS_HD void add_images(const int32_t* __restrict image, int64_t begin, int64_t end, const double* __restrict weights,
                         Lanes& sum) {
  Lanes s = sum;
  for (int64_t i = begin; i < end; ++i) {
    const double* w = weights + kLanes * image[i];
    TAMIS_EACH_LANE s.v[l] += w[l];
  }
  sum = s;
}

// How many of `targets` are found at each recall threshold: the whole curve, or its end alone.
struct Curve {
  const ResamplingView& plan;
  const RecallLevels& levels;
  const double* weights;
  const ResamplingScratch& s;
  const double* targets;
};

// A bucket holds one threshold at most, as the usual hundred do: free of branches.
TAMIS_HD void reach_one(const double* __restrict recall, const RecallLevels& levels, int32_t* __restrict reached) {
  TAMIS_EACH_LANE {
    const int32_t first = levels.before[recall_bucket(recall[l])];
    reached[l] = first + (levels.level[first] <= recall[l]);
  }
}

// Precision and recall at the end of each run; the true positives of all.
TAMIS_HD void trace(const Curve& c, int64_t curve, Lanes& tp) {
  const ResamplingView& p = c.plan;
  const int32_t* tp_image = p.tp_image + p.tp_splits[curve];
  const int32_t* mixed_image = p.mixed_image + p.mixed_splits[curve];
  Lanes mixed;
  int64_t tp_at = 0, mixed_at = 0;
  const int64_t first = p.run_splits[curve], n = p.run_splits[curve + 1] - first;
  for (int64_t r = 0; r < n; ++r) {
    const ResamplingRun run = p.runs[first + r];
    add_images(tp_image, tp_at, run.tp_end, c.weights, tp);
    if (mixed_at < run.mixed_end) add_images(mixed_image, mixed_at, run.mixed_end, c.weights, mixed);
    tp_at = run.tp_end;
    mixed_at = run.mixed_end;
    const double* seen = c.s.seen + kLanes * run.stop;
    double* precision = c.s.precision + kLanes * r;
    Lanes recall;
    TAMIS_EACH_LANE precision[l] = weighted_precision(tp.v[l], seen[l] + mixed.v[l]);
    TAMIS_EACH_LANE recall.v[l] = weighted_recall(tp.v[l], c.targets[l]);
    if (c.levels.depth == 1)
      reach_one(recall.v, c.levels, c.s.reached + kLanes * r);
    else
      TAMIS_EACH_LANE c.s.reached[kLanes * r + l] = levels_reached(recall.v[l], c.levels);
  }
}

// The mean precision over the recall thresholds, from the last run to the first.
TAMIS_HD void mean_precision(const Curve& c, int64_t runs, Lanes& out) {
  Lanes best, sum;
  for (int64_t r = runs - 1; r >= 0; --r) {
    const double* precision = c.s.precision + kLanes * r;
    const int32_t* reached = c.s.reached + kLanes * r;
    int32_t before[kLanes] = {};
    if (r > 0) TAMIS_EACH_LANE before[l] = reached[l - kLanes];
    TAMIS_EACH_LANE best.v[l] = larger_precision(precision[l], best.v[l]);
    TAMIS_EACH_LANE sum.v[l] += best.v[l] * static_cast<double>(reached[l] - before[l]);
  }
  TAMIS_EACH_LANE out.v[l] = sum.v[l] / static_cast<double>(c.levels.n);
}

TAMIS_HD void find_seen(const Curve& c, int64_t category, int64_t cell) {
  const ResamplingView& p = c.plan;
  const int64_t at = category * p.n_cells + cell, first = p.stop_splits[at];
  int64_t begin = first > 0 ? p.stop_end[first - 1] : 0;
  Lanes sum;
  for (int64_t i = first; i < p.stop_splits[at + 1]; ++i) {
    add_images(p.seen_image, begin, p.stop_end[i], c.weights, sum);
    begin = p.stop_end[i];
    TAMIS_EACH_LANE c.s.seen[kLanes * (i - first) + l] = sum.v[l];
  }
}

TAMIS_HD void add_to_rows(const ResamplingRows& rows, int64_t n_thresholds, int64_t cell, int64_t level,
                          const Lanes& precision, const Lanes& recall, double* out) {
  for (int64_t i = 0; i < rows.n; ++i) {
    if (rows.cell[i] != cell || rows.mask[i * n_thresholds + level] == 0) continue;
    const double* value = rows.precision[i] != 0 ? precision.v : recall.v;
    TAMIS_EACH_LANE out[kLanes * i + l] += value[l];
  }
}

TAMIS_HD void finish(const ResamplingView& p, const ResamplingRows& rows, const double* targets, double* out) {
  for (int64_t i = 0; i < rows.n; ++i) {
    int64_t count = 0;
    for (int64_t t = 0; t < p.n_thresholds; ++t) count += rows.mask[i * p.n_thresholds + t] != 0;
    const double* of_area = targets + kLanes * p.cell_area[rows.cell[i]];
    TAMIS_EACH_LANE out[kLanes * i + l] = mean_or_absent(out[kLanes * i + l], static_cast<double>(count), of_area[l]);
  }
}

}  // namespace

void resample_category(const ResamplingView& p, const RecallLevels& levels, const ResamplingRows& rows,
                       int64_t category, const double* weights, const ResamplingScratch& s, double* out) {
  for (int64_t a = 0; a < p.n_areas; ++a) {
    Lanes sum;
    const int64_t at = category * p.n_areas + a;
    add_images(p.target_image, p.target_splits[at], p.target_splits[at + 1], weights, sum);
    TAMIS_EACH_LANE s.targets[kLanes * a + l] = sum.v[l];
  }
  for (int64_t i = 0; i < kLanes * rows.n; ++i) out[i] = 0;
  for (int64_t cell = 0; cell < p.n_cells; ++cell) {
    const Curve c{p, levels, weights, s, s.targets + kLanes * p.cell_area[cell]};
    const bool whole = p.cell_curve[cell] != 0;
    if (whole) find_seen(c, category, cell);
    for (int64_t level = 0; level < p.n_thresholds; ++level) {
      const int64_t curve = (category * p.n_cells + cell) * p.n_thresholds + level;
      Lanes tp, precision, recall;
      if (whole) {
        trace(c, curve, tp);
        mean_precision(c, p.run_splits[curve + 1] - p.run_splits[curve], precision);
      } else {
        add_images(p.tp_image, p.tp_splits[curve], p.tp_splits[curve + 1], weights, tp);
      }
      TAMIS_EACH_LANE recall.v[l] = weighted_recall(tp.v[l], c.targets[l]);
      add_to_rows(rows, p.n_thresholds, cell, level, precision, recall, out);
    }
  }
  finish(p, rows, s.targets, out);
}

}  // namespace tamis::TAMIS_ISA
