"""TIDE's error types, and the average precision that each costs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.ragged import Groups
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, Evaluated, check_confidence, view
from tamis.evaluation.average_precision import curves
from tamis.evaluation.best_f1 import best_confidences
from tamis.evaluation.match_table import MatchTable

TYPES = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
_RIGHT, _NOT_SEEN = -1, -2
_FIXABLE, _MISSED, _CROWD = 1, 2, 3
_RECALLS = [i / 100 for i in range(101)]  # not linspace: some differ in the last bit
_ALL = 2**31 - 1


@dataclass(frozen=True, eq=False, repr=False)
class DetectionErrors(Result):
    """What `detection_errors` finds, of n detections and m ground truths.

    Attributes
    ----------
    ap : float
        Average precision at `iou`, 0 to 100; 0 where there is nothing.
    main : dict of str to float
        By type, ``Cls Loc Both Dupe Bkg Miss``: the points of AP that fixing it would gain.
    special : dict of str to float
        The same for all false positives, ``FalsePos``, and all false negatives, ``FalseNeg``.
    counts : dict of str to int
        Errors by type. Those of ignored detections count, as in tidecv.
    kind : (n,) int8
        Index of a detection's type in `DetectionErrors.TYPES`; -1: correct; -2: beyond
        `max_detections`.
    target : (n,) int64
        Row of the ground truth that the detection matched, or is closest to (Cls, Loc, Dupe), else
        -1.
    ignored : (n,) bool
        The detection is wrong but lies in a crowd of its class, so it costs nothing.
    missed : (m,) bool
        Ground truths that would not be found even with Cls and Loc errors fixed.
    detection_id, target_id : (n,) and (m,) int64
        Annotation ids for a `COCOeval`; row numbers, in the order of `update`, otherwise.
    iou, background : float
    image, target_image : (n,) and (m,) int32
        Place of each row's image among the evaluation's, -1 for rows of none of them.
    confidence : (K,) float64
        The threshold of each class, -infinity where all detections count.
    image_ids : (images,) array
        Ids of the evaluation's images, or names: ``image_ids[image]`` is where each error is.
    """

    TYPES: ClassVar[tuple[str, ...]] = TYPES

    ap: float
    main: dict[str, float]
    special: dict[str, float]
    counts: dict[str, int]
    kind: Array
    target: Array
    ignored: Array
    missed: Array
    detection_id: Array
    target_id: Array
    iou: float
    background: float
    image: Array
    target_image: Array
    confidence: Array
    image_ids: Array

    def _columns(self) -> dict[str, Any]:
        return {
            "type": list(self.counts),
            "count": list(self.counts.values()),
            "ap": [self.main[name] for name in self.counts],
        }

    def __str__(self) -> str:
        rows = [("AP", self.ap, ""), *((k, v, self.counts[k]) for k, v in self.main.items())]
        rows += [(k, v, "") for k, v in self.special.items()]
        lines = [f"{name:<8} {value:7.2f} {count:>8}" for name, value, count in rows]
        return "\n".join([f"IoU {self.iou:<4g} {'points':>7} {'errors':>8}", *lines])


def detection_errors(
    evaluated: AnyEvaluation,
    *,
    iou: float = 0.5,
    background: float = 0.1,
    max_detections: int = 100,
    confidence: float | Literal["best_f1"] | None = None,
) -> DetectionErrors:
    """Classify errors into TIDE's six types and report how many AP points each type costs.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        An evaluation of boxes or masks. For a `COCOeval`, only what `evaluate` covered.
    iou : float, default 0.5
        IoU threshold for a correct detection, in (0, 1].
    background : float, default 0.1
        A detection with at most this IoU is background. In (0, `iou`].
    max_detections : int, default 100
        Largest number of detections per image, of all classes together, best score first.
    confidence : float or "best_f1", optional
        Detections of a lower score are left out, as a deployed detector leaves them out; of
        "best_f1" those below the threshold of their class's best F1. By default all count, as in
        tidecv.

    Returns
    -------
    DetectionErrors
        ``Cls``: right place, wrong label. ``Loc``: right label, IoU too low. ``Both``: wrong label
        and IoU too low. ``Dupe``: its ground truth is already found. ``Bkg``: background. ``Miss``:
        a ground truth that no detection is near.

    Raises
    ------
    TypeError, ValueError
        Another object, an evaluation that has not run, or of keypoints; numbers out of range.

    Notes
    -----
    The numbers of tidecv 1.0.1 (Bolya et al., ECCV 2020) with the images in the order of the
    evaluation; sums over classes may differ in the last bits. A class takes part if it has a ground
    truth or a detection. Cost: one IoU a pair of an image, five sorts of the scores; about 70 bytes
    per detection, and for masks 8 per pair of an image.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": boxes + [0, 0, 5, 0], "scores": np.ones(2), "labels": np.array([1, 2])},
    ...     {"boxes": boxes, "labels": np.array([1, 1])},
    ... )
    >>> tamis.detection_errors(evaluator.compute()).counts
    {'Cls': 1, 'Loc': 0, 'Both': 0, 'Dupe': 0, 'Bkg': 0, 'Miss': 0}
    """
    name = "detection_errors"
    e = view(name, evaluated)
    if e.kind == "keypoints":
        raise ValueError(f"{name}: evaluated must be of boxes or masks, got keypoints")
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    background = arrays.check_number(name, "background", background, 0, iou)
    max_detections = arrays.check_integer(name, "max_detections", max_detections, 1, _ALL)
    least = thresholds(name, e, confidence, iou)
    e = above(e, least)
    found = _find(e, iou, background, int(max_detections))
    counts = np.bincount(found.kind[found.kind >= 0], minlength=len(TYPES)).tolist()
    counts[-1] = int(found.missed.sum())
    ap, main, special = _costs(e, found)
    return DetectionErrors(
        ap, main, special, dict(zip(TYPES, counts, strict=True)), found.kind, found.target,
        found.ignored, found.missed, e.det_ids, e.gt_ids, iou, background, e.dets.image,
        e.gts.image, least, e.images,
    )  # fmt: skip


def thresholds(function: str, e: Evaluated, confidence: Any, iou: float) -> Array:
    """(K,) the least score of each class; a class whose F1 is nowhere above 0 keeps all."""
    if confidence is None:
        return np.full(len(e.classes), -np.inf)
    if isinstance(confidence, str):
        if confidence != "best_f1":
            raise ValueError(
                f"{function}: confidence must be a number, 'best_f1' or None, got {confidence!r}"
            )
        return np.nan_to_num(best_confidences(e, iou), nan=-np.inf)
    return np.full(len(e.classes), check_confidence(function, confidence, e.dets.scores))


def above(e: Evaluated, least: Array) -> Evaluated:
    """Without the detections below the threshold of their class."""
    if len(least) == 0 or (least == -np.inf).all():
        return e
    low = e.dets.scores < least[e.dets.category]
    return replace(e, dets=replace(e.dets, image=np.where(low, np.int32(-1), e.dets.image)))


@dataclass
class _Found:
    kind: Array
    target: Array
    ignored: Array
    fixes: Array  # bool: mended, the detection finds its target
    regular: Array  # (m,) bool: no crowd, and in an image that was evaluated
    missed: Array


def _find(e: Evaluated, iou: float, background: float, cap: int) -> _Found:
    n, m, images = len(e.dets.scores), len(e.gts.crowd), len(e.images)
    image = np.where(e.dets.category < 0, np.int32(-1), e.dets.image)
    gt_image = np.where(e.gts.category < 0, np.int32(-1), e.gts.image)
    det, _, det_splits = _core.order_detections(
        image, np.zeros(n, np.int32), e.dets.scores, images, 1, cap
    )
    gt = np.argsort(gt_image, kind="stable")[np.count_nonzero(gt_image < 0) :]
    gt_splits = np.concatenate([[0], np.cumsum(np.bincount(gt_image[gt], minlength=images))])
    given = None
    if e.similarity is not None:
        given = e.similarity(Groups(det, det_splits, gt, gt_splits))
    kind, target = np.full(n, _NOT_SEEN, np.int8), np.full(n, -1)
    ignored, fixes = np.zeros((2, n), bool)
    state = np.full(m, _CROWD, np.int8)
    _core.detection_errors(
        det=det, det_splits=det_splits, gt=gt, gt_splits=gt_splits, det_label=e.dets.category,
        gt_label=e.gts.category, det_boxes=e.dets.boxes, gt_boxes=e.gts.boxes,
        gt_crowd=e.gts.crowd, similarity=given, foreground=iou, background=background,
        kind=kind, ignored=ignored, fixes=fixes, target=target, gt_state=state,
    )  # fmt: skip
    return _Found(kind, target, ignored, fixes, state != _CROWD, state == _MISSED)


@dataclass
class _Order:
    """Detections by class, then descending score, then whether they are right, then image."""

    index: Array
    splits: Array

    @classmethod
    def of(cls, category: Array, image: Array, scores: Array, k: int) -> _Order:
        images = 1 + int(image.max(initial=-1))
        index, _, splits = _core.order_detections(
            category.astype(np.int32), image, scores, k, images, _ALL
        )
        return cls(index, splits)

    def mean_ap(self, use: Array, hits: Array, targets: Array) -> float:
        """Mean over the classes with a detection in use or a target; 0 where one has no target."""
        used = use[self.index]
        index, splits = self.index[used], np.concatenate([[0], np.cumsum(used)])[self.splits]
        n, k = len(index), len(targets)
        table = MatchTable(
            index, np.zeros(n, np.int32), splits, np.where(hits[index], 0, -1).astype(np.int32),
            np.array([0, 1]), np.zeros(1, np.int32), np.ones((1, 1, 1), np.uint64), 1,
            np.zeros((1, 1), np.uint8), np.zeros((1, n), np.uint8), targets.reshape(k, 1),
        )  # fmt: skip
        scores = np.zeros(len(use))  # their order is all that counts
        precision, _, _ = curves(table, scores, recall_thresholds=_RECALLS, max_dets=[1])
        by_class = np.where(targets > 0, precision[0, :, :, 0, 0].mean(axis=0), 0)
        part = by_class[(np.diff(splits) > 0) | (targets > 0)]
        return 100 * math.fsum(part) / len(part) if len(part) else 0.0


def _costs(e: Evaluated, found: _Found) -> tuple[float, dict[str, float], dict[str, float]]:
    """The current AP, and the gain from fixing each type."""
    k, kind, scores = len(e.classes), found.kind, e.dets.scores
    right = kind == _RIGHT
    counted = (kind != _NOT_SEEN) & ~found.ignored
    category = np.where(kind == _NOT_SEEN, -1, e.dets.category)
    # mended detections are sorted with the wrong ones, before the right ones of the same score
    later = np.where(right, e.dets.image + np.int32(len(e.images)), e.dets.image)
    order = _Order.of(category, later, scores, k)

    def by_class(gts: Array) -> Array:
        return np.bincount(e.gts.category[gts], minlength=k)

    targets = by_class(found.regular)
    ap = _Order.of(category, e.dets.image, scores, k).mean_ap(counted, right, targets)
    main = {}
    for code, name in enumerate(TYPES):
        mended = found.fixes & (kind == code)
        its_order, its_targets = order, targets
        if name == "Cls" and mended.any():
            moved = category.copy()
            moved[mended] = e.gts.category[found.target[mended]]
            its_order = _Order.of(moved, later, scores, k)
        if name == "Miss":
            its_targets = targets - by_class(found.missed)
        use = (counted & (kind != code)) | mended
        main[name] = max(its_order.mean_ap(use, right | mended, its_targets) - ap, 0.0)
    right_first = _Order.of(category, later, right.astype(np.float64), k)
    found_by_class = np.bincount(category[right], minlength=k)
    special = {
        "FalsePos": right_first.mean_ap(counted, right, targets) - ap,
        "FalseNeg": order.mean_ap(counted, right, found_by_class) - ap,
    }
    return ap, main, special
