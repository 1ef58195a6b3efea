// Masks as COCO run-length encoding, and their IoU, without ever drawing pixels.
//
//   counts = lengths of runs of 0, 1, 0, ... down the columns          # (h, w) pixels in Fortran order
//   ends = cumsum(counts); area = sum(counts[1::2])
//   inter(a, b) = sum over foreground runs of max(0, min(ends) - max(starts))
//   iou(a, b) = inter / (area_a if crowd_b else area_a + area_b - inter)
//   boundary = mask & ~erode(mask, ones((2 * dilation + 1,) * 2))      # outside of the image is background
//   polygon: outline at 5 times the size, kept where it crosses the middle of a pixel column, rounded to rows
//
// A mask is kept as COCO's compressed text: signed numbers, five bits a character from '0' on, least first; from the
// fourth on, a count is the difference to the one two before. This is half the memory of counts, and what files hold.
//
// Exact: the numbers of pycocotools 2.0.11, whatever the threads, also for runs of length zero, which end its walk
// early, and for counts that fall short of the image. Where it reads out of bounds or never returns (a number cut
// short, no counts, masks of other lengths, a coordinate that is NaN or beyond 2^27) std::invalid_argument is thrown.
// IoU is -1 for sizes that differ, and 0 without a walk where the bounding boxes do not touch.
// Cost: masks with few runs a column, of columns not many more than runs, are compared column by column, others by a
// step per foreground run of the pair.
// Memory: the runs of 256 rows and of all columns of a group, a thread; never by pixel.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/isa.hpp"
#include "core/vector.hpp"

namespace tamis {

struct Masks {
  int64_t n;
  const char* text;
  const int64_t* splits;  // (n + 1,) offsets into text
  const int64_t* size;    // (n, 2) height, width
};

struct MaskTexts {  // made here: n texts and their offsets
  std::string text;
  Vector<int64_t> splits{0};
  void end_mask() { splits.push_back(static_cast<int64_t>(text.size())); }
};

struct MaskMeasures {  // (n,) each but for bbox, (n, 4) x, y, w, h; null: not wanted
  uint32_t* area;
  double* bbox;
  int64_t* pixels;  // sum of the counts
};
void measure_masks(const Masks& masks, const MaskMeasures& out);

// One mask alone; false: its text is not that of counts.
bool measure_mask(std::string_view text, const int64_t (&size)[2], uint32_t& area, double (&bbox)[4]);

// The place of the first mask whose counts do not cover its image exactly or whose text is not that of counts, or -1.
int64_t first_bad_mask(const Masks& masks);

MaskTexts take_masks(const Masks& masks, const int64_t* index, int64_t n);

// n masks, each row after row or column after column. Every change of the byte ends a run, or only one from or to zero.
struct Pixels {
  const uint8_t* data;
  int64_t n, height, width;
  bool by_rows, nonzero;
};
MaskTexts encode_masks(const Pixels& pixels);
MaskTexts encode_counts(const uint32_t* counts, const int64_t* splits, int64_t n);
Vector<uint32_t> mask_counts(const Masks& masks, Vector<int64_t>& splits);

// Pixels one mask after the other into `size` bytes that are 0; false: there are more.
bool decode_masks(const Masks& masks, uint8_t* out, int64_t size);

// One mask for each group of masks, in both size and text; (0, 0) where sizes differ or the group is empty.
enum class MaskMerge { unite, intersect };
MaskTexts merge_masks(const Masks& masks, const int64_t* groups, int64_t n_groups, MaskMerge how, int64_t* size);

// What lies within `dilation` (n,) rows or columns, at least 1, of a pixel that is not in the mask. Cost: a few steps
// per run, and per column of as many as a square that fits into the mask has.
MaskTexts mask_boundaries(const Masks& masks, const int64_t* dilation);

// polygons: n lists of x, y, ...; an odd last number is ignored. size (n, 2) is that of each polygon's image.
// Cost: a step per column that an edge crosses; memory: by edges and by runs.
MaskTexts polygon_masks(const double* points, const int64_t* splits, int64_t n, const int64_t* size);

// Pairs of the same group: rows of `a` with columns of `b`. An index is null where the rows stand in group order.
struct MaskPairs {
  Masks a, b;
  const uint8_t* b_crowd;  // by row of b; null: none
  int64_t n_groups;
  const int64_t *a_index, *a_splits, *b_index, *b_splits;
  // as measure_masks gives them, by row of a: rows that touch nothing are not read. Null: unknown
  const double* a_boxes;
  double least;  // IoUs below it need not be told apart; -inf or NaN: all are wanted
};
// out: (rows, columns) of each group, consecutively.
void mask_iou_batched(const MaskPairs& pairs, double* out);

// A mask column by column: run k of column first + x has the rows top[k * n + x] to bottom[k * n + x].
struct MaskColumns {
  const int32_t *top, *bottom;
  int64_t first, n, layers;
};
TAMIS_KERNEL(common_pixels, (const MaskColumns& a, const MaskColumns& b, uint32_t* common), (a, b, common))

// Columns of pixels that lie row after row: from[y * step + x] to to[x * to_step + y].
struct RowPixels {
  const uint8_t* from;
  int64_t rows, step, columns;
};
TAMIS_KERNEL(gather_columns, (const RowPixels& pixels, uint8_t* to, int64_t to_step), (pixels, to, to_step))
// 1 for each byte that is not 0; `to` may be `from`.
TAMIS_KERNEL(flag_bytes, (const uint8_t* from, int64_t n, uint8_t* to), (from, n, to))

// A mask with fewer than 2^31 pixels and no empty run but perhaps the first, and the ends of its runs; `ends` has room
// for kSpareRuns more than the text has characters. n is -1 for any other mask, and where the processor lacks AVX2.
struct RegularMask {
  int64_t n;
  int64_t layers;  // no fewer than the most foreground runs in one column, and rarely more
  double box[4];   // x, y, w, h
  uint32_t area;
};
constexpr int64_t kSpareRuns = 32;
TAMIS_KERNEL(read_regular, (const char* at, const char* end, const int64_t* size, uint32_t* ends, RegularMask* out),
             (at, end, size, ends, out))

// The text of one mask's counts, for those who make texts of their own.
void append_counts(const uint32_t* counts, int64_t n, std::string& out);

}  // namespace tamis
