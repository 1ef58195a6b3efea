"""Boxes of many images as columns, from COCO JSON, plain columns or an object that has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays, json_text, ragged
from tamis._shared.arrays import Array


@dataclass(frozen=True, eq=False)
class Columns:
    """One side of a comparison: `image` says which of `n_images` a box is of, from 0."""

    boxes: Array  # (n, 4) float64 xywh
    names: Array  # (n,) class names, object
    image: Array  # (n,) int64
    n_images: int
    sizes: Array  # (n_images, 2) height and width, 0 where not known
    classes: dict[int, str]


def is_annotations(x: Any) -> bool:
    if isinstance(x, (str, os.PathLike, Mapping)):
        return True
    return all(hasattr(x, name) for name in ("boxes", "labels", "splits"))


def read_columns(function: str, name: str, given: Any) -> Columns:
    """Any of what `is_annotations` takes."""
    if isinstance(given, (str, os.PathLike)):
        with open(given, "rb") as file:
            given = json_text.loads(file.read())
    if isinstance(given, Mapping) and "annotations" in given:
        return _of_coco(function, name, given)
    if isinstance(given, Mapping):
        missing = [key for key in ("boxes", "labels", "splits") if key not in given]
        if missing:
            raise ValueError(
                f"{function}: {name} must have the columns boxes, labels and splits, or the lists"
                f" of COCO; {missing[0]} is missing"
            )
        return _of_columns(function, name, given)
    if not is_annotations(given):
        raise TypeError(
            f"{function}: {name} must be annotations as the other side is, got"
            f" {type(given).__name__}"
        )
    keys = ("boxes", "labels", "splits", "image_sizes", "classes", "fmt", "iscrowd")
    return _of_columns(function, name, {k: getattr(given, k, None) for k in keys})


def _of_coco(function: str, name: str, data: Mapping[str, Any]) -> Columns:
    images = list(data.get("images", []))
    anns = [a for a in data["annotations"] if not a.get("iscrowd")]
    place = {img["id"]: i for i, img in enumerate(images)}
    for ann in anns:
        if ann["image_id"] not in place:
            place[ann["image_id"]] = len(place)
    sizes = np.zeros((len(place), 2))
    for img in images:
        sizes[place[img["id"]]] = img.get("height") or 0, img.get("width") or 0
    classes = {c["id"]: str(c.get("name", c["id"])) for c in data.get("categories", [])}
    boxes = np.array([a["bbox"] for a in anns], np.float64).reshape(-1, 4)
    names = np.array([classes.get(a["category_id"], str(a["category_id"])) for a in anns], object)
    image = np.array([place[a["image_id"]] for a in anns], np.int64)
    return _checked(function, name, Columns(boxes, names, image, len(place), sizes, classes))


def _of_columns(function: str, name: str, given: Mapping[str, Any]) -> Columns:
    boxes = np.asarray(arrays.host(function, f"{name} boxes", given["boxes"]), np.float64)
    if given.get("fmt") == "obb":
        raise ValueError(f"{function}: {name} must have upright boxes, got oriented ones")
    arrays.check_shape(function, f"{name} boxes", boxes, ("n", 4))
    n = len(boxes)
    labels = np.asarray(given["labels"])
    arrays.check_shape(function, f"{name} labels", labels, (n,))
    splits = ragged.splits(function, f"{name} splits", np.asarray(given["splits"]), n)
    images = len(splits) - 1
    image = np.repeat(np.arange(images), np.diff(splits))
    sizes = given.get("image_sizes")
    sizes = np.zeros((images, 2)) if sizes is None else np.asarray(sizes, np.float64)
    arrays.check_shape(function, f"{name} image_sizes", sizes, (images, 2))
    classes = {k: str(v) for k, v in dict(given.get("classes") or {}).items()}
    names = np.array([classes.get(label, str(label)) for label in labels.tolist()], object)
    crowd = given.get("iscrowd")
    if crowd is not None and len(crowd) == n:
        kept = np.asarray(crowd) == 0
        boxes, names, image = boxes[kept], names[kept], image[kept]
    return _checked(function, name, Columns(boxes, names, image, images, sizes, classes))


def _checked(function: str, name: str, columns: Columns) -> Columns:
    bad = ~np.isfinite(columns.boxes).all(1)
    if bad.any():
        raise ValueError(f"{function}: {name} boxes must be finite, box {int(bad.argmax())} is not")
    if columns.n_images == 0:
        raise ValueError(f"{function}: {name} must have at least one image")
    return columns
