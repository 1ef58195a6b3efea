"""COCO evaluation on columns: what `DetectionEvaluator` and `tamis.coco.COCOeval` both run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.ragged import Groups, Similarity, runs


@dataclass
class Detections:
    """Columns of length n; `image` and `category` are positions, -1 leaves the row out."""

    image: Array  # int32
    category: Array  # int32
    boxes: Array | None  # (n, 4) float64 xywh; None: matched by another similarity
    scores: Array  # float64
    area: Array  # any float: compared with the area ranges in its own precision
    claims: Array | None = None  # uint8, 0: a match leaves the ground truth free


@dataclass
class Targets:
    """Columns of length m."""

    image: Array
    category: Array
    boxes: Array | None
    crowd: Array  # uint8
    area: Array
    counts: Array | None = None  # uint8, 0: a match to it counts as none
    ignore: Array | None = None  # uint8; None: the crowds


@dataclass
class MatchTable:
    """All matches at every threshold and area range; sparse, as most detections match nothing."""

    index: Array  # (kept,) detections by category, then descending score
    rank: Array  # (kept,) place by score within image and category
    splits: Array  # (K + 1,) bounds of each category
    row: Array  # (kept,) -1: matches nothing; else entries first[row] to first[row + 1]
    first: Array
    gt: Array  # (entries,) a ground truth that the detection matches
    at: Array  # (entries, A, words) uint64: at which thresholds, as bits
    n_thresholds: int
    gt_ignore: Array  # (A, m) uint8
    outside: Array  # (A, kept) uint8: the detection's own area is out of range
    n_regular: Array  # (K, A) ground truths that are not ignored

    def one(self, level: int) -> MatchTable:
        """The matches at one threshold in the first area range."""
        bits = self.at[:, :1, level // 64] >> np.uint64(level % 64) & np.uint64(1)
        return replace(
            self, at=bits[:, :, None], n_thresholds=1, gt_ignore=self.gt_ignore[:1],
            outside=self.outside[:1], n_regular=np.ascontiguousarray(self.n_regular[:, :1]),
        )  # fmt: skip

    def dense(self, area: int, n_dets: int) -> Array:
        """(T, n_dets) matches of one area range for all detections, -1 for none."""
        return self._spread(area, self.row, self.index, n_dets)

    def matches_of(self, area: int, kept: slice) -> Array:
        """(T, n) matches of n kept detections, -1 for none."""
        row = self.row[kept]
        return self._spread(area, row, np.arange(len(row)), len(row))

    def _spread(self, area: int, row: Array, place: Array, n: int) -> Array:
        """(T, n): the matches of each row at its place."""
        out = np.full((self.n_thresholds, n), -1, np.int64)
        matched = row >= 0
        start = self.first[row[matched]]
        count = self.first[row[matched] + 1] - start
        entries = runs(start, count)
        det, gt, at = np.repeat(place[matched], count), self.gt[entries], self.at[entries, area]
        for t in range(self.n_thresholds):
            hit = (at[:, t // 64] >> np.uint64(t % 64)) & np.uint64(1) != 0
            out[t, det[hit]] = gt[hit]
        return out


@dataclass
class Sides:
    """Both sides of an evaluation, and their matches."""

    dets: Detections
    gts: Targets
    table: MatchTable
    similarity: Similarity | None = None  # None: the IoU of their boxes


def outside_ranges(area: Array, ranges: Sequence[Any], index: Array | None = None) -> Array:
    """(A, n) uint8: 1 where an area, of these rows, is below or above a range; a NaN is neither."""
    bounds = [(r[0], r[1]) for r in ranges]
    out = np.empty((len(bounds), len(area if index is None else index)), np.uint8)
    plain = all(isinstance(bound, (int, float)) for pair in bounds for bound in pair)
    if plain and area.dtype == np.float64 and len(bounds) > 0:
        _core.find_outside(np.ascontiguousarray(area), index, np.array(bounds, np.float64), out)
        return out
    rows = area if index is None else area[index]
    for row, (low, high) in zip(out, bounds, strict=True):
        row[:] = (rows < low) | (rows > high)
    return out


def capped(thresholds: Sequence[float]) -> Array:
    """IoU thresholds as they are compared."""
    # the cap keeps a box of IoU 1 - 1e-11 matching at threshold 1; min() so that a NaN stays
    return np.array([float(min([t, 1 - 1e-10])) for t in thresholds], np.float64)


def match(
    dets: Detections,
    gts: Targets,
    *,
    n_images: int,
    n_categories: int,
    thresholds: Sequence[float],
    area_ranges: Sequence[Any],
    max_det: int,
    similarity: Similarity | None = None,
) -> MatchTable:
    """Order the detections and match them, all images, classes, thresholds and areas at once.

    By the IoU of their boxes unless another similarity is given.
    """
    index, rank, splits = _core.order_detections(
        dets.category, dets.image, dets.scores, n_categories, n_images, max_det
    )
    levels = capped(thresholds)
    given = None
    if similarity is not None:
        groups = _core.pair_groups(
            index, dets.category, dets.image, gts.category, gts.image, gts.crowd, n_categories,
            n_images,
        )  # fmt: skip
        given = similarity(Groups(*groups, least=levels.min(initial=np.inf)))
    ignore = gts.crowd if gts.ignore is None else gts.ignore
    gt_ignore = outside_ranges(gts.area, area_ranges) | (ignore != 0)
    row, first, gt, at = _core.match_detections(
        index=index, det_category=dets.category, det_image=dets.image, det_boxes=dets.boxes,
        det_claims=dets.claims, gt_category=gts.category, gt_image=gts.image, gt_boxes=gts.boxes,
        gt_crowd=gts.crowd, gt_ignore=gt_ignore, thresholds=levels, n_categories=n_categories,
        n_images=n_images, similarity=given,
    )  # fmt: skip
    used = (gts.category >= 0) & (gts.image >= 0)
    n_regular = np.empty((n_categories, len(area_ranges)), np.int64)
    for a, ignore in enumerate(gt_ignore):
        n_regular[:, a] = np.bincount(gts.category[used & (ignore == 0)], minlength=n_categories)
    outside = outside_ranges(dets.area, area_ranges, index)
    return MatchTable(
        index, rank, splits, row, first, gt, at, len(levels), gt_ignore, outside, n_regular
    )
