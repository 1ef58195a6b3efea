#include "average_precision/average_precision.hpp"
#include "average_precision/average_precision_math.hpp"

namespace tamis::TAMIS_ISA {
namespace {

constexpr int64_t kBits = 64;

// Bit i is flags[i], 0 or 1; eight of them meet in the first byte of a product.
uint64_t packed(const uint8_t* flags) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < kBits / 8; ++i) {
    uint64_t eight = 0;
    for (int64_t j = 0; j < 8; ++j) eight |= static_cast<uint64_t>(flags[8 * i + j]) << 8 * j;
    bits |= (eight * 0x0102040810204080u >> 56) << 8 * i;
  }
  return bits;
}

// The bits of the word that stand for first to last - 1.
uint64_t within(int64_t word, int64_t first, int64_t last) {
  uint64_t mask = ~uint64_t{0};
  if (word == first / kBits) mask &= ~uint64_t{0} << first % kBits;
  if (word == (last - 1) / kBits) mask &= ~uint64_t{0} >> (kBits - 1 - (last - 1) % kBits);
  return mask;
}

int64_t ones(uint64_t bits) { return __builtin_popcountll(bits); }

}  // namespace

void mark_bits(const CurveProblem& p, const CurveBits& bits, int64_t first_word, int64_t last_word) {
  const int64_t words = (p.n_dets + kBits - 1) / kBits;
  uint8_t flags[kBits] = {};
  for (int64_t word = first_word; word < last_word; ++word) {
    const int64_t first = word * kBits, left = p.n_dets - first, n = left < kBits ? left : kBits;
    const auto pack = [&](uint64_t* to, const auto& flag) {
      if (n == kBits)
        for (int64_t i = 0; i < kBits; ++i) flags[i] = flag(first + i);
      else
        for (int64_t i = 0; i < kBits; ++i) flags[i] = i < n && flag(first + i);
      to[word] = packed(flags);
    };
    pack(bits.matched, [row = p.row](int64_t d) { return row[d] >= 0; });
    for (int64_t m = 0; m < p.n_max_dets; ++m)
      pack(bits.in_cap + m * words, [rank = p.rank, cap = p.max_dets[m]](int64_t d) { return rank[d] < cap; });
    for (int64_t a = 0; a < p.n_areas; ++a)
      pack(bits.outside + a * words, [outside = p.outside + a * p.n_dets](int64_t d) { return outside[d] != 0; });
  }
}

void count_bits(const uint64_t* bits, int64_t first, int64_t last, int64_t* n) {
  *n = 0;
  for (int64_t word = first / kBits; word * kBits < last; ++word) *n += ones(bits[word] & within(word, first, last));
}

void find_seen(const SeenProblem& p, Seen* seen, int64_t* found) {
  int64_t n = 0, unmatched_before = 0, i = 0;
  for (int64_t word = p.first / kBits; word * kBits < p.last; ++word) {
    const uint64_t part = within(word, p.first, p.last), in_cap = p.in_cap[word];
    const uint64_t unmatched = in_cap & ~p.outside[word] & ~p.matched[word] & part;
    for (uint64_t left = p.matched[word] & part; left != 0; left &= left - 1, ++i) {
      const uint64_t below = (left & (0 - left)) - 1, tp = p.verdicts[2 * i], ignored = p.verdicts[2 * i + 1];
      seen[n] = {tp, ignored, unmatched_before + ones(unmatched & below) + n, p.score[i]};
      n += (in_cap & (below + 1)) != 0 && (ignored & p.all) != p.all;
    }
    unmatched_before += ones(unmatched);
  }
  *found = n;
}

// Of the detections seen, those that are neither true positives nor ignored are false positives. Free of branches but
// for the loops, as nothing predicts them.
void trace(const Seen* seen, int64_t n, int64_t bit, const Trace& out, int64_t* found) {
  int64_t tps = 0, ignored = 0;
  int64_t* __restrict place = out.place;
  int64_t* __restrict fp = out.fp;
  double* __restrict precision = out.precision;
  for (int64_t i = 0; i < n; ++i) {
    fp[tps] = seen[i].before - tps - ignored;
    place[tps] = i;
    tps += static_cast<int64_t>(seen[i].tp >> bit & 1);
    ignored += static_cast<int64_t>(seen[i].ignored >> bit & 1);
  }
  for (int64_t i = 0; i < tps; ++i) precision[i] = precision_of(i + 1, fp[i]);
  double best = 0;
  for (int64_t i = tps - 1; i >= 0; --i) precision[i] = best = precision[i] > best ? precision[i] : best;
  *found = tps;
}

}  // namespace tamis::TAMIS_ISA
