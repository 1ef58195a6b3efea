"""The numbers of an evaluation when its images have weights, for intervals and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays, _core, _summary
from tamis._evaluated import Evaluated, ratio, view
from tamis._evaluation import MatchTable, curves
from tamis._progress import Progress, reporter

Array = NDArray[Any]
Draw = Callable[[int, int], Array]  # samples first to last - 1: (n, images) weights

BOX_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
KEYPOINT_STATS = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
_WEIGHTS_AT_ONCE = 1 << 20
_SAMPLES_AT_ONCE = 256
_STEP = 8  # samples that the kernel takes together


@dataclass(frozen=True)
class Numbers:
    """Which numbers an evaluation has, and the cells of its curves they are means of."""

    names: tuple[str, ...]
    rows: list[_summary.Row]
    params: SimpleNamespace
    cells: Array  # (C, 3) int64: area range, cap, whether precision is asked for
    cell: Array  # (rows,) int32
    precision: Array  # (rows,) uint8
    mask: Array  # (rows, T) uint8

    @classmethod
    def of(cls, function: str, e: Evaluated) -> Numbers:
        s = e.settings
        p = SimpleNamespace(
            iouThrs=np.asarray(s.iouThrs, np.float64), recThrs=np.asarray(s.recThrs, np.float64),
            areaRng=[tuple(r) for r in s.areaRng], areaRngLbl=list(s.areaRngLbl),
            maxDets=[int(cap) for cap in s.maxDets], iouType=e.kind,
        )  # fmt: skip
        if not len(p.recThrs) or not (np.diff(p.recThrs) >= 0).all():
            raise ValueError(f"{function}: the recall thresholds must ascend, got {s.recThrs!r}")
        if len(set(p.areaRngLbl)) < len(p.areaRngLbl):
            raise ValueError(
                f"{function}: area ranges must have distinct names, got {s.areaRngLbl}"
            )
        names: tuple[str, ...]
        if e.kind == "keypoints":
            names, rows = KEYPOINT_STATS, _summary.keypoint_rows()
        elif len(p.maxDets) == 3:
            names, rows = BOX_STATS, _summary.detection_rows(p.maxDets, main=p.maxDets[2])
        else:
            raise ValueError(f"{function}: maxDets must be three counts, got {s.maxDets}")
        return cls(names, rows, p, *_cells(rows, p))

    def estimate(self, precision: Array, recall: Array) -> Array:
        """The numbers of an evaluation's tables, its own bits."""
        tables = {"precision": precision, "recall": recall}
        values = [float(_summary.mean(tables, self.params, row)) for row in self.rows]
        return absent_as_nan(np.array(values))

    def same_settings(self, other: Numbers) -> bool:
        a, b = self.params, other.params
        return (
            self.names == other.names
            and np.array_equal(a.iouThrs, b.iouThrs)
            and np.array_equal(a.recThrs, b.recThrs)
            and (a.areaRng, a.areaRngLbl, a.maxDets) == (b.areaRng, b.areaRngLbl, b.maxDets)
        )


def _cells(rows: list[_summary.Row], p: SimpleNamespace) -> tuple[Array, Array, Array, Array]:
    cells: dict[tuple[int, int], int] = {}
    cell, mask = np.zeros(len(rows), np.int32), np.zeros((len(rows), len(p.iouThrs)), np.uint8)
    whole = set()
    for i, row in enumerate(rows):
        if row.area not in p.areaRngLbl or row.cap not in p.maxDets:
            continue  # of no threshold: absent
        key = p.areaRngLbl.index(row.area), int(row.cap)
        cell[i] = cells.setdefault(key, len(cells))
        mask[i] = 1 if row.iou is None else row.iou == p.iouThrs
        if row.is_precision:
            whole.add(key)
    cells = cells or {(0, 0): 0}
    table = np.array([(*key, key in whole) for key in cells], np.int64).reshape(-1, 3)
    return table, cell, np.array([row.is_precision for row in rows], np.uint8), mask


@dataclass(frozen=True)
class Plan:
    """An evaluation made ready for weights."""

    numbers: Numbers
    plan: _core.ResamplingPlan
    n_classes: int

    @classmethod
    def of(cls, numbers: Numbers, e: Evaluated) -> Plan:
        t = e.table
        plan = _core.ResamplingPlan(
            t.splits, t.rank, e.dets.image[t.index], t.outside, t.row, t.first, t.gt, t.at,
            e.gts.category, e.gts.image, t.gt_ignore, e.gts.counts, t.n_thresholds, len(e.images),
            numbers.cells,
        )  # fmt: skip
        return cls(numbers, plan, len(t.splits) - 1)

    def by_class(self, weights: Array) -> Array:
        """(n, K, numbers) of (n, images) weights; NaN where a class has no ground truth."""
        s = self.numbers
        out = np.empty((len(weights), self.n_classes, len(s.names)))
        _core.resample(
            self.plan, np.ascontiguousarray(weights, np.float64), s.params.recThrs, s.cell,
            s.precision, s.mask, out,
        )  # fmt: skip
        return absent_as_nan(out)


def absent_as_nan(values: Array) -> Array:
    values[values == -1] = np.nan
    return values


def over_classes(values: Array) -> Array:
    """(n, numbers) means over the classes that are there of (n, K, numbers); NaN if none is."""
    there = ~np.isnan(values)
    total, count = np.where(there, values, 0.0).sum(axis=1), there.sum(axis=1)
    return ratio(total, count)


@dataclass(frozen=True)
class Samples:
    """The numbers of each sample: over all classes, and of each class where that was asked for."""

    overall: Array  # (n, numbers)
    classes: Array | None  # (n, K, numbers)


