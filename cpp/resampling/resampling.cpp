#include "resampling/resampling.hpp"

#include <algorithm>
#include <limits>

#include "core/aligned.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"

namespace tamis {

ResamplingView ResamplingPlan::view() const {
  return {n_categories,
          n_areas,
          cell_area.size(),
          n_thresholds,
          n_images,
          target_splits.data(),
          target_image.data(),
          cell_area.data(),
          cell_curve.data(),
          stop_splits.data(),
          stop_end.data(),
          seen_image.data(),
          run_splits.data(),
          runs.data(),
          tp_splits.data(),
          tp_image.data(),
          mixed_splits.data(),
          mixed_image.data()};
}

namespace {

constexpr int64_t kUnitsAThread = 16;

template <class T>
int64_t bytes_of(const Vector<T>& v) {
  return v.size() * static_cast<int64_t>(sizeof(T));
}

// Blocks of kLanes sets of weights, image by image; lanes that are left over weigh nothing.
Aligned<double> in_lanes(const double* weights, int64_t n, int64_t images) {
  const int64_t blocks = (n + kLanes - 1) / kLanes;
  Aligned<double> lanes = make_aligned<double>(blocks * kLanes * images);
  constexpr int64_t kImagesAtOnce = 1 << 12;
  parallel_for(images, kImagesAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t block = 0; block < blocks; ++block)
      for (int64_t image = begin; image < end; ++image)
        for (int64_t l = 0; l < kLanes; ++l) {
          const int64_t b = block * kLanes + l;
          lanes.get()[(block * images + image) * kLanes + l] = b < n ? weights[b * images + image] : 0.0;
        }
  });
  return lanes;
}

}  // namespace

int64_t ResamplingPlan::bytes() const {
  return bytes_of(target_splits) + bytes_of(stop_splits) + bytes_of(stop_end) + bytes_of(run_splits) +
         bytes_of(tp_splits) + bytes_of(mixed_splits) + bytes_of(target_image) + bytes_of(seen_image) +
         bytes_of(tp_image) + bytes_of(mixed_image) + bytes_of(runs);
}

RecallTable::RecallTable(const double* recalls, int64_t n) : level(recalls, recalls + n), before(kRecallBuckets + 1) {
  Vector<int32_t> count(kRecallBuckets + 2);
  for (const double recall : level) ++count[host::recall_bucket(recall) + 1];
  for (int64_t i = 1; i < count.size(); ++i) {
    depth = std::max(depth, count[i]);
    before[i - 1] = count[i - 1];
    count[i] += count[i - 1];
  }
  level.resize(n + depth, std::numeric_limits<double>::infinity());
}

void resample(const ResamplingPlan& plan, const double* weights, int64_t n, const double* recalls, int64_t n_recalls,
              const ResamplingRows& rows, double* out) {
  const int64_t images = plan.n_images, categories = plan.n_categories, blocks = (n + kLanes - 1) / kLanes;
  const RecallTable levels(recalls, n_recalls);
  const Aligned<double> lanes = in_lanes(weights, n, images);
  const ResamplingView view = plan.view();
  const int64_t units = blocks * categories;
  const int64_t grain = std::max<int64_t>(1, units / (kUnitsAThread * num_threads()));
  parallel_for(units, grain, [&](int64_t begin, int64_t end) {
    const Aligned<double> targets = make_aligned<double>(kLanes * plan.n_areas);
    const Aligned<double> seen = make_aligned<double>(kLanes * plan.most_stops);
    const Aligned<double> precision = make_aligned<double>(kLanes * plan.most_runs);
    const Aligned<int32_t> reached = make_aligned<int32_t>(kLanes * plan.most_runs);
    const Aligned<double> found = make_aligned<double>(kLanes * rows.n);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t block = unit / categories, category = unit % categories;
      resample_category(view, levels.view(), rows, category, lanes.get() + block * images * kLanes,
                        {targets.get(), seen.get(), precision.get(), reached.get()}, found.get());
      for (int64_t b = block * kLanes; b < std::min(n, (block + 1) * kLanes); ++b)
        for (int64_t i = 0; i < rows.n; ++i)
          out[(b * categories + category) * rows.n + i] = found.get()[kLanes * i + b % kLanes];
      check_interrupt();
    }
  });
}

}  // namespace tamis
