#include <cmath>

#include "core/parallel.hpp"
#include "zcore/zcore.hpp"

namespace tamis {
namespace {

constexpr int64_t kFewColumns = 64;  // of a draw: looked through one by one

// As host::random_columns, with a mark for each column taken; all marks are 0 before and after.
void many_columns(uint64_t seed, int64_t draw, int64_t k, int64_t d, int32_t* out, Vector<uint8_t>& taken) {
  for (int64_t j = 0; j < k; ++j) {
    const int64_t last = d - k + j, pick = host::random_below(host::random_word(seed, draw, j), last + 1);
    out[j] = static_cast<int32_t>(taken[pick] != 0 ? last : pick);
    taken[out[j]] = 1;
  }
  for (int64_t j = 0; j < k; ++j) taken[out[j]] = 0;
}

}  // namespace

void zcore_draws(const ZcoreSpan& span, uint64_t seed, int64_t first, int64_t draws, int64_t k, int32_t* dims,
                 double* points) {
  parallel_for(draws, 1024, [&](int64_t begin, int64_t end) {
    Vector<uint8_t> taken(k > kFewColumns ? span.d : 0);
    Steps steps;
    for (int64_t i = begin; i < end; ++i) {
      steps.took(8 * k);
      if (k > kFewColumns)
        many_columns(seed, first + i, k, span.d, dims + i * k, taken);
      else
        host::random_columns(seed, first + i, k, span.d, dims + i * k);
      for (int64_t j = 0; j < k; ++j) {
        const int32_t column = dims[i * k + j];
        const double share = host::unit_interval(host::random_word(seed, first + i, k + j));
        points[i * k + j] = host::triangular(span.low[column], span.median[column], span.high[column], share);
      }
    }
  });
}

void zcore_start(uint64_t seed, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = host::unit_interval(host::random_word(seed, -1 - i, 0));
}

}  // namespace tamis
