"""One number for misses, false detections and loose boxes: the optimal LRP error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, Evaluated, by_class, ratio, view
from tamis.evaluation.kinds import pair_by_pair
from tamis.evaluation.match_table import MatchTable
from tamis.evaluation.matching import pair_iou


@dataclass(frozen=True, eq=False, repr=False)
class Olrp(Result):
    """What `olrp` finds of K classes: errors, 0 is best and 1 worst; NaN without ground truth.

    Attributes
    ----------
    mean : float
        moLRP: the mean of `error` over the classes that have ground truth.
    classes : (K,) int64
    error : (K,) float64
        oLRP of each class: the smallest LRP error over all confidence thresholds.
    confidence : (K,) float64
        The threshold where it is smallest; NaN where no detection is right.
    localisation : (K,) float64
        Mean of 1 - IoU of the true positives there; NaN without any.
    false_positive, false_negative : (K,) float64
        1 - precision, NaN without detections, and 1 - recall there.
    iou : float
    class_names : (K,) tuple of str, or None
        As in `DetectionResult`.
    """

    mean: float
    classes: Array
    error: Array
    confidence: Array
    localisation: Array
    false_positive: Array
    false_negative: Array
    iou: float
    class_names: tuple[str | None, ...] | None = None

    def _columns(self) -> dict[str, Any]:
        names = ("error", "confidence", "localisation", "false_positive", "false_negative")
        rows = range(len(self.classes))
        return by_class(self, rows) | {name: getattr(self, name) for name in names}


def olrp(evaluated: AnyEvaluation, *, iou: float = 0.5) -> Olrp:
    """Optimal LRP error of each class, and its mean.

    The LRP error of a class at a confidence threshold is ``(sum((1 - IoU) / (1 - iou)) + fp + fn)
    / (tp + fp + fn)``, the sum over true positives. Optimal is the threshold of the smallest error.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        Of a `COCOeval`, what `evaluate` looked at.
    iou : float, default 0.5
        IoU threshold for a true positive, in (0, 1). Of keypoints, their similarity.

    Returns
    -------
    Olrp

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; a number out of range.

    Notes
    -----
    Oksuz et al., "One Metric to Measure Them All" (TPAMI 2021). The matches are those of COCO's
    evaluation in its first area range, up to its largest number of detections. A threshold keeps
    the scores equal to it; the authors' code also cuts between equal scores. Of equal errors the
    highest threshold is given. A class of which no detection is right has an error of 1. Cost: the
    similarity of each match, and a pass over the scores.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": boxes, "scores": np.array([0.9, 0.4]), "labels": np.array([1, 1])},
    ...     {"boxes": boxes[:1] + [0, 0, 0, 2.5], "labels": np.array([1])},
    ... )
    >>> found = tamis.olrp(evaluator.compute())
    >>> round(found.mean, 6), found.confidence
    (0.4, array([0.9]))
    """
    name = "olrp"
    e = view(name, evaluated)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    if iou == 1:
        raise ValueError(f"{name}: iou must be below 1, got 1")
    table = e.at(iou)
    tp, fp = e.counted(table)
    loose = looseness(e, table, tp)
    targets = table.n_regular[:, 0]
    bounds = zip(table.splits[:-1].tolist(), table.splits[1:].tolist(), strict=True)
    runs = [table.index[a:b] for a, b in bounds]
    found = [
        _best(e.dets.scores[run], tp[run], fp[run], loose[run], int(n), iou)
        for run, n in zip(runs, targets, strict=True)
    ]
    error, confidence, right, wrong, total = np.array(found, np.float64).reshape(-1, 5).T
    error[targets == 0] = np.nan
    known = error[targets > 0]
    return Olrp(
        float(known.mean()) if len(known) else float("nan"), e.classes, error, confidence,
        ratio(total, right), ratio(wrong, right + wrong), ratio(targets - right, targets), iou,
        e.class_names,
    )  # fmt: skip


def looseness(e: Evaluated, table: MatchTable, tp: Array) -> Array:
    """(n,) 1 - similarity of each true positive and its ground truth; 0 for others."""
    dets = np.flatnonzero(tp)
    gts = table.dense(0, len(tp))[0][dets]
    if e.similarity is not None:
        alike = pair_by_pair(e.similarity, dets, gts)
    else:
        assert e.dets.boxes is not None and e.gts.boxes is not None
        alike = pair_iou(e.dets.boxes[dets], e.gts.boxes[gts], e.gts.crowd[gts])
    out = np.zeros(len(tp))
    out[dets] = 1 - alike
    return out


def _best(
    scores: Array, tp: Array, fp: Array, loose: Array, targets: int, iou: float
) -> tuple[float, float, int, int, float]:
    """Error, confidence, true and false positives, and looseness there; scores descend."""
    if not tp.any():
        return 1.0, np.nan, 0, 0, 0.0
    last = np.append(scores[1:] != scores[:-1], True)  # a threshold lies between unequal scores
    right, wrong, total = (np.cumsum(x)[last] for x in (tp, fp, loose))
    errors = (total / (1 - iou) + wrong + targets - right) / (wrong + targets)
    best = int(np.argmin(errors))
    return (
        float(errors[best]), float(scores[last][best]), int(right[best]), int(wrong[best]),
        float(total[best]),
    )  # fmt: skip