def sample(
    plans: Sequence[Plan],
    draw: Draw,
    n: int,
    images: int,
    *,
    classes: bool,
    done: Callable[[int], Any],
) -> list[Samples]:
    """The numbers of all plans for the same `n` draws of weights, block by block."""
    overall = [np.empty((n, len(p.numbers.names))) for p in plans]
    each = [np.empty((n, p.n_classes, len(p.numbers.names))) if classes else None for p in plans]
    step = max(_STEP, min(_SAMPLES_AT_ONCE, _WEIGHTS_AT_ONCE // max(1, images)) // _STEP * _STEP)
    for first in range(0, n, step):
        last = min(n, first + step)
        weights = draw(first, last)
        for p, out, of_classes in zip(plans, overall, each, strict=True):
            values = p.by_class(weights)
            out[first:last] = over_classes(values)
            if of_classes is not None:
                of_classes[first:last] = values
        done(last)
    return [Samples(out, k) for out, k in zip(overall, each, strict=True)]


def numbers_of(e: Evaluated, numbers: Numbers) -> Array:
    """The numbers that evaluating gives, its own bits; NaN where there is no ground truth."""
    p = numbers.params
    precision, recall, _ = curves(
        e.table, e.dets.scores, recall_thresholds=p.recThrs, max_dets=p.maxDets, counts=e.gts.counts
    )
    return numbers.estimate(precision, recall)


# --- which images ---------------------------------------------------------------------------------


_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mixed(x: Array) -> Array:
    """SplitMix64's finaliser, in place (Steele, Lea and Flood 2014)."""
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        x ^= x >> np.uint64(shift)
        x *= np.uint64(factor)
    x ^= x >> np.uint64(31)
    return x


def integers(seed: int, samples: range, n: int, below: int, stream: int) -> Array:
    """(samples, n) uint64 in [0, below) that depend on seed, stream and sample alone, so that work
    can be cut anywhere."""
    key = _mixed(np.array([seed, stream], np.uint64) + np.uint64(1))
    number = np.arange(samples.start, samples.stop, dtype=np.uint64)
    start = _mixed((number + key[0]) * np.uint64(_GOLDEN) ^ key[1])
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    drawn = _mixed(start[:, None] + steps)
    drawn >>= np.uint64(32)
    drawn *= np.uint64(below)
    drawn >>= np.uint64(32)
    return drawn


def times_drawn(seed: int, samples: range, n: int, stream: int) -> Array:
    """(samples, n) how often each of n is drawn, n times with repetition."""
    drawn = integers(seed, samples, n, n, stream).astype(np.int64)
    drawn += np.arange(len(samples))[:, None] * n
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)


def bootstrap(seed: int, units: Array, stream: int = 0) -> Draw:
    """How often each image is drawn when whole units are, with repetition."""
    n = int(units.max(initial=-1)) + 1
    single = len(units) == n and bool((units == np.arange(n)).all())

    def draw(first: int, last: int) -> Array:
        counts = times_drawn(seed, range(first, last), n, stream).astype(np.float64)
        return counts if single else np.take(counts, units, axis=1)

    return draw


def leave_one_out(units: Array) -> Draw:
    def draw(first: int, last: int) -> Array:
        kept: Array = units[None, :] != np.arange(first, last)[:, None]
        return kept.astype(np.float64)

    return draw


def units_of(function: str, groups: Any, images: int) -> Array:
    """(images,) the unit of each image, 0, 1, ...: itself, or its group."""
    if groups is None:
        return np.arange(images)
    given = np.asarray(groups)
    if given.shape != (images,):
        raise ValueError(f"{function}: groups must have shape ({images},), got {given.shape}")
    if given.dtype.kind not in "iubUSO":
        raise TypeError(f"{function}: groups must hold integers or strings, got {given.dtype}")
    units: Array = np.unique(given, return_inverse=True)[1].reshape(-1)
    return units


# --- the parts of one or two evaluations ----------------------------------------------------------


def evaluated(function: str, result: Any) -> tuple[Evaluated, Numbers]:
    e = view(function, result)
    if e.settings is None:
        raise ValueError(f"{function}: the evaluation does not say its settings")
    return e, Numbers.of(function, e)


def image_mask(function: str, images: Any, n: int) -> Array:
    """(n,) bool of a mask or of the numbers of images."""
    given = np.asarray(images)
    if given.dtype == bool:
        if given.shape != (n,):
            raise ValueError(f"{function}: images must have shape ({n},), got {given.shape}")
        return given
    if given.ndim != 1 or (given.dtype.kind not in "iu" and len(given)):
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
        e, classes=classes, table=replace(e.table, splits=splits, n_regular=n_regular),
        dets=replace(e.dets, category=moved(e.dets.category)),
        gts=replace(e.gts, category=moved(e.gts.category)),
    )  # fmt: skip


def pooled(a: Evaluated, b: Evaluated) -> Evaluated:
    """Both evaluations side by side: image i of `a` is 2 i, of `b` 2 i + 1.

    With weights that add up to 1 for each pair it is the evaluation whose images come from either.
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


# --- options --------------------------------------------------------------------------------------


def check_options(function: str, samples: Any, seed: Any, confidence: Any) -> float:
    _arrays.check_integer(function, "samples", samples, 0, 10**7)
    _arrays.check_integer(function, "seed", seed, 0, 2**63 - 1)
    level = _arrays.check_number(function, "confidence", confidence, 0, 1)
    if level == 1:
        raise ValueError(f"{function}: confidence must be below 1, got {confidence}")
    return level


def counter(progress: Progress, title: str, total: int) -> Callable[[int], Any]:
    report = reporter(progress, title)
    return lambda done: report(done, total)
