#include <algorithm>
#include <utility>

#include "core/grain.hpp"
#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "matching/matching.hpp"
#include "matching/matching_math.hpp"

namespace tamis {
namespace {

struct Keyed {
  uint64_t key;
  int64_t index;
};
constexpr int kDigitBits = 11, kDigits = 3;
constexpr int kLowBits = 64 - kDigits * kDigitBits;  // left to a comparison sort where they decide
constexpr int64_t kRadixFrom = 1024;                 // below this a comparison sort is faster
constexpr int64_t kManyItems = 1 << 18;

bool before(const Keyed& a, const Keyed& b) { return a.key < b.key; }

// Radix passes over the high bits, which tell nearly all scores apart; then the runs that they do not.
void radix_sort(Vector<Keyed>& items, Vector<Keyed>& spare) {
  const int64_t n = items.size();
  spare.resize(n);
  for (int shift = kLowBits; shift < 64; shift += kDigitBits) {
    constexpr uint64_t kMask = (uint64_t{1} << kDigitBits) - 1;
    int64_t starts[kMask + 1] = {};
    if (n > kManyItems) check_interrupt();
    for (const Keyed& item : items) ++starts[(item.key >> shift) & kMask];
    int64_t sum = 0;
    for (int64_t& start : starts) sum += std::exchange(start, sum);
    for (const Keyed& item : items) spare[starts[(item.key >> shift) & kMask]++] = item;
    items.swap(spare);
  }
  for (int64_t begin = 0, end; begin < n; begin = end) {
    bool sorted = true;
    for (end = begin + 1; end < n && items[end].key >> kLowBits == items[begin].key >> kLowBits; ++end)
      sorted &= items[end - 1].key <= items[end].key;
    const auto first = items.begin() + static_cast<std::ptrdiff_t>(begin);
    if (!sorted) std::stable_sort(first, items.begin() + static_cast<std::ptrdiff_t>(end), before);
  }
}

void sort_by_score(int64_t* index, int64_t n, const double* score, Vector<Keyed>& items, Vector<Keyed>& spare) {
  items.resize(n);
  for (int64_t i = 0; i < n; ++i) items[i] = {host::descending_key(score[index[i]]), index[i]};
  if (n >= kRadixFrom)
    radix_sort(items, spare);
  else
    std::stable_sort(items.begin(), items.end(), before);
  for (int64_t i = 0; i < n; ++i) index[i] = items[i].index;
}

// Keeps the first max_det of each image; returns how many are left.
int64_t rank_and_cut(int64_t* index, int32_t* rank, int64_t n, const int32_t* image, int64_t max_det,
                     Vector<int32_t>& seen) {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t place = seen[image[index[i]]]++;
    if (place >= max_det) continue;
    rank[kept] = place;
    index[kept++] = index[i];
  }
  return kept;
}

// Stable counting sort of `index` by bucket; bounds (buckets + 1) are returned.
Vector<int64_t> bucket_sort(Vector<int64_t>& index, const int32_t* bucket_of, int64_t buckets) {
  Vector<int64_t> bounds(buckets + 1, 0);
  for (const int64_t i : index) ++bounds[bucket_of[i] + 1];
  for (int64_t b = 1; b < bounds.size(); ++b) bounds[b] += bounds[b - 1];
  Vector<int64_t> next(bounds.begin(), bounds.end() - 1), sorted(index.size());
  for (const int64_t i : index) sorted[next[bucket_of[i]]++] = i;
  index.swap(sorted);
  return bounds;
}

}  // namespace

Vector<int64_t> order_by_group(int64_t n, const int32_t* category, const int32_t* image, int64_t n_categories,
                               int64_t n_images, Vector<int64_t>& splits) {
  Vector<int64_t> index;
  index.reserve(n);
  bool sorted = true;
  int32_t last = -1;
  for (int64_t i = 0; i < n; ++i) {
    if (category[i] < 0 || image[i] < 0) continue;
    index.push_back(i);
    sorted &= image[i] >= last;
    last = image[i];
  }
  if (!sorted) bucket_sort(index, image, n_images);
  splits = bucket_sort(index, category, n_categories);
  return index;
}

DetectionOrder order_detections(const DetectionColumns& dets, int64_t n_categories, int64_t n_images, int64_t max_det) {
  DetectionOrder order;
  order.index = order_by_group(dets.n, dets.category, dets.image, n_categories, n_images, order.splits);
  order.rank.resize(order.index.size());
  Vector<int64_t> kept(n_categories, 0);
  constexpr int64_t kSorting = 64;  // steps a detection
  const int64_t least = std::max<int64_t>(1, n_categories / (16 * num_threads()));
  const int64_t grain = grain_of(n_categories, n_categories + kSorting * dets.n, least);
  parallel_for(n_categories, grain, [&](int64_t begin, int64_t end) {
    Vector<Keyed> items, spare;
    Vector<int32_t> seen(n_images, 0);
    for (int64_t k = begin; k < end; ++k) {
      const int64_t first = order.splits[k], n = order.splits[k + 1] - first;
      int64_t* index = order.index.data() + first;
      sort_by_score(index, n, dets.score, items, spare);
      for (int64_t i = 0; i < n; ++i) seen[dets.image[index[i]]] = 0;
      kept[k] = rank_and_cut(index, order.rank.data() + first, n, dets.image, max_det, seen);
    }
  });
  int64_t filled = 0;
  for (int64_t k = 0; k < kept.size(); ++k) {  // close the gaps that the cut left
    const int64_t first = std::exchange(order.splits[k], filled);
    if (first != filled) {
      std::copy_n(order.index.begin() + first, kept[k], order.index.begin() + filled);
      std::copy_n(order.rank.begin() + first, kept[k], order.rank.begin() + filled);
    }
    filled += kept[k];
  }
  order.splits.back() = filled;
  order.index.resize(filled);
  order.rank.resize(filled);
  return order;
}

void find_positions(const int64_t* ids, int64_t n, const int64_t* known, int64_t n_known, int32_t* positions) {
  if (n_known == 0) {
    std::fill_n(positions, n, -1);
    return;
  }
  const int64_t low = known[0], high = known[n_known - 1];
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  Vector<int32_t> table;  // direct look-up where the ids are dense enough, as COCO's are
  if (range != 0 && range <= uint64_t(64 * n_known + 8 * n) + 1024) {
    table.assign(static_cast<int64_t>(range), -1);
    for (int64_t i = 0; i < n_known; ++i) table[known[i] - low] = static_cast<int32_t>(i);
  }
  parallel_for(n, 1 << 16, [=, direct = table.empty() ? nullptr : table.data()](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t id = ids[i];
      int32_t found = -1;
      if (id >= low && id <= high) {
        if (direct != nullptr) {
          found = direct[id - low];
        } else {
          const int64_t* at = std::lower_bound(known, known + n_known, id);
          if (*at == id) found = static_cast<int32_t>(at - known);
        }
      }
      positions[i] = found;
    }
  });
}

}  // namespace tamis
