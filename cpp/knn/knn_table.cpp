#include "knn/knn_table.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/pages.hpp"
#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kChunk = 256;      // rows encoded at a time
constexpr int64_t kMeasured = 4096;  // rows the code steps are taken from

double norm_of(const float* v, int64_t n) {
  double lanes[8] = {};  // one sum would wait for itself
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int64_t l = 0; l < 8; ++l) lanes[l] += static_cast<double>(v[i + l]) * static_cast<double>(v[i + l]);
  for (; i < n; ++i) lanes[0] += static_cast<double>(v[i]) * static_cast<double>(v[i]);
  return std::sqrt(std::accumulate(lanes, lanes + 8, 0.0));
}

// The norm outside the basis, and how far rounding may put it off.
struct Rest {
  double norm, lost;
};
Rest rest_of(double norm, double inside) {
  const double squares = std::max(0.0, norm * norm - inside * inside);
  const double rest = std::sqrt(squares), error = 2 * kFloatSlack * norm * norm;
  return {rest, error == 0 ? 0 : error / std::max(rest, std::sqrt(error))};
}

// Mixes rows in place; what the first filter sees of them goes to `inside`.
void mix(const KnnPlan& plan, float* z, int64_t n, float* inside) {
  const int64_t d = plan.mean.size(), width = plan.inside();
  if (!plan.basis.empty()) project_rows(z, n, d, plan.basis.data(), width, inside);
  mix_rows(z, n, d);
  for (int64_t i = 0; i < n && plan.leading > 0; ++i) std::copy_n(z + i * d, width, inside + i * width);
}

float largest(const Vector<float>& v, int64_t begin, int64_t end) {
  float most = 0;
  for (int64_t i = begin; i < end; ++i) most = std::max(most, v[i]);
  return most;
}

template <class T>
void permute_column(Vector<T>& column, const Vector<int64_t>& order) {
  Vector<T> moved(column.size());
  for (int64_t i = 0; i < order.size(); ++i) moved[i] = column[order[i]];
  column = std::move(moved);
}

}  // namespace

void KnnCodes::prepare(int64_t n, int64_t coordinates) {
  width = coordinates;
  padded = (coordinates + 63) / 64 * 64;
  bytes = make_aligned<uint8_t>((n + kKnnRowStep) * padded);  // tiles read past the last row
  prefer_huge_pages(bytes.get(), static_cast<size_t>((n + kKnnRowStep) * padded));
  std::memset(bytes.get() + n * padded, 0, static_cast<size_t>(kKnnRowStep * padded));
  sum.resize(n);
  squares.resize(n);
  lost.resize(n);
}

void KnnCodes::permute(const Vector<int64_t>& order) {
  permute_column(sum, order);
  permute_column(squares, order);
  permute_column(lost, order);
  const int64_t n = order.size();
  Vector<uint8_t> held(padded);
  Vector<char> done(n);
  Steps steps;
  for (int64_t start = 0; start < n; ++start) {  // along the cycles, so that no second table is needed
    if (done[start] != 0) continue;
    std::copy_n(row(start), padded, held.data());
    int64_t at = start;
    for (;;) {
      done[at] = 1;
      steps.took(padded / 16 + 1);
      const int64_t from = order[at];
      if (from == start) break;
      std::copy_n(row(from), padded, bytes.get() + at * padded);
      at = from;
    }
    std::copy_n(held.data(), padded, bytes.get() + at * padded);
  }
}

int64_t KnnTable::block_size(int64_t block) const { return std::min(kKnnBlock, rows.n - block * kKnnBlock); }

void KnnTable::measure(const KnnPlan& plan, int32_t bias) {
  const auto step_of = [&](float most) { return most > 0 ? most / static_cast<float>(bias - 1) : 1.0f; };
  const int64_t d = rows.d, inside = plan.inside();
  const int64_t n = std::min(rows.n, kMeasured);
  Vector<int64_t> which(n);
  for (int64_t i = 0; i < n; ++i) which[i] = i * rows.n / n;
  Vector<float> z(n * d), p(n * inside);
  centre_rows(rows, which.data(), 0, n, {plan.mean.data(), plan.gain}, z.data());
  Vector<double> rest(n);
  float most = 0;
  mix(plan, z.data(), n, p.data());
  if (inside > 0) {
    for (int64_t i = 0; i < n; ++i) rest[i] = rest_of(norm_of(&z[i * d], d), norm_of(&p[i * inside], inside)).norm;
    rest_mean = std::accumulate(rest.begin(), rest.end(), 0.0) / static_cast<double>(n);
    for (const double r : rest) most = std::max(most, static_cast<float>(std::abs(r - rest_mean)));
    for (const float v : p) most = std::max(most, std::abs(v));
    prefix.step = step_of(most);
  }
  most = 0;
  for (const float v : z) most = std::max(most, std::abs(v));
  full.step = step_of(most);
}

