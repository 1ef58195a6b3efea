#include "resampling/resampling.hpp"

namespace tamis::TAMIS_ISA {
namespace {

#define TAMIS_EACH_LANE for (int64_t l = 0; l < kLanes; ++l)
#define TAMIS_EACH_PART for (int64_t i = 0; i < kParts; ++i)

// Vectors of the width that registers have here: GCC takes wider ones apart on the stack, and leaves loops over lanes
// scalar.
#if defined(__AVX512F__)
constexpr int64_t kWidth = 8;
#elif defined(__AVX__)
constexpr int64_t kWidth = 4;
#else
constexpr int64_t kWidth = 2;
#endif
constexpr int64_t kParts = kLanes / kWidth;
typedef double Part __attribute__((vector_size(kWidth * sizeof(double)), may_alias));
typedef int32_t Counts __attribute__((vector_size(kWidth * sizeof(int32_t)), may_alias));

// A number of each set of weights.
struct Lanes {
  Part part[kParts] = {};

  double at(int64_t lane) const { return part[lane / kWidth][lane % kWidth]; }
  void operator+=(const Lanes& other) { TAMIS_EACH_PART part[i] += other.part[i]; }
};

TAMIS_HD Lanes read(const double* from, int64_t row) {
  Lanes out;
  TAMIS_EACH_PART out.part[i] = reinterpret_cast<const Part*>(from + kLanes * row)[i];
  return out;
}
TAMIS_HD void write(const Lanes& values, double* to, int64_t row) {
  TAMIS_EACH_PART reinterpret_cast<Part*>(to + kLanes * row)[i] = values.part[i];
}

TAMIS_HD void add_images(const int32_t* image, int64_t begin, int64_t end, const double* weights, Lanes* sum) {
  Lanes s = *sum;
  for (int64_t at = begin; at < end; ++at) s += read(weights, image[at]);
  *sum = s;
}
TAMIS_HD Lanes quotient(const Lanes& a, const Lanes& b) {
  Lanes out;
  TAMIS_EACH_PART out.part[i] = a.part[i] / b.part[i];
  return out;
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
  Lanes tp, mixed;
  int64_t tp_at = 0, mixed_at = 0;
  const int64_t first = p.run_splits[curve], n = p.run_splits[curve + 1] - first;
  for (int64_t r = 0; r < n; ++r) {
    const ResamplingRun run = p.runs[first + r];
    add_images(tp_image, tp_at, run.tp_end, c.weights, &tp);
    add_images(mixed_image, mixed_at, run.mixed_end, c.weights, &mixed);
    tp_at = run.tp_end;
    mixed_at = run.mixed_end;
    Lanes seen = read(c.s.seen, run.stop), precision;
    seen += mixed;
    const Lanes recall = quotient(tp, c.divisor);
    TAMIS_EACH_PART weighted_precision(tp.part[i], seen.part[i], &precision.part[i]);
    write(precision, c.s.precision, r);
    alignas(64) int32_t bucket[kLanes];
    TAMIS_EACH_PART {
      Part at = {};
      find_bucket(recall.part[i], &at);
      reinterpret_cast<Counts*>(bucket)[i] = __builtin_convertvector(at, Counts);
    }
    TAMIS_EACH_LANE c.s.reached[kLanes * r + l] = levels_reached(recall.at(l), bucket[l], c.levels);
  }
  *all = tp;
}

// The mean precision over the recall thresholds, from the last run to the first.
TAMIS_HD void mean_precision(const Curve& c, int64_t runs, Lanes* out) {
  Lanes best, sum;
  for (int64_t r = runs - 1; r >= 0; --r) {
    const Lanes precision = read(c.s.precision, r);
    TAMIS_EACH_PART {
      const Counts* reached = reinterpret_cast<const Counts*>(c.s.reached) + kParts * r + i;
      const Counts crossed = r > 0 ? reached[0] - reached[-kParts] : reached[0];
      raise_precision(precision.part[i], &best.part[i]);
      sum.part[i] += best.part[i] * __builtin_convertvector(crossed, Part);
    }
  }
  TAMIS_EACH_PART out->part[i] = sum.part[i] / static_cast<double>(c.levels.n);
}

TAMIS_HD void find_seen(const Curve& c, int64_t category, int64_t cell) {
  const ResamplingView& p = c.plan;
  const int64_t at = category * p.n_cells + cell, first = p.stop_splits[at];
  int64_t begin = first > 0 ? p.stop_end[first - 1] : 0;
  Lanes sum;
  for (int64_t i = first; i < p.stop_splits[at + 1]; ++i) {
    add_images(p.seen_image, begin, p.stop_end[i], c.weights, &sum);
    begin = p.stop_end[i];
    write(sum, c.s.seen, i - first);
  }
}

TAMIS_HD void add_to_rows(const ResamplingRows& rows, int64_t n_thresholds, int64_t cell, int64_t level,
                          const Lanes& precision, const Lanes& recall, double* out) {
  for (int64_t row = 0; row < rows.n; ++row) {
    if (rows.cell[row] != cell || rows.mask[row * n_thresholds + level] == 0) continue;
    Lanes sum = read(out, row);
    sum += rows.precision[row] != 0 ? precision : recall;
    write(sum, out, row);
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
    Lanes sum;
    const int64_t at = category * p.n_areas + a;
    add_images(p.target_image, p.target_splits[at], p.target_splits[at + 1], weights, &sum);
    write(sum, s.targets, a);
  }
  for (int64_t i = 0; i < kLanes * rows.n; ++i) out[i] = 0;
  for (int64_t cell = 0; cell < p.n_cells; ++cell) {
    Lanes divisor = read(s.targets, p.cell_area[cell]);
    TAMIS_EACH_LANE divisor.part[l / kWidth][l % kWidth] = recall_divisor(divisor.at(l));
    const Curve c{p, levels, weights, s, divisor};
    const bool whole = p.cell_curve[cell] != 0;
    if (whole) find_seen(c, category, cell);
    for (int64_t level = 0; level < p.n_thresholds; ++level) {
      const int64_t curve = (category * p.n_cells + cell) * p.n_thresholds + level;
      Lanes tp, precision;
      if (whole) {
        trace(c, curve, &tp);
        mean_precision(c, p.run_splits[curve + 1] - p.run_splits[curve], &precision);
      } else {
        add_images(p.tp_image, p.tp_splits[curve], p.tp_splits[curve + 1], weights, &tp);
      }
      add_to_rows(rows, p.n_thresholds, cell, level, precision, quotient(tp, c.divisor), out);
    }
  }
  finish(p, rows, s.targets, out);
}

}  // namespace tamis::TAMIS_ISA
