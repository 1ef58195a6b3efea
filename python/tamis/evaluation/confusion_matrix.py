"""Which classes a detector confuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, by_class, check_confidence, view
from tamis.evaluation.match_table import match


@dataclass(frozen=True, eq=False, repr=False)
class ConfusionMatrix(Result):
    """What `confusion_matrix` counts, of K classes and n detections.

    Attributes
    ----------
    matrix : (K + 1, K + 1) int64
        Row: class of the ground truth; column: class of the detection. The last row counts
        detections without a ground truth, the last column ground truths without a detection.
    classes : (K,) int64
        The classes, in the order of rows and columns.
    target : (n,) int64
        Row of the ground truth matched by each detection, including crowds; -1 for none.
    detection_id, target_id : (n,) and (m,) int64
        Annotation ids for a `COCOeval`; row numbers, in the order of `update`, otherwise.
    iou, confidence : float
    class_names : (K,) tuple of str, or None
        As in `DetectionResult`.
    """

    matrix: Array
    classes: Array
    target: Array
    detection_id: Array
    target_id: Array
    iou: float
    confidence: float
    class_names: tuple[str | None, ...] | None = None

    def _columns(self) -> dict[str, Any]:
        rows, columns = np.nonzero(self.matrix)
        return {
            **by_class(self, rows.tolist(), "target"),
            **by_class(self, columns.tolist(), "detection"),
            "count": self.matrix[rows, columns],
        }


def confusion_matrix(
    evaluated: AnyEvaluation, *, iou: float = 0.5, confidence: float = 0.25
) -> ConfusionMatrix:
    """Count how often a ground truth of one class is found as another, or not at all.

    In each image the detections, best score first, each take the free ground truth of largest IoU
    that reaches `iou`, whatever its class (the last one among equals).

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        For a `COCOeval`, only what `evaluate` covered.
    iou : float, default 0.5
        In (0, 1]; for keypoints, their similarity.
    confidence : float, default 0.25
        Detections with a lower score are ignored.

    Returns
    -------
    ConfusionMatrix

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; numbers out of range.

    Notes
    -----
    The rule of Ultralytics 8.4 and of FiftyOne's `evaluate_detections(classwise=False)`: that of
    COCO, ignoring classes. A detection that could only match a crowd (or another ignored ground
    truth) of any class is left out, and so are those ground truths. The number of detections per
    image is not limited. Cost: one similarity per pair of an image; 80 bytes per detection, and 8
    per pair for masks and keypoints.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": box, "scores": np.array([0.9]), "labels": np.array([7])},
    ...     {"boxes": box, "labels": np.array([3])},
    ... )
    >>> tamis.confusion_matrix(evaluator.compute()).matrix
    array([[0, 1, 0],
           [0, 0, 0],
           [0, 0, 0]])
    """
    name = "confusion_matrix"
    e = view(name, evaluated)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    confidence = check_confidence(name, confidence, e.dets.scores)
    dets, gts = e.pooled()
    dets.image = np.where(dets.scores >= confidence, dets.image, -1).astype(np.int32)
    table = match(
        dets, gts, n_images=len(e.images), n_categories=1, thresholds=[iou],
        area_ranges=[(-np.inf, np.inf)], max_det=2**31 - 1, similarity=e.similarity,
    )  # fmt: skip
    target = table.dense(0, len(dets.scores))[0]
    background = len(e.classes)
    took = table.index[target[table.index] >= 0]
    taken = target[took]
    regular = table.gt_ignore[0] == 0
    free = regular & (gts.category >= 0) & (gts.image >= 0)
    free[taken] = False
    alone = table.index[target[table.index] < 0]
    took, taken = took[regular[taken]], taken[regular[taken]]
    rows = [e.gts.category[taken], e.gts.category[free], np.full(len(alone), background)]
    columns = [e.dets.category[took], np.full(free.sum(), background), e.dets.category[alone]]
    size = background + 1
    cells = np.concatenate(rows) * size + np.concatenate(columns)
    matrix = np.bincount(cells, minlength=size * size).reshape(size, size)
    return ConfusionMatrix(
        matrix, e.classes, target, e.det_ids, e.gt_ids, iou, confidence, e.class_names
    )
