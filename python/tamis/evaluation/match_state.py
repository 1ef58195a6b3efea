"""An evaluator's state where only numbers are wanted: what each detection is, instead of boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.ragged import image_of
from tamis.evaluation.image_ids import ImageOrder
from tamis.evaluation.match_table import Detections, MatchTable, Sides, Targets
from tamis.evaluation.matching import class_positions
from tamis.evaluation.updates import Part, joined

Part2 = tuple[Part, Part]


def no_sides() -> Sides:
    """Both sides of a result that has none."""
    raise ValueError(
        "DetectionResult: the evaluator kept state='matches', numbers only; analyses need"
        " state='boxes'"
    )


def condensed(
    table: MatchTable, dets: Detections, gts: Targets, n_images: int, label: Array, gt_label: Array
) -> Part2:
    """Both sides of some images without their regions, by image.

    Detections: rows of each image, labels, bits (n, bytes): right at each area and threshold, then
    ignored, and scores. Ground truths: rows of each image, labels, bits (m, bytes): ignored in each
    area. Those beyond the last cap, and without an image, are gone.
    """
    kept = _by_image(dets.image, np.sort(table.index))
    place = np.empty(len(label), np.int64)
    place[table.index] = np.arange(len(table.index))
    flags = _flags(table, gts.counts)[place[kept]]
    gt_kept = _by_image(gts.image, np.flatnonzero(gts.image >= 0))
    return (
        np.bincount(dets.image[kept], minlength=n_images).astype(np.int32), _narrow(label[kept]),
        np.packbits(flags.reshape(len(kept), flags[0].size if len(kept) else _bits(table)), axis=1),
        dets.scores[kept],
    ), (
        np.bincount(gts.image[gt_kept], minlength=n_images).astype(np.int32),
        _narrow(gt_label[gt_kept]), np.packbits(table.gt_ignore.T[gt_kept] != 0, axis=1),
    )  # fmt: skip


def _by_image(image: Array, rows: Array) -> Array:
    """Ascending rows, image by image."""
    return rows[np.argsort(image[rows], kind="stable")]


def none(areas: int, levels: int) -> Part2:
    """Both sides of no image."""
    counts, labels = np.empty(0, np.int32), np.empty(0, np.int16)
    bits = np.empty((0, -(-2 * areas * levels // 8)), np.uint8)
    return (counts, labels, bits, np.empty(0)), (
        counts, labels, np.empty((0, -(-areas // 8)), np.uint8),
    )  # fmt: skip


def restored(
    preds: Any, targets: Any, images: ImageOrder | None, areas: int, levels: int, cap: int
) -> tuple[Array, MatchTable, Array, int]:
    """Classes, a table that gives the same curves, scores, and the number of images."""
    like = np.empty(0)
    splits, (label, bits, scores) = joined(preds, like, images)
    _, (gt_label, gt_bits) = joined(targets, like, images)
    classes, category, gt_category = class_positions(
        label.astype(np.int64), gt_label.astype(np.int64)
    )
    found = Found(splits, category, bits, scores, gt_category, gt_bits)
    table = rebuilt(found, len(classes), areas, levels, cap)
    return classes, table, scores, len(splits) - 1


@dataclass
class Found:
    """Both sides of all images as `condensed` has them; categories are positions."""

    splits: Array
    category: Array  # int32
    bits: Array
    scores: Array
    gt_category: Array
    gt_bits: Array


def rebuilt(found: Found, k: int, areas: int, levels: int, cap: int) -> MatchTable:
    """A table of `k` categories that gives the same curves."""
    bits, gt_category = found.bits, found.gt_category
    index, rank, bounds = _core.order_detections(
        found.category, image_of(found.splits), found.scores, k, len(found.splits) - 1, cap
    )
    used = np.flatnonzero(bits[index].any(axis=1))
    row = np.full(len(index), -1, np.int32)
    row[used] = np.arange(len(used))
    ignored = np.unpackbits(found.gt_bits, axis=1, count=areas)
    n_regular = np.empty((k, areas), np.int64)
    for a in range(areas):
        n_regular[:, a] = np.bincount(gt_category[ignored[:, a] == 0], minlength=k)
    # as if there were two ground truths, one that counts and one that is ignored
    return MatchTable(
        index, rank, bounds, row, np.arange(len(used) + 1) * 2,
        np.tile(np.array([0, 1], np.int32), len(used)), _words(bits[index[used]], areas, levels),
        levels, np.tile(np.array([0, 1], np.uint8), (areas, 1)),
        np.zeros((areas, len(index)), np.uint8), n_regular,
    )  # fmt: skip


def _bits(table: MatchTable) -> int:
    return 2 * len(table.outside) * table.n_thresholds


def _flags(table: MatchTable, counts: Array | None) -> Array:
    """(kept, 2, A, T) bool: right, and ignored, by matching what is or by lying out of range.

    `counts` as in `Targets`: a match to what does not count, and is not ignored, is none.
    """
    areas, levels, n = len(table.outside), table.n_thresholds, len(table.index)
    at = np.ascontiguousarray(table.at).view(np.uint8)
    hit = np.unpackbits(at, axis=2, bitorder="little", count=levels).view(bool)
    regular = (table.gt_ignore[:, table.gt] == 0).T[:, :, None]
    out = np.zeros((n, 2, areas, levels), bool)
    rows = np.flatnonzero(table.row >= 0)
    if len(rows):
        counted = regular if counts is None else regular & (counts[table.gt] != 0)[:, None, None]
        entries = np.stack([hit & counted, hit & ~regular], axis=1)
        by_row = np.logical_or.reduceat(entries, table.first[:-1], axis=0)
        out[rows] = by_row[table.row[rows]]
    matched = out.any(axis=1)
    out[:, 1] |= ~matched & (table.outside.T != 0)[:, :, None]
    return out


def _words(bits: Array, areas: int, levels: int) -> Array:
    """(2 n, A, words) uint64 as a table has them: right and ignored of each row."""
    flags = np.unpackbits(bits, axis=1, count=2 * areas * levels).reshape(-1, areas, levels)
    words = -(-levels // 64)
    packed = np.zeros((len(flags), areas, words * 8), np.uint8)
    packed[:, :, : -(-levels // 8)] = np.packbits(flags, axis=2, bitorder="little")
    return packed.view(np.uint64)


def _narrow(labels: Array) -> Array:
    """In the smallest of three types that holds them."""
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    fits = (t for t in (np.int16, np.int32) if np.iinfo(t).min <= low and high <= np.iinfo(t).max)
    return labels.astype(next(fits, np.int64))
