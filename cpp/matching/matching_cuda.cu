#include "core/cuda.hpp"
#include "core/search.hpp"
#include "matching/matching_cuda.hpp"
#include "max_iou/max_iou_math.hpp"
#include "rotated_iou/rotated_iou_math.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

constexpr int64_t kWordBits = 64;
constexpr int64_t kFew = 64;  // ground truths of a group that a warp goes through alone

__global__ void __launch_bounds__(kThreads) keys_kernel(MatchRows rows, MatchKeys keys) {
  const int64_t i = thread_number();
  if (i >= rows.n) return;
  keys.groups[i] = group_key(image_of_row(rows.splits, rows.images, i), rows.category[i]);
  if (keys.scores != nullptr) keys.scores[i] = signed_key(descending_key(rows.values[i]));
  double spoilt = 0;
  for (int64_t k = 0; k < rows.numbers; ++k) spoilt += rows.boxes[rows.numbers * i + k] * 0.0;
  if (!(spoilt == 0)) atomic_min_row(keys.bad, i);
  if (!(rows.values[i] * 0.0 == 0)) atomic_min_row(keys.bad + 1, i);
}

__global__ void __launch_bounds__(kThreads)
    ranks_kernel(GroupedRows dets, const int32_t* category, int64_t n_categories, int64_t max_det, int32_t* rank,
                 int32_t* kept) {
  const int64_t p = thread_number();
  if (p >= dets.n) return;
  const int64_t place = p - first_not_below(dets.groups, dets.n, dets.groups[p]), i = dets.order[p];
  rank[i] = static_cast<int32_t>(place);
  kept[i] = place < max_det ? category[i] : static_cast<int32_t>(n_categories);
}

__global__ void __launch_bounds__(kThreads) places_kernel(MatchPlaces p) {
  const int64_t q = thread_number();
  if (q >= p.n) return;
  const int64_t i = p.index[q];
  p.place[i] = q;
  for (int64_t a = 0; a < p.n_areas; ++a) {
    Verdict verdict{0, 0};
    if (outside_range(p.area[i], p.area_ranges[2 * a], p.area_ranges[2 * a + 1])) judge_outside(&verdict);
    for (int64_t word = 0; word < p.words; ++word) p.verdicts[(a * p.words + word) * p.n + q] = verdict;
  }
}

// What the scratch holds: columns in the order of the ground truths' groups.
template <class Box>
struct Columns {
  int64_t n, words, cells;  // a cell is a word of thresholds in an area range
  Box* boxes;
  double* iou;               // with the detection at work
  uint64_t *reach, *free;    // (words, n), (cells, n)
  uint64_t *chosen, *taken;  // (n, cells), (cells, n)
  int32_t* candidates;
  uint8_t *crowd, *ignore;  // (n,), (areas, n)
};
static_assert(sizeof(Corners) == 5 * sizeof(int64_t) && sizeof(RotatedBox) == 8 * sizeof(int64_t));

template <class Box>
Columns<Box> columns_of(const DeviceMatchProblem& p, const MatchScratch& s) {
  Columns<Box> c{};
  c.n = p.gts.n;
  c.words = match_words(p.n_thresholds);
  c.cells = c.words * p.n_areas;
  c.boxes = reinterpret_cast<Box*>(s.words);
  c.iou = reinterpret_cast<double*>(c.boxes + c.n);
  c.reach = reinterpret_cast<uint64_t*>(c.iou + c.n);
  c.free = c.reach + c.words * c.n;
  c.chosen = c.free + c.cells * c.n;
  c.taken = c.chosen + c.cells * c.n;
  c.candidates = s.candidates;
  c.crowd = s.flags;
  c.ignore = s.flags + c.n;
  return c;
}

__device__ void load(const double* boxes, int64_t i, Corners* out) { *out = corners(boxes + 4 * i); }
__device__ void load(const double* boxes, int64_t i, RotatedBox* out) { *out = load_rotated_box(boxes + 5 * i); }

__device__ double pair_iou(const Corners& det, const Corners& gt, bool crowd) { return coco_iou(det, gt, crowd); }
__device__ double pair_iou(const RotatedBox& det, const RotatedBox& gt, bool crowd) {
  return rotated_overlap(det, gt, crowd ? RotatedKind::iof : RotatedKind::iou);
}

