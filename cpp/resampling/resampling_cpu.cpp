#include "resampling/resampling.hpp"

namespace tamis::TAMIS_ISA {
namespace {

#define TAMIS_EACH_LANE for (int64_t l = 0; l < kLanes; ++l)

// A number of each set of weights. GCC and clang make registers of it, where they leave loops over lanes scalar.
typedef double Lanes __attribute__((vector_size(kLanes * sizeof(double)), may_alias));
typedef int32_t Counts __attribute__((vector_size(kLanes * sizeof(int32_t)), may_alias));

TAMIS_HD Lanes& lanes(double* from, int64_t row) { return reinterpret_cast<Lanes*>(from)[row]; }

TAMIS_HD void add_images(const int32_t* image, int64_t begin, int64_t end, const double* weights, Lanes* sum) {
  Lanes s = *sum;
  for (int64_t i = begin; i < end; ++i) s += reinterpret_cast<const Lanes*>(weights)[image[i]];
  *sum = s;
}

struct Curve {
  const ResamplingView& plan;
  const RecallLevels& levels;
  const double* weights;
  const ResamplingScratch& s;
  Lanes divisor;
};

// Precision and recall at the end of each run; adds the true positives of all.
TAMIS_HD void trace(const Curve& c, int64_t curve, Lanes* all) {
  const ResamplingView& p = c.plan;
  const int32_t* tp_image = p.tp_image + p.tp_splits[curve];
  const int32_t* mixed_image = p.mixed_image + p.mixed_splits[curve];
  Lanes tp = {}, mixed = {};
  int64_t tp_at = 0, mixed_at = 0;
  const int64_t first = p.run_splits[curve], n = p.run_splits[curve + 1] - first;
  for (int64_t r = 0; r < n; ++r) {
    const ResamplingRun run = p.runs[first + r];
    add_images(tp_image, tp_at, run.tp_end, c.weights, &tp);
    add_images(mixed_image, mixed_at, run.mixed_end, c.weights, &mixed);
    tp_at = run.tp_end;
    mixed_at = run.mixed_end;
    const Lanes seen = lanes(c.s.seen, run.stop) + mixed, recall = tp / c.divisor;
    weighted_precision(tp, seen, &lanes(c.s.precision, r));
    Lanes at = {};
    find_bucket(recall, &at);
    const Counts bucket = __builtin_convertvector(at, Counts);
    TAMIS_EACH_LANE c.s.reached[kLanes * r + l] = levels_reached(recall[l], bucket[l], c.levels);
  }
  *all = tp;
}

// The mean precision over the recall thresholds, from the last run to the first.
TAMIS_HD void mean_precision(const Curve& c, int64_t runs, Lanes* out) {
  Lanes best = {}, sum = {};
  for (int64_t r = runs - 1; r >= 0; --r) {
    raise_precision(lanes(c.s.precision, r), &best);
    const Counts* reached = reinterpret_cast<const Counts*>(c.s.reached) + r;
    const Counts crossed = r > 0 ? reached[0] - reached[-1] : reached[0];
    sum += best * __builtin_convertvector(crossed, Lanes);
  }
  *out = sum / static_cast<double>(c.levels.n);
}

TAMIS_HD void find_seen(const Curve& c, int64_t category, int64_t cell) {
  const ResamplingView& p = c.plan;
  const int64_t at = category * p.n_cells + cell, first = p.stop_splits[at];
  int64_t begin = first > 0 ? p.stop_end[first - 1] : 0;
  Lanes sum = {};
  for (int64_t i = first; i < p.stop_splits[at + 1]; ++i) {
    add_images(p.seen_image, begin, p.stop_end[i], c.weights, &sum);
    begin = p.stop_end[i];
    lanes(c.s.seen, i - first) = sum;
  }
}

TAMIS_HD void add_to_rows(const ResamplingRows& rows, int64_t n_thresholds, int64_t cell, int64_t level,
                          const Lanes& precision, const Lanes& recall, double* out) {
  for (int64_t i = 0; i < rows.n; ++i) {
    if (rows.cell[i] != cell || rows.mask[i * n_thresholds + level] == 0) continue;
    lanes(out, i) += rows.precision[i] != 0 ? precision : recall;
  }
}

TAMIS_HD void finish(const ResamplingView& p, const ResamplingRows& rows, double* targets, double* out) {
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
    Lanes sum = {};
    const int64_t at = category * p.n_areas + a;
    add_images(p.target_image, p.target_splits[at], p.target_splits[at + 1], weights, &sum);
    lanes(s.targets, a) = sum;
  }
  for (int64_t i = 0; i < kLanes * rows.n; ++i) out[i] = 0;
  for (int64_t cell = 0; cell < p.n_cells; ++cell) {
    Lanes divisor = {};
    TAMIS_EACH_LANE divisor[l] = recall_divisor(lanes(s.targets, p.cell_area[cell])[l]);
    const Curve c{p, levels, weights, s, divisor};
    const bool whole = p.cell_curve[cell] != 0;
    if (whole) find_seen(c, category, cell);
    for (int64_t level = 0; level < p.n_thresholds; ++level) {
      const int64_t curve = (category * p.n_cells + cell) * p.n_thresholds + level;
      Lanes tp = {}, precision = {};
      if (whole) {
        trace(c, curve, &tp);
        mean_precision(c, p.run_splits[curve + 1] - p.run_splits[curve], &precision);
      } else {
        add_images(p.tp_image, p.tp_splits[curve], p.tp_splits[curve + 1], weights, &tp);
      }
      add_to_rows(rows, p.n_thresholds, cell, level, precision, tp / c.divisor, out);
    }
  }
  finish(p, rows, s.targets, out);
}

}  // namespace tamis::TAMIS_ISA
