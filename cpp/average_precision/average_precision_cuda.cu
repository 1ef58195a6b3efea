#include "average_precision/average_precision_cuda.hpp"
#include "core/bits.hpp"
#include "core/cuda_block.hpp"
#include "core/search.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int64_t kWordBits = 64;

// One block's curve, and the first of its recall thresholds.
struct Curve {
  int64_t category, area, level, cap, first_recall;
};

// Neighbours read the same detections.
__device__ Curve curve_of(const DeviceCurves& p, int64_t block) {
  Curve curve{};
  curve.level = block % p.n_thresholds;
  block /= p.n_thresholds;
  curve.cap = block % p.n_max_dets;
  block /= p.n_max_dets;
  curve.area = block % p.n_areas;
  block /= p.n_areas;
  curve.category = block % p.n_categories;
  curve.first_recall = block / p.n_categories * kThreads;
  return curve;
}

struct Counts {
  int64_t tps, fps;
};

// What the threads of a block count together.
struct Tally {
  Counts before, all;  // in the threads below this one, and in all
  bool topped;         // the next true positive comes without a false one between: its precision is no less
};
__device__ Tally tally(bool tp, bool fp) {
  __shared__ Counts warps[kThreads / 32];
  const unsigned lane = threadIdx.x % 32, below = (1u << lane) - 1;
  const unsigned tps = __ballot_sync(kWarp, tp), fps = __ballot_sync(kWarp, fp);
  const unsigned above = tps & ~below & ~(1u << lane), next = above & (~above + 1);
  if (lane == 0) warps[threadIdx.x / 32] = {__popc(tps), __popc(fps)};
  __syncthreads();
  Tally found{{__popc(tps & below), __popc(fps & below)}, {0, 0}, above != 0 && (fps & (next - 1) & ~below) == 0};
  for (unsigned w = 0; w < kThreads / 32; ++w) {
    if (w < threadIdx.x / 32) {
      found.before.tps += warps[w].tps;
      found.before.fps += warps[w].fps;
    }
    found.all.tps += warps[w].tps;
    found.all.fps += warps[w].fps;
  }
  __syncthreads();
  return found;
}

// Thread s has recall threshold s of the block.
struct Thresholds {
  int64_t needed[kThreads];           // true positives, at least 1
  unsigned long long best[kThreads];  // precision, as bits, from there to the next threshold
  double score[kThreads];             // of the detection that reaches it
};

// True positive number `tps`, after `fps` false ones.
__device__ void add_true_positive(Thresholds& t, int64_t n, int64_t tps, int64_t fps, double score, bool topped) {
  const int64_t at = first_not_below(t.needed, n, tps + 1) - 1;
  if (at < 0) return;
  const unsigned long long bits = bits_as<uint64_t>(precision_of(tps, fps));  // positive: of the same order
  if (!topped) atomicMax(&t.best[at], bits);
  for (int64_t s = at; s >= 0 && t.needed[s] == tps; --s) t.score[s] = score;
}

__device__ Counts walk(const DeviceCurves& p, const Curve& curve, int64_t begin, int64_t end, Thresholds& t,
                       int64_t n) {
  const int64_t words = (p.n_thresholds + kWordBits - 1) / kWordBits, bit = curve.level % kWordBits;
  const Verdict* verdicts = p.verdicts + (curve.area * words + curve.level / kWordBits) * p.n_dets;
  const int64_t cap = p.max_dets[curve.cap];
  Counts sum{0, 0};
  for (int64_t first = begin; first < end; first += kThreads) {
    const int64_t d = first + threadIdx.x;
    Verdict verdict{0, ~uint64_t{0}};
    if (d < end && p.rank[d] < cap) verdict = verdicts[d];
    const bool tp = verdict.tp >> bit & 1, fp = ((verdict.tp | verdict.ignored) >> bit & 1) == 0;
    const Tally found = tally(tp, fp);
    if (tp)
      add_true_positive(t, n, sum.tps + found.before.tps + 1, sum.fps + found.before.fps, p.score[d], found.topped);
    sum.tps += found.all.tps;
    sum.fps += found.all.fps;
  }
  __syncthreads();
  return sum;
}

__global__ void __launch_bounds__(kThreads) curves_kernel(DeviceCurves p, double* __restrict__ precision,
                                                          double* __restrict__ recall, double* __restrict__ scores) {
  __shared__ Thresholds t;
  const Curve curve = curve_of(p, blockIdx.x);
  const int64_t n_regular = p.n_regular[curve.category * p.n_areas + curve.area];
  const int64_t s = threadIdx.x, mine = curve.first_recall + s, left = p.n_recalls - curve.first_recall;
  const int64_t n = left < kThreads ? left : kThreads;
  const int64_t column = (curve.category * p.n_areas + curve.area) * p.n_max_dets + curve.cap;
  const int64_t columns = p.n_categories * p.n_areas * p.n_max_dets;
  const int64_t needed = s < n && n_regular > 0 ? needed_for_recall(p.recalls[mine], n_regular) : 0;
  t.needed[s] = needed > 1 ? needed : 1;
  t.best[s] = 0;
  t.score[s] = 0;
  __syncthreads();
  const auto category = static_cast<int32_t>(curve.category);
  const int64_t begin = first_not_below(p.category, p.n_dets, category);
  const int64_t end = begin + first_not_below(p.category + begin, p.n_dets - begin, category + 1);
  const bool any = begin < end && p.max_dets[curve.cap] > 0;  // the best of an image is within any other cap
  Counts sum{0, 0};
  if (any && n_regular > 0) sum = walk(p, curve, begin, end, t, n);
  if (s == 0 && curve.first_recall == 0)
    recall[curve.level * columns + column] =
        n_regular == 0 ? -1.0 : static_cast<double>(sum.tps) / static_cast<double>(n_regular);
  if (s >= n) return;
  const int64_t row = (curve.level * p.n_recalls + p.places[mine]) * columns + column;
  if (n_regular == 0) {
    precision[row] = scores[row] = -1;
    return;
  }
  unsigned long long best = 0;
  for (int64_t i = s; i < n; ++i) best = t.best[i] > best ? t.best[i] : best;
  // pycocotools leaves its loop at the first threshold past the end
  const bool past_end = !any || needed_for_recall(p.farthest[mine], n_regular) > sum.tps;
  precision[row] = past_end ? 0.0 : bits_as<double>(static_cast<uint64_t>(best));
  scores[row] = past_end ? 0.0 : needed == 0 ? p.score[begin] : t.score[s];
}

}  // namespace

void average_precision(const DeviceCurves& p, double* precision, double* recall, double* scores, cudaStream_t stream) {
  const int64_t chunks = (p.n_recalls + kThreads - 1) / kThreads;
  const int64_t curves = p.n_categories * p.n_areas * p.n_max_dets * p.n_thresholds;
  launch({"average_precision", blocks_for(chunks * curves, 1), stream}, curves_kernel, p, precision, recall, scores);
}

}  // namespace tamis::cuda
