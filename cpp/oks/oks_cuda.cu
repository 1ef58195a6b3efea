#include "core/cuda.hpp"
#include "oks/oks_cuda.hpp"
#include "oks/oks_math.hpp"

namespace tamis::cuda {
namespace {

using namespace tamis::host;

__global__ void __launch_bounds__(kThreads) oks_kernel(DeviceOksPairs p, double* __restrict__ out) {
  const int64_t i = thread_number();
  if (i >= p.n) return;
  const Pair pair = p.pairs.at(i);
  const int64_t k = p.n_keypoints;
  OksTerms terms{p.det + pair.a * k * p.det_numbers,
                 p.gt + pair.b * k * 3,
                 p.gt_boxes + 4 * pair.b,
                 p.variances,
                 p.gt_area[pair.b],
                 k,
                 p.det_numbers};
  const int64_t n = terms.count();
  out[i] = pairwise_sum([&] { return exp(terms.next()); }, n) / static_cast<double>(n);
}

}  // namespace

void oks(const DeviceOksPairs& pairs, double* out, cudaStream_t stream) {
  launch({"oks", blocks_for(pairs.n, kThreads), stream}, oks_kernel, pairs, out);
}

}  // namespace tamis::cuda
