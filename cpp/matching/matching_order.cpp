#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/grain.hpp"
#include "core/vector.hpp"
#include "matching/matching.hpp"
#include "matching/matching_math.hpp"
#include "matching/matching_scatter.hpp"

namespace tamis {
namespace {

constexpr int kDigitBits = 11, kPlaceBits = 32;
constexpr int64_t kRadixFrom = 512;       // below this a comparison sort is faster
constexpr int64_t kThirdDigit = 1 << 14;  // so many are told apart by three digits, fewer by two
constexpr int64_t kManyItems = 1 << 18;

// Stable sort of rows by category and then image, as `scatter`.
template <class Put>
Vector<int64_t> scatter_rows(const RowGroups& rows, const Put& put) {
  bool sorted = true;
  for (int64_t i = 0, last = -1; i < rows.n; ++i) {
    sorted &= rows.image[i] >= last || rows.image[i] < 0;
    last = std::max<int64_t>(last, rows.image[i]);
  }
  const auto category = [&](int64_t i) { return rows.image[i] < 0 ? -1 : rows.category[i]; };
  if (sorted) return scatter(rows.n, rows.n_categories, category, put);
  const Unset<int64_t> by_image(rows.n);
  const auto image = [&](int64_t i) { return rows.category[i] < 0 ? -1 : rows.image[i]; };
  const int64_t n =
      scatter(rows.n, rows.n_images, image, [&](int64_t i, int64_t place) { by_image[place] = i; }).back();
  return scatter(
      n, rows.n_categories, [&](int64_t j) { return category(by_image[j]); },
      [&](int64_t j, int64_t place) { put(by_image[j], place); });
}

// One category's keys in ascending order, as places; equal ones keep their order.
class Sorter {
 public:
  // Their first bits with their places behind them; then the runs that these do not tell apart.
  const Vector<uint64_t>& sort(const uint64_t* keys, int64_t n) {
    TAMIS_CHECK(n >> kPlaceBits == 0, "order_detections: over 2^32 detections in one class");
    const int digits = n < kThirdDigit ? 2 : 3, bits = std::min(kPlaceBits, digits * kDigitBits);
    const uint64_t most = (uint64_t{1} << bits) - 1;
    uint64_t low = kLast, high = 0;
    for (int64_t i = 0; i < n; ++i) {
      low = std::min(low, keys[i]);
      high = std::max(high, keys[i] == kLast ? 0 : keys[i]);
    }
    int shift = 0;
    while (high > low && (high - low) >> shift > most) ++shift;
    items_.resize(n);
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t first_bits = keys[i] == kLast ? most : (keys[i] - low) >> shift;
      items_[i] = first_bits << kPlaceBits | static_cast<uint64_t>(i);
    }
    if (n < kRadixFrom)
      std::sort(items_.begin(), items_.end());
    else
      for (int digit = 0; digit < digits; ++digit) pass(kPlaceBits + digit * kDigitBits);
    settle(keys);
    return items_;
  }

 private:
  static constexpr uint64_t kLast = ~uint64_t{0};  // the key of NaN

  void pass(int shift) {
    constexpr uint64_t kMask = (uint64_t{1} << kDigitBits) - 1;
    uint32_t starts[kMask + 1] = {}, sum = 0;
    if (items_.size() > kManyItems) check_interrupt();
    for (const uint64_t item : items_) ++starts[item >> shift & kMask];
    for (uint32_t& start : starts) sum += std::exchange(start, sum);
    spare_.resize(items_.size());
    for (const uint64_t item : items_) spare_[starts[item >> shift & kMask]++] = item;
    items_.swap(spare_);
  }

  void settle(const uint64_t* keys) {
    const auto key = [keys](uint64_t item) { return keys[static_cast<uint32_t>(item)]; };
    const int64_t n = items_.size();
    for (int64_t begin = 0, end; begin < n; begin = end) {
      bool sorted = true;
      for (end = begin + 1; end < n && items_[end] >> kPlaceBits == items_[begin] >> kPlaceBits; ++end)
        sorted &= key(items_[end - 1]) <= key(items_[end]);
      const auto first = items_.begin() + static_cast<std::ptrdiff_t>(begin);
      if (!sorted)
        std::stable_sort(first, items_.begin() + static_cast<std::ptrdiff_t>(end),
                         [&](uint64_t a, uint64_t b) { return key(a) < key(b); });
    }
  }

  Vector<uint64_t> items_, spare_;
};

}  // namespace

Vector<int64_t> order_by_group(const RowGroups& rows, Vector<int64_t>& splits) {
  Vector<int64_t> index(rows.n);
  splits = scatter_rows(rows, [&](int64_t i, int64_t place) { index[place] = i; });
  index.resize(splits.back());
  return index;
}

DetectionOrder order_detections(const RowGroups& dets, const double* score, int64_t max_det) {
  const Unset<uint64_t> key(dets.n);
  const Unset<int32_t> image(dets.n);
  const Unset<int64_t> index(dets.n);
  DetectionOrder order;
  order.splits = scatter_rows(dets, [&](int64_t i, int64_t place) {
    key[place] = host::descending_key(score[i]);
    image[place] = dets.image[i];
    index[place] = i;
  });
  const int64_t n_categories = dets.n_categories;
  order.index.resize(order.splits.back());
  order.rank.resize(order.splits.back());
  Vector<int64_t> kept(n_categories, 0);
  constexpr int64_t kSorting = 64;  // steps a detection
  const int64_t least = std::max<int64_t>(1, n_categories / (16 * num_threads()));
  const int64_t grain = grain_of(n_categories, n_categories + kSorting * dets.n, least);
  parallel_for(n_categories, grain, [&](int64_t begin, int64_t end) {
    Sorter sorter;
    Vector<int32_t> seen(dets.n_images, 0);
    for (int64_t k = begin; k < end; ++k) {
      const int64_t first = order.splits[k], n = order.splits[k + 1] - first;
      const int32_t* images = image.get() + first;
      int64_t at = first;
      for (int64_t i = 0; i < n; ++i) seen[images[i]] = 0;
      for (const uint64_t item : sorter.sort(key.get() + first, n)) {
        const auto place = static_cast<uint32_t>(item);
        const int32_t rank = seen[images[place]]++;
        if (rank >= max_det) continue;
        order.rank[at] = rank;
        order.index[at++] = index[first + place];
      }
      kept[k] = at - first;
    }
  });
  int64_t filled = 0;
  for (int64_t k = 0; k < n_categories; ++k) {  // close the gaps that the cut left
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

void find_outside(const AreaProblem& p, uint8_t* out) {
  constexpr int64_t kHeld = 512;
  parallel_for(p.n, kRowsAtOnce, [&](int64_t begin, int64_t end) {
    double held[kHeld];
    for (int64_t n; begin < end; begin += n) {
      n = std::min(kHeld, end - begin);
      for (int64_t i = 0; i < n; ++i) held[i] = p.area[p.index == nullptr ? begin + i : p.index[begin + i]];
      for (int64_t a = 0; a < p.n_areas; ++a) {
        const double low = p.ranges[2 * a], high = p.ranges[2 * a + 1];
        uint8_t* row = out + a * p.n + begin;
        for (int64_t i = 0; i < n; ++i) row[i] = host::outside_range(held[i], low, high);
      }
    }
  });
}

}  // namespace tamis
