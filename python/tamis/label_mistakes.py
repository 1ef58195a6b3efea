"""Labels that a model disagrees with: what FiftyOne Brain calls mistakenness and hardness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays, _core, _label_mistakes_cuda
from tamis._results import Result
from tamis.box_iou import Format, check_format
from tamis.fiftyone_matching import match_fiftyone
from tamis.matching import read_column

Array = NDArray[Any]
ELEMENTS_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False, repr=False)
class LabelMistakes(Result):
    """What `label_mistakes` found, for n detections, m ground truths and N images.

    Attributes
    ----------
    mistakenness : (m,) float64
        How likely the label of a ground truth is wrong, in [0, 1]; NaN where nothing matched it.
    mistakenness_loc : (m,) float64
        The same of its place.
    possible_spurious : (m,) bool
        No detection matched it: there may be no such object.
    possible_missing : (n,) bool
        A confident detection that matched nothing: a ground truth may be missing.
    image_mistakenness : (N,) float64
        The largest of the image, -1 where nothing matched.
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


def hardness(logits: Any) -> Any:
    """Entropy of the softmax of each row, in nats.

    Parameters
    ----------
    logits : (n, c) array of numbers
        -inf for a class that is ruled out, but not for all.

    Returns
    -------
    (n,) array
        In [0, log c]; float64 for float64 and integers, else float32. NumPy's, or of CUDA logits in
        their library, on their device.

    Raises
    ------
    ValueError, TypeError
        Another shape or dtype; a row with NaN, +inf or without a class.

    Notes
    -----
    `compute_hardness` of fiftyone-brain 0.25, bit for bit. Memory: 40 MB beside the result.

    On a device exponentials and logarithms are its own, halves are computed in float32, and the
    last bits may differ; the host waits to see that no row is bad. Memory: 1 GB at most.
    """
    given = _arrays.as_array("hardness", "logits", logits)
    if _arrays.device(given).startswith("cuda"):
        out = _label_mistakes_cuda.entropies("hardness", given)
        _label_mistakes_cuda.finite("hardness", "logits", out)
        return out
    return _entropy("hardness", given)


def classification_mistakes(
    correct: Any,
    *,
    confidence: Any = None,
    logits: Any = None,
    predicted: Any = None,
    labelled: Any = None,
) -> Any:
    """How likely the label of each sample is wrong, from a classifier's answer.

    Parameters
    ----------
    correct : (n,) bool array
        Whether prediction and label agree; with several labels a sample, whether the sets do.
    confidence : (n,) array of numbers
        The prediction's. Either this or `logits`.
    logits : (n, c) array of numbers
        The prediction's; its confidence is exp(-entropy) then.
    predicted, labelled : (n,) bool arrays, optional
        Which samples have a prediction, and which a label. Default: all.

    Returns
    -------
    (n,) float64 array
        ``(1 + c) / 2`` for a wrong, ``(1 - c) / 2`` for a correct label of confidence c; 1 without
        a prediction, ``(1 - c) / 2`` without a label, NaN without both. NumPy's, or of CUDA arrays
        in the library of `correct`, on its device.

    Raises
    ------
    ValueError, TypeError
        Wrong shapes or dtypes, both or neither of confidence and logits, NaN where predicted.

    Notes
    -----
    `compute_mistakenness` of fiftyone-brain 0.25, bit for bit. Where `correct` lives on a CUDA
    device it is computed there, with logits as :func:`hardness` does; other columns are brought
    there, and the host waits to see that none of them is NaN.
    """
    name = "classification_mistakes"
    if (confidence is None) == (logits is None):
        raise ValueError(f"{name}: either confidence or logits must be given, not both")
    agree = _arrays.column(name, "correct", correct)
    if _arrays.device(agree).startswith("cuda"):
        return _label_mistakes_cuda.classification_mistakes(
            name, agree, confidence, logits, predicted, labelled
        )
    agree = _arrays.host(name, "correct", agree)
    agree = read_column(name, "correct", agree, agree.size, "biu") != 0
    n = len(agree)
    has = [
        np.ones(n, bool) if x is None else read_column(name, key, x, n, "biu") != 0
        for key, x in (("predicted", predicted), ("labelled", labelled))
    ]
    certain = np.zeros(n)
    certain[has[0]] = _certainty(name, confidence, logits, n, has[0])
    # without a label Brain's modulator says correct, whatever its comment does
    out = _wrong(agree | ~has[1], certain)
    out[~has[0]] = 1.0
    out[~has[0] & ~has[1]] = np.nan
    return out