void KnnTable::measure_like(const KnnTable& other) {
  full.step = other.full.step;
  prefix.step = other.prefix.step;
  rest_mean = other.rest_mean;
}

void KnnTable::encode_rows(const KnnPlan& plan, int32_t bias, int64_t begin, int64_t end) {
  const int64_t d = rows.d, inside = plan.inside();
  const auto round = [&](KnnCodes& codes, const float* v, int64_t at, double also_lost) {
    KnnRounded rounded;
    round_row(v, codes.width, codes.padded, codes.step, bias, codes.bytes.get() + at * codes.padded, &rounded);
    codes.sum[at] = rounded.sum;
    codes.squares[at] = rounded.squares;
    codes.lost[at] = lost_of(rounded, also_lost);
  };
  Vector<float> z(kChunk * d), p(kChunk * prefix.width), coordinates(prefix.width);
  Vector<double> size(kChunk);
  for (int64_t at = begin; at < end; at += kChunk) {
    const int64_t n = std::min(kChunk, end - at);
    centre_rows(rows, nullptr, at, n, {plan.mean.data(), plan.gain}, z.data());
    for (int64_t i = 0; i < n; ++i) size[i] = norm_of(&z[i * d], d);
    mix(plan, z.data(), n, p.data());
    for (int64_t i = 0; i < n; ++i) {
      norm[at + i] = static_cast<float>(size[i] * 1.000001);
      round(full, &z[i * d], at + i, kFloatSlack * static_cast<double>(norm[at + i]));
      if (prefix.width == 0) continue;
      const float* projected = &p[i * inside];
      const Rest rest = rest_of(size[i], norm_of(projected, inside));
      std::copy(projected, projected + inside, coordinates.begin());
      coordinates[inside] = static_cast<float>(rest.norm - rest_mean);
      round(prefix, coordinates.data(), at + i, rest.lost + kFloatSlack * size[i]);
    }
  }
}

void KnnTable::encode(const KnnPlan& plan, int32_t bias) {
  order.resize(rows.n);
  std::iota(order.begin(), order.end(), int64_t{0});
  norm.resize(rows.n);
  if (!plan.codes) return;
  full.prepare(rows.n, rows.d);
  if (plan.has_prefix()) prefix.prepare(rows.n, plan.inside() + 1);
  parallel_for(rows.n, 4 * kChunk, [&](int64_t begin, int64_t end) { encode_rows(plan, bias, begin, end); });
}

void KnnTable::permute(const KnnPlan& plan) {
  permute_column(norm, order);
  full.permute(order);
  if (plan.has_prefix()) prefix.permute(order);
}

void KnnTable::reorder(const KnnPlan& plan, const KnnCodeKernels& kernels, KnnTree* tree) {
  *tree = order_codes(first(plan), kernels, order);
  permute(plan);
}

void KnnTable::reorder_by(const KnnPlan& plan, const KnnCodeKernels& kernels, const KnnTree& tree,
                          Vector<int64_t>& place) {
  const KnnCodes& codes = first(plan);
  place.resize(rows.n);
  if (tree.cells.count() > 0) tree.cells.nearest(codes.row(0), rows.n, kernels, place.data());
  parallel_for(rows.n, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) place[i] = tree.place_of(codes.row(i), place[i]);
  });
  Steps steps;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    steps.took(1);
    return place[a] < place[b];
  });
  permute_column(place, order);
  permute(plan);
}

void KnnTable::finish(const KnnPlan& plan, const KnnCodeKernels& kernels) {
  if (!plan.codes) {  // floats need the norms only
    parallel_for(rows.n, kChunk, [&](int64_t begin, int64_t end) {
      Vector<float> z((end - begin) * rows.d);
      centre_rows(rows, order.data() + begin, 0, end - begin, {plan.mean.data(), plan.gain}, z.data());
      for (int64_t i = begin; i < end; ++i)
        norm[i] = static_cast<float>(norm_of(&z[(i - begin) * rows.d], rows.d) * 1.000001);
    });
  }
  for (int64_t b = 0; b < blocks(); ++b) {
    const int64_t begin = b * kKnnBlock, end = begin + block_size(b);
    block_norm.push_back(largest(norm, begin, end));
    if (plan.codes) full.block_lost.push_back(largest(full.lost, begin, end));
    if (plan.has_prefix()) prefix.block_lost.push_back(largest(prefix.lost, begin, end));
  }
  if (plan.codes && plan.ordered && plan.metric == KnnMetric::squared_distance)
    centres.find(*this, first(plan), kernels);
}

}  // namespace tamis
