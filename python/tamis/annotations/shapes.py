"""Polygons and run-length masks of annotations, as their files hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.regions.mask_tables import masks_of, rows_of
from tamis.regions.masks import Masks
from tamis.regions.masks_input import join_texts

Polygons = Sequence[Sequence[float]]  # [[x0, y0, x1, y1, ...], ...]


@dataclass(frozen=True, eq=False)
class Shapes:
    """One row an annotation: polygons, or a run-length mask, or neither.

    Row `i` has the polygons ``row_parts[i]`` to ``row_parts[i + 1]``; polygon `j` the coordinates
    ``numbers[part_splits[j]:part_splits[j + 1]]``, x, y, x, y in pixels; or the compressed counts
    ``text[text_splits[i]:text_splits[i + 1]]`` of a mask of the height and width ``extent[i]``.
    """

    numbers: Array
    part_splits: Array
    row_parts: Array
    text: Array
    text_splits: Array
    extent: Array

    def __len__(self) -> int:
        return len(self.row_parts) - 1

    @classmethod
    def from_polygons(cls, rows: Sequence[Polygons | None]) -> Shapes:
        """Of each row's polygons; None or no polygon for a row without."""
        parts = [np.asarray(part, np.float64) for row in rows for part in row or ()]
        n = len(rows)
        return cls(
            np.concatenate([np.empty(0), *parts]),
            np.cumsum([0, *map(len, parts)]),
            np.cumsum([0, *(len(row or ()) for row in rows)]),
            np.empty(0, np.uint8),
            np.zeros(n + 1, np.int64),
            np.zeros((n, 2), np.int64),
        )

    def with_masks(self, masks: Sequence[dict[str, Any] | None]) -> Shapes:
        """The same polygons with COCO's compressed masks for the rows that have one."""
        given = Masks.from_coco([m for m in masks if m is not None])
        texts, extent = [b""] * len(masks), np.zeros((len(masks), 2), np.int64)
        for row, packed in zip(
            (i for i, m in enumerate(masks) if m is not None), given, strict=True
        ):
            texts[row], extent[row] = packed["counts"], packed["size"]
        text, splits = join_texts(texts)
        return Shapes(self.numbers, self.part_splits, self.row_parts, text, splits, extent)

    def take(self, rows: Array) -> Shapes:
        return Shapes(**rows_of(vars(self), rows))

    def masks(self, sizes: Array) -> Masks:
        """Drawn in images of these (n, 2) heights and widths; empty masks where there is none."""
        extent = np.where(self.given[:, None], self.extent, sizes)
        blank = np.flatnonzero(~self.given & (np.diff(self.row_parts) == 0))
        if len(blank):  # background only
            objects: list[dict[str, Any] | None] = [None] * len(self)
            for i in np.flatnonzero(self.given).tolist():
                objects[i] = {"size": self.extent[i].tolist(), "counts": self.rle_text(i)}
            for i in blank:
                objects[i] = {"size": extent[i].tolist(), "counts": [int(extent[i].prod())]}
            filled = self.with_masks(objects)
            return masks_of(vars(filled), np.asarray(sizes, np.int64))
        return masks_of(vars(self), np.asarray(sizes, np.int64))

    @property
    def given(self) -> Array:
        """(n,) bool: rows that hold a run-length mask."""
        return np.diff(self.text_splits) > 0

    def polygons(self, row: int) -> list[list[float]]:
        ends = self.part_splits
        parts = range(self.row_parts[row], self.row_parts[row + 1])
        return [self.numbers[ends[j] : ends[j + 1]].tolist() for j in parts]

    def rle_text(self, row: int) -> bytes:
        text: bytes = self.text[self.text_splits[row] : self.text_splits[row + 1]].tobytes()
        return text.partition(b"\0")[0]

    def same(self, other: Shapes) -> bool:
        return all(
            np.array_equal(a, b)
            for a, b in zip(vars(self).values(), vars(other).values(), strict=True)
        )


def outline(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """x, y, w, h around x, y, x, y, ...; NaN where one is not finite."""
    if not all(map(math.isfinite, numbers)):
        return (math.nan,) * 4
    x, y = numbers[0::2], numbers[1::2]
    return min(x), min(y), max(x) - min(x), max(y) - min(y)


def outlines(shapes: Shapes) -> Array:
    """(n, 4) x, y, w, h around each row's polygons; NaN where there are none."""
    out = np.full((len(shapes), 4), np.nan)
    rows = np.flatnonzero(np.diff(shapes.row_parts))
    if len(rows) == 0:
        return out
    points = shapes.numbers.reshape(-1, 2)
    starts = shapes.part_splits[shapes.row_parts[rows]] // 2
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    out[rows] = np.concatenate([low, high - low], axis=1)
    return out


def corners(oriented: Array) -> Array:
    """(n, 4, 2) corners of (n, 5) boxes; the angle turns clockwise on the screen."""
    center, half = oriented[:, :2], oriented[:, 2:4] / 2
    angle = np.deg2rad(oriented[:, 4])
    cos, sin = np.cos(angle), np.sin(angle)
    u = np.stack([half[:, 0] * cos, half[:, 0] * sin], axis=1)
    v = np.stack([-half[:, 1] * sin, half[:, 1] * cos], axis=1)
    return np.stack([center - u - v, center + u - v, center + u + v, center - u + v], axis=1)


def around(oriented: Array) -> Array:
    """(n, 4) x, y, w, h around (n, 5) boxes; exact where they are not turned."""
    points = corners(oriented)
    low, high = points.min(axis=1), points.max(axis=1)
    boxes = np.concatenate([low, high - low], axis=1)
    straight = oriented[:, 4] == 0
    cx, cy, w, h, _ = oriented[straight].T
    boxes[straight] = np.stack([cx - w / 2, cy - h / 2, w, h], axis=1)
    return boxes


def smallest_rectangles(points: Array) -> Array:
    """(n, 5) rectangles of least area around (n, 4, 2) corners, one side along one of theirs."""
    edges = np.roll(points, -1, axis=1) - points
    angles = np.arctan2(edges[..., 1], edges[..., 0])
    cos, sin = np.cos(angles)[..., None], np.sin(angles)[..., None]
    u = points[:, None, :, 0] * cos + points[:, None, :, 1] * sin  # (n, edges, points)
    v = points[:, None, :, 1] * cos - points[:, None, :, 0] * sin
    w, h = np.ptp(u, axis=2), np.ptp(v, axis=2)
    best = np.argmin(np.round(w * h, 6), axis=1)[:, None]

    def of_best(x: Array) -> Array:
        return np.take_along_axis(x, best, axis=1)[:, 0]

    mid_u, mid_v = of_best((u.min(2) + u.max(2)) / 2), of_best((v.min(2) + v.max(2)) / 2)
    c, s = of_best(cos[..., 0]), of_best(sin[..., 0])
    angle = np.rad2deg(of_best(angles))
    return np.stack(
        [mid_u * c - mid_v * s, mid_u * s + mid_v * c, of_best(w), of_best(h), angle], 1
    )
