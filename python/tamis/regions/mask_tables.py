"""Masks, polygons and keypoints as files hold them: tables with a row for each annotation."""

from __future__ import annotations

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.ragged import runs
from tamis.regions.masks import LenientMasks, Masks

Table = dict[str, Array]  # text, text_splits, extent, numbers, part_splits, row_parts

PEOPLE = ("extent", "numbers", "part_splits", "row_parts")  # of a table: keypoints and their count


def rows_of(table: Table, rows: Array) -> Table:
    """The masks and polygons of some rows."""
    rows, ends, extent = (
        np.ascontiguousarray(x, np.int64) for x in (rows, table["text_splits"], table["extent"])
    )
    text, text_splits = _core.take_masks(table["text"], ends, extent, rows)
    lengths = np.diff(table["row_parts"])[rows]
    parts = runs(table["row_parts"][rows], lengths)
    sizes = np.diff(table["part_splits"])[parts]
    return {
        "text": text, "text_splits": text_splits, "extent": extent[rows],
        "numbers": table["numbers"][runs(table["part_splits"][parts], sizes)],
        "part_splits": np.concatenate([[0], np.cumsum(sizes)]),
        "row_parts": np.concatenate([[0], np.cumsum(lengths)]),
    }  # fmt: skip


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
    in_order: Masks = joined([packed, each, merged])[place]
    return in_order


def joined(all_masks: list[Masks]) -> Masks:
    offsets = np.cumsum([0, *(len(m.text) for m in all_masks)])
    splits = [m.splits[1:] + at for m, at in zip(all_masks, offsets, strict=False)]
    return LenientMasks._of(
        np.concatenate([m.text for m in all_masks]),
        np.concatenate([[0], *splits]),
        np.concatenate([m.size for m in all_masks]),
    )
