"""Reads the arguments of `DetectionEvaluator.update`: columns of some images, checked, on their
device."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tamis._shared import arrays, ragged
from tamis._shared.columns import read_boxes, read_device_boxes, read_device_column, read_held
from tamis.evaluation.image_ids import ImageOrder
from tamis.evaluation.kinds import Kind, joined_masks, read_keypoints, read_masks, read_people
from tamis.regions.masks import Masks

NAME = "DetectionEvaluator.update"
Given: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]  # columns, or a dict an image
Part = tuple[Any, ...]  # rows of each image, on the host; labels, regions and what follows
Update = tuple[Part, Part, Any]  # detections, ground truths, ids of the images or None
FEW = 10  # boxes, whose angles say nothing of their unit
OPTIONAL = ("iscrowd", "area")
# more keys in dicts of torchvision and DETR, and keys of the other side
IGNORED = {
    "image_id", "boxes", "masks", "keypoints", "num_keypoints", "labels", "scores", "size",
    "orig_size", *OPTIONAL,
}  # fmt: skip


def read_update(preds: Given, targets: Given, kind: Kind) -> list[tuple[Part, Part]]:
    """Both sides as copies, checked."""
    if isinstance(preds, Mapping) and isinstance(targets, Mapping):
        return [_read_both("", preds, targets, kind)]
    if not (isinstance(preds, Sequence) and isinstance(targets, Sequence)):
        raise TypeError(
            f"{NAME}: preds and targets must both be dicts or both lists of dicts,"
            f" got {type(preds).__name__} and {type(targets).__name__}"
        )
    if len(preds) != len(targets):
        raise ValueError(
            f"{NAME}: preds and targets must be of one length, got {len(preds)} and {len(targets)}"
        )
    if len(preds) > 1 and kind.column == "boxes":
        try:
            return [_read_both("", _together(preds), _together(targets), kind)]
        except Exception:  # whatever it is, image by image it is named, or goes well
            pass
    both = enumerate(zip(preds, targets, strict=True))
    return [_read_both(f"[{i}]", pred, target, kind) for i, (pred, target) in both]


def _read_both(where: str, pred: Any, target: Any, kind: Kind) -> tuple[Part, Part]:
    found = _read_part(f"preds{where}", pred, kind, detections=True)
    truth = _read_part(f"targets{where}", target, kind, detections=False)
    if len(found[0]) != len(truth[0]):
        raise ValueError(
            f"{NAME}: preds{where} and targets{where} must hold as many images,"
            f" got {len(found[0])} and {len(truth[0])}"
        )
    return found, truth


def _read_part(side: str, columns: Any, kind: Kind, *, detections: bool) -> Part:
    """One side of an update. Boxes tell where its columns live; other regions live on the host."""
    if not isinstance(columns, Mapping):
        raise TypeError(f"{NAME}: {side} must be a dict, got {type(columns).__name__}")
    needed = (kind.column, "labels", *(("scores",) if detections else ()))
    for key in needed:
        if key not in columns:
            raise KeyError(f"{NAME}: {side} lacks {key!r}")
    known = (*needed, *(() if detections else OPTIONAL), "splits")
    for key in columns:
        if key not in known and key not in IGNORED:
            raise ValueError(
                f"{NAME}: {side} has an unknown key {key!r}, known are {', '.join(known)}"
            )
    regions, on_device = _regions(side, columns, kind, detections)
    n = len(regions)

    def column(key: str, kinds: str) -> Any:
        given = columns[key]
        if on_device:
            return read_device_column(NAME, f"{side} {key}", given, regions, kinds)
        return read_held(NAME, f"{side} {key}", given, n, kinds)

    part = _rows(side, columns, n), column("labels", "iu"), regions
    if detections:
        scores = column("scores", "fiu")
        if kind.column == "boxes":  # theirs is a product away
            return *part, scores
        return *part, scores, _area(columns, kind, regions, column)
    people: tuple[Any, ...] = ()
    if kind.column == "keypoints":
        people = read_people(NAME, side, columns, regions, kind.fmt)
    like = regions if on_device else np.empty(0)
    crowd = arrays.full(like, (n,), "uint8", 0)
    if columns.get("iscrowd") is not None:
        crowd = column("iscrowd", "biu")
    if people and columns.get("area") is None:
        if columns.get("boxes") is None:
            raise KeyError(f"{NAME}: {side} lacks 'area' or 'boxes'")
        return *part, crowd, people[0][:, 2] * people[0][:, 3], *people
    return *part, crowd, _area(columns, kind, regions, column), *people


def _area(columns: Any, kind: Kind, regions: Any, column: Any) -> Any:
    return kind.area(regions) if columns.get("area") is None else column("area", "fiu")


def _regions(side: str, columns: Any, kind: Kind, detections: bool) -> tuple[Any, bool]:
    """What is compared, and whether it lives on a device."""
    given, name = columns[kind.column], f"{side} {kind.column}"
    if kind.column == "masks":
        return read_masks(NAME, name, given, columns.get("size")), False
    if kind.column == "keypoints":
        k = len(kind.sigmas)
        return read_keypoints(NAME, name, given, k, visible=not detections), False
    boxes = arrays.as_array(NAME, name, given)
    on_device = arrays.runs_on_device(boxes)
    read = read_device_boxes if on_device else read_boxes
    return read(NAME, name, boxes, kind.box_format), on_device


def _together(items: Sequence[Any]) -> dict[str, Any]:
    """All images of a list as one dict with splits, checked at once in a tenth of the time.

    Raises an exception if their arrays are not alike; empty ones may be of any type.
    """
    counts = [item["boxes"].shape[0] for item in items]
    keys = {key for item in items for key in item if item[key] is not None}
    if "splits" in keys or not keys <= {"boxes", "labels", "scores", *OPTIONAL}:
        raise TypeError
    used = [key for key in ("boxes", "labels", "scores", *OPTIONAL) if key in keys]
    joined = {key: _cat([item[key] for item in items], counts) for key in used}
    return {**joined, "splits": np.cumsum([0, *counts])}


def _cat(parts: list[Any], counts: list[int]) -> Any:
    filled = [part for part, n in zip(parts, counts, strict=True) if n] or parts[:1]
    alike = {(type(part), part.dtype, part.shape[1:]) for part in filled}
    (kind, _, tail) = alike.pop()
    shapes = {(type(part), part.shape[1:]) for part in parts}
    if alike or shapes - {(kind, tail), (kind, ())} or [part.shape[0] for part in parts] != counts:
        raise TypeError
    if kind is not np.ndarray and arrays.library(filled[0]) == "numpy":
        raise TypeError
    return arrays.concatenate(filled)


def _rows(side: str, columns: Any, n: int) -> NDArray[Any]:
    """(images,) rows of each image."""
    if "splits" not in columns:
        return np.array([n])
    return np.diff(ragged.splits(NAME, f"{side} splits", columns["splits"], n))


def to_degrees(parts: list[tuple[Part, Part]], angle: str) -> None:
    """Angles of oriented boxes as :func:`tamis.rotated_box_iou` takes them, in place."""
    for boxes in (side[2] for both in parts for side in both):
        if angle == "radians":
            boxes[:, 4] *= 180 / np.pi
        elif isinstance(boxes, np.ndarray) and len(boxes) >= FEW:
            turn = np.abs(boxes[:, 4]).max()
            if 0 < turn <= 2 * np.pi:
                warnings.warn(
                    f"{NAME}: the largest angle is {turn:.3f}: if these are radians, pass"
                    " angle='radians'",
                    stacklevel=3,
                )


def common_device(function: str, known: str, parts: list[Part]) -> str:
    """The one device other than the host that parts live on; "cpu" if all live there."""
    for part in parts:
        here = arrays.device(part[1])
        if known == "cpu":
            known = here
        elif here not in ("cpu", known):
            raise ValueError(f"{function}: arrays must be on one device, got {known} and {here}")
    return known


def on_host(part: Part) -> Part:
    return tuple(x if isinstance(x, Masks) else arrays.host(NAME, "columns", x) for x in part)


def nothing(kind: Kind) -> tuple[Part, Part]:
    """Both sides of no image."""
    labels, values = np.empty(0, np.int64), np.empty(0)
    flags = np.empty(0, np.uint8)
    people = (np.empty((0, 4)), flags) if kind.column == "keypoints" else ()
    area = () if kind.column == "boxes" else (values,)
    found = labels, labels, kind.none, values, *area
    return found, (labels, labels, kind.none, flags, values, *people)


def joined(
    parts: Sequence[Part], like: Any, images: ImageOrder | None
) -> tuple[NDArray[Any], list[Any]]:
    """Offsets of all images, on the host, and the columns of all parts, on the device of `like`."""
    counts, *columns = zip(*parts, strict=True)
    splits = np.cumsum(np.concatenate([[0], *counts]))
    whole = [_joined(column, like) for column in columns]
    if images is None or np.array_equal(images.place, np.arange(len(splits) - 1)):
        return splits, whole
    splits, rows = images.rows(splits)
    there = arrays.from_host(like, rows)
    return splits, [x[rows if isinstance(x, Masks) else there] for x in whole]


def _joined(column: Sequence[Any], like: Any) -> Any:
    if isinstance(column[0], Masks):
        return joined_masks(column)
    return arrays.concatenate([_beside(like, x) for x in column])


def _beside(like: Any, x: Any) -> Any:
    if type(x) is type(like):
        return x
    if isinstance(x, np.ndarray):
        return arrays.from_host(like, x)
    return arrays.same_library(like, x)
