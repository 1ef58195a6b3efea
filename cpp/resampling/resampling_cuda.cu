#include "core/cuda.hpp"
#include "resampling/resampling_cuda.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

struct Walk {
  const DeviceResampling& p;
  int64_t b;  // the set of weights

  __device__ double add(double sum, const int32_t* image, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; ++i) sum += p.weights[image[i] * p.n + b];
    return sum;
  }
};

// Precision and recall at the end of each run; the true positives of all.
__device__ double trace(const Walk& w, int64_t curve, double targets) {
  const DeviceResampling& p = w.p;
  const ResamplingView& plan = p.plan;
  const int64_t cell = curve / plan.n_thresholds, first_stop = plan.stop_splits[cell];
  const int32_t* tp_image = plan.tp_image + plan.tp_splits[curve];
  const int32_t* mixed_image = plan.mixed_image + plan.mixed_splits[curve];
  double tp = 0, mixed = 0, seen = 0;
  int64_t tp_at = 0, mixed_at = 0, seen_at = first_stop > 0 ? plan.stop_end[first_stop - 1] : 0;
  int64_t stop = first_stop;  // the next that is not summed up yet
  for (int64_t r = plan.run_splits[curve]; r < plan.run_splits[curve + 1]; ++r) {
    const ResamplingRun run = plan.runs[r];
    tp = w.add(tp, tp_image, tp_at, run.tp_end);
    mixed = w.add(mixed, mixed_image, mixed_at, run.mixed_end);
    tp_at = run.tp_end;
    mixed_at = run.mixed_end;
    for (; stop <= first_stop + run.stop; ++stop) {
      seen = w.add(seen, plan.seen_image, seen_at, plan.stop_end[stop]);
      seen_at = plan.stop_end[stop];
    }
    weighted_precision(tp, seen + mixed, &p.precision[r * p.n + w.b]);
    const double recall = tp / recall_divisor(targets);
    p.reached[r * p.n + w.b] = levels_reached(recall, recall_bucket(recall), p.levels);
  }
  return tp;
}

// The mean precision over the recall thresholds, from the last run to the first.
__device__ double mean_precision(const Walk& w, int64_t curve) {
  const DeviceResampling& p = w.p;
  double best = 0, sum = 0;
  const int64_t first = p.plan.run_splits[curve];
  for (int64_t r = p.plan.run_splits[curve + 1] - 1; r >= first; --r) {
    const int32_t before = r > first ? p.reached[(r - 1) * p.n + w.b] : 0;
    raise_precision(p.precision[r * p.n + w.b], &best);
    sum += best * static_cast<double>(p.reached[r * p.n + w.b] - before);
  }
  return sum / static_cast<double>(p.levels.n);
}

__global__ void __launch_bounds__(kThreads) resample_kernel(DeviceResampling p, double* __restrict__ precision,
                                                            double* __restrict__ recall, double* __restrict__ targets) {
  const int64_t i = thread_number(), curve = i / p.n;
  const ResamplingView& plan = p.plan;
  if (curve >= plan.n_categories * plan.n_cells * plan.n_thresholds) return;
  const Walk w{p, i % p.n};
  const int64_t cell = curve / plan.n_thresholds % plan.n_cells;
  const int64_t category = curve / (plan.n_thresholds * plan.n_cells);
  const int64_t area = category * plan.n_areas + plan.cell_area[cell];
  const double there = w.add(0.0, plan.target_image, plan.target_splits[area], plan.target_splits[area + 1]);
  double tp, mean = 0;
  if (plan.cell_curve[cell] != 0) {
    tp = trace(w, curve, there);
    mean = mean_precision(w, curve);
  } else {
    tp = w.add(0.0, plan.tp_image, plan.tp_splits[curve], plan.tp_splits[curve + 1]);
  }
  precision[i] = mean;
  recall[i] = tp / recall_divisor(there);
  targets[i] = there;
}

}  // namespace

void resample(const DeviceResampling& p, double* precision, double* recall, double* targets, cudaStream_t stream) {
  const int64_t curves = p.plan.n_categories * p.plan.n_cells * p.plan.n_thresholds;
  launch({"resample", blocks_for(curves * p.n, kThreads), stream}, resample_kernel, p, precision, recall, targets);
}

}  // namespace tamis::cuda
