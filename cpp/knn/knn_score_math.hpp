// The filter on the device: float16 scores from tensor cores, and which pairs a row must examine.
//
//   z = (y - centre) * gain, rounded to float16; half = |z|^2 / 2
//   score[i, j] = z[i] . z[j] - half[j]    # half[i] - score is half the squared distance; for products half is 0
//
// From k scores follows an upper bound of the k-th neighbour distance (all errors added); a pair whose lower bound (all
// errors subtracted) exceeds it is skipped. Errors are bounded per row, so a single outlier does not loosen the bounds
// of others.
#pragma once
#include "core/bits.hpp"
#include "knn/knn_math.hpp"

namespace tamis::TAMIS_ISA {

constexpr float kNoLimit = -3e38f;  // any row's score is above it
constexpr float kNever = 3e38f;     // and below this
constexpr double kScoreNorm = 256;  // norms of z are made no larger
constexpr double kZeroRowKey = 2;   // of a row without direction and one that has one, by cosine

constexpr double kStep = 0x1p-22;  // of sums, see below

struct ScoreRow {
  double half, norm, lost;  // of the rounded z; what rounding took off
};
// The same of a row that others look for: a lowered half, how much it was lowered, and what a sum may be off for each
// unit of the other row's norm.
struct ScoreColumn {
  float half, gap, lost, slack;
};
template <class T>
TAMIS_HD T magnitude_of(T v) {
  return v < 0 ? -v : v;
}

// A score may belong to a neighbour if score + by_lost * lost + by_slack * slack > least.
struct ScoreLimit {
  float least, by_lost, by_slack;
};

TAMIS_HD bool may_be_near(float score, const ScoreColumn& other, const ScoreLimit& limit) {
  return score + limit.by_lost * other.lost + limit.by_slack * other.slack > limit.least;
}

// No score of a column that lost and slackened at most so much is near without being above it, roundings included.
TAMIS_HD float least_score(const ScoreLimit& limit, float most_lost, float most_slack) {
  const float errors = limit.by_lost * most_lost + limit.by_slack * most_slack;
  return limit.least - errors - 1e-6f * (magnitude_of(limit.least) + errors);
}

TAMIS_HD float round_down(double v) { return static_cast<float>(v - magnitude_of(v) * 2e-7 - 1e-30); }
TAMIS_HD float round_up(double v) { return static_cast<float>(v + magnitude_of(v) * 2e-7 + 1e-30); }

// Products of float16 are exact in float32. Tensor cores cut off terms beyond the 24th bit of the largest in a sum of
// 16; kStep for each product is four times what that can come to, and covers the roundings of halves and scores.
TAMIS_HD double sum_step(int64_t width) { return kStep * static_cast<double>(width + 2); }

TAMIS_HD ScoreColumn score_column(const ScoreRow& row, int64_t width, bool dots) {
  const float lost = round_up(row.lost), slack = round_up(sum_step(width) * row.norm);
  if (dots) return {0, 0, lost, slack};
  const double rounding = kStep * row.norm * row.norm;
  const float low = round_down(row.half - 0.5 * row.lost * row.lost - rounding);
  return {low, round_up(row.half - static_cast<double>(low) + rounding), lost, slack};
}

// For a product a row's own loss counts by the other's norm, which is that one's slack over the step.
TAMIS_HD double dot_by_slack(const ScoreRow& row, int64_t width) { return row.norm + row.lost / sum_step(width); }

// A row that looks no farther than `reach` in z, or than a negated product of it.
TAMIS_HD ScoreLimit limit_of_reach(const ScoreRow& row, double reach, int64_t width, bool dots) {
  if (dots)
    return {round_down(-reach), round_up((row.norm + row.lost) * (1 + 1e-6)),
            round_up(dot_by_slack(row, width) * (1 + 1e-6))};
  const double far = (reach + row.lost) * (1 + 1e-6);
  return {round_down(row.half - 0.5 * far * far - kStep * row.norm * row.norm), round_up(far), round_up(row.norm)};
}

// How far at most a row is from one that it has this score with; float32 where there are many, its roundings added.
TAMIS_HD float farthest(const ScoreRow& row, const ScoreColumn& other, float score, int64_t width, bool dots) {
  if (dots) {
    const double s = static_cast<double>(score), lost = static_cast<double>(other.lost);
    return round_up((row.norm + row.lost) * lost + dot_by_slack(row, width) * static_cast<double>(other.slack) - s +
                    magnitude_of(s) * 1e-6);
  }
  const float half = static_cast<float>(row.half), norm = static_cast<float>(row.norm);
  const float errors = static_cast<float>(kStep) * norm * norm + norm * other.slack + other.gap;
  const float roundings = 5e-7f * (magnitude_of(score) + half + errors);
  const float square = 2 * (half - score + errors + roundings);
  const float root = __builtin_sqrtf(square > 0 ? square : 0.0f);
  return (root + static_cast<float>(row.lost) + other.lost) * (1 + 2e-6f) + 1e-30f;
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

// What is returned of a key.
enum class KnnOutput { key, root, half, negative };
TAMIS_HD double output_of(double key, KnnOutput how) {
  return how == KnnOutput::root       ? __builtin_sqrt(key)
         : how == KnnOutput::half     ? 0.5 * key
         : how == KnnOutput::negative ? -key
                                      : key;
}

// One of the kKeyLanes sums of `exact_key`.
template <bool kDot, bool kScaled, class A, class B>
TAMIS_HD double key_lane(const A& a, const B& b, const double* offset, int64_t d, int64_t lane) {
  const double* from = kScaled ? offset : nullptr;
  double sum = 0;
  for (int64_t k = lane; k < d; k += kKeyLanes) {
    const double x = a.at(k, from), y = b.at(k, from);
    sum += kDot ? x * y : (x - y) * (x - y);
  }
  return sum;
}

}  // namespace tamis::TAMIS_ISA
