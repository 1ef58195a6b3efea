"""Annotations as an evaluator takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.columns import REGIONS


def columns_of(method: str, a: Any, iou_type: str) -> dict[str, Any]:
    """The columns of detections, or of ground truths where `method` is that of targets."""
    if not arrays.one_of(iou_type, REGIONS):
        raise ValueError(f"{method}: iou_type must be one of {list(REGIONS)}, got {iou_type!r}")
    detections = method.endswith("preds")
    if detections and a.scores is None:
        raise ValueError(f"{method}: scores must be there, got ground truth")
    key = REGIONS[iou_type]
    regions = getattr(a, key)
    if regions is None:
        raise ValueError(f"{method}: {key} must be there for iou_type {iou_type!r}, got none")
    if key == "keypoints":  # rows without have NaN: nothing is visible
        regions = np.nan_to_num(regions, nan=0.0)
    columns = {key: regions, "labels": a.labels, "splits": a.splits}
    columns["scores" if detections else "iscrowd"] = a.scores if detections else a.iscrowd
    if a.area is not None and a.fmt == "xywh":
        columns["area"] = a.area
    if detections:
        return columns
    if key == "keypoints":
        columns["boxes"] = a.boxes
    return columns
