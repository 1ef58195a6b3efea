"""What `DetectionEvaluator.update` reads: the columns of some images, checked, on their device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
)

NAME = "DetectionEvaluator.update"
Part = tuple[Any, ...]  # rows of each image, on the host; labels, boxes and what follows
PREDS, TARGETS = ("boxes", "labels", "scores"), ("boxes", "labels")
OPTIONAL = ("iscrowd", "area")
# what dicts of torchvision and DETR hold besides, and what belongs to the other side
IGNORED = {"image_id", "masks", "keypoints", "size", "orig_size", *PREDS, *OPTIONAL}


def read_update(preds: Any, targets: Any, fmt: str) -> list[tuple[Part, Part]]:
    """Both sides as copies, checked; `fmt` is one of boxes or "obb"."""
    if isinstance(preds, Mapping) and isinstance(targets, Mapping):
        return [_read_both("", preds, targets, fmt)]
    if not (isinstance(preds, Sequence) and isinstance(targets, Sequence)):
        raise TypeError(
            f"{NAME}: preds and targets must both be dicts or both lists of dicts,"
            f" got {type(preds).__name__} and {type(targets).__name__}"
        )
    if len(preds) != len(targets):
        raise ValueError(
            f"{NAME}: preds and targets must be of one length, got {len(preds)} and {len(targets)}"
        )
    if len(preds) > 1:
        try:
            return [_read_both("", _together(preds), _together(targets), fmt)]
        except Exception:  # whatever it is, image by image it is named, or goes well
            pass
    both = enumerate(zip(preds, targets, strict=True))
    return [_read_both(f"[{i}]", pred, target, fmt) for i, (pred, target) in both]


def _read_both(where: str, pred: Any, target: Any, fmt: str) -> tuple[Part, Part]:
    found = _read_part(f"preds{where}", pred, PREDS, fmt)
    truth = _read_part(f"targets{where}", target, TARGETS, fmt)
    if len(found[0]) != len(truth[0]):
        raise ValueError(
            f"{NAME}: preds{where} and targets{where} must hold as many images,"
            f" got {len(found[0])} and {len(truth[0])}"
        )
    return found, truth


def _read_part(side: str, columns: Any, needed: tuple[str, ...], fmt: str) -> Part:
    """One side of an update. Boxes tell where its columns live."""
    if not isinstance(columns, Mapping):
        raise TypeError(f"{NAME}: {side} must be a dict, got {type(columns).__name__}")
    for key in needed:
        if key not in columns:
            raise KeyError(f"{NAME}: {side} lacks {key!r}")
    known = (*needed, *(() if needed is PREDS else OPTIONAL), "splits")
    for key in columns:
        if key not in known and key not in IGNORED:
            raise ValueError(
                f"{NAME}: {side} has an unknown key {key!r}, known are {', '.join(known)}"
            )
    boxes = _arrays.as_array(NAME, f"{side} boxes", columns["boxes"])
    on_device = _arrays.runs_on_device(boxes)
    boxes = (read_device_boxes if on_device else read_boxes)(NAME, f"{side} boxes", boxes, fmt)
    n = len(boxes)

    def column(key: str, kinds: str) -> Any:
        given = columns[key]
        if on_device:
            return read_device_column(NAME, f"{side} {key}", given, boxes, kinds)
        return held(read_column(NAME, f"{side} {key}", given, n, kinds), kinds)

    part = _rows(side, columns, n), column("labels", "iu"), boxes
    if needed is PREDS:
        return *part, column("scores", "fiu")
    crowd, area = _arrays.full(boxes, (n,), "uint8", 0), boxes[:, 2] * boxes[:, 3]
    if columns.get("iscrowd") is not None:
        crowd = column("iscrowd", "biu")
    if columns.get("area") is not None:
        area = column("area", "fiu")
    return *part, crowd, area


def _together(items: Sequence[Any]) -> dict[str, Any]:
    """All images of a list as one dict with splits, checked at once in a tenth of the time.

    Raises something where their arrays are not alike; empty ones may be of any type.
    """
    counts = [item["boxes"].shape[0] for item in items]
    keys = {key for item in items for key in item if item[key] is not None}
    if "splits" in keys or not keys <= {*PREDS, *OPTIONAL}:
        raise TypeError
    used = [key for key in (*PREDS, *OPTIONAL) if key in keys]
    joined = {key: _cat([item[key] for item in items], counts) for key in used}
    return {**joined, "splits": np.cumsum([0, *counts])}


def _cat(parts: list[Any], counts: list[int]) -> Any:
    filled = [part for part, n in zip(parts, counts, strict=True) if n] or parts[:1]
    alike = {(type(part), part.dtype, part.shape[1:]) for part in filled}
    (kind, _, tail) = alike.pop()
    shapes = {(type(part), part.shape[1:]) for part in parts}
    if alike or shapes - {(kind, tail), (kind, ())} or [part.shape[0] for part in parts] != counts:
        raise TypeError
    if kind is not np.ndarray and _arrays.library(filled[0]) == "numpy":
        raise TypeError
    return _arrays.concatenate(filled)


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
