"""The evaluation of some of the images, among more classes, or of two models side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.evaluation import summary
from tamis.evaluation.analysis import Evaluated
from tamis.evaluation.match_table import MatchTable


def image_mask(function: str, images: Any, n: int) -> Array:
    """(n,) bool of a mask or of the numbers of images."""
    given = arrays.host(function, "images", arrays.column(function, "images", images))
    if given.dtype == bool:
        if given.shape != (n,):
            raise ValueError(f"{function}: images must have shape ({n},), got {given.shape}")
        return given
    if not given.size:
        given = given.astype(np.int64) if given.dtype.kind in "f" else given
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise TypeError(f"{function}: images must be a mask or integers, got {images!r}")
    wrong = (given < 0) | (given >= n)
    if wrong.any():
        raise ValueError(f"{function}: images must be 0 to {n - 1}, got {given[wrong][0]}")
    mask = np.zeros(n, bool)
    mask[given.astype(np.int64)] = True
    return mask


def of_images(e: Evaluated, keep: Array) -> Evaluated:
    """The evaluation of a part of the images; rows and images keep their numbers."""
    t, image = e.table, e.dets.image
    rows = np.flatnonzero(keep[image[t.index]])
    gt_out = (e.gts.image < 0) | ~keep[e.gts.image]
    table = replace(
        t, index=t.index[rows], rank=t.rank[rows], splits=np.searchsorted(rows, t.splits),
        row=t.row[rows], outside=np.take(t.outside, rows, axis=1), n_regular=regular(e, t, ~gt_out),
    )  # fmt: skip
    det_out = (image < 0) | ~keep[image]
    return replace(
        e, table=table,
        dets=replace(e.dets, image=np.where(det_out, np.int32(-1), image)),
        gts=replace(e.gts, image=np.where(gt_out, np.int32(-1), e.gts.image)),
    )  # fmt: skip


def columns_of(e: Evaluated) -> dict[str, Any]:
    """What the compiled parts and plans take of an evaluation."""
    t = e.table
    return dict(
        splits=t.splits, rank=t.rank, image=e.dets.image[t.index], outside=t.outside, row=t.row,
        first=t.first, gt=t.gt, at=t.at, gt_category=e.gts.category, gt_image=e.gts.image,
        gt_ignore=t.gt_ignore, gt_counts=e.gts.counts, n_thresholds=t.n_thresholds,
        n_images=len(e.images),
    )  # fmt: skip


class Parts:
    """The numbers of one part of the images after another, from what is stored of each image."""

    def __init__(self, e: Evaluated, rows: list[summary.Row]) -> None:
        t, p = e.table, e.settings
        self.rows, self.classes = rows, len(t.splits) - 1
        self.areas, self.caps = list(p.areaRngLbl), [int(cap) for cap in p.maxDets]
        self.room: list[tuple[Array, Array]] = []
        self.levels = np.asarray(p.iouThrs, np.float64)
        self.recalls = np.asarray(p.recThrs, np.float64)
        self.parts = _core.ResamplingParts(**columns_of(e), caps=np.array(self.caps, np.int64))

    @classmethod
    def serve(cls, settings: Any, rows: list[summary.Row]) -> bool:
        """Whether they give these numbers: precision at the last cap, caps and ranges once each."""
        caps, areas = list(settings.maxDets), list(settings.areaRngLbl)
        once = len(caps) > 0 and caps == sorted(set(caps)) and len(set(areas)) == len(areas)
        return once and all(row.cap == caps[-1] for row in rows if row.is_precision)

    def numbers(self, keep: Array) -> tuple[list[float], Array]:
        """(numbers as in `summary.mean`, -1 where there is none; ground truths (K, A))."""
        a, curves = len(self.areas), len(self.levels) * self.classes
        regular = np.empty((self.classes, a), np.int64)
        try:
            precision, recall = self.room.pop()  # pages that are there already
        except IndexError:
            precision = np.empty((a, curves * len(self.recalls)))
            recall = np.empty((a, len(self.caps), curves))
        self.parts.evaluate(
            np.ascontiguousarray(keep).view(np.uint8), self.recalls, regular, precision, recall
        )
        out = self._means(regular, precision, recall)
        self.room.append((precision, recall))
        return out, regular

    def _means(self, regular: Array, precision: Array, recall: Array) -> list[float]:
        out, levels = [], len(self.levels)
        for row in self.rows:
            value = -1.0
            if row.area in self.areas and row.cap in self.caps:
                area = self.areas.index(row.area)
                held = int((regular[:, area] > 0).sum())
                values = recall[area, self.caps.index(row.cap), : levels * held]
                if row.is_precision:
                    values = precision[area, : levels * held * len(self.recalls)]
                if row.iou is not None and len(values):
                    values = values.reshape(levels, -1)[row.iou == self.levels].reshape(-1)
                value = float(values.mean()) if len(values) else -1.0
            out.append(value)
        return out


def regular(e: Evaluated, t: MatchTable, used: Array) -> Array:
    """(K, A) ground truths that count, of those used."""
    k = len(t.splits) - 1
    used = used & (e.gts.category >= 0)
    counts = [np.bincount(e.gts.category[used & (row == 0)], minlength=k) for row in t.gt_ignore]
    return np.ascontiguousarray(np.array(counts, np.int64).reshape(len(t.gt_ignore), k).T)


def with_classes(e: Evaluated, classes: Array) -> Evaluated:
    """The same evaluation among more classes, ascending as its own are."""
    if np.array_equal(e.classes, classes):
        return e
    place = np.searchsorted(classes, e.classes).astype(np.int32)
    sizes = np.zeros(len(classes), np.int64)
    sizes[place] = np.diff(e.table.splits)
    n_regular = np.zeros((len(classes), e.table.n_regular.shape[1]), np.int64)
    n_regular[place] = e.table.n_regular
    splits = np.concatenate([[0], np.cumsum(sizes)])

    def moved(category: Array) -> Array:
        return np.where(category < 0, category, place[category]).astype(np.int32)

    return replace(
        e, classes=classes, class_names=None,
        table=replace(e.table, splits=splits, n_regular=n_regular),
        dets=replace(e.dets, category=moved(e.dets.category)),
        gts=replace(e.gts, category=moved(e.gts.category)),
    )  # fmt: skip


def pooled(a: Evaluated, b: Evaluated) -> Evaluated:
    """Both evaluations side by side: image i of `a` is 2 i, of `b` 2 i + 1.

    With weights that add up to 1 for each pair, it is the evaluation whose images come from either
    model.
    """
    both = (a, b)

    def side_by_side(values: list[Array]) -> Array:
        return np.concatenate([np.where(x < 0, x, 2 * x + m) for m, x in enumerate(values)]).astype(
            np.int32
        )

    kept = [e.table.index for e in both]
    image = side_by_side([e.dets.image[i] for e, i in zip(both, kept, strict=True)])
    category = np.concatenate([e.dets.category[i] for e, i in zip(both, kept, strict=True)])
    scores = np.concatenate([e.dets.scores[i] for e, i in zip(both, kept, strict=True)])
    order, _, splits = _core.order_detections(
        category, image, scores, len(a.classes), 2 * len(a.images), 2**31 - 1
    )
    ta, tb = a.table, b.table
    row = np.concatenate([ta.row, np.where(tb.row < 0, tb.row, tb.row + len(ta.first) - 1)])
    counts = None
    if any(e.gts.counts is not None for e in both):
        counts = np.concatenate(
            [
                np.ones(len(e.gts.crowd), np.uint8) if e.gts.counts is None else e.gts.counts
                for e in both
            ]
        )
    table = MatchTable(
        np.arange(len(order)), np.concatenate([ta.rank, tb.rank])[order], splits,
        row[order].astype(np.int32), np.concatenate([ta.first[:-1], tb.first + ta.first[-1]]),
        np.concatenate([ta.gt, tb.gt + len(a.gts.crowd)]).astype(np.int32),
        np.concatenate([ta.at, tb.at]), ta.n_thresholds,
        np.concatenate([ta.gt_ignore, tb.gt_ignore], axis=1),
        np.ascontiguousarray(np.concatenate([ta.outside, tb.outside], axis=1)[:, order]),
        ta.n_regular + tb.n_regular,
    )  # fmt: skip
    dets = replace(
        a.dets, image=image[order], category=category[order], scores=scores[order], boxes=None,
        area=scores[order], claims=None,
    )  # fmt: skip
    gts = replace(
        a.gts, image=side_by_side([a.gts.image, b.gts.image]), boxes=None,
        category=np.concatenate([a.gts.category, b.gts.category]),
        crowd=np.concatenate([a.gts.crowd, b.gts.crowd]), area=np.empty(0), counts=counts,
    )  # fmt: skip
    return replace(a, dets=dets, gts=gts, table=table, images=np.repeat(a.images, 2))
