"""What `DetectionEvaluator.update` reads: the columns of some images, checked, on their device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays
from tamis.matching import (
    held,
    read_boxes,
    read_column,
    read_device_boxes,
    read_device_column,
    read_rows,
)

NAME = "DetectionEvaluator.update"
Part = tuple[Any, ...]  # rows of each image, on the host; labels, boxes and what follows
PREDS, TARGETS = ("scores",), ("crowd", "area")


def read_part(side: str, columns: Any, kind: str, fmt: str, rest: tuple[str, ...]) -> Part:
    """One side of an update: `rest` is PREDS or TARGETS. Boxes tell where its columns live."""
    if not isinstance(columns, Mapping):
        raise TypeError(f"{NAME}: {side} must be a dict, got {type(columns).__name__}")
    for key in ("boxes", "labels", *(PREDS if rest is PREDS else ())):
        if key not in columns:
            raise KeyError(f"{NAME}: {side} lacks {key!r}")
    boxes = _arrays.as_array(NAME, f"{side} boxes", columns["boxes"])
    on_device = kind != "obb" and _arrays.runs_on_device(boxes)
    if kind == "obb":
        boxes = read_rows(NAME, f"{side} boxes", boxes, 5)
    else:
        boxes = (read_device_boxes if on_device else read_boxes)(NAME, f"{side} boxes", boxes, fmt)
    n = len(boxes)

    def column(key: str, kinds: str) -> Any:
        given = columns[key]
        if on_device:
            return read_device_column(NAME, f"{side} {key}", given, boxes, kinds)
        return held(read_column(NAME, f"{side} {key}", given, n, kinds), kinds)

    part = _rows(side, columns, n), column("labels", "iu"), boxes
    if rest is PREDS:
        return *part, column("scores", "fiu")
    crowd, area = _arrays.full(boxes, (n,), "uint8", 0), boxes[:, 2] * boxes[:, 3]
    if columns.get("iscrowd") is not None:
        crowd = column("iscrowd", "biu")
    if columns.get("area") is not None:
        area = column("area", "fiu")
    return *part, crowd, area


def _rows(side: str, columns: Any, n: int) -> NDArray[Any]:
    """(images,) rows of each image."""
    if "splits" not in columns:
        return np.array([n])
    return np.diff(_arrays.splits(NAME, f"{side} splits", columns["splits"], n))


def common_device(function: str, known: str, parts: list[Part]) -> str:
    """The one device that parts live on, beside the host; "cpu" if all live there."""
    for part in parts:
        here = _arrays.device(part[2])
        if known == "cpu":
            known = here
        elif here not in ("cpu", known):
            raise ValueError(f"{function}: arrays must be on one device, got {known} and {here}")
    return known


def on_host(parts: list[Part]) -> list[Part]:
    return [tuple(_arrays.host(NAME, "columns", x) for x in part) for part in parts]


def nothing(width: int) -> tuple[Part, Part]:
    """Both sides of no image."""
    labels, values = np.empty(0, np.int64), np.empty(0)
    boxes = np.empty((0, width))
    return (labels, labels, boxes, values), (labels, labels, boxes, values.astype(np.uint8), values)


def joined(parts: list[Part], like: Any) -> tuple[NDArray[Any], list[Any]]:
    """Offsets of all images, on the host, and the columns of all parts, beside `like`."""
    counts, *columns = zip(*parts, strict=True)
    splits = np.cumsum(np.concatenate([[0], *counts]))
    return splits, [_arrays.concatenate([_beside(like, x) for x in column]) for column in columns]


def _beside(like: Any, x: Any) -> Any:
    if type(x) is type(like):
        return x
    if isinstance(x, np.ndarray):
        return _arrays.from_host(like, x)
    return _arrays.same_library(like, x)
