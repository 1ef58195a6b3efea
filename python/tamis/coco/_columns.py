"""Annotations as columns, from a file or from dicts; `None` where dicts are too odd for columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.ragged import positions
from tamis.coco import mask

Annotation = dict[str, Any]

_EXACT = 2**53  # integers a float64 holds without rounding
_EXACT_SQUARES = 2**24  # and whose differences it squares without
# numbers that NumPy computes with as with these columns; float32 and small integers it does not
_WHOLE: set[type] = {int, np.int64}
_WIDE: set[type] = _WHOLE | {float, np.float64}


@dataclass
class Columns:
    """One row an annotation; `iscrowd` is None for detections, `score` for ground truths."""

    id: Array  # int64, or float64 where some are floats
    image_id: Array  # int64
    category_id: Array  # int64
    area: Array  # any numbers
    bbox: Array | None = None  # (n, 4) float64 xywh
    score: Array | None = None  # float64
    iscrowd: Array | None = None  # uint8
    masks: Any = None  # `Masks`, or the `Outlines` of a file's ground truths
    mask_boxes: Array | None = None  # (n, 4) float64, where they were measured
    keypoints: Array | None = None  # (n, k, 3) float64
    num_keypoints: Array | None = None  # any numbers
    ignore: Array | None = None  # uint8; None: the crowds
    # where ids are not integers: those that `image_id` or `category_id` are places in
    image_names: list[Any] | None = None
    category_names: list[Any] | None = None

    def take(self, index: Array) -> Columns:
        rows = {
            key: v if v is None or key.endswith("_names") else v[index]
            for key, v in vars(self).items()
        }
        return Columns(**rows)


class KnownIds:
    """The ids of an evaluation, in its order."""

    def __init__(self, ids: Iterable[Any]) -> None:
        self._ids = list(ids)
        self._integers = whole_numbers(self._ids)

    @classmethod
    def of(cls, ids: Iterable[Any]) -> KnownIds | None:
        """None if there are no ids, if one occurs twice, or if one cannot be hashed."""
        known = cls(ids)
        try:
            return known if 0 < len(known) == len(set(known._ids)) else None
        except TypeError:
            return None

    def __len__(self) -> int:
        return len(self._ids)

    def places(self, column: Array, names: list[Any] | None) -> Array:
        """(n,) int32: the place of each row's id, -1 where it is not one of these."""
        if names is not None:
            return self._look_up(names)[column]
        if self._integers is None:
            values, row = np.unique(column, return_inverse=True)
            return self._look_up(values.tolist())[row]
        if (np.diff(self._integers) > 0).all():
            return positions(column, self._integers)
        known, first = np.unique(self._integers, return_index=True)
        return np.append(first, -1).astype(np.int32)[positions(column, known)]

    def _look_up(self, names: list[Any]) -> Array:
        place = {one: place for place, one in enumerate(self._ids)}
        return np.array([place.get(name, -1) for name in names], np.int32)


def _plain_numbers(values: list[Any]) -> Array | None:
    """Python's or NumPy's numbers as an array of their own type; None for anything else."""
    types = set(map(type, values))
    if not all(issubclass(t, (int, float, np.integer, np.floating, np.bool_)) for t in types):
        return None
    return np.array(values)


def whole_numbers(values: list[Any]) -> Array | None:
    """int64 of integers and of floats like 1.0; None for anything else."""
    numbers = _plain_numbers(values)
    if numbers is None:
        return None
    if numbers.dtype.kind == "f":  # of integers among floats those beyond 2^53 are rounded
        whole = (np.abs(numbers) < _EXACT) & (numbers == np.trunc(numbers))
        return numbers.astype(np.int64) if whole.all() else None
    fits = numbers.dtype.kind in "bi" or (numbers.dtype.kind == "u" and numbers.itemsize < 8)
    return numbers.astype(np.int64, copy=False) if fits else None


def _named(anns: Sequence[Annotation], key: str) -> tuple[Array, list[Any] | None]:
    """Ids as integers, or as places among the distinct ones, which are then listed."""
    values = [ann[key] for ann in anns]
    integers = whole_numbers(values)
    if integers is not None:
        return integers, None
    names: dict[Any, int] = {}
    places = [names.setdefault(value, len(names)) for value in values]
    return np.array(places, np.int64), list(names)


