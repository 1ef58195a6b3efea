#include "label_mistakes/label_mistakes.hpp"

#include <cmath>
#include <limits>

#include "core/parallel.hpp"

namespace tamis {
namespace {

constexpr int64_t kAtOnce = 1 << 16;

double term(double p) {
  if (p > 0) return -p * std::log(p);
  return p == 0 ? 0 : p < 0 ? -std::numeric_limits<double>::infinity() : p;
}

}  // namespace

template <class T>
void entropy_terms(const T* p, int64_t n, T* out) {
  parallel_for(n, kAtOnce, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = static_cast<T>(term(double(p[i])));
  });
}

template void entropy_terms(const float*, int64_t, float*);
template void entropy_terms(const double*, int64_t, double*);

}  // namespace tamis
