"""Annotations as columns, from a file or from dicts; `None` where dicts are too odd for columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Annotation = dict[str, Any]

_EXACT = 2**53  # integers a float64 holds without rounding


@dataclass
class Columns:
    """One row an annotation; `iscrowd` is None for detections, `score` for ground truths."""

    id: Array  # int64
    image_id: Array  # int64
    category_id: Array  # int64
    bbox: Array  # (n, 4) float64 xywh
    area: Array  # float
    score: Array | None = None  # float64
    iscrowd: Array | None = None  # uint8

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
    if values.dtype.kind == "i" and not (np.abs(values) > _EXACT).any():
        return values.astype(np.float64)
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    return values if values.dtype in (np.float32, np.float64) else None


def _boxes(anns: Sequence[Annotation]) -> Array | None:
    boxes = [ann["bbox"] for ann in anns]
    if not all(type(b) in (list, np.ndarray) and len(b) == 4 for b in boxes):
        return None
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def from_annotations(anns: Sequence[Annotation], *, detections: bool) -> Columns | None:
    """The columns of COCO annotation dicts, or None where any value is out of the ordinary.

    A missing key, a string id, an unsigned or huge integer, a tuple as box: pycocotools has an
    answer or an exception for each, and the caller's slow path gives it.
    """
    if not anns:
        empty = np.empty(0)
        ints = np.empty(0, np.int64)
        extra = {"score": empty} if detections else {"iscrowd": np.empty(0, np.uint8)}
        return Columns(ints, ints, ints, np.empty((0, 4)), empty, **extra)
    try:
        parts: dict[str, Array | None] = {
            key: _integers(anns, key) for key in ("id", "image_id", "category_id")
        }
        parts.update(bbox=_boxes(anns), area=_numbers(anns, "area"))
        if detections:
            score = _numbers(anns, "score")
            parts["score"] = None if score is None else score.astype(np.float64)
        else:
            crowd = np.array([ann["iscrowd"] for ann in anns])
            small = crowd.dtype.kind in "iub" and not ((crowd < 0) | (crowd > 255)).any()
            parts["iscrowd"] = crowd.astype(np.uint8) if small else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if any(part is None or part.ndim != (2 if key == "bbox" else 1) for key, part in parts.items()):
        return None
    return Columns(**parts)  # type: ignore[arg-type]
