"""Labels that a model disagrees with: what FiftyOne Brain calls mistakenness and hardness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import Format, check_format, read_column
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.labels import label_mistakes_cuda
from tamis.labels.classification_mistakes import (
    certainty,
    wrong,
)
from tamis.labels.fiftyone_matching import match_fiftyone


@dataclass(frozen=True, eq=False, repr=False)
class LabelMistakes(Result):
    """What `label_mistakes` found, for n detections, m ground truths and N images.

    Attributes
    ----------
    mistakenness : (m,) float64
        How likely the label of a ground truth is wrong, in [0, 1]; NaN where nothing matched it.
    mistakenness_loc : (m,) float64
        How likely its location is wrong.
    possible_spurious : (m,) bool
        No detection matched it: there may be no such object.
    possible_missing : (n,) bool
        A confident detection that matched nothing: a ground truth may be missing.
    image_mistakenness : (N,) float64
        The largest of the image, -1 if nothing matched.
    image_missing, image_spurious : (N,) int64
        How many.
    """

    mistakenness: Array
    mistakenness_loc: Array
    possible_spurious: Array
    possible_missing: Array
    image_mistakenness: Array
    image_missing: Array
    image_spurious: Array

    def _columns(self) -> dict[str, Any]:
        names = ("mistakenness", "mistakenness_loc", "possible_spurious")
        return {name: getattr(self, name) for name in names}


def label_mistakes(
    boxes: AnyArray,
    confidence: AnyColumn,
    splits: AnyColumn,
    gt_boxes: AnyArray,
    gt_splits: AnyColumn,
    *,
    labels: AnyColumn,
    gt_labels: AnyColumn,
    iscrowd: AnyColumn | None = None,
    logits: AnyArray | None = None,
    iou: float = 0.5,
    missing_confidence: float = 0.95,
    fmt: Format = "xyxy",
) -> LabelMistakes:
    """Ground-truth boxes that a detector disagrees with.

    Parameters
    ----------
    boxes : (n, 4) array of floats
        Detections of all images, concatenated.
    confidence : (n,) array of numbers
    splits : (images + 1,) integer array
        Image `i` holds rows ``splits[i]:splits[i + 1]``.
    gt_boxes : (m, 4) array of floats
    gt_splits : (images + 1,) integer array
    labels, gt_labels : (n,) and (m,) integer arrays
        Boxes of different labels match too; they are the mistakes.
    iscrowd : (m,) array, optional
        As in :func:`tamis.match_fiftyone`.
    logits : (n, c) array of numbers, optional
        The confidence of a match is then exp(-entropy); matching and missing objects still use
        `confidence`.
    iou : float, default 0.5
        Minimum IoU of a match, in [0, 1). At this IoU the location mistakenness is at its maximum.
    missing_confidence : float, default 0.95
        A detection without a match and with a higher confidence is a possible missing object.
    fmt : {"xyxy", "xywh", "cxcywh"}

    Returns
    -------
    LabelMistakes
        NumPy arrays; of CUDA boxes in their library, on their device.

    Raises
    ------
    ValueError, TypeError
        As `match_fiftyone`; an `iou` or `missing_confidence` out of range.

    Notes
    -----
    `compute_mistakenness` of fiftyone-brain 0.25, bit for bit with its relative boxes and
    ``fmt="xywh"``. As there, a confident second detection of a matched object counts as missing.
    Cost: one IoU per pair of an image; memory ``40 * (n + m)`` bytes.

    CUDA boxes are matched on their device; boxes of both sides and logits must be there, and other
    columns are copied there. The result is bit-identical except with logits (see :func:`hardness`).
    The host waits to check that all numbers are finite. Memory: about 200 bytes per box.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 0.5, 0.5]])
    >>> one = np.array([0, 1])
    >>> found = tamis.label_mistakes(
    ...     boxes, np.array([0.9]), one, boxes, one, labels=np.array([1]), gt_labels=np.array([2])
    ... )
    >>> found.mistakenness
    array([0.95])
    """
    name = "label_mistakes"
    _check_levels(name, iou, missing_confidence)
    check_format(name, fmt)
    given = arrays.as_array(name, "boxes", boxes)
    if arrays.runs_on_device(given):
        preds = given, splits, labels, confidence
        targets = gt_boxes, gt_splits, gt_labels, iscrowd
        return LabelMistakes(
            *label_mistakes_cuda.label_mistakes(
                name, preds, targets, logits, iou, missing_confidence, fmt
            )
        )
    given = arrays.host(name, "boxes", given)
    arrays.check_shape(name, "boxes", given, ("N", 4))
    if logits is not None:
        arrays.check_shape(name, "logits", arrays.host(name, "logits", logits), (len(given), "C"))
    sure = read_column(name, "confidence", confidence, len(given), "fiu")
    found = match_fiftyone(
        given, np.where(sure == 0, -1, sure), splits, gt_boxes, gt_splits,
        labels=labels, gt_labels=gt_labels, iscrowd=iscrowd, thresholds=min(iou, 1 - 1e-10),
        classwise=False, fmt=fmt,
    )  # fmt: skip
    return mistakes_of_matches(
        found.gt[0], found.det[0], found.iou[0], sure, splits, gt_splits,
        labels=labels, gt_labels=gt_labels, logits=logits, iou=iou,
        missing_confidence=missing_confidence,
    )  # fmt: skip


def mistakes_of_matches(
    gt: AnyColumn,
    det: AnyColumn,
    det_iou: AnyColumn,
    confidence: AnyColumn,
    splits: AnyColumn,
    gt_splits: AnyColumn,
    *,
    labels: AnyColumn,
    gt_labels: AnyColumn,
    logits: AnyArray | None = None,
    judged: AnyColumn | None = None,
    iou: float = 0.5,
    missing_confidence: float = 0.95,
) -> LabelMistakes:
    """`label_mistakes` for objects that are matched already, of any kind.

    Parameters
    ----------
    gt : (n,) integer array
        Row of the ground truth each detection matched, negative for none.
    det : (m,) integer array
        Row of the detection each ground truth is compared with, negative for none.
    det_iou : (n,) array of numbers
        IoU of each detection with its ground truth; anything where it has none.
    judged : (m,) bool array, optional
        Ground truths that count; the others are neither mistaken nor spurious. Default: all.
    confidence, splits, gt_splits, labels, gt_labels, logits, iou, missing_confidence
        As in :func:`label_mistakes`.

    Returns
    -------
    LabelMistakes
        NumPy arrays; if `gt` is on a CUDA device, arrays of its library there, as in
        :func:`label_mistakes`.

    Raises
    ------
    ValueError, TypeError
        Wrong shapes or dtypes, a NaN confidence, rows out of range.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> one, image = np.array([0]), np.array([0, 1])  # a match in one image
    >>> found = tamis.mistakes_of_matches(
    ...     one, one, np.array([0.9]), np.array([0.9]), image, image,
    ...     labels=np.array([1]), gt_labels=np.array([2]),
    ... )
    >>> found.mistakenness
    array([0.95])
    """
    name = "mistakes_of_matches"
    _check_levels(name, iou, missing_confidence)
    given = gt = arrays.column(name, "gt", gt)
    det, det_iou = arrays.column(name, "det", det), arrays.column(name, "det_iou", det_iou)
    if arrays.runs_on_device(given):
        columns = confidence, splits, gt_splits, labels, gt_labels
        return LabelMistakes(
            *label_mistakes_cuda.mistakes_of_matches(
                name, (given, det, det_iou), columns, logits, judged, iou, missing_confidence
            )
        )
    n, m = (arrays.host(name, key, x).size for key, x in (("gt", gt), ("det", det)))
    gt_of, det_of = _rows("gt", gt, n, m), _rows("det", det, m, n)
    starts = ragged.splits(name, "splits", splits, n)
    gt_starts = ragged.splits(name, "gt_splits", gt_splits, m, images=len(starts) - 1)
    label = read_column(name, "labels", labels, n, "iu")
    gt_label = read_column(name, "gt_labels", gt_labels, m, "iu")
    counts = np.ones(m, bool)
    if judged is not None:
        counts = read_column(name, "judged", judged, m, "biu") != 0
    sure = read_column(name, "confidence", confidence, n, "fiu")
    ious = arrays.host(name, "det_iou", det_iou)
    arrays.check_shape(name, "det_iou", ious, (n,))
    pairs = counts & (det_of >= 0)
    of = det_of[pairs]
    ious = read_column(name, "det_iou", ious[of], len(of), "fiu")

    used = np.zeros(n, bool)
    used[of] = True
    certain = np.zeros(n)
    certain[used] = certainty(name, None if logits is not None else sure, logits, n, used)
    mistaken, mistaken_loc = np.full(m, np.nan), np.full(m, np.nan)
    mistaken[pairs] = wrong(label[of] == gt_label[pairs], certain[of])
    with np.errstate(over="ignore"):  # of an iou near 1
        far = (1.0 / (1.0 - iou)) * (1.0 - ious)
        mistaken_loc[pairs] = (certain[of] * ((2.0 * far) - 1.0) + 1.0) / 2.0
    spurious = counts & (det_of < 0)
    missing = (gt_of < 0) & (sure > missing_confidence)
    worst = np.full(len(starts) - 1, -1.0)
    image_of = np.repeat(np.arange(len(worst)), np.diff(gt_starts))
    np.maximum.at(worst, image_of[pairs], mistaken[pairs])
    totals = (
        np.diff(np.concatenate([[0], np.cumsum(flags)])[offsets])
        for flags, offsets in ((missing, starts), (spurious, gt_starts))
    )
    return LabelMistakes(mistaken, mistaken_loc, spurious, missing, worst, *totals)


def _rows(name: str, x: Any, n: int, bound: int) -> Array:
    rows = read_column("mistakes_of_matches", name, x, n, "iu")
    if n and rows.max() >= bound:
        raise ValueError(
            f"mistakes_of_matches: {name} must be rows below {bound}, got {rows.max()}"
        )
    return rows


def _check_levels(name: str, iou: float, missing_confidence: float) -> None:
    if isinstance(iou, bool) or not isinstance(iou, (int, float, np.number)) or not 0 <= iou < 1:
        raise ValueError(f"{name}: iou must be a number in [0, 1), got {iou!r}")
    missing_confidence = arrays.check_real(name, "missing_confidence", missing_confidence)
