#include <algorithm>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "zcore/zcore.hpp"

namespace tamis {

template <class T>
void zcore_settle(const T* distances, int64_t draws, int64_t m, const ZcoreRule& rule, T* limit, T* nearest,
                  double* share) {
  const double unit = host::zcore_weight_unit(rule.neighbours);
  parallel_for(draws, 16, [&](int64_t begin, int64_t end) {
    Vector<T> values(m);
    Steps steps;
    for (int64_t i = begin; i < end; ++i) {
      steps.took(m);
      const T* from = distances + i * m;
      const auto last = std::copy_if(from, from + m, values.begin(), [](T v) { return v >= 0; });
      const auto rank = values.begin() + rule.neighbours - 1;
      TAMIS_CHECK(rank < last, "zcore_settle: distances must have as many as there are neighbours");
      std::nth_element(values.begin(), rank, last);
      nearest[i] = *std::min_element(values.begin(), rank + 1);
      limit[i] = nearest[i] > 0 ? *rank : 0;
      int64_t sum = 0;  // of no meaning where the nearest is at the same place
      for (auto v = values.begin(); nearest[i] > 0 && v <= rank; ++v)
        sum += host::zcore_rounded(
            host::zcore_weight(static_cast<double>(nearest[i]), static_cast<double>(*v), rule.exponent) * unit);
      share[i] = nearest[i] > 0 ? static_cast<double>(kZcoreUnit) / (static_cast<double>(sum) / unit) : 0;
    }
  });
}

template void zcore_settle(const float*, int64_t, int64_t, const ZcoreRule&, float*, float*, double*);
template void zcore_settle(const double*, int64_t, int64_t, const ZcoreRule&, double*, double*, double*);

}  // namespace tamis
