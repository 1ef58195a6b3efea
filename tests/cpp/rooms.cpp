// A few rooms against what their headers say, without Python: what sanitizers run over in seconds.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "duplicates/duplicates.hpp"
#include "knn/knn_cuda.hpp"
#include "knn/knn_fine.hpp"
#include "knn/knn_search.hpp"
#include "mask_iou/mask_iou.hpp"

namespace {

std::vector<double> numbers(size_t n, double low, double high, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> of(low, high);
  std::vector<double> out(n);
  for (double& value : out) value = of(random);
  return out;
}

double box_iou(const double* a, const double* b) {  // xyxy
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  const double common = std::max(w, 0.0) * std::max(h, 0.0);
  const auto area = [](const double* box) { return (box[2] - box[0]) * (box[3] - box[1]); };
  return common / (area(a) + area(b) - common);
}

}  // namespace

TEST_CASE("knn: neighbours are those of all pairs, by floats and by codes") {
  constexpr int64_t kRows = 300, kWidth = 20, kNearest = 4;
  const std::vector<double> x = numbers(kRows * kWidth, -1, 1, 0);
  tamis::KnnRows rows;
  rows.f64 = x.data();
  rows.n = kRows;
  rows.d = kWidth;
  for (const bool codes : {false, true}) {
    tamis::KnnPlan plan;
    plan.mean.assign(kWidth, 0.0);
    plan.codes = plan.ordered = codes;
    tamis::KnnSearch search(std::make_shared<tamis::KnnIndex>(rows, plan), {}, kNearest, 0.0);
    search.run();
    std::vector<double> keys(kRows * kNearest);
    std::vector<int64_t> indices(kRows * kNearest);
    search.write_neighbours(keys.data(), indices.data());
    for (int64_t i = 0; i < kRows; ++i) {
      std::vector<std::pair<double, int64_t>> all;
      for (int64_t j = 0; j < kRows; ++j) {
        double key = 0;
        for (int64_t k = 0; k < kWidth; ++k) {
          const double apart = x[static_cast<size_t>(i * kWidth + k)] - x[static_cast<size_t>(j * kWidth + k)];
          key += apart * apart;
        }
        if (j != i) all.emplace_back(key, j);
      }
      std::sort(all.begin(), all.end());
      for (int64_t k = 0; k < kNearest; ++k) {
        const auto at = static_cast<size_t>(i * kNearest + k);
        CHECK(indices[at] == all[static_cast<size_t>(k)].second);
        CHECK(keys[at] == doctest::Approx(all[static_cast<size_t>(k)].first));
      }
    }
  }
}

TEST_CASE("knn: rows that lie apart are left out, and no neighbour with them") {
  constexpr int64_t kClusters = 40, kEach = 200, kRows = kClusters * kEach, kWidth = 16, kNearest = 3;
  const std::vector<double> centres = numbers(kClusters * kWidth, -10, 10, 1),
                            spread = numbers(kRows * kWidth, -1, 1, 2);
  std::vector<double> x(spread);
  for (size_t i = 0; i < x.size(); ++i) x[i] += centres[i / kWidth % kClusters * kWidth + i % kWidth];
  tamis::KnnRows rows;
  rows.f64 = x.data();
  rows.n = kRows;
  rows.d = kWidth;
  const auto keys_by = [&](bool ordered, double* left_out) {
    tamis::KnnPlan plan;
    plan.mean.assign(kWidth, 0.0);
    plan.codes = true;
    plan.ordered = ordered;
    tamis::KnnSearch search(std::make_shared<tamis::KnnIndex>(rows, plan), {}, kNearest, 0.0);
    search.run();
    *left_out = search.left_out();
    std::pair<std::vector<double>, std::vector<int64_t>> found(kRows * kNearest, kRows * kNearest);
    search.write_neighbours(found.first.data(), found.second.data());
    return found;
  };
  double none = 0, most = 0;
  CHECK(keys_by(true, &most) == keys_by(false, &none));
  CHECK(none == 0);
  CHECK(most > 0.9);
}