template <class Box>
__global__ void __launch_bounds__(kThreads) gts_kernel(DeviceMatchProblem p, Columns<Box> c, MatchVerdicts out) {
  const int64_t g = thread_number();
  if (g >= c.n) return;
  const int64_t i = p.gts.order[g];
  load(p.gts.boxes, i, c.boxes + g);
  c.crowd[g] = p.gt_crowd[i];
  for (int64_t cell = 0; cell < c.cells; ++cell) c.taken[cell * c.n + g] = 0;
  for (int64_t a = 0; a < p.n_areas; ++a) {
    const bool outside = outside_range(p.gts.area[i], p.area_ranges[2 * a], p.area_ranges[2 * a + 1]);
    const bool ignored = outside || p.gt_crowd[i] != 0;
    c.ignore[a * c.n + g] = ignored;
    if (out.n_regular != nullptr && !ignored) atomicAdd(out.n_regular + out.gt_category[i] * p.n_areas + a, 1ull);
  }
}

// One image and class: rows of the sorted columns.
struct Group {
  int64_t first, n_gts, det_first, n_dets;
};

__device__ bool is_first(const GroupedRows& gts, int64_t g) {
  return g < gts.n && (g == 0 || gts.groups[g - 1] != gts.groups[g]);
}

// Whether the group that begins there has more than kFew ground truths.
__device__ bool is_large(const GroupedRows& gts, int64_t first) {
  return gts.n - first > kFew && gts.groups[first + kFew] == gts.groups[first];
}

__device__ Group group_of(const DeviceMatchProblem& p, int64_t first) {
  const int64_t key = p.gts.groups[first];
  Group group{};
  group.first = first;
  group.n_gts = first_not_below(p.gts.groups + first, p.gts.n - first, key + 1);
  group.det_first = first_not_below(p.dets.groups, p.dets.n, key);
  const int64_t n = first_not_below(p.dets.groups + group.det_first, p.dets.n - group.det_first, key + 1);
  group.n_dets = n < p.max_det ? n : p.max_det;
  return group;
}

// What a warp found to be within reach of a detection.
struct Scan {
  int64_t n;
  bool has_nan;  // of any IoU
};

// keep(i, g, iou) for the ground truths whose IoU is not below `lowest`, i = 0 and on; g counts from the group's first.
template <class Box, class Keep>
__device__ Scan scan(const Columns<Box>& c, const Group& group, const Box& det, double lowest, const Keep& keep) {
  const int64_t lane = threadIdx.x % kWarpSize;
  int64_t n = 0;
  bool is_nan = false;
  for (int64_t start = 0; start < group.n_gts; start += kWarpSize) {
    const int64_t g = start + lane, at = group.first + g;
    bool near = false;
    double iou = 0;
    if (g < group.n_gts) {
      iou = pair_iou(det, c.boxes[at], c.crowd[at] != 0);
      near = !(iou < lowest);
      is_nan |= iou != iou;
    }
    const int64_t place = warp_place(near, &n);
    if (near) keep(place, static_cast<int32_t>(g), iou);
  }
  return {n, __ballot_sync(kWarp, is_nan) != 0};
}

// The ground truths whose IoU with a detection may match, as group-relative candidates, in their order.
template <class Box>
__device__ int64_t find_candidates(const Columns<Box>& c, const Group& group, const Box& det, double lowest) {
  const auto keep = [&](int64_t i, int32_t g, double iou) {
    c.candidates[group.first + i] = g;
    c.iou[group.first + g] = iou;
  };
  const Scan found = scan(c, group, det, lowest, keep);
  if (!found.has_nan) return found.n;
  __syncwarp();                                   // what was written above is written again
  return scan(c, group, det, -INFINITY, keep).n;  // once a NaN is the best so far, nothing is below it
}

// One cell of one detection: what each threshold chooses is taken; returns how the detection counts.
template <class Box>
__device__ Verdict choose_cell(const Columns<Box>& c, const Group& group, int64_t n, int64_t cell) {
  const int32_t* candidates = c.candidates + group.first;
  const uint8_t* ignore = c.ignore + cell / c.words * c.n + group.first;
  uint64_t *free = c.free + cell * c.n + group.first, *taken = c.taken + cell * c.n + group.first;
  uint64_t* chosen = c.chosen + group.first * c.cells + cell;
  for (int64_t i = 0; i < n; ++i)
    free[i] = c.crowd[group.first + candidates[i]] != 0 ? ~uint64_t{0} : ~taken[candidates[i]];
  const uint64_t* reach = c.reach + cell % c.words * c.n + group.first;
  choose(n, candidates, c.iou + group.first, ignore, reach, free, chosen, c.cells);
  Verdict verdict{0, 0};
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t bits = chosen[i * c.cells];
    taken[candidates[i]] |= bits;
    judge_match(bits, ignore[candidates[i]] != 0, true, &verdict);
  }
  return verdict;
}

