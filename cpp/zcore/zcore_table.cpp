#include <algorithm>
#include <cmath>
#include <limits>

#include "core/pages.hpp"
#include "core/parallel.hpp"
#include "zcore/zcore.hpp"

namespace tamis {
namespace {

constexpr int64_t kPartBytes = 5 << 16;  // of x: a part and the next one stay in a cache of 2 MB
constexpr int64_t kTileBytes = 3 << 18;  // of codes: so do a tile and the next one
constexpr int64_t kMostHeight = 2048;
constexpr int64_t kExpected = 48;  // sampled rows among the neighbours of a row
constexpr int64_t kFewestSampled = 2048;
constexpr int64_t kMostSampled = 16384;  // or a 48th of the rows, if that is more
constexpr int64_t kJudged = 1024;        // sampled values that set the codes of a column

int64_t part_height(int64_t row_bytes) {
  return std::clamp<int64_t>(kPartBytes / row_bytes / 64, 1, kMostHeight / 64) * 64;
}

int64_t tile_height(int64_t part, int64_t d) {
  return std::clamp<int64_t>(kTileBytes / d / part, 1, kMostHeight / part) * part;
}

int64_t sample_size(int64_t n, int64_t neighbours) {
  const int64_t wanted = std::min(kExpected * n / neighbours, std::max(kMostSampled, n / kExpected));
  return std::min(n, std::max(kFewestSampled, wanted));
}

}  // namespace

template <class T>
ZcoreTable<T>::ZcoreTable(const T* x, int64_t n, int64_t d, int64_t neighbours)
    : x_(x),
      n_(n),
      d_(d),
      part_(part_height(d * static_cast<int64_t>(sizeof(T)))),
      height_(tile_height(part_, d)),
      sampled_(sample_size(n, neighbours)) {
  draw_sample();
  make_coding();
  encode();
  if (bad_ < 0) find_medians();
}

template <class T>
int64_t ZcoreTable<T>::sampled_row(int64_t i) const {
  return static_cast<int64_t>(static_cast<double>(i) * (static_cast<double>(n_) / static_cast<double>(sampled_)));
}

template <class T>
ZcoreTile<T> ZcoreTable<T>::tile(int64_t i) const {
  const int64_t first = i * height_;
  return {x_ + first * d_, codes_.get() + first * d_, first, std::min(height_, n_ - first), height_, part_, d_};
}

template <class T>
ZcoreCodes ZcoreTable<T>::codes(int64_t i) const {
  const ZcoreTile<T> t = tile(i);
  return {t.codes, i + 1 < tiles() ? t.codes + height_ * d_ : nullptr, t.n, height_, part_, d_};
}

template <class T>
void ZcoreTable<T>::draw_sample() {
  sample_.resize(static_cast<size_t>(sampled_ * d_));
  parallel_for(sampled_, 64, [&](int64_t begin, int64_t end) {
    constexpr int64_t kBlock = 16;
    for (int64_t column = 0; column < d_; column += kBlock)
      for (int64_t i = begin; i < end; ++i) {
        const T* row = x_ + sampled_row(i) * d_;
        for (int64_t j = column; j < std::min(d_, column + kBlock); ++j)
          sample_[static_cast<size_t>(j * sampled_ + i)] = row[j];
      }
  });
}

template <class T>
void ZcoreTable<T>::make_coding() {
  code_low_.resize(static_cast<size_t>(d_));
  code_inverse_.resize(static_cast<size_t>(d_));
  parallel_for(d_, 8, [&](int64_t begin, int64_t end) {
    std::vector<T> values;
    for (int64_t j = begin; j < end; ++j) {
      values.clear();
      const int64_t step = std::max<int64_t>(1, sampled_ / kJudged);
      for (int64_t i = 0; i < sampled_; i += step)
        if (std::isfinite(sample(j)[i])) values.push_back(sample(j)[i]);  // encode() finds those that are not
      if (values.empty()) values.push_back(T(0));
      const int64_t outer = static_cast<int64_t>(values.size()) / 512;
      const auto first = values.begin() + outer, last = values.end() - 1 - outer;
      std::nth_element(values.begin(), first, values.end());
      std::nth_element(first + (last > first), last, values.end());
      T inverse = static_cast<T>(kZcoreCodes) / (*last - *first);
      if (!(inverse > 0) || !std::isfinite(inverse)) inverse = 0;  // all have one code
      code_low_[static_cast<size_t>(j)] = *first;
      code_inverse_[static_cast<size_t>(j)] = inverse;
    }
  });
}

template <class T>
void ZcoreTable<T>::encode() {
  const size_t bytes = static_cast<size_t>(tiles() * height_ * d_);
  codes_ = make_aligned<uint8_t>(static_cast<int64_t>(bytes));
  prefer_huge_pages(codes_.get(), bytes);
  const size_t spans = static_cast<size_t>(tiles() * d_);
  std::vector<T> least(spans), most(spans);
  std::vector<int64_t> bad(static_cast<size_t>(tiles()), -1);
  const ZcoreCoding<T> coding{code_low_.data(), code_inverse_.data()};
  parallel_for(tiles(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      zcore_encode(tile(i), coding, codes_.get() + i * height_ * d_, least.data() + i * d_, most.data() + i * d_,
                   &bad[static_cast<size_t>(i)]);
  });
  for (const int64_t row : bad)
    if (row >= 0 && bad_ < 0) bad_ = row;
  low_.assign(static_cast<size_t>(d_), std::numeric_limits<double>::infinity());
  high_.assign(static_cast<size_t>(d_), -std::numeric_limits<double>::infinity());
  for (size_t i = 0; i < spans; ++i) {
    const size_t j = i % static_cast<size_t>(d_);
    low_[j] = std::min(low_[j], static_cast<double>(least[i]));
    high_[j] = std::max(high_[j], static_cast<double>(most[i]));
  }
  edges_.resize(static_cast<size_t>(d_ * (kZcoreCodes + 1)));
  slack_.resize(static_cast<size_t>(d_));
  for (size_t j = 0; j < static_cast<size_t>(d_); ++j) {
    double* edges = edges_.data() + j * (kZcoreCodes + 1);
    const double low = static_cast<double>(code_low_[j]), inverse = static_cast<double>(code_inverse_[j]);
    edges[0] = low_[j];
    for (int64_t q = 1; q <= kZcoreCodes; ++q) {
      const bool last = q == kZcoreCodes || !(inverse > 0);
      edges[q] = last ? high_[j] : std::clamp(low + static_cast<double>(q) / inverse, low_[j], high_[j]);
    }
    const double largest = std::max(std::fabs(low_[j]), std::fabs(high_[j]));
    const double width = inverse > 0 ? static_cast<double>(kZcoreCodes) / inverse : 0;
    slack_[j] = 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * width + 1e-15 * largest;
  }
}

template <class T>
int64_t ZcoreTable<T>::count_codes(int64_t column, uint8_t first, uint8_t last) const {
  int64_t count = 0;
  for (int64_t i = 0; i < tiles(); ++i)
    zcore_count_codes(tile(i).codes + column * height_, tile(i).n, first, last, &count);
  return count;
}

// The code of the row with this rank in a column, and how many rows have lower codes.
template <class T>
uint8_t ZcoreTable<T>::code_at(int64_t column, int64_t rank, int64_t* before) const {
  uint8_t code = 0;
  *before = 0;
  for (int step = 128; step > 0; step /= 2) {
    const int64_t lower = count_codes(column, 0, static_cast<uint8_t>(code + step - 1));
    if (lower > rank) continue;
    code = static_cast<uint8_t>(code + step);
    *before = lower;
  }
  return code;
}

// Of the rows with the code of the middle rows, few, the values are looked at.
template <class T>
void ZcoreTable<T>::find_medians() {
  median_.resize(static_cast<size_t>(d_));
  parallel_for(d_, 4, [&](int64_t begin, int64_t end) {
    std::vector<T> values;
    std::vector<uint32_t> rows(static_cast<size_t>(height_ + 64));
    for (int64_t j = begin; j < end; ++j) {
      const int64_t ranks[2] = {(n_ - 1) / 2, n_ / 2};
      int64_t before = 0, unused = 0;
      const uint8_t first = code_at(j, ranks[0], &before);
      const bool same = ranks[1] < before + count_codes(j, first, first);
      const uint8_t last = same ? first : code_at(j, ranks[1], &unused);
      values.clear();
      for (int64_t i = 0; i < tiles(); ++i) {
        const ZcoreTile<T> t = tile(i);
        int64_t count = 0;
        zcore_find_codes(t.codes + j * height_, t.n, first, last, rows.data(), &count);
        for (int64_t r = 0; r < count; ++r) values.push_back(t.rows[int64_t(rows[static_cast<size_t>(r)]) * d_ + j]);
      }
      double sum = 0;
      for (const int64_t rank : ranks) {
        std::nth_element(values.begin(), values.begin() + (rank - before), values.end());
        sum += 0.5 * static_cast<double>(values[static_cast<size_t>(rank - before)]);
      }
      median_[static_cast<size_t>(j)] = sum;
    }
  });
}

template class ZcoreTable<float>;
template class ZcoreTable<double>;

}  // namespace tamis
