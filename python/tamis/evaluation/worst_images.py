"""The images that cost a detector most, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, Evaluated, view
from tamis.evaluation.average_precision import curves
from tamis.evaluation.detection_errors import TYPES, DetectionErrors, above, detection_errors
from tamis.evaluation.detection_errors import thresholds as least_scores
from tamis.evaluation.match_table import MatchTable

_RECALLS = np.linspace(0.0, 1.0, 101).tolist()
_ROWS_AT_ONCE = 1 << 20
_GROUPS_AT_ONCE = 1 << 12


@dataclass(frozen=True, eq=False, repr=False)
class WorstImages(Result):
    """What `worst_images` finds: a row an image, the most expensive first.

    Attributes
    ----------
    image : (w,) ids
        As the evaluation calls its images.
    cost : (w,) float64
        Points of AP at `iou`, 0 to 100, that a perfect image would add.
    errors : dict of str to (w,) int64
        By type the errors above the confidence: TIDE's ``Cls Loc Both Dupe Bkg Miss``; of
        keypoints ``False`` and ``Miss``.
    ap : float
        AP as it is.
    confidence : (K,) float64
        The threshold of each class.
    iou : float
    """

    image: Array
    cost: Array
    errors: dict[str, Array]
    ap: float
    confidence: Array
    iou: float

    def _columns(self) -> dict[str, Any]:
        return {"image": self.image, "cost": self.cost, **self.errors}

    def why(self, row: int) -> str:
        """The errors of a row in words, the most frequent first."""
        counts = sorted(((int(v[row]), k) for k, v in self.errors.items()), key=lambda x: -x[0])
        return ", ".join(f"{n} {kind}" for n, kind in counts if n) or "low scores only"

    def __str__(self) -> str:
        head = f"{'cost':>7}  image: errors    (points of AP {self.ap:.2f} at IoU {self.iou:g})"
        rows = [
            f"{cost:7.3f}  {image}: {self.why(i)}"
            for i, (image, cost) in enumerate(zip(self.image, self.cost, strict=True))
        ]
        return "\n".join([head, *rows])


def worst_images(
    evaluated: AnyEvaluation,
    *,
    count: int = 20,
    iou: float = 0.5,
    confidence: float | Literal["best_f1"] | None = "best_f1",
) -> WorstImages:
    """The images that cost most AP, and which errors they have.

    The cost of an image is what AP would gain if it alone were perfect: its false detections gone,
    and what it misses found, before all other detections of the class.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        Of a `COCOeval`, what `evaluate` looked at.
    count : int, default 20
        Images at most; those that cost nothing are left out.
    iou : float, default 0.5
        IoU threshold for a true positive, in (0, 1]. Of keypoints, their similarity.
    confidence : float, "best_f1" or None, default "best_f1"
        Errors are counted among detections from this score on, as in :func:`detection_errors`;
        the cost is over all detections, as AP is.

    Returns
    -------
    WorstImages

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; numbers out of range.

    Notes
    -----
    The matches are those of COCO's evaluation in its first area range, up to its largest number of
    detections; AP is COCO's mean over classes with ground truth, at one IoU. Ties go to the image
    that comes first. Cost: one AP for each image and class with an error, over the detections of
    the class.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> for scores in ([0.9, 0.8], [0.9]):
    ...     n = len(scores)
    ...     evaluator.update(
    ...         {"boxes": boxes[:n], "scores": np.array(scores), "labels": np.ones(n, int)},
    ...         {"boxes": boxes, "labels": np.ones(2, int)},
    ...     )
    >>> print(tamis.worst_images(evaluator.compute()))
       cost  image: errors    (points of AP 75.25 at IoU 0.5)
     24.752  1: 1 Miss
    """
    name = "worst_images"
    e = view(name, evaluated)
    count = arrays.check_integer(name, "count", count, 0, 2**31)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    least = least_scores(name, e, confidence, iou)
    table = e.at(iou)
    ap, gain = image_costs(e, table)
    order = np.argsort(-gain, kind="stable")[:count]
    order = order[gain[order] > 0]
    if e.kind == "keypoints":
        counts = _plain_errors(above(e, least), iou)
    else:
        counts = _errors(
            detection_errors(evaluated, iou=iou, background=min(0.1, iou), confidence=confidence),
            len(e.images),
        )
    errors = {kind: column[order] for kind, column in counts.items()}
    return WorstImages(e.images[order], 100 * gain[order], errors, 100 * ap, least, iou)


def image_costs(e: Evaluated, table: MatchTable) -> tuple[float, Array]:
    """AP, 0 to 1, and (images,) what it gains where one image is perfect."""
    tp, fp = e.counted(table)
    k, images, targets = len(e.classes), len(e.images), table.n_regular[:, 0]
    present = targets > 0
    if not present.any():
        return 0.0, np.zeros(images)
    use = tp | fp
    classes = [table.index[a:b] for a, b in zip(table.splits[:-1], table.splits[1:], strict=True)]
    rows = [run[use[run]] for run in classes]
    whole = _average_precision(rows, [tp[run] for run in rows], targets)
    keys = e.dets.image.astype(np.int64) * k + e.dets.category
    missed = _missed(e, table, tp, keys, images * k)
    wrong = np.bincount(keys[fp], minlength=images * k)
    pairs = np.flatnonzero(((missed > 0) | (wrong > 0)) & np.tile(present, images))
    gain = np.zeros(images)
    first = 0
    sizes = np.array([len(run) for run in rows])[pairs % k] + missed[pairs]
    while first < len(pairs):
        room = np.searchsorted(np.cumsum(sizes[first:]), _ROWS_AT_ONCE, side="right")
        some = pairs[first : first + min(max(int(room), 1), _GROUPS_AT_ONCE)]
        perfect_rows, perfect_hits = [], []
        for pair in some.tolist():
            run = rows[pair % k]
            kept = run[~(fp[run] & (e.dets.image[run] == pair // k))]
            found = int(missed[pair])
            perfect_rows.append(np.concatenate([np.zeros(found, kept.dtype), kept]))
            perfect_hits.append(np.concatenate([np.ones(found, bool), tp[kept]]))
        better = _average_precision(perfect_rows, perfect_hits, targets[some % k])
        np.add.at(gain, some // k, better - whole[some % k])
        first += len(some)
    n = int(present.sum())
    return float(whole[present].sum() / n), gain / n


def _missed(e: Evaluated, table: MatchTable, tp: Array, keys: Array, size: int) -> Array:
    """(images x classes,) ground truths that count and are not found."""
    regular = (table.gt_ignore[0] == 0) & (e.gts.category >= 0) & (e.gts.image >= 0)
    gt_keys = e.gts.image[regular].astype(np.int64) * len(e.classes) + e.gts.category[regular]
    return np.bincount(gt_keys, minlength=size) - np.bincount(keys[tp], minlength=size)


def _average_precision(rows: list[Array], hits: list[Array], targets: Array) -> Array:
    """COCO's AP at one IoU of groups of detections, best score first; -1 without a target."""
    splits = np.cumsum([0, *map(len, rows)])
    n = int(splits[-1])
    right = np.concatenate([np.empty(0, bool), *hits])
    table = MatchTable(
        np.concatenate([np.empty(0, np.int64), *rows]), np.zeros(n, np.int32), splits,
        np.where(right, 0, -1).astype(np.int32), np.array([0, 1]), np.zeros(1, np.int32),
        np.ones((1, 1, 1), np.uint64), 1, np.zeros((1, 1), np.uint8), np.zeros((1, n), np.uint8),
        np.ascontiguousarray(targets.reshape(-1, 1)),
    )  # fmt: skip
    scores = np.zeros(1 + int(table.index.max(initial=0)))  # their order is all that counts
    precision, _, _ = curves(table, scores, recall_thresholds=_RECALLS, max_dets=[1])
    mean: Array = precision[0, :, :, 0, 0].mean(axis=0)
    return mean


def _errors(errors: DetectionErrors, images: int) -> dict[str, Array]:
    """By type the errors of each image; those of ignored detections do not count."""
    costs = (errors.kind >= 0) & ~errors.ignored & (errors.image >= 0)
    counts = {
        kind: np.bincount(errors.image[costs & (errors.kind == code)], minlength=images)
        for code, kind in enumerate(TYPES[:-1])
    }
    missed = errors.missed & (errors.target_image >= 0)
    return {**counts, "Miss": np.bincount(errors.target_image[missed], minlength=images)}


def _plain_errors(e: Evaluated, iou: float) -> dict[str, Array]:
    """False detections and misses, where TIDE's types have no meaning."""
    table = replace(e, iou_thresholds=np.empty(0)).at(iou)  # matched without those left out
    tp, fp = e.counted(table)
    k, images = max(len(e.classes), 1), len(e.images)
    keys = e.dets.image.astype(np.int64) * k + e.dets.category
    missed = _missed(e, table, tp, keys, images * k)
    return {
        "False": np.bincount(e.dets.image[fp], minlength=images),
        "Miss": missed.reshape(images, k).sum(axis=1),
    }
