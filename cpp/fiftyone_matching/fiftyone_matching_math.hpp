// One pair of boxes, and one detection's choice among its candidates.
#pragma once
#include <cstdint>

#include "core/hd.hpp"

namespace tamis::TAMIS_ISA {

struct Candidate {
  int32_t gt;  // by input index
  double iou;
};

// False where R-tree would not find the pair. Boxes are xywh; the order of operations is Python's.
TAMIS_HD bool fiftyone_touch(const double* d, const double* g) {
  return !(d[0] > g[0] + g[2] || g[0] > d[0] + d[2] || d[1] > g[1] + g[3] || g[1] > d[1] + d[3]);
}

TAMIS_HD double fiftyone_iou(const double* d, const double* g, bool crowd) {
  const double dx = d[0] + d[2], dy = d[1] + d[3], gx = g[0] + g[2], gy = g[1] + g[3];
  const double w = (dx < gx ? dx : gx) - (d[0] > g[0] ? d[0] : g[0]);
  const double h = (dy < gy ? dy : gy) - (d[1] > g[1] ? d[1] : g[1]);
  if (w <= 0 || h <= 0) return 0;
  const double inter = h * w, area = d[3] * d[2];
  const double all = crowd ? area : area + g[3] * g[2] - inter;
  if (all == 0) return 0;
  const double iou = inter / all;
  return iou < 1 ? iou : 1;
}

// Open Images rounds to ten digits.
TAMIS_HD double rounded(double iou) { return static_cast<double>(static_cast<int64_t>(iou * 1e10 + 0.5)) / 1e10; }

// What the rules ask about a candidate.
struct Standing {
  const uint8_t* crowd;  // by input index
  const int32_t* label;
  const int32_t* taken;  // detection or -1
};

// The candidate (by place) that a detection of `label` takes at threshold t, or -1.
TAMIS_HD int64_t choose_coco(const Candidate* c, int64_t n, double t, int32_t label, const Standing& s) {
  int64_t best = -1;
  double most = t;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t g = c[i].gt;
    const bool crowd = s.crowd[g] != 0;
    if (!crowd && s.taken[g] >= 0) continue;
    if (crowd && s.label[g] != label) continue;
    if (crowd && best >= 0 && !s.crowd[c[best].gt]) break;
    if (c[i].iou < most) continue;
    most = c[i].iou;
    best = i;
  }
  return best;
}

TAMIS_HD int64_t choose_open_images(const Candidate* c, int64_t n, double t, int32_t label, const Standing& s) {
  int64_t best = -1;
  double most = t, most_taken = t;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t g = c[i].gt;
    const bool crowd = s.crowd[g] != 0;
    if (!crowd && s.taken[g] >= 0) {
      if (!(c[i].iou > most_taken)) continue;
      most_taken = c[i].iou;
      if (!(c[i].iou > most)) continue;
      best = -1;
      most = t;
      continue;
    }
    if (crowd && s.label[g] != label) continue;
    if (crowd && best >= 0 && !s.crowd[c[best].gt]) break;
    if (most == 1) break;
    if (c[i].iou < most) continue;
    most = c[i].iou;
    best = i;
  }
  return best >= 0 && most_taken > most && !s.crowd[c[best].gt] ? -1 : best;
}

}  // namespace tamis::TAMIS_ISA
