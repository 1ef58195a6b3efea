"""Two sets of boxes of the same images, and the pairs of boxes of one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import read_boxes, read_column
from tamis._shared.ragged import distinct, positions
from tamis.regions.box_iou import box_iou_batched

_PAIRS_AT_ONCE = 1 << 22


@dataclass
class Annotated:
    """Boxes (n, 4) float64 xyxy and labels (n,) of images, consecutively."""

    boxes: Array
    labels: Array
    splits: Array
    images: Array  # (images,) ids, or 0, 1, ...

    @property
    def image(self) -> Array:
        """(n,) the image of each box."""
        return np.repeat(np.arange(len(self.splits) - 1), np.diff(self.splits))


def read_both(function: str, a: Any, b: Any, fmt: str) -> tuple[Annotated, Annotated]:
    """Both versions of the same images."""
    sides = {"a": a, "b": b}
    datasets = {name: x for name, x in sides.items() if hasattr(x, "dataset")}
    if len(datasets) == 1:
        raise TypeError(f"{function}: a and b must both be COCO datasets, or both columns")
    if datasets:
        images = distinct(*(_ids(x) for x in datasets.values()))
        first, second = (_of_dataset(x, images) for x in datasets.values())
    else:
        first, second = (_of_columns(function, name, x, fmt) for name, x in sides.items())
    if len(first.images) != len(second.images):
        raise ValueError(
            f"{function}: a and b must hold as many images,"
            f" got {len(first.images)} and {len(second.images)}"
        )
    return first, second


def _ids(coco: Any) -> Array:
    ids = [i["id"] for i in coco.dataset.get("images", [])]
    return np.array([*ids, *(a["image_id"] for a in coco.dataset.get("annotations", []))], np.int64)


def _of_dataset(coco: Any, images: Array) -> Annotated:
    rows = coco.dataset.get("annotations", [])
    image = positions(np.array([a["image_id"] for a in rows], np.int64), images)
    order = np.argsort(image, kind="stable")
    boxes = np.array([a["bbox"] for a in rows], np.float64).reshape(-1, 4)[order]
    boxes[:, 2:] += boxes[:, :2]
    labels = np.array([a["category_id"] for a in rows], np.int64)[order]
    splits = np.searchsorted(image[order], np.arange(len(images) + 1))
    return Annotated(boxes, labels, splits, images)


def _of_columns(function: str, name: str, given: Any, fmt: str) -> Annotated:
    parts = [given] if isinstance(given, Mapping) else given
    if not isinstance(parts, Sequence) or not all(isinstance(p, Mapping) for p in parts):
        raise TypeError(
            f"{function}: {name} must be a dict, a list of dicts or a COCO dataset,"
            f" got {type(given).__name__}"
        )
    boxes, labels, counts = [np.empty((0, 4))], [np.empty(0, np.int64)], []
    for part in parts:
        for key in ("boxes", "labels"):
            if key not in part:
                raise KeyError(f"{function}: {name} lacks {key!r}")
        xywh = read_boxes(function, f"{name} boxes", part["boxes"], fmt)
        boxes.append(np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1))
        labels.append(read_column(function, f"{name} labels", part["labels"], len(xywh), "iu"))
        rows = np.array([0, len(xywh)])
        if "splits" in part:
            rows = ragged.splits(function, f"{name} splits", part["splits"], len(xywh))
        counts.append(np.diff(rows))
    splits = np.cumsum(np.concatenate([[0], *counts])).astype(np.int64)
    return Annotated(
        np.concatenate(boxes), np.concatenate(labels), splits, np.arange(len(splits) - 1)
    )


def best_pairs(a: Annotated, b: Annotated, least: float) -> tuple[Array, Array, Array]:
    """Rows of both and IoU of the pairs, largest IoU first: each box once, the best pair first.

    Ties go to the lower rows. A larger `least` gives the first of the same pairs.
    """
    found = [_overlaps(a, b, first, last, least) for first, last in _blocks(a.splits, b.splits)]
    i, j, iou = (
        np.concatenate([part[c] for part in found]) if found else np.empty(0, kind)
        for c, kind in enumerate((np.int64, np.int64, np.float64))
    )
    order = np.lexsort((j, i, -iou))
    i, j, iou = i[order], j[order], iou[order]
    taken = []
    left = np.arange(len(i))
    while len(left):
        first = np.zeros(len(left), bool)
        first[np.unique(i[left], return_index=True)[1]] = True
        best = np.zeros(len(left), bool)
        best[np.unique(j[left], return_index=True)[1]] = True
        now = left[first & best]  # the best of both its boxes
        taken.append(now)
        left = left[~(np.isin(i[left], i[now]) | np.isin(j[left], j[now]))]
    rows = np.sort(np.concatenate([np.empty(0, np.int64), *taken]))
    return i[rows], j[rows], iou[rows]


def _blocks(a_splits: Array, b_splits: Array) -> list[tuple[int, int]]:
    """Runs of images that do not have too many pairs together."""
    pairs = np.cumsum(np.diff(a_splits) * np.diff(b_splits))
    blocks, first = [], 0
    while first < len(pairs):
        before = int(pairs[first - 1]) if first else 0
        last = int(np.searchsorted(pairs, before + _PAIRS_AT_ONCE, side="right"))
        last = max(last, first + 1)
        blocks.append((first, last))
        first = last
    return blocks


def _overlaps(
    a: Annotated, b: Annotated, first: int, last: int, least: float
) -> tuple[Array, Array, Array]:
    """The pairs of a run of images whose IoU is at least `least`, above 0."""
    rows, columns = (x.splits[first : last + 1] for x in (a, b))
    values, starts = box_iou_batched(
        a.boxes[rows[0] : rows[-1]], rows - rows[0], b.boxes[columns[0] : columns[-1]],
        columns - columns[0],
    )  # fmt: skip
    at = np.flatnonzero((values >= least) & (values > 0))
    image = np.searchsorted(starts, at, side="right") - 1
    inside, width = at - starts[image], np.diff(columns)[image]
    return rows[image] + inside // width, columns[image] + inside % width, values[at]