TEST_CASE("knn: distances in 16 bits are off by less than what they say") {
  constexpr int64_t kRows = 100, kWidth = 21;
  const std::vector<double> x = numbers(kRows * kWidth, -1, 1, 3);
  tamis::KnnRows rows;
  rows.f64 = x.data();
  rows.n = kRows;
  rows.d = kWidth;
  tamis::KnnPlan plan;
  plan.mean.assign(kWidth, 0.1);
  plan.gain = 3;
  plan.codes = true;
  const tamis::KnnIndex index(rows, plan);
  const float step = tamis::KnnFine::step_for(index.x, {});
  REQUIRE(step > 0);
  tamis::KnnFine fine;
  fine.begin(index.x, 0, kRows);
  std::vector<float> z(kWidth);
  for (int64_t i = 0; i < kRows; ++i) fine.make(index.x, index.plan, step, i, z.data());
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kRows; ++j) {
      double squares = 0;
      for (int64_t k = 0; k < kWidth; ++k) {
        const double apart = x[static_cast<size_t>(i * kWidth + k)] - x[static_cast<size_t>(j * kWidth + k)];
        squares += apart * apart;
      }
      const uint32_t pair = static_cast<uint32_t>(i << 16 | j);
      int32_t dot = 0;
      tamis::fine_dots({fine.row(0), fine.row(0), fine.padded(), &pair, 1}, &dot);
      const double steps = std::sqrt(fine.squares(i) + fine.squares(j) - 2.0 * dot);
      const double lost = fine.lost(i) + fine.lost(j);
      CHECK(std::abs(steps * static_cast<double>(step) - plan.gain * std::sqrt(squares)) <= lost);
      CHECK(lost < 2e-3);
    }
}

TEST_CASE("knn: bounds in float32 are above the keys, however small or large these are") {
  constexpr int64_t kRows = 60, kWidth = 37;
  const std::vector<double> drawn = numbers(kRows * kWidth, -1, 1, 4);
  std::vector<float> x(drawn.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / kWidth;
    x[i] = static_cast<float>(drawn[i] * std::pow(10.0, row % 4 == 3 ? -22 : row % 4 == 2 ? 18 : 0));
    if (row % 5 == 1) x[i] = x[i - kWidth];
  }
  std::vector<double> scale(kRows), offset(kWidth, 0.125);
  std::vector<float> rounded(kWidth, 0.125f);
  std::vector<int64_t> left, right;
  for (int64_t i = 0; i < kRows * kRows; ++i) {
    left.push_back(i / kRows);
    right.push_back(i % kRows);
  }
  for (const bool scaled : {false, true}) {
    tamis::KnnRows rows;
    rows.f32 = x.data();
    rows.n = kRows;
    rows.d = kWidth;
    if (scaled) {
      for (int64_t i = 0; i < kRows; ++i) {  // unit rows
        double squares = 0;
        for (int64_t k = 0; k < kWidth; ++k)
          squares += std::pow(static_cast<double>(x[static_cast<size_t>(i * kWidth + k)]) - 0.125, 2);
        scale[static_cast<size_t>(i)] = 1 / std::sqrt(squares);
      }
      rows.scale = scale.data();
      rows.offset = offset.data();
      rows.rounded = rounded.data();
    }
    std::vector<double> keys(left.size()), most(left.size());
    const tamis::KnnKeyPairs pairs{rows,         rows,          left.data(),
                                   right.data(), kRows * kRows, tamis::KnnMetric::squared_distance};
    tamis::exact_keys(pairs, keys.data());
    tamis::keys_at_most(pairs, most.data());
    double widest = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      CHECK(most[i] >= keys[i]);
      if (keys[i] > 1e-6 && keys[i] < 1e6) widest = std::max(widest, most[i] / keys[i]);
    }
    CHECK(widest < 1.01);
  }
}

TEST_CASE("knn_cuda: a score's bounds hold the distance, and none that may be near is below the least") {
  using namespace tamis::host;
  constexpr int64_t kWidth = 32;
  std::mt19937 random(5);
  const auto vectors = numbers(2 * 400 * kWidth, -1, 1, 6);
  for (int64_t i = 0; i < 400; ++i) {
    const double scale = std::ldexp(1.0, static_cast<int>(i % 11) - 5);  // also far more and less than their distance
    ScoreRow rows[2] = {};
    double square = 0, product = 0;
    std::vector<double> exact[2], halves[2];
    for (int64_t k = 0; k < kWidth; ++k) {
      const auto at = static_cast<size_t>(2 * (i * kWidth + k));
      exact[0].push_back(vectors[at] * 4);
      exact[1].push_back(exact[0].back() + vectors[at + 1] * scale);
    }
    for (int side = 0; side < 2; ++side) {
      double norm = 0, lost = 0;
      for (const double v : exact[side]) {
        halves[side].push_back(static_cast<double>(half_value(half_bits(static_cast<float>(v)))));
        norm += halves[side].back() * halves[side].back();
        lost += (halves[side].back() - v) * (halves[side].back() - v);
      }
      rows[side] = {0.5 * norm, std::sqrt(norm) * (1 + 1e-6), std::sqrt(lost) * (1 + 1e-6)};
    }
    for (size_t k = 0; k < exact[0].size(); ++k) {
      square += (exact[0][k] - exact[1][k]) * (exact[0][k] - exact[1][k]);
      product += halves[0][k] * halves[1][k];
    }
    const ScoreColumn column = score_column(rows[1], kWidth, false);
    const float score = static_cast<float>(product) - column.half;
    const float far = farthest(rows[0], column, score, kWidth, false);
    CHECK(far >= std::sqrt(square));
    CHECK(far <= std::sqrt(square) * (1 + 1e-5) + 2 * (rows[0].lost + rows[1].lost) + 0.02 * rows[0].norm);
    for (const double reach : {std::sqrt(square), 0.9 * std::sqrt(square), 1.1 * std::sqrt(square)}) {
      const ScoreLimit limit = limit_of_reach(rows[0], reach, kWidth, false);
      if (reach >= std::sqrt(square)) CHECK(may_be_near(score, column, limit));
      // the least score by this column's own errors, and by greater ones of others
      if (may_be_near(score, column, limit)) {
        CHECK(score > least_score(limit, column.lost, column.slack));
        CHECK(score > least_score(limit, 2 * column.lost, 3 * column.slack));
      }
    }
  }
}