def label_mistakes(
    boxes: Any,
    confidence: Any,
    splits: Any,
    gt_boxes: Any,
    gt_splits: Any,
    *,
    labels: Any,
    gt_labels: Any,
    iscrowd: Any = None,
    logits: Any = None,
    iou: float = 0.5,
    missing_confidence: float = 0.95,
    fmt: Format = "xyxy",
) -> LabelMistakes:
    """Ground-truth boxes that a detector disagrees with.

    Parameters
    ----------
    boxes : (n, 4) array of floats
        Detections of all images, one image after the other.
    confidence : (n,) array of numbers
    splits : (images + 1,) integer array
        Image `i` holds rows ``splits[i]:splits[i + 1]``.
    gt_boxes : (m, 4) array of floats
    gt_splits : (images + 1,) integer array
    labels, gt_labels : (n,) and (m,) integer arrays
        Boxes of different labels match too; they are the mistakes.
    iscrowd : (m,) array, optional
        As in :func:`tamis.fiftyone_matching.match_fiftyone`.
    logits : (n, c) array of numbers, optional
        Confidence is then exp(-entropy) instead, but not in matching nor for missing ones.
    iou : float, default 0.5
        Least IoU of a match, in [0, 1); a place is as wrong as can be there.
    missing_confidence : float, default 0.95
        A detection without a match and with more confidence is a possible missing one.
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

    CUDA boxes are matched on their device, where those of both sides and logits must be; other
    columns are brought there. The same bits but for those of logits (see :func:`hardness`). The
    host waits to see that all numbers are finite. Memory: about 200 bytes a box.
    """
    name = "label_mistakes"
    _check_levels(name, iou, missing_confidence)
    check_format(name, fmt)
    given = _arrays.as_array(name, "boxes", boxes)
    if _arrays.runs_on_device(given):
        preds = given, splits, labels, confidence
        targets = gt_boxes, gt_splits, gt_labels, iscrowd
        return LabelMistakes(
            *_label_mistakes_cuda.label_mistakes(
                name, preds, targets, logits, iou, missing_confidence, fmt
            )
        )
    given = _arrays.host(name, "boxes", given)
    _arrays.check_shape(name, "boxes", given, ("N", 4))
    if logits is not None:
        _arrays.check_shape(name, "logits", _arrays.host(name, "logits", logits), (len(given), "C"))
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
    gt: Any,
    det: Any,
    det_iou: Any,
    confidence: Any,
    splits: Any,
    gt_splits: Any,
    *,
    labels: Any,
    gt_labels: Any,
    logits: Any = None,
    judged: Any = None,
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
        NumPy arrays; where `gt` lives on a CUDA device in its library, there, as
        :func:`label_mistakes` says.

    Raises
    ------
    ValueError, TypeError
        Wrong shapes or dtypes, a NaN confidence, rows out of range.
    """
    name = "mistakes_of_matches"
    _check_levels(name, iou, missing_confidence)
    given = gt = _arrays.column(name, "gt", gt)
    det, det_iou = _arrays.column(name, "det", det), _arrays.column(name, "det_iou", det_iou)
    if _arrays.runs_on_device(given):
        columns = confidence, splits, gt_splits, labels, gt_labels
        return LabelMistakes(
            *_label_mistakes_cuda.mistakes_of_matches(
                name, (given, det, det_iou), columns, logits, judged, iou, missing_confidence
            )
        )
    n, m = (_arrays.host(name, key, x).size for key, x in (("gt", gt), ("det", det)))
    gt_of, det_of = _rows("gt", gt, n, m), _rows("det", det, m, n)
    starts = _arrays.splits(name, "splits", splits, n)
    gt_starts = _arrays.splits(name, "gt_splits", gt_splits, m, images=len(starts) - 1)
    label = read_column(name, "labels", labels, n, "iu")
    gt_label = read_column(name, "gt_labels", gt_labels, m, "iu")
    counts = np.ones(m, bool)
    if judged is not None:
        counts = read_column(name, "judged", judged, m, "biu") != 0
    sure = read_column(name, "confidence", confidence, n, "fiu")
    ious = _arrays.host(name, "det_iou", det_iou)
    _arrays.check_shape(name, "det_iou", ious, (n,))
    pairs = counts & (det_of >= 0)
    of = det_of[pairs]
    ious = read_column(name, "det_iou", ious[of], len(of), "fiu")

    used = np.zeros(n, bool)
    used[of] = True
    certain = np.zeros(n)
    certain[used] = _certainty(name, None if logits is not None else sure, logits, n, used)
    mistaken, mistaken_loc = np.full(m, np.nan), np.full(m, np.nan)
    mistaken[pairs] = _wrong(label[of] == gt_label[pairs], certain[of])
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


def _wrong(correct: Array, certain: Array) -> Array:
    sign = correct.astype(np.float64) * -2.0 + 1.0
    wrong: Array = (sign * certain + 1.0) / 2.0
    return wrong


def _certainty(name: str, confidence: Any, logits: Any, n: int, rows: Array) -> Array:
    """The confidence of `rows` of n, or exp(-entropy) of their logits."""
    if logits is not None:
        given = _arrays.host(name, "logits", logits)
        _arrays.check_shape(name, "logits", given, (n, "C"))
        entropy = -1.0 * _entropy(name, given[rows])
        # math.exp, as NumPy's differs from it in the last bit of some numbers
        return np.fromiter(map(math.exp, entropy.tolist()), np.float64, len(entropy))
    given = _arrays.host(name, "confidence", _arrays.column(name, "confidence", confidence))
    _arrays.check_shape(name, "confidence", given, (n,))
    return read_column(name, "confidence", given[rows], int(rows.sum()), "fiu")


def _entropy(name: str, logits: Any) -> Array:
    """Row by row what scipy.stats.entropy(scipy.special.softmax(row)) gives."""
    given = _arrays.host(name, "logits", logits)
    _arrays.check_shape(name, "logits", given, ("N", "C"))
    if given.dtype.kind not in "fiu" or given.dtype.itemsize > 8:
        raise TypeError(f"{name}: logits must hold numbers, got {given.dtype}")
    # another byte order has other exponentials: NumPy's fastest loops do not take it
    native = given.dtype.newbyteorder("=") if given.dtype.kind == "f" else np.float64
    given = given.astype(native, copy=False)
    if given.shape[1] == 0 and len(given):
        raise ValueError(f"{name}: logits must have at least one class, got shape {given.shape}")
    out = np.empty(len(given), np.float64 if given.dtype == np.float64 else np.float32)
    step = max(1, ELEMENTS_AT_ONCE // max(1, given.shape[1]))
    for first in range(0, len(given), step):
        part = np.ascontiguousarray(given[first : first + step])
        most = part.max(axis=1, keepdims=True)
        if not np.isfinite(most).all():
            row = first + int(np.argmax(~np.isfinite(most)))
            raise ValueError(f"{name}: logits has a NaN or infinite value in row {row}")
        p = np.exp(part - most)
        p = p / p.sum(axis=1, keepdims=True)
        p = (p / p.sum(axis=1, keepdims=True)).astype(out.dtype, copy=False)
        terms = np.empty_like(p)
        _core.entropy_terms(p, terms)
        out[first : first + step] = terms.sum(axis=1)
    return out


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
    _arrays.check_real(name, "missing_confidence", missing_confidence)
