"""Masks and keypoints of ground truths, made into columns."""

from __future__ import annotations

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.ragged import positions
from tamis.coco._columns import Columns
from tamis.regions.mask_tables import Table, joined, masks_of, rows_of
from tamis.regions.masks import LenientMasks, Masks


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
            masks = joined([masks, masks_of(table, self._sizes[missing])])
            self._drawn = masks, place  # at once, for other threads
        return masks, place[rows]
