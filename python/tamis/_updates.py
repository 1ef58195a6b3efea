"""Images as `DetectionEvaluator.update` takes them, read into columns."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays
from tamis.matching import read_boxes, read_column, read_rows

Array = NDArray[Any]
Columns = tuple[Array, ...]  # boxes of each image, labels, boxes, and scores, or crowds and areas

_NAME = "DetectionEvaluator.update"
_PREDS, _TARGETS = ("boxes", "labels", "scores"), ("boxes", "labels")
_OPTIONAL = ("iscrowd", "area")


def read_update(preds: Any, targets: Any, fmt: str) -> list[tuple[Columns, Columns]]:
    """Both sides as copies, checked; `fmt` is one of boxes or "obb"."""
    if isinstance(preds, Mapping) and isinstance(targets, Mapping):
        return [_read_both("", preds, targets, fmt)]
    if not (isinstance(preds, Sequence) and isinstance(targets, Sequence)):
        raise TypeError(
            f"{_NAME}: preds and targets must both be dicts or both lists of dicts,"
            f" got {type(preds).__name__} and {type(targets).__name__}"
        )
    if len(preds) != len(targets):
        raise ValueError(
            f"{_NAME}: preds and targets must be of one length, got {len(preds)} and {len(targets)}"
        )
    if len(preds) > 1:
        try:
            return [_read_both("", _together(preds), _together(targets), fmt)]
        except Exception:  # whatever it is, image by image it is named, or goes well
            pass
    both = enumerate(zip(preds, targets, strict=True))
    return [_read_both(f"[{i}]", pred, target, fmt) for i, (pred, target) in both]


def _read_both(where: str, pred: Any, target: Any, fmt: str) -> tuple[Columns, Columns]:
    found = _read(f"preds{where}", pred, _PREDS, fmt)
    truth = _read(f"targets{where}", target, _TARGETS, fmt)
    if len(found[0]) != len(truth[0]):
        raise ValueError(
            f"{_NAME}: preds{where} and targets{where} must hold as many images,"
            f" got {len(found[0])} and {len(truth[0])}"
        )
    return found, truth


def _read(side: str, columns: Any, needed: tuple[str, ...], fmt: str) -> Columns:
    if not isinstance(columns, Mapping):
        raise TypeError(f"{_NAME}: {side} must be a dict, got {type(columns).__name__}")
    for key in needed:
        if key not in columns:
            raise KeyError(f"{_NAME}: {side} lacks {key!r}")
    if fmt == "obb":
        boxes = read_rows(_NAME, f"{side} boxes", columns["boxes"], 5).copy()
    else:
        boxes = read_boxes(_NAME, f"{side} boxes", columns["boxes"], fmt)
    n = len(boxes)
    labels = read_column(_NAME, f"{side} labels", columns["labels"], n, "iu")
    counts = np.array([n])
    if "splits" in columns:
        counts = np.diff(_arrays.splits(_NAME, f"{side} splits", columns["splits"], n))
    if "scores" in needed:
        scores = read_column(_NAME, f"{side} scores", columns["scores"], n, "fiu")
        return counts, labels, boxes, scores.astype(np.float64)
    crowd, area = np.zeros(n, np.uint8), boxes[:, 2] * boxes[:, 3]
    if columns.get("iscrowd") is not None:
        flags = read_column(_NAME, f"{side} iscrowd", columns["iscrowd"], n, "biu")
        crowd = (flags != 0).astype(np.uint8)
    if columns.get("area") is not None:
        area = read_column(_NAME, f"{side} area", columns["area"], n, "fiu").astype(np.float64)
    return counts, labels, boxes, crowd, area


def _together(items: Sequence[Any]) -> dict[str, Any]:
    """All images of a list as one dict with splits, checked at once in a tenth of the time.

    Raises something where their arrays are not alike; empty ones may be of any type.
    """
    counts = [item["boxes"].shape[0] for item in items]
    keys = {key for item in items for key in item if item[key] is not None}
    if "splits" in keys:
        raise TypeError
    used = [key for key in (*_PREDS, *_OPTIONAL) if key in keys]
    joined = {key: _joined([item[key] for item in items], counts) for key in used}
    return {**joined, "splits": np.cumsum([0, *counts])}


def _joined(parts: list[Any], counts: list[int]) -> Any:
    filled = [part for part, n in zip(parts, counts, strict=True) if n] or parts[:1]
    alike = {(type(part), part.dtype, part.shape[1:]) for part in filled}
    (kind, _, tail) = alike.pop()
    shapes = {(type(part), part.shape[1:]) for part in parts}
    if alike or shapes - {(kind, tail), (kind, ())} or [part.shape[0] for part in parts] != counts:
        raise TypeError
    if kind is np.ndarray:
        return np.concatenate(filled)
    torch = sys.modules.get("torch")
    if torch is None or kind is not torch.Tensor:
        raise TypeError
    return torch.cat(filled)
