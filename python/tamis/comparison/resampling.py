"""The numbers of an evaluation when its images have weights, for intervals and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis.comparison.draws import Draw
from tamis.comparison.resampling_cuda import DevicePlan
from tamis.evaluation import summary
from tamis.evaluation.analysis import AnyEvaluation, Evaluated, ratio, view
from tamis.evaluation.average_precision import curves
from tamis.evaluation.parts import columns_of

BOX_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
KEYPOINT_STATS = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
_WEIGHTS_AT_ONCE = 1 << 20
_SAMPLES_AT_ONCE = 256
_STEP = 8  # samples that the kernel takes together


@dataclass(frozen=True)
class Numbers:
    """Which numbers an evaluation has, and the cells of its curves they are means of."""

    names: tuple[str, ...]
    rows: list[summary.Row]
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
            names, rows = KEYPOINT_STATS, summary.keypoint_rows()
        elif len(p.maxDets) == 3:
            names, rows = BOX_STATS, summary.detection_rows(p.maxDets, main=p.maxDets[2])
        else:
            raise ValueError(f"{function}: maxDets must be three counts, got {s.maxDets}")
        return cls(names, rows, p, *_cells(rows, p))

    def estimate(self, precision: Array, recall: Array) -> Array:
        """The numbers of an evaluation's tables, bit-identical."""
        tables = {"precision": precision, "recall": recall}
        values = [float(summary.mean(tables, self.params, row)) for row in self.rows]
        return absent_as_nan(np.array(values))

    def same_settings(self, other: Numbers) -> bool:
        a, b = self.params, other.params
        return (
            self.names == other.names
            and np.array_equal(a.iouThrs, b.iouThrs)
            and np.array_equal(a.recThrs, b.recThrs)
            and (a.areaRng, a.areaRngLbl, a.maxDets) == (b.areaRng, b.areaRngLbl, b.maxDets)
        )


def _cells(rows: list[summary.Row], p: SimpleNamespace) -> tuple[Array, Array, Array, Array]:
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
    device: DevicePlan | None = None

    @classmethod
    def of(cls, numbers: Numbers, e: Evaluated, on: Any = None) -> Plan:
        """`on`: an array on the CUDA device that computes the curves."""
        plan = _core.ResamplingPlan(**columns_of(e), cells=numbers.cells)
        device = None if on is None else DevicePlan(plan, numbers.params.recThrs, on)
        return cls(numbers, plan, len(e.table.splits) - 1, device)

    def by_class(self, weights: Array) -> Array:
        """(n, K, numbers) of (n, images) weights; NaN where a class has no ground truth."""
        s = self.numbers
        if self.device is not None:
            values = self.device.by_class(weights, s.cell, s.precision, s.mask)
            return absent_as_nan(values)
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
    """The numbers of each sample: over all classes, and of each class."""

    overall: Array  # (n, numbers)
    classes: Array  # (n, K, numbers)

    def columns(self) -> Array:
        """(n, numbers + K * numbers)"""
        return np.concatenate([self.overall, self.classes.reshape(len(self.classes), -1)], axis=1)


def sample(
    plans: Sequence[Plan],
    draw: Draw,
    n: int,
    images: int,
    done: Callable[[int], Any],
) -> list[Samples]:
    """The numbers of all plans for the same `n` draws of weights, block by block."""
    overall = [np.empty((n, len(p.numbers.names))) for p in plans]
    each = [np.empty((n, p.n_classes, len(p.numbers.names))) for p in plans]
    step = max(_STEP, min(_SAMPLES_AT_ONCE, _WEIGHTS_AT_ONCE // max(1, images)) // _STEP * _STEP)
    for first in range(0, n, step):
        last = min(n, first + step)
        weights = draw(first, last)
        for p, out, of_classes in zip(plans, overall, each, strict=True):
            of_classes[first:last] = values = p.by_class(weights)
            out[first:last] = over_classes(values)
        done(last)
    return [Samples(out, k) for out, k in zip(overall, each, strict=True)]


def numbers_of(e: Evaluated, numbers: Numbers) -> Array:
    """The numbers of the evaluation, bit-identical; NaN without ground truth."""
    p = numbers.params
    precision, recall, _ = curves(
        e.table, e.dets.scores, recall_thresholds=p.recThrs, max_dets=p.maxDets, counts=e.gts.counts
    )
    return numbers.estimate(precision, recall)


def evaluated(function: str, result: AnyEvaluation) -> tuple[Evaluated, Numbers]:
    e = view(function, result)
    if e.settings is None:
        raise ValueError(f"{function}: the evaluation does not say its settings")
    return e, Numbers.of(function, e)


def check_options(function: str, samples: Any, seed: Any, confidence: Any) -> float:
    arrays.check_integer(function, "samples", samples, 0, 10**7)
    arrays.check_integer(function, "seed", seed, 0, 2**63 - 1)
    level = arrays.check_number(function, "confidence", confidence, 0, 1)
    if level == 1:
        raise ValueError(f"{function}: confidence must be below 1, got {confidence}")
    return level


def check_device(function: str, on: Any) -> None:
    """Raise unless `on` is None or lives on a CUDA device that tamis can use."""
    if on is None:
        return
    where = arrays.device(on)
    if where == "cpu":
        raise ValueError(f"{function}: on must be an array on a CUDA device, got one on the host")
    arrays.backend(function, where)


def counter(progress: Progress, title: str, total: int) -> Callable[[int], Any]:
    report = reporter(progress, title)
    return lambda done: report(done, total)
