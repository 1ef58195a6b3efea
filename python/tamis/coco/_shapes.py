"""Masks and keypoints as the JSON room reads them, made into columns."""

from __future__ import annotations

import numpy as np

from tamis import _core
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
    columns.masks = Outlines(table, sizes[image])


class Outlines:
    """Masks of ground truths as their file holds them; polygons are drawn when asked for."""

    def __init__(self, table: Table, sizes: Array) -> None:
        self._table, self._sizes = table, sizes
        nothing = LenientMasks._of(np.empty(0, np.uint8), np.zeros(1), np.empty((0, 2)))
        self._drawn = nothing, np.full(len(sizes), -1)  # and where each row's mask is among them

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, rows: Array) -> Outlines:
        return Outlines(rows_of(self._table, rows), self._sizes[rows])

    def of(self, rows: Array) -> tuple[Masks, Array]:
        """Masks, and which of them are those of the rows. What is drawn is kept."""
        masks, place = self._drawn
        missing = np.flatnonzero(place < 0)
        wanted = np.zeros(len(place), bool)
        wanted[rows] = True
        few = missing[wanted[missing]]
        if len(few):
            if 2 * len(few) < len(missing):
                missing, table = few, rows_of(self._table, few)
            else:  # not worth a copy of their points
                table = self._table if len(missing) == len(place) else rows_of(self._table, missing)
            place = place.copy()
            place[missing] = len(masks) + np.arange(len(missing))
            masks = _joined([masks, masks_of(table, self._sizes[missing])])
            self._drawn = masks, place  # at once, for other threads
        return masks, place[rows]


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