template <class Box>
__device__ void write_verdict(const DeviceMatchProblem& p, const Columns<Box>& c, const MatchVerdicts& out, int64_t det,
                              int64_t cell, Verdict verdict) {
  const double* range = p.area_ranges + 2 * (cell / c.words);
  if (outside_range(p.dets.area[det], range[0], range[1])) judge_outside(&verdict);
  out.verdicts[cell * p.dets.n + out.place[det]] = verdict;
}

template <class Box>
__device__ void write_pairs(const DeviceMatchProblem& p, const Columns<Box>& c, const Group& group, int64_t n,
                            const MatchPairs& out, int64_t det) {
  for (int64_t t = threadIdx.x % kWarpSize; t < p.n_thresholds; t += kWarpSize)
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = group.first + c.candidates[group.first + i], row = t * p.dets.n + det;
      if ((c.chosen[(group.first + i) * c.cells + t / kWordBits] >> t % kWordBits & 1) == 0) continue;
      out.gt[row] = p.gts.order[at];
      out.iou[row] = c.iou[at];
      out.ignored[row] = c.ignore[at];
      out.det[t * p.gts.n + p.gts.order[at]] = det;
    }
}

template <class Box>
__device__ Box load_detection(const DeviceMatchProblem& p, int64_t det) {
  Box box;
  load(p.dets.boxes, det, &box);
  return box;
}

// A detection whose n candidates are there.
template <class Box>
__device__ void match_next(const DeviceMatchProblem& p, const Columns<Box>& c, const Group& group, int64_t det,
                           int64_t n, const MatchVerdicts& verdicts, const MatchPairs& pairs) {
  if (n == 0) return;
  const int64_t lane = threadIdx.x % kWarpSize;
  __syncwarp();
  for (int64_t i = lane; i < n; i += kWarpSize) {
    const double iou = c.iou[group.first + c.candidates[group.first + i]];
    for (int64_t word = 0; word < c.words; ++word) {
      const int64_t left = p.n_thresholds - word * kWordBits;
      c.reach[word * c.n + group.first + i] =
          in_reach(iou, p.thresholds + word * kWordBits, left < kWordBits ? left : kWordBits);
    }
  }
  __syncwarp();
  for (int64_t cell = lane; cell < c.cells; cell += kWarpSize) {
    const Verdict verdict = choose_cell(c, group, n, cell);
    if (verdicts.verdicts != nullptr) write_verdict(p, c, verdicts, det, cell, verdict);
  }
  __syncwarp();
  if (pairs.gt != nullptr) write_pairs(p, c, group, n, pairs, det);
  __syncwarp();  // the columns are free again
}

// A warp for each ground truth; that of the first of a group goes on, if the group is not large.
template <class Box>
__global__ void __launch_bounds__(kThreads)
    match_kernel(DeviceMatchProblem p, Columns<Box> c, MatchVerdicts verdicts, MatchPairs pairs) {
  const int64_t first = thread_number() / kWarpSize;
  if (!is_first(p.gts, first) || is_large(p.gts, first)) return;
  const Group group = group_of(p, first);
  for (int64_t d = 0; d < group.n_dets; ++d) {
    const int64_t det = p.dets.order[group.det_first + d];
    const int64_t n = find_candidates(c, group, load_detection<Box>(p, det), p.lowest_threshold);
    match_next(p, c, group, det, n, verdicts, pairs);
  }
}

// The candidates of one detection. They are looked for again if they are more than a warp has lanes, or an IoU is NaN.
struct Ahead {
  int64_t n;
  double iou[kWarpSize];
  int32_t candidates[kWarpSize];
};

template <class Box>
__device__ void look_ahead(const DeviceMatchProblem& p, const Columns<Box>& c, const Group& group, int64_t det,
                           Ahead* ahead) {
  const Scan found =
      scan(c, group, load_detection<Box>(p, det), p.lowest_threshold, [&](int64_t i, int32_t g, double iou) {
        if (i >= kWarpSize) return;
        ahead->candidates[i] = g;
        ahead->iou[i] = iou;
      });
  if (threadIdx.x % kWarpSize == 0) ahead->n = found.has_nan ? kWarpSize + 1 : found.n;
}

