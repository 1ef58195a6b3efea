// Rows by cells, and each of these by bisection, 2-means of the codes, until a part lies in one panel.
#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "core/parallel.hpp"
#include "core/vector.hpp"
#include "knn/knn.hpp"
#include "knn/knn_table.hpp"

namespace tamis {
namespace {

constexpr int64_t kLeast = 32, kSample = 512;  // rows looked at to find a direction:
constexpr int64_t kShare = 8;                  // one of so many
constexpr int kRounds = 3;                     // of 2-means on them
constexpr int64_t kFew = 16;                   // rows of which the farthest begins
constexpr int64_t kAtOnce = 512;               // rows projected at once
constexpr int64_t kLeastShare = 8;             // no side of a cut has less than one of so many
constexpr int64_t kLarge = 1 << 16;            // rows of a part that all threads cut together

struct Random {  // xorshift: the order only has to be good, and the same every time
  uint64_t state;
  int64_t below(int64_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<int64_t>(state % static_cast<uint64_t>(n));
  }
};

class Bisection {
 public:
  Bisection(const KnnCodes& codes, Vector<int64_t>& order)
      : bytes_(codes.row(0)), stride_(codes.padded), width_(codes.width), order_(order), projected_(order.size()) {}

  // The first nodes are those of the parts.
  Vector<KnnTree::Node> run(const Vector<KnnRange>& parts) {
    Vector<KnnTree::Node> nodes;
    for (const auto& [begin, end] : parts) nodes.push_back({begin, end, -1, -1, 0, {}});
    for (int64_t level = 0, end = nodes.size(); level < end; level = end, end = nodes.size()) {
      Vector<int64_t> middles(end - level);
      const auto is_large = [&](int64_t i) { return nodes[i].end - nodes[i].begin > kLarge; };
      for (int64_t i = level; i < end; ++i)
        if (is_large(i)) middles[i - level] = split(nodes[i], true);
      parallel_for(end - level, 1, [&](int64_t b, int64_t e) {
        for (int64_t i = level + b; i < level + e; ++i)
          if (!is_large(i)) middles[i - level] = split(nodes[i], false);
      });
      for (int64_t i = level; i < end; ++i) {
        if (nodes[i].direction.empty()) continue;
        const int64_t begin = nodes[i].begin, middle = middles[i - level], last = nodes[i].end;
        nodes[i].left = nodes.size();
        nodes[i].right = nodes[i].left + 1;
        nodes.push_back({begin, middle, -1, -1, 0, {}});
        nodes.push_back({middle, last, -1, -1, 0, {}});
      }
    }
    return nodes;
  }

 private:
  using Projected = std::pair<float, int64_t>;

  // Where a part is cut of which so many rows are on the left: between panels, so that few of them have rows of two
  // clusters.
  static int64_t middle_of(const KnnTree::Node& node, int64_t left) {
    const int64_t n = node.end - node.begin, least = n / kLeastShare;
    const int64_t panels = (node.begin + std::clamp(left, least, n - least) + kKnnPanel / 2) / kKnnPanel;
    return std::clamp(panels, node.begin / kKnnPanel + 1, (node.end - 1) / kKnnPanel) * kKnnPanel;
  }
  KnnCodeRows rows_of(const Vector<int64_t>& rows) const { return {bytes_, stride_, width_, rows.data(), rows.size()}; }

