#include "zcore/zcore.hpp"

#include <algorithm>

#include "zcore/zcore_slice.hpp"

namespace tamis {

void cap_zcore_log(int64_t bytes) { log_bytes = bytes; }

template <class T>
ZcoreRun<T>::ZcoreRun(const ZcoreTable<T>& table, const ZcoreRule& rule, int64_t k)
    : table_(table), rule_(rule), k_(k) {
  for (int i = 0; i < num_threads(); ++i) workers_.push_back(std::make_unique<ZcoreWorker<T>>(table, k));
}

template <class T>
ZcoreRun<T>::~ZcoreRun() = default;

template <class T>
int64_t ZcoreRun<T>::slice() const {
  const int64_t threads = workers_.size();
  const int64_t wanted = std::min(rule_.neighbours, table_.n() - 1);
  const int64_t bytes = (3 * wanted + 256 * threads) * (k_ + 1) * static_cast<int64_t>(sizeof(T));  // mostly less
  return std::clamp(log_bytes / bytes, kFewestDraws, kMostDraws);
}

// visit(first draw, Slice) slice by slice.
template <class T>
template <class Visit>
void ZcoreRun<T>::each_slice(const int32_t* dims, const double* points, int64_t draws, int64_t wanted,
                             const Visit& visit) {
  for (int64_t begin = 0; begin < draws; begin += slice()) {
    Slice one(*this, dims + begin * k_, points + begin * k_, std::min(slice(), draws - begin), wanted);
    visit(begin, one);
  }
}

template <class T>
void ZcoreRun<T>::add(const int32_t* dims, const double* points, int64_t draws) {
  const int64_t wanted = std::min(rule_.neighbours, table_.n() - 1);
  each_slice(dims, points, draws, wanted, [](int64_t, Slice& one) { one.score(); });
}

template <class T>
void ZcoreRun<T>::nearest(const int32_t* dims, const double* points, int64_t draws, int64_t* rows) {
  each_slice(dims, points, draws, 0, [&](int64_t first, Slice& one) { one.find(rows + first); });
}

template <class T>
void ZcoreRun<T>::around(const int32_t* dims, const double* places, const int64_t* own, int64_t draws, T* out) {
  const int64_t most = rule_.neighbours;
  each_slice(dims, places, draws, std::min(most, table_.n()),
             [&](int64_t first, Slice& one) { one.list(own + first, most, out + first * most); });
}

template <class T>
void ZcoreRun<T>::apply_penalty(const int32_t* dims, const double* places, const int64_t* own, int64_t draws,
                                const ZcorePrices<T>& prices) {
  each_slice(dims, places, draws, rule_.neighbours, [&](int64_t first, Slice& one) {
    one.apply_penalty(own + first,
                      {prices.limit + first, prices.nearest + first, prices.share + first, prices.ties + first});
  });
}

template <class T>
void ZcoreRun<T>::write(int64_t* sums) const {
  std::fill_n(sums, table_.n(), int64_t(0));
  for (const auto& worker : workers_)
    for (int64_t i = 0; i < table_.n(); ++i) sums[i] += worker->sums[i];
}

template class ZcoreRun<float>;
template class ZcoreRun<double>;

}  // namespace tamis
