"""Calibration: how far the confidence of detections is from their precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, by_class, ratio, view


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Result):
    """What `calibration` finds, of K classes and B bins of confidence.

    Attributes
    ----------
    classes : (K,) int64
    edges : (B + 1,) float64
        Bin `b` holds confidences in ``[edges[b], edges[b + 1])``, the last bin 1 too.
    count : (K + 1, B) int64
        Number of detections that are not ignored, by class; the last row is all classes together.
    confidence, precision : (K + 1, B) float64
        The mean confidence of a bin, and the share of its detections that are right; NaN if empty.
    expected_error, maximum_error : (K + 1,) float64
        The mean over all detections, and the largest, of the distance between the two; NaN for a
        class without detections.
    iou : float
    class_names : (K,) tuple of str, or None
        As in `DetectionResult`.
    """

    classes: Array
    edges: Array
    count: Array
    confidence: Array
    precision: Array
    expected_error: Array
    maximum_error: Array
    iou: float
    class_names: tuple[str | None, ...] | None = None

    def _columns(self) -> dict[str, Any]:
        bins = self.count.shape[1]
        return {
            **by_class(self, np.repeat(np.arange(len(self.count)), bins).tolist()),
            "low": np.tile(self.edges[:-1], len(self.count)),
            "high": np.tile(self.edges[1:], len(self.count)),
            **{n: getattr(self, n).ravel() for n in ("count", "confidence", "precision")},
        }


def calibration(evaluated: AnyEvaluation, *, iou: float = 0.5, bins: int = 10) -> Calibration:
    """Compare the confidence of detections with their precision, bin by bin.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        For a `COCOeval`, only what `evaluate` covered.
    iou : float, default 0.5
        IoU threshold for a true positive, in (0, 1].
    bins : int, default 10
        Of equal width, from 0 to 1.

    Returns
    -------
    Calibration

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; a confidence outside [0, 1]; numbers out
        of range.

    Notes
    -----
    The expected and the maximum calibration error of Guo et al. (ICML 2017), for detections as in
    Kueppers et al. (CVPR workshops 2020) by confidence alone: a detection is right if it is a true
    positive of COCO's evaluation in its first area range, up to its largest number of detections;
    ignored ones are left out. Cost: a pass over the detections; about 40 bytes for each.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": boxes, "scores": np.array([0.9, 0.4]), "labels": np.array([1, 1])},
    ...     {"boxes": boxes[:1], "labels": np.array([1])},
    ... )
    >>> tamis.calibration(evaluator.compute()).expected_error.round(6)
    array([0.25, 0.25])
    """
    name = "calibration"
    e = view(name, evaluated)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    bins = arrays.check_integer(name, "bins", bins, 1, 10_000)
    table = e.at(iou)
    right, wrong = e.counted(table)
    used = np.flatnonzero(right | wrong)
    scores, category = e.dets.scores[used], e.dets.category[used]
    outside = (scores < 0) | (scores > 1)
    if outside.any():
        raise ValueError(
            f"{name}: confidences must be in [0, 1], got {scores[np.argmax(outside)]:g}"
        )
    k = len(e.classes)
    edges = np.arange(bins + 1) / bins
    place = np.minimum(np.searchsorted(edges, scores, side="right") - 1, bins - 1)
    cell = category.astype(np.int64) * bins + place

    def sums(weights: Array | None) -> Array:
        by_class = np.bincount(cell, weights, minlength=k * bins).reshape(k, bins)
        return np.concatenate([by_class, by_class.sum(0, keepdims=True)])

    count, mean = sums(None), sums(scores)
    confidence, precision = ratio(mean, count), ratio(sums(right[used].astype(float)), count)
    apart = np.abs(confidence - precision)
    weighted = np.where(count > 0, apart, 0) * count
    expected = ratio(weighted.sum(1), count.sum(1))
    largest = np.where(count.any(1), np.where(count > 0, apart, -1).max(1), np.nan)
    return Calibration(
        e.classes, edges, count, confidence, precision, expected, largest, iou, e.class_names
    )
