"""Label mistakes on a CUDA device: of entropies, of samples and of boxes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from tamis._shared import arrays, device_arrays, ragged
from tamis._shared.columns import (
    read_column,
    read_device_boxes,
    read_device_column,
    read_device_numbers,
)
from tamis._shared.ragged import image_of
from tamis.evaluation.matching_cuda import class_places

Array = Any  # of the caller's library, on its device
BYTES_AT_ONCE = 1 << 28
BESIDE = {  # where logits must live, and other columns that are on a device
    "classification_mistakes": "correct",
    "label_mistakes": "boxes",
    "mistakes_of_matches": "gt",
}


def entropies(function: str, logits: Array) -> Array:
    """Row by row the entropy of the softmax; NaN where there is none."""
    arrays.check_shape(function, "logits", logits, ("N", "C"))
    kind = arrays.dtype_name(logits)
    if kind not in (*arrays.FLOATS, *arrays.HALVES, *arrays.INTEGERS):
        raise TypeError(f"{function}: logits must hold numbers, got {kind}")
    n, classes = logits.shape
    if classes == 0 and n:
        raise ValueError(f"{function}: logits must have at least one class, got shape {(n, 0)}")
    dtype = "float64" if kind == "float64" or kind in arrays.INTEGERS else "float32"
    library, out = sys.modules[arrays.library(logits)], arrays.empty(logits, (n,), dtype)
    step = max(1, BYTES_AT_ONCE // (np.dtype(dtype).itemsize * max(1, classes)))
    for first in range(0, n, step):
        part = arrays.cast(logits[first : first + step], dtype)
        p = library.exp(part - library.amax(part, 1)[:, None])  # of a row without a class NaN
        p = p / p.sum(1)[:, None]
        out[first : first + step] = 0.0 - (p * library.log(p + (p == 0))).sum(1)  # not -0
    return out


def finite(function: str, name: str, values: Array, rows: Array | None = None) -> None:
    """Raise for the first row without a value; the host waits for this check."""
    bad = values * 0.0 != 0
    bad = bad.any(1) if len(bad.shape) == 2 else bad
    bad = bad if rows is None else bad & rows
    if bool(bad.any()):
        row = int(np.argmax(arrays.host(function, name, bad)))
        raise ValueError(f"{function}: {name} has a NaN or infinite value in row {row}")


def classification_mistakes(
    function: str, correct: Array, confidence: Any, logits: Any, predicted: Any, labelled: Any
) -> Array:
    """`classification_mistakes` on the device of `correct`."""
    library = sys.modules[arrays.library(correct)]
    arrays.check_shape(function, "correct", correct, ("n",))

    def column(name: str, x: Any, kinds: str) -> Array:
        return _column(function, name, x, correct, kinds)

    agree = column("correct", correct, "biu") != 0
    every = arrays.full(agree, tuple(agree.shape), "bool", True)
    has = every if predicted is None else column("predicted", predicted, "biu") != 0
    named = every if labelled is None else column("labelled", labelled, "biu") != 0
    if logits is not None:
        certain = _certainty(function, agree, logits)
        finite(function, "logits", certain, has)
    else:
        certain = _numbers(function, "confidence", confidence, correct)
        finite(function, "confidence", certain, has)
    wrong = ((1.0 - 2.0 * (agree | ~named)) * certain + 1.0) / 2.0
    out = library.where(has, wrong, arrays.full(wrong, tuple(wrong.shape), "float64", 1.0))
    out[~has & ~named] = np.nan
    return out


def label_mistakes(
    function: str,
    preds: tuple[Array, Any, Any, Any],
    targets: tuple[Any, Any, Any, Any],
    logits: Any,
    iou: float,
    missing_confidence: float,
    fmt: str,
) -> tuple[Array, ...]:
    """The columns of `LabelMistakes`, of (boxes, splits, labels, confidence or iscrowd)."""
    (boxes, splits, labels, confidence), (gt_boxes, gt_splits, gt_labels, iscrowd) = preds, targets
    gt_boxes = arrays.as_array(function, "gt_boxes", gt_boxes)
    arrays.one_device(function, boxes=boxes, gt_boxes=gt_boxes)
    for name, x in (("boxes", boxes), ("gt_boxes", gt_boxes)):
        arrays.check_shape(function, name, x, ("N", 4))
        arrays.floats(function, **{name: x})
    det = read_device_boxes(function, "boxes", boxes, fmt)
    gt = read_device_boxes(function, "gt_boxes", arrays.same_library(det, gt_boxes), fmt)
    n, m = len(det), len(gt)
    starts = ragged.splits(function, "splits", splits, n)
    gt_starts = ragged.splits(function, "gt_splits", gt_splits, m, images=len(starts) - 1)
    sure = _column(function, "confidence", confidence, det, "fiu")
    label = _column(function, "labels", labels, det, "iu")
    gt_label = _column(function, "gt_labels", gt_labels, gt, "iu")
    crowd = arrays.full(det, (m,), "uint8", 0)
    if iscrowd is not None:
        crowd = _column(function, "iscrowd", iscrowd, gt, "biu")
    certain = sure if logits is None else _certainty(function, sure, logits)
    for name, x in (("boxes", det), ("gt_boxes", gt), ("confidence", sure)):
        finite(function, name, x)
    by_score = device_arrays.stable_sort(1.0 * (sure == 0) - sure)[1]  # no confidence is one of -1
    by_image = device_arrays.stable_sort(arrays.from_host(det, image_of(starts))[by_score])[1]
    place = class_places(arrays.concatenate([label, gt_label]))[2]
    ends, gt_ends = device_arrays.all_from_host(det, starts, gt_starts)
    found, taken = (arrays.full(det, (size,), "int32", -1) for size in (n, m))
    ious = arrays.full(det, (n,), "float64", 0)
    arrays.call(
        "fiftyone_match", det, threshold=min(iou, 1 - 1e-10), splits=ends,
        order=by_score[by_image], boxes=det, labels=place[:n], gt_splits=gt_ends, gt_boxes=gt,
        gt_labels=place[n:], crowd=crowd, scratch=arrays.empty(det, (m, 2), "int64"),
        det_gt=found, det_iou=ious, gt_det=taken,
    )  # fmt: skip
    matched = (arrays.cast(found, "int64"), arrays.cast(taken, "int64"), ious)
    columns = ends, gt_ends, sure, certain, label, gt_label
    return _judged(function, matched, columns, None, iou, missing_confidence)


def mistakes_of_matches(
    function: str,
    matched: tuple[Array, Any, Any],
    columns: tuple[Any, Any, Any, Any, Any],
    logits: Any,
    judged: Any,
    iou: float,
    missing_confidence: float,
) -> tuple[Array, ...]:
    """The same, of (gt, det, det_iou) and (confidence, splits, gt_splits, labels, gt_labels)."""
    (gt, det, det_iou), (confidence, splits, gt_splits, labels, gt_labels) = matched, columns
    det = arrays.column(function, "det", det)
    for name, x in (("gt", gt), ("det", det)):
        arrays.check_shape(function, name, x, ("n",))
    gt = _column(function, "gt", gt, gt, "iu")
    if arrays.device(det) == "cpu":
        hosted = arrays.host(function, "det", det)
        det = arrays.from_host(gt, read_column(function, "det", hosted, hosted.size, "iu"))
    arrays.one_device(function, gt=gt, det=det)
    det = _column(function, "det", arrays.same_library(gt, det), det, "iu")
    n, m = len(gt), len(det)
    starts = ragged.splits(function, "splits", splits, n)
    gt_starts = ragged.splits(function, "gt_splits", gt_splits, m, images=len(starts) - 1)
    sure = _column(function, "confidence", confidence, gt, "fiu")
    finite(function, "confidence", sure)
    label = _column(function, "labels", labels, gt, "iu")
    gt_label = _column(function, "gt_labels", gt_labels, det, "iu")
    if judged is not None:
        judged = _column(function, "judged", judged, det, "biu")
    found = gt, det, _numbers(function, "det_iou", det_iou, gt)
    certain = sure if logits is None else _certainty(function, sure, logits)
    read = (*device_arrays.all_from_host(gt, starts, gt_starts), sure, certain, label, gt_label)
    return _judged(function, found, read, judged, iou, missing_confidence)


def _judged(
    function: str,
    matched: tuple[Array, Array, Array],
    columns: tuple[Array, ...],
    judged: Array | None,
    iou: float,
    missing_confidence: float,
) -> tuple[Array, ...]:
    gt, det, ious = matched
    ends, gt_ends, sure, certain, label, gt_label = columns
    n, m, images = len(gt), len(det), len(ends) - 1
    if judged is None:
        judged = arrays.full(gt, (m,), "uint8", 1)
    kinds = dict(
        label=(m, "float64"), place=(m, "float64"), spurious=(m, "uint8"), missing=(n, "uint8"),
        worst=(images, "float64"), n_missing=(images, "int64"), n_spurious=(images, "int64"),
    )  # fmt: skip
    out = {name: arrays.empty(gt, (size,), dtype) for name, (size, dtype) in kinds.items()}
    bad = arrays.from_host(gt, np.full(4, n + m))
    arrays.call(
        "mistakes_of_matches", gt, least_iou=float(iou),
        missing_confidence=float(missing_confidence), splits=ends, gt_splits=gt_ends, gt=gt,
        det=det, iou=ious, confidence=sure, certain=certain, labels=label, gt_labels=gt_label,
        judged=judged, **out, bad=bad,
    )  # fmt: skip
    names = "gt", "det", "det_iou", "logits"  # confidences are finite
    for name, row in zip(names, arrays.host(function, "rows", bad).tolist(), strict=True):
        if row < n + m:
            wrong = "a NaN or infinite value" if name not in ("gt", "det") else "no such row"
            raise ValueError(f"{function}: {name} has {wrong} in row {row}")
    mistaken, place, spurious, missing, *by_image = out.values()
    return mistaken, place, spurious != 0, missing != 0, *by_image


def _column(function: str, name: str, x: Any, like: Array, kinds: str) -> Array:
    return read_device_column(function, name, x, like, kinds, BESIDE[function])


def _numbers(function: str, name: str, x: Any, like: Array) -> Array:
    """(n,) float64 on the device of `like`; unused rows may hold anything."""
    return read_device_numbers(function, name, x, like, (len(like),), BESIDE[function])


def _certainty(function: str, like: Array, logits: Any) -> Array:
    """(n,) float64 exp(-entropy) on the device of `like`, NaN for rows without one."""
    logits = arrays.as_array(function, "logits", logits)
    arrays.one_device(function, **{BESIDE[function]: like, "logits": logits})
    arrays.check_shape(function, "logits", logits, (len(like), "C"))
    entropy = arrays.same_library(like, entropies(function, logits))
    return sys.modules[arrays.library(like)].exp(-arrays.cast(entropy, "float64"))
