"""The greedy matcher of COCO evaluation, batched over images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays, ragged
from tamis._shared.arrays import Array
from tamis._shared.columns import (
    check_fmt,
    read_boxes,
    read_column,
    read_device_boxes,
    read_device_column,
    read_held,
    read_levels,
)
from tamis._shared.ragged import distinct, image_of, positions
from tamis._shared.results import Result, spread
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.evaluation.match_table import Detections, Targets, match
from tamis.evaluation.matching_cuda import DeviceRows, class_places, match_pairs


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
        True if a detection counts neither as true nor as false positive: it matched a crowd, or is
        beyond `max_detections`.
    det : (T, m) int64
        Detection that matched each ground truth, -1 for none; for a crowd, the last one.
    """

    gt: Array
    iou: Array
    ignored: Array
    det: Array

    def _columns(self) -> dict[str, Any]:
        return spread(gt=self.gt, iou=self.iou, ignored=self.ignored)


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
    boxes: AnyArray,
    scores: AnyColumn,
    splits: AnyColumn,
    gt_boxes: AnyArray,
    gt_splits: AnyColumn,
    *,
    labels: AnyColumn | None = None,
    gt_labels: AnyColumn | None = None,
    iscrowd: AnyColumn | None = None,
    thresholds: float | AnyColumn = 0.5,
    max_detections: int = 100,
    fmt: str = "xyxy",
) -> Matches:
    """Match detections to ground truths, image by image, best score first.

    A detection takes the free ground truth of largest IoU that reaches the threshold (the last one
    among equals); a crowd, which any number of detections may take, only if no other ground truth
    is left. Equal scores keep their input order.

    Parameters
    ----------
    boxes : (n, 4) array
        Detections of all images, concatenated. Pixels or any other unit.
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

    CUDA boxes are matched on their device, bit-identical; the other columns are copied there.
    The host waits only for splits that live on the device, and where CuPy waits for its own sorts.
    NaN and infinity are not looked for: a NaN score comes last, and a NaN IoU matches, as in
    pycocotools.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 8.0]])
    >>> one = np.array([0, 2]), np.array([0, 1])  # offsets of one image
    >>> found = tamis.match_detections(boxes, np.array([0.6, 0.9]), one[0], boxes[:1], one[1])
    >>> found.gt, found.iou
    (array([[-1,  0]]), array([[0. , 0.8]]))
    """
    name = "match_detections"
    check_fmt(name, fmt)
    if (labels is None) != (gt_labels is None):
        raise ValueError(f"{name}: labels and gt_labels must be given together")
    max_detections = arrays.check_integer(name, "max_detections", max_detections)
    if not 0 <= max_detections < 2**31:
        raise ValueError(f"{name}: max_detections must be in [0, 2**31), got {max_detections}")
    levels = read_levels(name, thresholds)
    boxes = arrays.as_array(name, "boxes", boxes)
    on_host = arrays.device(boxes) == "cpu"
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
    det_splits = ragged.splits(name, "splits", splits, n)
    gt_rows = ragged.splits(name, "gt_splits", gt_splits, m, images=len(det_splits) - 1)
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
    arrays.backend(name, arrays.device(boxes))
    gt_boxes = arrays.as_array(name, "gt_boxes", gt_boxes)
    arrays.one_device(name, boxes=boxes, gt_boxes=gt_boxes)
    det = read_device_boxes(name, "boxes", boxes, fmt)
    gt = read_device_boxes(name, "gt_boxes", arrays.same_library(det, gt_boxes), fmt)
    n, m = len(det), len(gt)
    score = read_device_column(name, "scores", scores, det, "fiu")
    det_splits = ragged.splits(name, "splits", splits, n)
    gt_rows = ragged.splits(name, "gt_splits", gt_splits, m, images=len(det_splits) - 1)
    place = arrays.full(det, (n + m,), "int32", 0)
    if labels is not None:
        label = read_device_column(name, "labels", labels, det, "iu")
        gt_label = read_device_column(name, "gt_labels", gt_labels, gt, "iu")
        place = class_places(arrays.concatenate([label, gt_label]))[2]
    crowd, area = (arrays.full(det, (n + m,), dtype, 0) for dtype in ("uint8", "float64"))
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
