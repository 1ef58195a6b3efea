// The filter of the device: scores from halves by tensor cores, and which of them a row must look at.
//
//   z = (y - centre) * gain, rounded to halves; half = |z|^2 / 2
//   score[i, j] = z[i] . z[j] - half[j]    # half[i] - score is half the squared distance; for products half is 0
//
// A row that knows k scores of at least T has k neighbours no farther than T implies, all errors against it; a score
// below the limit belongs to a row that is farther, all errors for it.
#pragma once
#include "core/bits.hpp"
#include "knn/knn_math.hpp"

namespace tamis::TAMIS_ISA {

constexpr float kNoLimit = -3e38f;     // any row's score is above it
constexpr float kNever = 3e38f;        // and below this
constexpr double kScoreNorm = 256;     // norms of z are made no larger
constexpr double kZeroRowKey = 2;      // of a row without direction and any other, by cosine

// What the filter knows of one row, and the largest of all rows it is compared with.
struct ScoreRow {
  double half, norm, lost;  // of the rounded z; what rounding took off
};
struct ScoreBounds {
  double norm, lost;
  int64_t width;  // products in a sum
};

// Products of halves are exact in float32. Tensor cores cut off terms beyond the 24th bit of the largest in a sum of
// 16; this is four times what that can come to, and covers the roundings of `half` and of the score.
TAMIS_HD double score_error(const ScoreRow& row, const ScoreBounds& all) {
  constexpr double kStep = 0x1p-22;
  return kStep * ((static_cast<double>(all.width) + 2) * row.norm * all.norm + row.norm * row.norm +
                  all.norm * all.norm);
}

TAMIS_HD float round_down(double limit) {
  const double size = limit < 0 ? -limit : limit;
  limit -= size * 2e-7 + 1e-30;
  return static_cast<float>(limit > static_cast<double>(kNoLimit) ? limit : static_cast<double>(kNoLimit));
}

// A row that looks no farther than `reach` in z.
TAMIS_HD float limit_of_reach(const ScoreRow& row, const ScoreBounds& all, double reach) {
  const double far = (reach + row.lost + all.lost) * (1 + 1e-6);
  return round_down(row.half - 0.5 * far * far - score_error(row, all));
}

// A row of which k other rows have scores of at least `score`.
TAMIS_HD float limit_of_score(const ScoreRow& row, const ScoreBounds& all, double score, bool dots) {
  const double error = score_error(row, all);
  if (dots)
    return round_down(score - 2 * (row.lost * all.norm + all.lost * (row.norm + row.lost) + error) * (1 + 1e-6));
  const double squared = 2 * (row.half - score + error);
  return limit_of_reach(row, all, __builtin_sqrt(squared > 0 ? squared : 0.0) + row.lost + all.lost);
}

// Rows stand in the table far from their neighbours in x, so that any piece of it is a fair sample: position p holds
// row p * step mod n, `step` without a common divisor with n < 2^32.
struct KnnOrder {
  uint64_t n, step;
  TAMIS_HD int64_t row(int64_t position) const {
    return static_cast<int64_t>(static_cast<uint64_t>(position) * step % n);
  }
};
inline KnnOrder knn_order(int64_t rows) {
  const uint64_t n = static_cast<uint64_t>(rows);
  for (uint64_t step = static_cast<uint64_t>(0.6180339887 * static_cast<double>(n)) | 1;; step += 2) {
    uint64_t a = n, b = step;
    while (b != 0) {
      const uint64_t rest = a % b;
      a = b;
      b = rest;
    }
    if (a == 1) return {n, step};
  }
}

// What is told of a key.
enum class KnnTold { key, root, half, negative };
TAMIS_HD double told(double key, KnnTold how) {
  return how == KnnTold::root   ? __builtin_sqrt(key)
         : how == KnnTold::half ? 0.5 * key
         : how == KnnTold::negative ? -key
                                    : key;
}

// One of the kKeyLanes sums of `exact_key`.
template <bool kDot, bool kScaled, class A, class B>
TAMIS_HD double key_lane(const A& a, const B& b, const float* offset, int64_t d, int64_t lane) {
  const float* from = kScaled ? offset : nullptr;
  double sum = 0;
  for (int64_t k = lane; k < d; k += kKeyLanes) {
    const double x = a.at(k, from), y = b.at(k, from);
    sum += kDot ? x * y : (x - y) * (x - y);
  }
  return sum;
}

}  // namespace tamis::TAMIS_ISA