def _annotation_ids(anns: Sequence[Annotation]) -> Array | None:
    """As pycocotools puts them into arrays of matches."""
    numbers = _plain_numbers([ann["id"] for ann in anns])
    if numbers is None or (numbers.dtype.kind == "u" and numbers.itemsize == 8):
        return None
    return numbers.astype(np.float64 if numbers.dtype.kind == "f" else np.int64, copy=False)


def _numbers(anns: Sequence[Annotation], key: str) -> Array | None:
    """Floats as they are, integers as float64 where that is exact."""
    values = np.array([ann[key] for ann in anns])
    if values.dtype.kind in "iu" and not (np.abs(values) > _EXACT).any():
        return values.astype(np.float64)
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    return values if values.dtype in (np.float32, np.float64) else None


def _boxes(anns: Sequence[Annotation], only: set[type] | None) -> Array | None:
    """(n, 4) float64; None if one is not a list or array of four numbers, of these types."""
    boxes = [ann["bbox"] for ann in anns]
    if not set(map(type, boxes)) <= {list, np.ndarray} or set(map(len, boxes)) != {4}:
        return None
    if only is not None and not set(map(type, chain.from_iterable(boxes))) <= only:
        return None
    return np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes)).reshape(-1, 4)


def _keypoints(anns: Sequence[Annotation], k: int, detections: bool) -> Array | None:
    """(n, k, 3) float64, or None where a list has another length or holds no plain numbers."""
    lists = [ann["keypoints"] for ann in anns]
    if detections:  # their visibility is not looked at, nor is the last missed
        lists = [[*points, 0] if len(points) == 3 * k - 1 else points for points in lists]
    else:  # where no point is visible, none is looked at
        unread = [0] * (3 * k)
        lists = [
            points if len(points) == 3 * k or any(v > 0 for v in points[2::3]) else unread
            for points in lists
        ]
    types = set(map(type, chain.from_iterable(lists)))
    if any(len(points) != 3 * k for points in lists) or not types <= _WIDE:
        return None
    values = np.array(lists)
    if values.ndim != 2 or (types & _WHOLE and (np.abs(values) > _EXACT_SQUARES).any()):
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

    For a missing key, a text id of an annotation or a tuple as box, the caller's slow path gives
    pycocotools' result or exception. Masks are compressed. Federated ground truths have an `ignore`
    of their own, and no crowds.
    """
    if not anns:
        return _no_annotations(detections, n_keypoints)
    if kind == "bbox" and not federated and type(anns) is list:
        table = _core.result_columns(anns) if detections else _core.annotation_columns(anns)
        if table is not None:
            return Columns(**table)
    try:
        parts: dict[str, Any] = {"id": _annotation_ids(anns), "area": _numbers(anns, "area")}
        parts["image_id"], image_names = _named(anns, "image_id")
        parts["category_id"], category_names = _named(anns, "category_id")
        if detections:
            score = _numbers(anns, "score")
            parts["score"] = None if score is None else score.astype(np.float64)
        elif federated:
            parts["iscrowd"] = np.zeros(len(anns), np.uint8)
            parts["ignore"] = _flags(anns, "ignore")
        else:
            parts["iscrowd"] = _flags(anns, "iscrowd")
        if kind == "bbox" or (kind == "keypoints" and not detections):
            parts["bbox"] = _boxes(anns, only=_WIDE if kind == "keypoints" else None)
        if kind == "segm":
            parts["masks"] = mask.compressed([ann["segmentation"] for ann in anns])
        if kind == "keypoints":
            parts["keypoints"] = _keypoints(anns, n_keypoints, detections)
            if not detections:
                parts["num_keypoints"] = _numbers(anns, "num_keypoints")
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):
        return None
    ranks = {"bbox": 2, "keypoints": 3}
    for key, part in parts.items():
        if part is None or (key != "masks" and part.ndim != ranks.get(key, 1)):
            return None
    return Columns(**parts, image_names=image_names, category_names=category_names)


def _no_annotations(detections: bool, n_keypoints: int) -> Columns:
    ints = np.empty(0, np.int64)
    return Columns(
        ints, ints, ints, np.empty(0), np.empty((0, 4)),
        np.empty(0) if detections else None, None if detections else np.empty(0, np.uint8),
        mask.compressed([]), None, np.empty((0, n_keypoints, 3)), ints,
    )  # fmt: skip


def _flags(anns: Sequence[Annotation], key: str) -> Array | None:
    flags = np.array([ann[key] for ann in anns])
    if flags.dtype.kind not in "iubf" or not ((flags >= 0) & (flags <= 255)).all():
        return None
    small = flags.astype(np.uint8)
    return small if (small == flags).all() else None