TEST_CASE("knn_cuda: a table has a place of its own for each number, and slices of tiles are whole pieces") {
  using namespace tamis::cuda;
  constexpr int64_t kRows = 2 * kKnnTile, kWidth = 3 * kKnnSlice;
  std::vector<bool> taken(kRows * kWidth);
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t k = 0; k < kWidth; ++k) {
      const int64_t at = place_in_table(row, k, kWidth);
      CHECK(!taken.at(static_cast<size_t>(at)));
      taken[static_cast<size_t>(at)] = true;
      const int64_t piece = kKnnTile * kKnnSlice;  // of a tile
      CHECK(at / piece == row / kKnnTile * (kWidth / kKnnSlice) + k / kKnnSlice);
    }
}

TEST_CASE("mask_iou: masks come back from their text, and IoU counts pixels") {
  constexpr int64_t kMasks = 3, kHeight = 9, kWidth = 7, kPixels = kHeight * kWidth;
  std::vector<uint8_t> pixels;  // column by column
  for (const double value : numbers(kMasks * kPixels, 0, 1, 1)) pixels.push_back(value < 0.4 ? 1 : 0);
  const tamis::MaskTexts made = tamis::encode_masks({pixels.data(), kMasks, kHeight, kWidth, false, false});
  const std::vector<int64_t> size = {kHeight, kWidth, kHeight, kWidth, kHeight, kWidth};
  const tamis::Masks masks{kMasks, made.text.data(), made.splits.data(), size.data()};
  std::vector<uint8_t> back(pixels.size());
  CHECK(tamis::decode_masks(masks, back.data(), kMasks * kPixels));
  CHECK(back == pixels);
  const std::vector<int64_t> whole = {0, kMasks};
  std::vector<double> iou(kMasks * kMasks);
  tamis::mask_iou_batched({masks, masks, nullptr, 1, nullptr, whole.data(), nullptr, whole.data(), nullptr, -1.0},
                          iou.data());
  for (int64_t a = 0; a < kMasks; ++a)
    for (int64_t b = 0; b < kMasks; ++b) {
      int both = 0, either = 0;
      for (int64_t i = 0; i < kPixels; ++i) {
        const bool left = pixels[static_cast<size_t>(a * kPixels + i)] != 0;
        const bool right = pixels[static_cast<size_t>(b * kPixels + i)] != 0;
        both += left && right;
        either += left || right;
      }
      CHECK(iou[static_cast<size_t>(a * kMasks + b)] == static_cast<double>(both) / either);
    }
}

TEST_CASE("duplicates: the later box of every pair over the threshold, and the first it repeats") {
  constexpr int64_t kBoxes = 200;
  std::vector<double> boxes = numbers(4 * kBoxes, 0, 10, 2);
  for (size_t i = 0; i < boxes.size(); i += 4) {
    boxes[i + 2] += boxes[i] + 20;
    boxes[i + 3] += boxes[i + 1] + 20;
  }
  const std::vector<int64_t> splits = {0, 120, kBoxes};
  const auto found = tamis::find_duplicate_boxes({tamis::DuplicateMethod::simple, 0.6,
                                                  tamis::BoxRows<double>{tamis::BoxFormat::xyxy, boxes.data()}, 2,
                                                  splits.data(), nullptr, nullptr, nullptr});
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < kBoxes; ++i) {
    const int64_t first = i < 120 ? 0 : 120;
    bool repeats = false;
    for (int64_t j = first; j < i; ++j)
      repeats |= box_iou(&boxes[static_cast<size_t>(4 * j)], &boxes[static_cast<size_t>(4 * i)]) > 0.6;
    if (repeats) rows.push_back(i);
  }
  CHECK(rows.size() > 20);
  CHECK(std::equal(rows.begin(), rows.end(), found.row.begin(), found.row.end()));
}
