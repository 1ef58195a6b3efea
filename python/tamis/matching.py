"""The greedy matcher of COCO evaluation, batched over images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays
from tamis._evaluation import Detections, Targets, distinct, image_of, match, positions
from tamis._evaluation_cuda import DeviceRows, class_places, match_pairs
from tamis._results import Result

Array = NDArray[Any]
WANTED = {"fiu": "numbers", "iu": "integers", "biu": "booleans or integers"}  # by dtype kinds
HELD_AS = {"fiu": "float64", "iu": "int64", "biu": "uint8"}


@dataclass(frozen=True, eq=False, repr=False)
class Matches(Result):
    """What `match_detections` found, for n detections, m ground truths and T thresholds.

    Attributes
    ----------
    gt : (T, n) int64
        Ground truth that each detection matched, -1 for none.
    iou : (T, n) float64
        Their IoU (over the detection's own area where it is a crowd), 0 for none.
    ignored : (T, n) bool
        True where a detection counts neither as true nor as false positive: it matched a crowd, or
        lies beyond `max_detections`.
    det : (T, m) int64
        Detection that matched each ground truth, -1 for none; of a crowd, the last.
    """

    gt: Array
    iou: Array
    ignored: Array
    det: Array


def to_xywh(boxes: Any, fmt: str) -> Any:
    """(n, 4) float64 xywh, a copy in the library and on the device of `boxes`; "obb": as it is."""
    return _in_place(_arrays.copied(boxes, "float64"), fmt)


def _in_place(boxes: Any, fmt: str) -> Any:
    if fmt == "xyxy" and isinstance(boxes, np.ndarray):
        low, high = boxes.view(np.complex128).T  # two numbers at a time: a third of the time
        high -= low
        return boxes
    first, second = boxes[:, :2], boxes[:, 2:]  # by name, as a slice assigned to is written twice
    if fmt == "xyxy":
        second -= first
    elif fmt == "cxcywh":
        first -= second / 2
    return boxes


def check_fmt(function: str, fmt: str) -> None:
    if not _arrays.one_of(fmt, ("xyxy", "xywh", "cxcywh")):
        raise ValueError(f"{function}: fmt must be 'xyxy', 'xywh' or 'cxcywh', got {fmt!r}")


def finite(function: str, name: str, values: Array) -> Array:
    """`values`, or ValueError naming the first row with a NaN or infinity."""
    good = np.isfinite(values)
    if not good.all():
        row = int(np.argmin(good.reshape(len(values), -1).all(axis=1)))
        raise ValueError(f"{function}: {name} has a NaN or infinite value in row {row}")
    return values


def read_boxes(function: str, name: str, boxes: Any, fmt: str) -> Array:
    """(n, 4) float64 xywh of any float or integer array; "obb": (n, 5) as they are."""
    rows: Array = _in_place(read_rows(function, name, boxes, 5 if fmt == "obb" else 4), fmt)
    return rows


def read_rows(function: str, name: str, boxes: Any, width: int) -> Array:
    """(n, width) float64 of any float or integer array, a copy."""
    got = _arrays.host(function, name, boxes)
    if got.shape == (0,):
        got = got.reshape(0, width)
    _arrays.check_shape(function, name, got, ("N", width))
    if got.dtype.kind not in "fiu":
        raise TypeError(f"{function}: {name} must hold numbers, got {got.dtype}")
    # copied before the check: another thread may write into the caller's
    return finite(function, name, got.astype(np.float64, order="C"))


def read_column(function: str, name: str, values: Any, n: int, kinds: str) -> Array:
    """(n,) float64 or, without "f" among the dtype kinds, int64; a copy. Lists are taken too."""
    got = _arrays.host(function, name, _arrays.column(function, name, values))
    if got.size == 0 and n == 0:
        return np.empty(0, np.float64 if "f" in kinds else np.int64)
    _arrays.check_shape(function, name, got, (n,))
    if got.dtype.kind not in kinds and not (kinds == "iu" and got.dtype == bool):
        raise TypeError(f"{function}: {name} must hold {WANTED[kinds]}, got {got.dtype}")
    if got.dtype.kind == "u" and len(got) and got.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{function}: {name} must fit int64, got {got.max()}")
    if "f" in kinds:
        return finite(function, name, got.astype(np.float64))
    return got.astype(np.int64)


def read_levels(function: str, thresholds: Any) -> Array:
    """(T,) float64 of a number or an array of them."""
    given = thresholds
    if isinstance(given, np.ndarray) or _arrays.library(given) != "numpy":
        given = _arrays.host(function, "thresholds", given)
    levels = np.atleast_1d(np.asarray(given))
    numbers = levels.dtype.kind in "fiu" and levels.ndim == 1 and len(levels)
    if not numbers or np.isnan(levels).any():
        raise ValueError(
            f"{function}: thresholds must be a number or numbers of shape (T,), T > 0, without NaN,"
            f" got {thresholds!r}"
        )
    return np.ascontiguousarray(levels, np.float64)


def read_device_boxes(function: str, name: str, boxes: Any, fmt: str) -> Any:
    """`read_boxes` on the device of `boxes`, but for NaN and infinity, which stay."""
    width = 5 if fmt == "obb" else 4
    if tuple(boxes.shape) == (0,):
        boxes = boxes.reshape(0, width)
    _arrays.check_shape(function, name, boxes, ("N", width))
    _check_kind(function, name, boxes, "fiu")
    return to_xywh(boxes, fmt)


def read_device_column(
    function: str, name: str, values: Any, boxes: Any, kinds: str, beside: str = "boxes"
) -> Any:
    """`read_column` beside `boxes`, which errors call `beside`; held as `held` does."""
    n = int(boxes.shape[0])
    values = _arrays.column(function, name, values)
    if _arrays.device(values) == "cpu":
        return _arrays.from_host(boxes, read_held(function, name, values, n, kinds))
    _arrays.one_device(function, **{beside: boxes, name: values})
    if n == 0 and 0 in values.shape:
        return _arrays.empty(boxes, (0,), HELD_AS[kinds])
    _arrays.check_shape(function, name, values, (n,))
    _check_kind(function, name, values, kinds)
    return held(_arrays.same_library(boxes, values), kinds)


def read_held(function: str, name: str, values: Any, n: int, kinds: str) -> Array:
    """`read_column`, but flags as uint8."""
    column = read_column(function, name, values, n, kinds)
    return (column != 0).view(np.uint8) if kinds == "biu" else column


def held(values: Any, kinds: str) -> Any:
    """A copy of a column of a device as float64, int64 or, of flags, uint8."""
    return _arrays.copied(values != 0 if kinds == "biu" else values, HELD_AS[kinds])


def _check_kind(function: str, name: str, x: Any, kinds: str) -> None:
    """Raise unless a device array holds what `read_column` calls `kinds`."""
    dtypes = {"f": (*_arrays.FLOATS, *_arrays.HALVES), "i": _arrays.INTEGERS, "b": ("bool",)}
    taken = "biu" if kinds == "iu" else kinds  # labels may be bools
    if not any(_arrays.dtype_name(x) in dtypes[kind] for kind in taken if kind in dtypes):
        raise TypeError(
            f"{function}: {name} must hold {WANTED[kinds]}, got {_arrays.dtype_name(x)}"
        )


def class_positions(labels: Array, gt_labels: Array) -> tuple[Array, Array, Array]:
    """The classes, ascending, and where each label stands among them."""
    classes = distinct(labels, gt_labels)
    return classes, positions(labels, classes), positions(gt_labels, classes)


def pair_iou(dets: Array, gts: Array, crowd: Array) -> Array:
    """Row by row IoU of xywh boxes as pycocotools computes it; overlapping pairs only."""
    low = np.maximum(dets[:, :2], gts[:, :2])
    high = np.minimum(dets[:, 2:] + dets[:, :2], gts[:, 2:] + gts[:, :2])
    w, h = (high - low).T
    inter = w * h
    area = dets[:, 2] * dets[:, 3]
    union = np.where(crowd != 0, area, area + gts[:, 2] * gts[:, 3] - inter)
    iou: Array = np.divide(inter, union, out=np.zeros(len(inter)), where=(w > 0) & (h > 0))
    return iou


def match_detections(
    boxes: Any,
    scores: Any,
    splits: Any,
    gt_boxes: Any,
    gt_splits: Any,
    *,
    labels: Any = None,
    gt_labels: Any = None,
    iscrowd: Any = None,
    thresholds: Any = 0.5,
    max_detections: int = 100,
    fmt: str = "xyxy",
) -> Matches:
    """Match detections to ground truths, image by image, best score first.

    A detection takes the free ground truth of largest IoU that reaches the threshold (the last
    one among equals); a crowd, which any number of detections may take, only if no other will do.
    Equal scores keep their input order.

    Parameters
    ----------
    boxes : (n, 4) array
        Detections of all images, one image after the other. Pixels or any other unit.
    scores : (n,) array
    splits : (images + 1,) integer array
        Image `i` holds rows ``splits[i]:splits[i + 1]``.
    gt_boxes : (m, 4) array
    gt_splits : (images + 1,) integer array
    labels, gt_labels : (n,) and (m,) integer arrays, optional
        Only boxes of one label match. Both or neither.
    iscrowd : (m,) bool or integer array, optional
    thresholds : float or (T,) array, default 0.5
    max_detections : int, default 100
        The most that count per image and label, best score first.
    fmt : {"xyxy", "xywh", "cxcywh"}

    Returns
    -------
    Matches
        NumPy arrays; of CUDA boxes arrays in their library, on their device. For a single float
        threshold the first axis has length 1.

    Raises
    ------
    ValueError, TypeError
        Wrong shapes, dtypes or splits; NaN or infinite boxes or scores.

    Notes
    -----
    The rule of pycocotools 2.0.11 `COCOeval.evaluateImg` for one area range, exact. Cost: one IoU
    per pair of the same image and label; memory ``T * (n + m) * 25`` bytes for the result.

    CUDA boxes are matched on their device, to the same bits; the other columns are brought there.
    The host waits only for splits that live on the device, and where CuPy waits for its own sorts.
    NaN and infinity are not looked for: a NaN score comes last, and a NaN IoU matches, as in
    pycocotools.
    """
    name = "match_detections"
    check_fmt(name, fmt)
    if (labels is None) != (gt_labels is None):
        raise ValueError(f"{name}: labels and gt_labels must be given together")
    _arrays.check_integer(name, "max_detections", max_detections)
    if not 0 <= max_detections < 2**31:
        raise ValueError(f"{name}: max_detections must be in [0, 2**31), got {max_detections}")
    levels = read_levels(name, thresholds)
    boxes = _arrays.as_array(name, "boxes", boxes)
    on_host = _arrays.device(boxes) == "cpu"
    return (_match_on_host if on_host else _match_on_device)(
        (boxes, splits, labels, scores), (gt_boxes, gt_splits, gt_labels, iscrowd),
        levels.tolist(), int(max_detections), fmt,
    )  # fmt: skip


Columns = tuple[Any, Any, Any, Any]  # boxes, splits, labels, and scores or iscrowd


def _match_on_host(
    preds: Columns, targets: Columns, levels: list[float], max_detections: int, fmt: str
) -> Matches:
    name, (boxes, splits, labels, scores) = "match_detections", preds
    gt_boxes, gt_splits, gt_labels, iscrowd = targets
    det = read_boxes(name, "boxes", boxes, fmt)
    gt = read_boxes(name, "gt_boxes", gt_boxes, fmt)
    n, m = len(det), len(gt)
    score = read_column(name, "scores", scores, n, "fiu")
    det_splits = _arrays.splits(name, "splits", splits, n)
    gt_rows = _arrays.splits(name, "gt_splits", gt_splits, m, images=len(det_splits) - 1)
    zeros = np.zeros(n, np.int64), np.zeros(m, np.int64)
    _, category, gt_category = class_positions(
        zeros[0] if labels is None else read_column(name, "labels", labels, n, "iu"),
        zeros[1] if labels is None else read_column(name, "gt_labels", gt_labels, m, "iu"),
    )
    crowd = np.zeros(m, np.uint8)
    if iscrowd is not None:
        crowd = read_held(name, "iscrowd", iscrowd, m, "biu")
    dets = Detections(image_of(det_splits), category, det, score, np.zeros(n))
    gts = Targets(image_of(gt_rows), gt_category, gt, crowd, np.zeros(m))
    table = match(
        dets, gts, n_images=len(det_splits) - 1,
        n_categories=1 + max(category.max(initial=0), gt_category.max(initial=0)),
        thresholds=levels, area_ranges=[(-np.inf, np.inf)], max_det=max_detections,
    )  # fmt: skip
    return spread_matches(dets, gts, table, 0, lambda d, g: pair_iou(det[d], gt[g], crowd[g]))


def _match_on_device(
    preds: Columns, targets: Columns, levels: list[float], max_detections: int, fmt: str
) -> Matches:
    name, (boxes, splits, labels, scores) = "match_detections", preds
    gt_boxes, gt_splits, gt_labels, iscrowd = targets
    _arrays.backend(name, _arrays.device(boxes))
    gt_boxes = _arrays.as_array(name, "gt_boxes", gt_boxes)
    _arrays.one_device(name, boxes=boxes, gt_boxes=gt_boxes)
    det = read_device_boxes(name, "boxes", boxes, fmt)
    gt = read_device_boxes(name, "gt_boxes", _arrays.same_library(det, gt_boxes), fmt)
    n, m = len(det), len(gt)
    score = read_device_column(name, "scores", scores, det, "fiu")
    det_splits = _arrays.splits(name, "splits", splits, n)
    gt_rows = _arrays.splits(name, "gt_splits", gt_splits, m, images=len(det_splits) - 1)
    place = _arrays.full(det, (n + m,), "int32", 0)
    if labels is not None:
        label = read_device_column(name, "labels", labels, det, "iu")
        gt_label = read_device_column(name, "gt_labels", gt_labels, gt, "iu")
        place = class_places(_arrays.concatenate([label, gt_label]))[2]
    crowd, area = (_arrays.full(det, (n + m,), dtype, 0) for dtype in ("uint8", "float64"))
    if iscrowd is not None:
        crowd = read_device_column(name, "iscrowd", iscrowd, gt, "biu")
    dets = DeviceRows(det_splits, place[:n], det, area[:n], scores=score)
    gts = DeviceRows(gt_rows, place[n:], gt, area[n:], crowd=crowd[:m])
    return Matches(*match_pairs(dets, gts, levels, max_detections))


def spread_matches(
    dets: Detections, gts: Targets, table: Any, area: int, iou_of: Callable[[Array, Array], Array]
) -> Matches:
    """The matches of one area range, spread over all detections and ground truths."""
    n, m = len(dets.scores), len(gts.crowd)
    found = table.dense(area, n)
    hit = found >= 0
    iou = np.zeros(found.shape)
    t, d = np.nonzero(hit)
    iou[t, d] = iou_of(d, found[t, d])
    ignored = np.ones(found.shape, bool)
    outside = table.outside[area] != 0
    ignored[:, table.index] = outside
    ignored[t, d] = table.gt_ignore[area, found[t, d]] != 0
    back = np.full((len(found), m), -1, np.int64)
    by_score = table.index[np.argsort(table.rank, kind="stable")]
    sorted_found = found[:, by_score]
    for level, row in enumerate(sorted_found):  # the last of equal targets stays, as in order
        has = row >= 0
        back[level, row[has]] = by_score[has]
    return Matches(found, iou, ignored, back)