  // From a random row and the farthest of a few, 2-means on a sample; the line between the two centres, and the
  // place on it between them.
  std::pair<Vector<float>, double> direction_of(const KnnTree::Node& node) const {
    const int64_t n = node.end - node.begin, sample = std::clamp(n / kShare, kLeast, kSample);
    Random random{88172645463325252ull + static_cast<uint64_t>(node.begin) * 2654435761ull + static_cast<uint64_t>(n)};
    for (int i = 0; i < 8; ++i) random.below(2);
    const auto pick = [&] { return order_[node.begin + random.below(n)]; };
    const uint8_t* near = bytes_ + pick() * stride_;
    Vector<int64_t> picked(kFew);
    for (int64_t& row : picked) row = pick();
    Vector<int32_t> far(kFew);
    distances_of_codes(rows_of(picked), near, far.data());
    const auto farthest = std::max_element(far.begin(), far.end()) - far.begin();
    const uint8_t* other = bytes_ + picked[farthest] * stride_;
    Vector<float> direction(width_);
    double split = 0;
    for (int64_t k = 0; k < width_; ++k) {
      direction[k] = static_cast<float>(other[k] - near[k]);
      split += static_cast<double>(direction[k]) * (near[k] + 0.5 * static_cast<double>(direction[k]));
    }
    Vector<float> projected(sample);
    Vector<int32_t> low(width_), high(width_);
    for (int round = 0; round < kRounds; ++round) {
      picked.resize(sample);
      for (int64_t& row : picked) row = pick();
      project_codes(rows_of(picked), direction.data(), projected.data());
      Vector<int64_t> above;
      int64_t n_low = 0;
      for (int64_t i = 0; i < sample; ++i) {
        if (static_cast<double>(projected[i]) > split)
          above.push_back(picked[i]);
        else
          picked[n_low++] = picked[i];
      }
      picked.resize(n_low);
      if (n_low == 0 || above.empty()) break;
      std::fill(low.begin(), low.end(), 0);
      std::fill(high.begin(), high.end(), 0);
      add_codes(rows_of(picked), low.data());
      add_codes(rows_of(above), high.data());
      split = 0;
      for (int64_t k = 0; k < width_; ++k) {
        const double a = low[k] / static_cast<double>(n_low), b = high[k] / static_cast<double>(above.size());
        direction[k] = static_cast<float>(b - a);
        split += 0.5 * (b * b - a * a);
      }
    }
    return {std::move(direction), split};
  }

  // Puts the rows of a part on the two sides of the place where it is cut, and returns that.
  int64_t split(KnnTree::Node& node, bool in_parallel) {
    if (node.begin / kKnnPanel + 1 > (node.end - 1) / kKnnPanel) return node.end;
    double between = 0;
    std::tie(node.direction, between) = direction_of(node);
    const auto project = [&](int64_t begin, int64_t end) {
      float products[kAtOnce];
      for (int64_t first = node.begin + begin; first < node.begin + end; first += kAtOnce) {
        const int64_t* rows = order_.data() + first;
        const int64_t n = std::min(kAtOnce, node.begin + end - first);
        project_codes({bytes_, stride_, width_, rows, n}, node.direction.data(), products);
        for (int64_t i = 0; i < n; ++i) projected_[first + i] = {products[i], rows[i]};
      }
    };
    if (in_parallel)
      parallel_for(node.end - node.begin, 4096, project);
    else
      project(0, node.end - node.begin);
    const auto at = [&](int64_t i) { return projected_.begin() + i; };
    const int64_t left = std::count_if(at(node.begin), at(node.end),
                                       [&](const Projected& row) { return static_cast<double>(row.first) <= between; });
    const int64_t middle = middle_of(node, left);
    std::nth_element(at(node.begin), at(middle), at(node.end));
    node.split = static_cast<double>(projected_[middle].first);
    for (int64_t i = node.begin; i < node.end; ++i) order_[i] = projected_[i].second;
    return middle;
  }

  const uint8_t* bytes_;
  int64_t stride_, width_;
  Vector<int64_t>& order_;
  Vector<Projected> projected_;
};

}  // namespace

int64_t KnnTree::place_of(const uint8_t* code, int64_t cell) const {
  const int64_t itself = 0;
  int64_t at = cell;
  while (nodes[at].left >= 0) {
    const Node& node = nodes[at];
    const int64_t width = node.direction.size();
    float product;
    project_codes({code, 0, width, &itself, 1}, node.direction.data(), &product);
    at = (static_cast<double>(product) >= node.split ? node.right : node.left);
  }
  return (nodes[at].begin + nodes[at].end) / 2;
}

Vector<int64_t> KnnTree::cell_ends() const {
  Vector<int64_t> all;
  if (cells.count() > 0) all.push_back(0);
  for (int64_t c = 0; c < cells.count(); ++c) all.push_back(nodes[c].end);
  std::sort(all.begin(), all.end());
  return all;
}

KnnTree order_codes(const KnnCodes& codes, const KnnCodeKernels& kernels, Vector<int64_t>& order) {
  KnnTree tree;
  const int64_t n = order.size();
  tree.cells.find(codes, n, kernels);
  Vector<KnnRange> parts = {{0, n}};
  if (tree.cells.count() > 0) {
    Vector<int64_t> cell(n);
    tree.cells.nearest(codes.row(0), n, kernels, cell.data());
    parts = group_rows(cell, tree.cells.chain(), order);
  }
  tree.nodes = Bisection(codes, order).run(parts);
  return tree;
}

}  // namespace tamis
