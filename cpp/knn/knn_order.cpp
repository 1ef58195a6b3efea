// Bisection of the rows by 2-means directions of their codes, until a part is one block.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/parallel.hpp"
#include "knn/knn_table.hpp"

namespace tamis {
namespace {

constexpr int64_t kSample = 512;  // rows looked at to find a direction
constexpr int kRounds = 3;        // of 2-means on them

struct Random {  // xorshift: the order only has to be good, and the same every time
  uint64_t state;
  int64_t below(int64_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<int64_t>(state % static_cast<uint64_t>(n));
  }
};

float dot(const uint8_t* code, const float* direction, int64_t width) {
  float lanes[8] = {};
  int64_t k = 0;
  for (; k + 8 <= width; k += 8)
    for (int l = 0; l < 8; ++l) lanes[l] += static_cast<float>(code[k + l]) * direction[k + l];
  for (; k < width; ++k) lanes[0] += static_cast<float>(code[k]) * direction[k];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

class Bisection {
 public:
  Bisection(const uint8_t* bytes, int64_t stride, int64_t width, std::vector<int64_t>& order)
      : bytes_(bytes), stride_(stride), width_(width), order_(order), projected_(order.size()) {}

  KnnTree run() {
    KnnTree tree;
    tree.nodes.push_back({0, static_cast<int64_t>(order_.size()), -1, -1, 0, {}});
    for (size_t level = 0, end = 1; level < end; level = end, end = tree.nodes.size()) {
      const bool few = end - level < 2 * static_cast<size_t>(num_threads());
      if (few)
        for (size_t i = level; i < end; ++i) split(tree.nodes[i], true);
      else
        parallel_for(static_cast<int64_t>(end - level), 1, [&](int64_t b, int64_t e) {
          for (int64_t i = b; i < e; ++i) split(tree.nodes[level + static_cast<size_t>(i)], false);
        });
      for (size_t i = level; i < end; ++i) {
        if (tree.nodes[i].direction.empty()) continue;
        const int64_t begin = tree.nodes[i].begin, middle = middle_of(tree.nodes[i]), last = tree.nodes[i].end;
        tree.nodes[i].left = static_cast<int64_t>(tree.nodes.size());
        tree.nodes[i].right = tree.nodes[i].left + 1;
        tree.nodes.push_back({begin, middle, -1, -1, 0, {}});
        tree.nodes.push_back({middle, last, -1, -1, 0, {}});
      }
    }
    return tree;
  }

 private:
  using Projected = std::pair<float, int64_t>;

  static int64_t middle_of(const KnnTree::Node& node) {
    const int64_t n = node.end - node.begin, unit = n > kKnnBlock ? kKnnBlock : kKnnPanel;
    return node.begin + ((n + unit - 1) / unit + 1) / 2 * unit;  // whole blocks on the left, below that whole panels
  }
  const uint8_t* code(int64_t row) const { return bytes_ + row * stride_; }

  // From a random row and the farthest of a few, 2-means on a sample; the line between the two centres.
  std::vector<float> direction_of(const KnnTree::Node& node) const {
    const int64_t n = node.end - node.begin;
    Random random{88172645463325252ull + static_cast<uint64_t>(node.begin) * 2654435761ull + static_cast<uint64_t>(n)};
    for (int i = 0; i < 8; ++i) random.below(2);
    const auto pick = [&] { return code(order_[static_cast<size_t>(node.begin + random.below(n))]); };
    const size_t w = static_cast<size_t>(width_);
    const uint8_t* near = pick();
    std::vector<float> direction(w), low(w), high(w);
    float best = -1;
    for (int i = 0; i < 16; ++i) {
      const uint8_t* other = pick();
      float far = 0;
      for (size_t k = 0; k < w; ++k) far += static_cast<float>((other[k] - near[k]) * (other[k] - near[k]));
      if (far <= best) continue;
      best = far;
      for (size_t k = 0; k < w; ++k) direction[k] = static_cast<float>(other[k] - near[k]);
    }
    double split = 0;
    for (size_t k = 0; k < w; ++k)
      split +=
          static_cast<double>(direction[k]) * (static_cast<double>(near[k]) + 0.5 * static_cast<double>(direction[k]));
    for (int round = 0; round < kRounds; ++round) {
      std::fill(low.begin(), low.end(), 0.f);
      std::fill(high.begin(), high.end(), 0.f);
      int64_t n_low = 0, n_high = 0;
      for (int64_t i = 0; i < std::min(n / 2, kSample); ++i) {
        const uint8_t* c = pick();
        const bool above = static_cast<double>(dot(c, direction.data(), width_)) > split;
        (above ? n_high : n_low) += 1;
        std::vector<float>& sum = above ? high : low;
        for (size_t k = 0; k < w; ++k) sum[k] += static_cast<float>(c[k]);
      }
      if (n_low == 0 || n_high == 0) break;
      split = 0;
      for (size_t k = 0; k < w; ++k) {
        const float a = low[k] / static_cast<float>(n_low), b = high[k] / static_cast<float>(n_high);
        direction[k] = b - a;
        split +=
            0.5 * (static_cast<double>(b) * static_cast<double>(b) - static_cast<double>(a) * static_cast<double>(a));
      }
    }
    return direction;
  }

  void split(KnnTree::Node& node, bool in_parallel) {
    if (node.end - node.begin <= kKnnPanel) return;
    node.direction = direction_of(node);
    const auto project = [&](int64_t begin, int64_t end) {
      for (int64_t i = node.begin + begin; i < node.begin + end; ++i) {
        const int64_t row = order_[static_cast<size_t>(i)];
        projected_[static_cast<size_t>(i)] = {dot(code(row), node.direction.data(), width_), row};
      }
    };
    if (in_parallel)
      parallel_for(node.end - node.begin, 4096, project);
    else
      project(0, node.end - node.begin);
    const auto at = [&](int64_t i) { return projected_.begin() + i; };
    const int64_t middle = middle_of(node);
    std::nth_element(at(node.begin), at(middle), at(node.end));
    node.split = static_cast<double>(projected_[static_cast<size_t>(middle)].first);
    for (int64_t i = node.begin; i < node.end; ++i)
      order_[static_cast<size_t>(i)] = projected_[static_cast<size_t>(i)].second;
  }

  const uint8_t* bytes_;
  int64_t stride_, width_;
  std::vector<int64_t>& order_;
  std::vector<Projected> projected_;
};

}  // namespace

int64_t KnnTree::place_of(const uint8_t* code) const {
  size_t at = 0;
  while (nodes[at].left >= 0) {
    const Node& node = nodes[at];
    const bool above = static_cast<double>(
                           dot(code, node.direction.data(), static_cast<int64_t>(node.direction.size()))) >= node.split;
    at = static_cast<size_t>(above ? node.right : node.left);
  }
  return (nodes[at].begin + nodes[at].end) / 2;
}

KnnTree order_codes(const uint8_t* bytes, int64_t stride, int64_t width, std::vector<int64_t>& order) {
  return Bisection(bytes, stride, width, order).run();
}

}  // namespace tamis
