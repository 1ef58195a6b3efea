"""Scores of a detector on each image, to find the worst images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.ragged import positions
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, Evaluated, check_confidence, ratio, view
from tamis.evaluation.average_precision import curves
from tamis.evaluation.match_table import MatchTable

_GROUPS_AT_ONCE = 1 << 14  # 25 MB of curves
_RECALLS = np.linspace(0.0, 1.0, 101).tolist()


@dataclass(frozen=True, eq=False, repr=False)
class ImageScores(Result, Mapping[str, Array]):
    """What `image_scores` finds, a row per image; also a mapping of names to columns.

    Attributes
    ----------
    image : (images,) int64
        The image id of a `COCOeval`, else the image's number.
    tp, fp, fn : (images,) int64
    precision, recall, f1 : (images,) float64
        NaN where the denominator is 0.
    ap : (images,) float64
        COCO's average precision of the image alone: the mean over the classes of its ground truths,
        NaN if it has none. NaN sorts last: ``np.argsort(ap)`` begins with the worst images.
    """

    image: Array
    tp: Array
    fp: Array
    fn: Array
    precision: Array
    recall: Array
    f1: Array
    ap: Array

    def _columns(self) -> dict[str, Any]:
        return self._public()

    def __getitem__(self, name: str) -> Array:
        if name not in list(self):
            raise KeyError(name)
        column: Array = getattr(self, name)
        return column

    def __iter__(self) -> Iterator[str]:
        return (f.name for f in fields(self))

    def __len__(self) -> int:
        return len(fields(self))


def image_scores(
    evaluated: AnyEvaluation, *, iou: float = 0.5, confidence: float | None = None
) -> ImageScores:
    """Score every image by itself.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        For a `COCOeval`, only what `evaluate` covered.
    iou : float, default 0.5
        IoU threshold for a true positive, in (0, 1].
    confidence : float, optional
        Ignore detections with a lower score (does not affect ``ap``). In [0, 1], or within the
        range of scores that are not. Default: use all.

    Returns
    -------
    ImageScores

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; numbers out of range.

    Notes
    -----
    The matches are those of COCO's evaluation in its first area range, up to its largest number of
    detections. Cost: a sort of the scores by image; about 160 bytes per detection.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": boxes, "scores": np.array([0.9, 0.4]), "labels": np.array([1, 1])},
    ...     {"boxes": boxes[:1], "labels": np.array([1])},
    ... )
    >>> scores = tamis.image_scores(evaluator.compute())
    >>> scores.precision, scores.ap.round(6)
    (array([0.5]), array([1.]))
    """
    name = "image_scores"
    e = view(name, evaluated)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    if confidence is not None:
        confidence = check_confidence(name, confidence, e.dets.scores)
    table = e.at(iou)
    tp, fp = e.counted(table)
    if confidence is not None:
        sure = e.dets.scores >= confidence
        tp, fp = tp & sure, fp & sure
    target_image = e.gts.image[_regular(e, table)]
    images = len(e.images)
    right, wrong = (np.bincount(e.dets.image[side], minlength=images) for side in (tp, fp))
    missed = np.bincount(target_image, minlength=images) - right
    return ImageScores(
        e.images, right, wrong, missed, ratio(right, right + wrong), ratio(right, right + missed),
        ratio(2 * right, 2 * right + wrong + missed), _average_precision(e, table),
    )  # fmt: skip


def _regular(e: Evaluated, table: MatchTable) -> Array:
    """(m,) bool: ground truths that count."""
    kept: Array = (table.gt_ignore[0] == 0) & (e.gts.category >= 0) & (e.gts.image >= 0)
    return kept


def _average_precision(e: Evaluated, table: MatchTable) -> Array:
    """(images,) AP; each pair of an image and a class with ground truth counts as one class."""
    k, regular = len(e.classes), _regular(e, table)
    gt_key = e.gts.image[regular].astype(np.int64) * k + e.gts.category[regular]
    keys, targets = np.unique(gt_key, return_counts=True)
    det_key = e.dets.image[table.index].astype(np.int64) * k + e.dets.category[table.index]
    group = positions(det_key, keys)
    order = np.argsort(group, kind="stable")  # by group, each best score first as in the table
    ends = np.searchsorted(group[order], np.arange(len(keys) + 1))
    ap = np.empty(len(keys))
    for first in range(0, len(keys), _GROUPS_AT_ONCE):
        last = min(first + _GROUPS_AT_ONCE, len(keys))
        rows = order[ends[first] : ends[last]]
        part = replace(
            table, index=table.index[rows], rank=table.rank[rows], row=table.row[rows],
            splits=ends[first : last + 1] - ends[first],
            outside=np.ascontiguousarray(table.outside[:, rows]),
            n_regular=targets[first:last, None],
        )  # fmt: skip
        precision, _, _ = curves(
            part, e.dets.scores, recall_thresholds=_RECALLS, max_dets=[e.max_det],
            counts=e.gts.counts,
        )  # fmt: skip
        by_group = np.ascontiguousarray(precision[0, :, :, 0, 0].T)  # summed alike in any part
        ap[first:last] = by_group.mean(axis=1)
    image = keys // max(k, 1)
    images = len(e.images)
    total = np.bincount(image, weights=ap, minlength=images)
    return ratio(total, np.bincount(image, minlength=images))
