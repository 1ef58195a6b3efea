"""Masks and keypoints as the JSON room reads them, made into columns."""

from __future__ import annotations

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.ragged import positions, runs
from tamis.coco._columns import Columns
from tamis.regions.masks import LenientMasks, Masks

Table = dict[str, Array]

PEOPLE = ("extent", "numbers", "part_splits", "row_parts")  # of a table: keypoints and their count


def has_shapes(columns: Columns, kind: str) -> bool:
    """Whether the columns hold what an evaluation of this kind compares."""
    column = {"bbox": "bbox", "segm": "masks", "keypoints": "keypoints"}[kind]
    return getattr(columns, column) is not None


def set_masks(columns: Columns, images: Table, table: Table) -> None:
    """Add the masks of ground truths."""
    order = np.argsort(images["id"])
    image = positions(columns.image_id, images["id"][order])
    sizes = np.zeros((len(order) + 1, 2), np.int64)  # the last: of annotations without an image
    sizes[:-1] = images["bbox"][order, :2]
    columns.masks = masks_of(table, sizes[image])


def keypoints_of(table: Table) -> Array | None:
    """(n, k, 3), or None where the rows have several lengths."""
    if "keypoints" in table:
        return table["keypoints"]
    lengths = np.diff(table["part_splits"])
    n = len(table["row_parts"]) - 1
    if n == 0 or len(lengths) != n or (lengths != lengths[0]).any():
        return None
    return table["numbers"].reshape(n, -1, 3)


def masks_of(table: Table, sizes: Array | None = None) -> Masks:
    """Compressed masks; polygons are drawn in images of these sizes."""
    packed = LenientMasks._of(table["text"], table["text_splits"], table["extent"])
    if "row_parts" not in table:
        return packed
    parts = np.diff(table["row_parts"])
    rows = np.flatnonzero(parts)
    if sizes is None or len(rows) == 0:
        return packed
    each = Masks._points(table["numbers"], table["part_splits"], np.repeat(sizes, parts, axis=0))
    several = np.flatnonzero(parts > 1)
    ends = np.concatenate([[0], np.cumsum(parts[several])])
    merged = each[runs(table["row_parts"][several], parts[several])]._merge(ends, False)
    place = np.arange(len(packed))
    place[rows] = len(packed) + table["row_parts"][rows]  # those of one polygon are as drawn
    place[several] = len(packed) + len(each) + np.arange(len(several))
    in_order: Masks = _joined([packed, each, merged])[place]
    return in_order


def _joined(all_masks: list[Masks]) -> Masks:
    offsets = np.cumsum([0, *(len(m.text) for m in all_masks)])
    splits = [m.splits[1:] + at for m, at in zip(all_masks, offsets, strict=False)]
    return LenientMasks._of(
        np.concatenate([m.text for m in all_masks]),
        np.concatenate([[0], *splits]),
        np.concatenate([m.size for m in all_masks]),
    )
