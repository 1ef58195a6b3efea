// The scan once more, for CPUs that can compress bytes (AVX-512 VBMI2): survivors are written without a branch.
#define TAMIS_ISA vbmi2
#include "zcore/zcore_scan.hpp"

namespace tamis::vbmi2 {

void zcore_scan(const ZcoreCodes& tile, const ZcoreDraws& draws, const ZcoreSurvivors& survivors) {
  scan(tile, draws, survivors);
}

}  // namespace tamis::vbmi2
