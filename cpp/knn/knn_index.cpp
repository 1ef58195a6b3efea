#include "knn/knn_index.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.hpp"

namespace tamis {
namespace {

template <class T>
int64_t size_of(const Vector<T>& v) {
  return v.size() * int64_t{sizeof(T)};
}

bool within(const Vector<int32_t>& v, int64_t begin, int64_t end, int64_t least, int64_t most) {
  return std::all_of(v.begin() + begin, v.begin() + end, [&](int32_t x) { return x >= least && x <= most; });
}

bool are_sizes(const Vector<float>& v) {
  return std::all_of(v.begin(), v.end(), [](float x) { return x >= 0 && x < 1e30f; });
}

bool is_permutation_of_rows(const Vector<int64_t>& order, int64_t n) {
  Vector<char> seen(n);
  for (const int64_t row : order) {
    if (row < 0 || row >= n || seen[row] != 0) return false;
    seen[row] = 1;
  }
  return order.size() == n;
}

// A walk from a cell ends within the rows: children come after their parent. The first nodes are those of the cells.
bool is_tree(const KnnParts& p, int64_t n, int64_t width) {
  const int64_t nodes = p.splits.size();
  int64_t parents = 0;
  if (p.nodes.size() != 4 * nodes) return false;
  for (int64_t i = 0; i < nodes; ++i) {
    const int64_t* node = &p.nodes[4 * i];
    const bool leaf = node[2] < 0 && node[3] < 0;
    if (node[0] < 0 || node[0] > node[1] || node[1] > n) return false;
    if (!leaf && (node[2] <= i || node[3] <= i || node[2] >= nodes || node[3] >= nodes)) return false;
    parents += !leaf;
  }
  const int64_t padded = (width + 63) / 64 * 64, cells = p.cells.size() / padded;
  int64_t last = 0;
  if (cells * padded != p.cells.size() || cells > nodes) return false;
  for (int64_t i = 0; i < cells; ++i) last = std::max(last, p.nodes[4 * i + 1]);
  return p.directions.size() == parents * width && (cells == 0 || last == n);
}

// One kind of codes out of the columns of both, `at` rows in.
void take_codes(KnnCodes& codes, const KnnParts& p, const uint8_t* bytes, int64_t size, int64_t n, int64_t width,
                double step, int64_t at) {
  codes.width = width;
  codes.padded = (width + 63) / 64 * 64;
  codes.step = static_cast<float>(step);
  codes.mapped = bytes;
  const int64_t most = p.bias - 1;
  TAMIS_CHECK(size == (n + kKnnRowStep) * codes.padded && codes.step > 0 && codes.step < 1e30f &&
                  within(p.sum, at, at + n, -most * width, most * width) &&
                  within(p.squares, at, at + n, 0, most * most * width),
              "KnnIndex: codes do not fit x");
  const auto part = [&](const auto& column) {
    return std::remove_cvref_t<decltype(column)>(column.begin() + at, column.begin() + at + n);
  };
  codes.sum = part(p.sum);
  codes.squares = part(p.squares);
  codes.lost = part(p.lost);
}

}  // namespace

KnnIndex::KnnIndex(const KnnRows& rows, KnnPlan how) : plan(std::move(how)), kernels(knn_code_kernels()) {
  begin(rows);
  build();
}

KnnIndex::KnnIndex(const KnnRows& rows, KnnPlan how, KnnParts&& parts)
    : plan(std::move(how)), kernels(knn_code_kernels()) {
  begin(rows);
  if (plan.codes && parts.bias == kernels.bias)
    take(std::move(parts));
  else
    build();
}

void KnnIndex::begin(const KnnRows& rows) {
  x.rows = rows;
  if (rows.offset == nullptr || rows.f64 != nullptr) return;
  double lost = 0;
  for (int64_t k = 0; k < rows.d; ++k) {
    rounded.push_back(static_cast<float>(rows.offset[k]));
    const double off = rows.offset[k] - static_cast<double>(rounded.back());
    lost += off * off;
  }
  x.rows.rounded = rounded.data();
  x.rows.lost = std::sqrt(lost) * 1.000001;
}

void KnnIndex::build() {
  if (plan.codes) x.measure(plan, kernels.bias);
  x.encode(plan, kernels.bias);
  if (plan.codes && plan.ordered) x.reorder(plan, kernels, &tree);
  x.cells = tree.cell_ends();
  x.finish(plan, kernels);
}

void KnnIndex::take(KnnParts&& p) {
  const int64_t n = x.n(), d = x.rows.d, inside = plan.inside();
  const int64_t kinds = inside > 0 ? 2 : 1, first = inside > 0 ? inside + 1 : d;
  const auto rows = [&](const auto& column) { return column.size(); };
  TAMIS_CHECK(rows(p.numbers) == 3 && std::isfinite(p.numbers[2]) && rows(p.norm) == n && rows(p.sum) == kinds * n &&
                  rows(p.squares) == kinds * n && rows(p.lost) == kinds * n && are_sizes(p.norm) && are_sizes(p.lost) &&
                  is_permutation_of_rows(p.order, n) && p.splits.empty() == !plan.ordered && is_tree(p, n, first),
              "KnnIndex: parts do not fit x");
  take_codes(x.full, p, p.full, p.full_size, n, d, p.numbers[0], 0);
  if (inside > 0) take_codes(x.prefix, p, p.prefix, p.prefix_size, n, inside + 1, p.numbers[1], n);
  x.rest_mean = p.numbers[2];
  x.order = std::move(p.order);
  x.norm = std::move(p.norm);
  if (!p.cells.empty()) {
    KnnMeans means;
    const int64_t padded = (first + 63) / 64 * 64, cells = p.cells.size() / padded;
    means.prepare(cells, first, p.bias);
    for (int64_t c = 0; c < cells; ++c) means.set_row(c, &p.cells[c * padded]);
    tree.cells.use(std::move(means), cells);
  }
  auto direction = p.directions.begin();
  for (int64_t i = 0; i < p.splits.size(); ++i) {
    const int64_t* node = &p.nodes[4 * i];
    tree.nodes.push_back({node[0], node[1], node[2], node[3], p.splits[i], {}});
    if (node[2] < 0) continue;
    tree.nodes.back().direction.assign(direction, direction + first);
    direction += first;
  }
  x.cells = tree.cell_ends();
  x.finish(plan, kernels);
}

KnnParts KnnIndex::parts() const {
  KnnParts p;
  p.bias = kernels.bias;
  p.numbers = {static_cast<double>(x.full.step), static_cast<double>(x.prefix.step), x.rest_mean};
  p.order = x.order;
  p.norm = x.norm;
  for (const KnnCodes* codes : {&x.full, &x.prefix}) {
    append(p.sum, codes->sum);
    append(p.squares, codes->squares);
    append(p.lost, codes->lost);
  }
  for (const KnnTree::Node& node : tree.nodes) {
    append(p.nodes, {node.begin, node.end, node.left, node.right});
    p.splits.push_back(node.split);
    if (node.left >= 0) append(p.directions, node.direction);
  }
  const KnnMeans& means = tree.cells.means;
  p.cells.assign(means.rows.get(), means.rows.get() + tree.cells.count() * means.padded);
  const auto size = [&](const KnnCodes& codes) { return (x.n() + kKnnRowStep) * codes.padded; };
  p.full = x.full.row(0);
  p.full_size = size(x.full);
  p.prefix = x.prefix.row(0);
  p.prefix_size = size(x.prefix);
  return p;
}

int64_t KnnIndex::nbytes() const {
  int64_t all = size_of(x.order) + size_of(x.norm) + size_of(rounded) + size_of(plan.mean) + size_of(plan.basis);
  for (const KnnCodes* codes : {&x.full, &x.prefix})
    all += codes->padded * (x.n() + kKnnRowStep) + size_of(codes->sum) + size_of(codes->squares) + size_of(codes->lost);
  for (const KnnTree::Node& node : tree.nodes) all += static_cast<int64_t>(sizeof(node)) + size_of(node.direction);
  all += x.centres.nbytes() + tree.cells.means.nbytes();
  return all;
}

}  // namespace tamis
