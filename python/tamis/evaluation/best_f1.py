"""The confidence threshold with the best F1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import (
    AnyEvaluation,
    Evaluated,
    by_class,
    check_confidence,
    ratio,
    view,
)


@dataclass(frozen=True, eq=False, repr=False)
class BestF1(Result):
    """What `best_f1` finds: each array is (K + 1,), K classes and then all of them together.

    Attributes
    ----------
    classes : (K,) int64
    confidence, precision, recall, f1 : (K + 1,) float64
        The confidence with the largest F1, and the values at it. NaN for a class without ground
        truth. If no detection is right, F1 and recall are 0, and confidence and precision are NaN.
    tp, fp, fn : (K + 1,) int64
        Counts at that confidence.
    iou, beta : float
    class_names : (K,) tuple of str, or None
        As in `DetectionResult`.
    """

    classes: Array
    confidence: Array
    precision: Array
    recall: Array
    f1: Array
    tp: Array
    fp: Array
    fn: Array
    iou: float
    beta: float = 1.0
    class_names: tuple[str | None, ...] | None = None

    def _columns(self) -> dict[str, Any]:
        names = ("confidence", "precision", "recall", "f1", "tp", "fp", "fn")
        rows = range(len(self.classes) + 1)
        return by_class(self, rows) | {name: getattr(self, name) for name in names}


def best_f1(
    evaluated: AnyEvaluation,
    *,
    iou: float = 0.5,
    beta: float = 1.0,
    confidence: float | None = None,
) -> BestF1:
    """The confidence threshold of largest F1, for each class and for all.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        For a `COCOeval`, only what `evaluate` covered.
    iou : float, default 0.5
        IoU threshold for a true positive, in (0, 1].
    beta : float, default 1
        Weight of recall relative to precision: F-beta replaces F1.
    confidence : float, optional
        Precision, recall and F1 at this threshold instead of the best of each class. In [0, 1], or
        within the range of scores that are not.

    Returns
    -------
    BestF1
        The last entry is one threshold for all classes, from their counts together.

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; a number out of range.

    Notes
    -----
    The matches are those of COCO's evaluation in its first area range, up to its largest number of
    detections: dropping detections below a threshold does not change the matches of the others, so
    every score is tried. Scores equal to a threshold are kept; ties of F1 go to the highest
    threshold. Cost: a sort of the scores; about 50 bytes per detection.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": boxes, "scores": np.array([0.9, 0.4]), "labels": np.array([1, 1])},
    ...     {"boxes": boxes[:1], "labels": np.array([1])},
    ... )
    >>> tamis.best_f1(evaluator.compute()).confidence
    array([0.9, 0.9])
    """
    name = "best_f1"
    e = view(name, evaluated)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    square = arrays.check_number(name, "beta", beta, 0, 1e6) ** 2
    if confidence is not None:
        confidence = check_confidence(name, confidence, e.dets.scores)
    return _best_f1(e, iou, square, confidence)


def best_confidences(e: Evaluated, iou: float) -> Array:
    """(K,) the threshold of the best F1 of each class, NaN without one."""
    return _best_f1(e, iou, 1.0).confidence[:-1]


def _best_f1(e: Evaluated, iou: float, square: float, at: float | None = None) -> BestF1:
    table = e.at(iou)
    tp, fp = e.counted(table)
    targets = table.n_regular[:, 0]
    every = table.index[np.argsort(-e.dets.scores[table.index], kind="stable")]
    runs = [table.index[a:b] for a, b in zip(table.splits[:-1], table.splits[1:], strict=True)]
    counts = [
        _best(e.dets.scores[run], tp[run], fp[run], n, square)
        if at is None
        else _counts(at, e.dets.scores[run] >= at, tp[run], fp[run], n)
        for run, n in zip([*runs, every], [*targets.tolist(), int(targets.sum())], strict=True)
    ]
    confidence, right, wrong, missed = map(np.array, zip(*counts, strict=True))
    return BestF1(
        e.classes, confidence, ratio(right, right + wrong), ratio(right, right + missed),
        np.where(right + missed > 0, _f(right, wrong, right + missed, square), np.nan),
        right, wrong, missed, iou, square**0.5, e.class_names,
    )  # fmt: skip


def _f(right: Array, wrong: Array, targets: Any, square: float) -> Array:
    """F-beta of counts; `square` is beta's."""
    return ratio((1 + square) * right, right + wrong + square * targets)


def _counts(
    at: float, kept: Array, tp: Array, fp: Array, targets: int
) -> tuple[float, int, int, int]:
    right = int(tp[kept].sum())
    return at, right, int(fp[kept].sum()), targets - right


def _best(
    scores: Array, tp: Array, fp: Array, targets: int, square: float
) -> tuple[float, int, int, int]:
    """Confidence, and true positives, false positives and misses there; scores descend."""
    if not tp.any():
        return np.nan, 0, 0, targets
    last = np.append(scores[1:] != scores[:-1], True)  # a threshold lies between unequal scores
    right, wrong = np.cumsum(tp)[last], np.cumsum(fp)[last]
    best = int(np.argmax(_f(right, wrong, targets, square)))
    return scores[last][best], int(right[best]), int(wrong[best]), targets - int(right[best])