template <class Box>
__device__ void match_ahead(const DeviceMatchProblem& p, const Columns<Box>& c, const Group& group, int64_t det,
                            const Ahead& ahead, const MatchVerdicts& verdicts, const MatchPairs& pairs) {
  const int64_t i = threadIdx.x % kWarpSize;
  int64_t n = ahead.n;
  if (n > kWarpSize) {
    n = find_candidates(c, group, load_detection<Box>(p, det), p.lowest_threshold);
  } else if (i < n) {
    c.candidates[group.first + i] = ahead.candidates[i];
    c.iou[group.first + ahead.candidates[i]] = ahead.iou[i];
  }
  match_next(p, c, group, det, n, verdicts, pairs);
}

// A thread for each ground truth; blocks match the large groups that begin among theirs. The first warp matches, while
// the others look for the candidates of the detections that come next.
template <class Box>
__global__ void __launch_bounds__(kThreads, 1)
    match_large_kernel(DeviceMatchProblem p, Columns<Box> c, MatchVerdicts verdicts, MatchPairs pairs) {
  constexpr int kAhead = kThreads / kWarpSize - 1;
  __shared__ unsigned begins[kThreads / kWarpSize];
  __shared__ Ahead ahead[2][kAhead];
  const unsigned warp = threadIdx.x / kWarpSize;
  const int64_t g = thread_number();
  const unsigned mine = __ballot_sync(kWarp, is_first(p.gts, g) && is_large(p.gts, g));
  if (threadIdx.x % kWarpSize == 0) begins[warp] = mine;
  __syncthreads();
  for (int64_t w = 0; w < kThreads / kWarpSize; ++w)
    for (unsigned left = begins[w]; left != 0; left &= left - 1) {
      const Group group = group_of(p, blockIdx.x * int64_t(kThreads) + w * kWarpSize + __ffs(left) - 1);
      const int64_t* order = p.dets.order + group.det_first;
      for (int64_t next = 0, side = 0; next < group.n_dets + kAhead; next += kAhead, side ^= 1) {
        if (warp > 0) {
          const int64_t d = next + warp - 1;
          if (d < group.n_dets) look_ahead(p, c, group, order[d], &ahead[side][warp - 1]);
        } else if (next > 0) {
          const int64_t done = next - kAhead;
          for (int64_t d = done; d < next && d < group.n_dets; ++d)
            match_ahead(p, c, group, order[d], ahead[side ^ 1][d - done], verdicts, pairs);
        }
        __syncthreads();
      }
    }
}

template <class Box>
void match_boxes(const DeviceMatchProblem& p, const MatchScratch& scratch, const MatchVerdicts& verdicts,
                 const MatchPairs& pairs, cudaStream_t stream) {
  const Columns<Box> c = columns_of<Box>(p, scratch);
  launch({"match_detections", blocks_for(c.n, kThreads), stream}, gts_kernel<Box>, p, c, verdicts);
  const unsigned blocks = blocks_for(c.n, kThreads / kWarpSize);
  launch({"match_detections", blocks, stream}, match_kernel<Box>, p, c, verdicts, pairs);
  launch({"match_detections", blocks_for(c.n, kThreads), stream}, match_large_kernel<Box>, p, c, verdicts, pairs);
}

void match_groups(const DeviceMatchProblem& p, const MatchScratch& scratch, const MatchVerdicts& verdicts,
                  const MatchPairs& pairs, cudaStream_t stream) {
  if (p.rotated)
    match_boxes<RotatedBox>(p, scratch, verdicts, pairs, stream);
  else
    match_boxes<Corners>(p, scratch, verdicts, pairs, stream);
}

}  // namespace

void match_keys(const MatchRows& rows, const MatchKeys& keys, cudaStream_t stream) {
  launch({"match_keys", blocks_for(rows.n, kThreads), stream}, keys_kernel, rows, keys);
}

void match_ranks(const GroupedRows& dets, const int32_t* category, int64_t n_categories, int64_t max_det, int32_t* rank,
                 int32_t* kept, cudaStream_t stream) {
  launch({"match_ranks", blocks_for(dets.n, kThreads), stream}, ranks_kernel, dets, category, n_categories, max_det,
         rank, kept);
}

void match_places(const MatchPlaces& places, cudaStream_t stream) {
  launch({"match_places", blocks_for(places.n, kThreads), stream}, places_kernel, places);
}

void match_verdicts(const DeviceMatchProblem& problem, const MatchScratch& scratch, const MatchVerdicts& out,
                    cudaStream_t stream) {
  match_groups(problem, scratch, out, {}, stream);
}

void match_pairs(const DeviceMatchProblem& problem, const MatchScratch& scratch, const MatchPairs& out,
                 cudaStream_t stream) {
  match_groups(problem, scratch, {}, out, stream);
}

}  // namespace tamis::cuda
