"""Annotations as columns, from a file or from dicts; `None` where dicts are too odd for columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis.coco import mask
from tamis.masks import Masks

Array = NDArray[Any]
Annotation = dict[str, Any]

_EXACT = 2**53  # integers a float64 holds without rounding
_EXACT_SQUARES = 2**24  # and whose differences it squares without


@dataclass
class Columns:
    """One row an annotation; `iscrowd` is None for detections, `score` for ground truths."""

    id: Array  # int64
    image_id: Array  # int64
    category_id: Array  # int64
    area: Array  # any numbers
    bbox: Array | None = None  # (n, 4) float64 xywh
    score: Array | None = None  # float64
    iscrowd: Array | None = None  # uint8
    masks: Masks | None = None
    mask_boxes: Array | None = None  # (n, 4) float64, where they were measured
    keypoints: Array | None = None  # (n, k, 3) float64
    num_keypoints: Array | None = None  # int64
    ignore: Array | None = None  # uint8; None: the crowds

    def take(self, index: Array) -> Columns:
        rows = {key: None if v is None else v[index] for key, v in vars(self).items()}
        return Columns(**rows)  # type: ignore[arg-type]


def _integers(anns: Sequence[Annotation], key: str) -> Array | None:
    values = np.array([ann[key] for ann in anns])
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return None
    return values.astype(np.int64) if values.dtype.kind in "iu" else None


def _numbers(anns: Sequence[Annotation], key: str) -> Array | None:
    """Floats as they are, integers as float64 where that is exact."""
    values = np.array([ann[key] for ann in anns])
    if values.dtype.kind in "iu" and not (np.abs(values) > _EXACT).any():
        return values.astype(np.float64)
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    return values if values.dtype in (np.float32, np.float64) else None


def _boxes(anns: Sequence[Annotation]) -> Array | None:
    boxes = [ann["bbox"] for ann in anns]
    if not all(type(b) in (list, np.ndarray) and len(b) == 4 for b in boxes):
        return None
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def keypoint_columns(anns: Sequence[Annotation], k: int) -> Array | None:
    """(n, k, 3) float64, or None where a list has another length or holds no plain numbers."""
    lists = [ann["keypoints"] for ann in anns]
    if "score" in anns[0]:  # the visibility of detections is not looked at, nor is the last missed
        lists = [[*points, 0] if len(points) == 3 * k - 1 else points for points in lists]
    if any(len(points) != 3 * k for points in lists):
        return None
    values = np.array(lists)
    if values.dtype.kind not in "iuf" or values.ndim != 2:
        return None
    if values.dtype.kind != "f" and (np.abs(values) > _EXACT_SQUARES).any():
        return None
    return values.astype(np.float64).reshape(-1, k, 3)


def from_annotations(
    anns: Sequence[Annotation],
    *,
    detections: bool,
    kind: str,
    n_keypoints: int = 0,
    federated: bool = False,
) -> Columns | None:
    """The columns of COCO annotation dicts, or None where any value is out of the ordinary.

    A missing key, a string id, an unsigned or huge integer, a tuple as box: pycocotools has an
    answer or an exception for each, and the caller's slow path gives it. Masks are compressed.
    Federated ground truths have an `ignore` of their own, and no crowds.
    """
    if not anns:
        return _no_annotations(detections, n_keypoints)
    try:
        parts: dict[str, Any] = {
            key: _integers(anns, key) for key in ("id", "image_id", "category_id")
        }
        parts["area"] = _numbers(anns, "area")
        if detections:
            score = _numbers(anns, "score")
            parts["score"] = None if score is None else score.astype(np.float64)
        elif federated:
            parts["iscrowd"] = np.zeros(len(anns), np.uint8)
            parts["ignore"] = _flags(anns, "ignore")
        else:
            parts["iscrowd"] = _flags(anns, "iscrowd")
        if kind == "bbox" or (kind == "keypoints" and not detections):
            parts["bbox"] = _boxes(anns)
        if kind == "segm":
            parts["masks"] = mask.compressed([ann["segmentation"] for ann in anns])
        if kind == "keypoints":
            parts["keypoints"] = keypoint_columns(anns, n_keypoints)
            if not detections:
                parts["num_keypoints"] = _integers(anns, "num_keypoints")
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        return None
    ranks = {"bbox": 2, "keypoints": 3}
    for key, part in parts.items():
        if part is None or (key != "masks" and part.ndim != ranks.get(key, 1)):
            return None
    return Columns(**parts)


def _no_annotations(detections: bool, n_keypoints: int) -> Columns:
    ints = np.empty(0, np.int64)
    return Columns(
        ints, ints, ints, np.empty(0), np.empty((0, 4)),
        np.empty(0) if detections else None, None if detections else np.empty(0, np.uint8),
        mask.compressed([]), None, np.empty((0, n_keypoints, 3)), ints,
    )  # fmt: skip


def _flags(anns: Sequence[Annotation], key: str) -> Array | None:
    flags = np.array([ann[key] for ann in anns])
    small = flags.dtype.kind in "iub" and not ((flags < 0) | (flags > 255)).any()
    return flags.astype(np.uint8) if small else None
