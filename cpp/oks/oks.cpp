#include "oks/oks.hpp"

#include <algorithm>
#include <vector>

#include "core/parallel.hpp"
#include "oks/oks_math.hpp"

namespace tamis {
namespace {

constexpr int64_t kRowsAtOnce = 256;
constexpr int64_t kTermsAtOnce = 1 << 19;  // 4 MB: still in the cache when they are summed
constexpr int64_t kExpAtOnce = 1 << 15;

int64_t at(const int64_t* index, int64_t i) { return index ? index[i] : i; }

// Detections first to last - 1 of a group, and where their terms and similarities begin.
struct Rows {
  int64_t group, first, last, term, pair;
};

// Blocks of rows, in order, so that the terms of any run of them lie together.
class Blocks {
 public:
  explicit Blocks(const OksPairs& pairs) : p(pairs), seen(size_t(pairs.gt_splits[pairs.n_groups])) {
    parallel_for(int64_t(seen.size()), 1 << 12, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const double* gt = p.gt + 3 * p.n_keypoints * at(p.gt_index, i);
        for (int64_t k = 0; k < p.n_keypoints; ++k) seen[size_t(i)] += gt[3 * k + 2] > 0;
      }
    });
    Rows next{};
    for (int64_t g = 0; g < p.n_groups; ++g) {
      int64_t terms = 0;
      for (int64_t i = p.gt_splits[g]; i < p.gt_splits[g + 1]; ++i) terms += count(i);
      for (int64_t i = p.det_splits[g]; i < p.det_splits[g + 1] && terms > 0; i += kRowsAtOnce) {
        next = {g, i, std::min(i + kRowsAtOnce, p.det_splits[g + 1]), next.term, next.pair};
        rows.push_back(next);
        next.term += (next.last - next.first) * terms;
        next.pair += (next.last - next.first) * (p.gt_splits[g + 1] - p.gt_splits[g]);
      }
    }
    end_term = next.term;
  }

  // Keypoints that count, of the ground truth at a place in group order.
  int64_t count(int64_t i) const { return seen[size_t(i)] > 0 ? seen[size_t(i)] : p.n_keypoints; }

  void write_terms(const Rows& block, double* to) const {
    for (int64_t d = block.first; d < block.last; ++d) {
      const double* det = p.det + 3 * p.n_keypoints * at(p.det_index, d);
      for (int64_t i = p.gt_splits[block.group]; i < p.gt_splits[block.group + 1]; ++i) {
        const int64_t gt = at(p.gt_index, i);
        oks_pair({p.gt + 3 * p.n_keypoints * gt, p.gt_boxes + 4 * gt, p.gt_area[gt], p.n_keypoints, seen[size_t(i)],
                  p.variances},
                 det, to);
        to += count(i);
      }
    }
  }

  void write_sums(const Rows& block, const double* from, double* to) const {
    for (int64_t d = block.first; d < block.last; ++d) {
      for (int64_t i = p.gt_splits[block.group]; i < p.gt_splits[block.group + 1]; ++i) {
        *to++ = host::pairwise_sum(from, count(i)) / static_cast<double>(count(i));
        from += count(i);
      }
    }
  }

  const OksPairs& p;
  std::vector<int64_t> seen;  // keypoints of each ground truth, in group order
  std::vector<Rows> rows;
  int64_t end_term = 0;
};

}  // namespace

void oks(const OksPairs& pairs, const std::function<void(double*, int64_t)>& exp, double* out) {
  const Blocks blocks(pairs);
  const auto n = blocks.rows.size();
  std::vector<double> terms;
  for (size_t first = 0, last = 0; first < n; first = last) {
    const int64_t start = blocks.rows[first].term;
    const auto end_of = [&](size_t i) { return i + 1 < n ? blocks.rows[i + 1].term : blocks.end_term; };
    for (last = first + 1; last < n && end_of(last) - start <= kTermsAtOnce;) ++last;
    const int64_t size = end_of(last - 1) - start;
    terms.resize(std::max(terms.size(), size_t(size)));
    const auto each = [&](const auto& f) {
      parallel_for(int64_t(last - first), 8, [&](int64_t begin, int64_t end) {
        for (size_t i = first + size_t(begin); i < first + size_t(end); ++i)
          f(blocks.rows[i], terms.data() + (blocks.rows[i].term - start));
      });
    };
    each([&](const Rows& block, double* at) { blocks.write_terms(block, at); });
    parallel_for(size, kExpAtOnce, [&](int64_t begin, int64_t end) { exp(terms.data() + begin, end - begin); });
    each([&](const Rows& block, const double* at) { blocks.write_sums(block, at, out + block.pair); });
  }
}

}  // namespace tamis
