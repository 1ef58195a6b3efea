// How likely a label, and a place, is wrong, operation by operation as in Brain.
#pragma once
#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

TAMIS_HD double mistaken_label(bool correct, double certain) { return ((correct ? -1.0 : 1.0) * certain + 1.0) / 2.0; }

TAMIS_HD double mistaken_place(double iou, double certain, double least_iou) {
  const double far = (1.0 / (1.0 - least_iou)) * (1.0 - iou);
  return (certain * ((2.0 * far) - 1.0) + 1.0) / 2.0;
}

}  // namespace tamis::TAMIS_ISA
