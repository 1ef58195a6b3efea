"""COCO JSON: ground truth, and results as a list or together with their images."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations, Source
from tamis.annotations.coco_records import Records
from tamis.annotations.files import load_json
from tamis.annotations.findings import Finding
from tamis.annotations.options import Options
from tamis.annotations.problems import fail
from tamis.annotations.shapes import Shapes
from tamis.coco._coco_json import _read as read_bytes
from tamis.coco._record_lists import records_of
from tamis.regions.mask_tables import PEOPLE, keypoints_of

_SHAPE = re.compile(rb'"segmentation"\s*:\s*(?!\[\s*\])[\[{]')  # one that is not empty
_POINTS = re.compile(rb'"keypoints"\s*:\s*\[\s*[^\]\s]')
_SHAPE_KEYS = ("numbers", "part_splits", "row_parts", "text", "text_splits", "extent")


def read_coco(path: str, options: Options) -> Annotations:
    """A ground truth, or results."""
    try:
        text = read_bytes(path)
    except OSError as error:
        raise fail(path, f"cannot be read: {error.strerror}") from None
    head = text[:200].tobytes().lstrip()
    found = None
    if head[:1] == b"{":
        found = _dataset(path, text)
    elif head[:1] == b"[":
        found = _results(path, text)
    return from_json(path, load_json(path), options) if found is None else _renamed(found, options)


def read_ultralytics(path: str, options: Options) -> Annotations:
    """Ultralytics' predictions.json."""
    return from_json(path, load_json(path), options, "ultralytics")


def from_json(path: str, data: Any, options: Options, format: str = "coco") -> Annotations:
    """From Python's json: the slow path, for unusual files."""
    return _renamed(Records(path, data, format).annotations(), options)


def _renamed(found: Annotations, options: Options) -> Annotations:
    if options.classes is not None:
        found.classes.clear()
        found.classes.update(options.classes)
    return found


def _dataset(path: str, text: Array) -> Annotations | None:
    tables = _core.read_coco_dataset(text)
    if tables is None or not tables["unique_images"] or not tables["unique_categories"]:
        return None
    if not all(tables[key] for key in ("images", "annotations", "categories")):
        return None
    raw = text.tobytes()
    images, categories = records_of(raw, "images"), records_of(raw, "categories")
    for records, table in ((images, tables["images"]), (categories, tables["categories"])):
        if records is None or [r.get("id") for r in records] != table["id"].tolist():
            return None
    if re.search(rb'"score"\s*:', raw):  # results together with their images
        return None
    table = tables["annotations"]
    if "image_names" in table or "category_names" in table:  # ids that are text
        return None
    shapes = None
    if _SHAPE.search(raw):
        with_masks = _core.read_dataset_masks(text)
        if with_masks is None or not all(with_masks):
            return None
        shapes = Shapes(*(with_masks[1][key] for key in _SHAPE_KEYS))
        if len(shapes.numbers) == 0 and len(shapes.text) == 0:
            shapes = None
    people = {key: table[key] for key in PEOPLE if key in table}
    return grouped(
        path, images or [], categories or [], table["image_id"],
        boxes=table["bbox"], labels=table["category_id"], iscrowd=table["iscrowd"],
        area=table["area"], ids=table["id"], shapes=shapes,
        keypoints=keypoints_of(people) if people else None,
    )  # fmt: skip


def grouped(
    path: str, images: list[dict[str, Any]], categories: list[dict[str, Any]], image_id: Array,
    remarks: list[Finding] | None = None, format: str = "coco", **columns: Any,
) -> Annotations:  # fmt: skip
    """Columns in the order of their file, sorted by image; images by id, as COCO evaluates them."""
    ids = np.array([r["id"] for r in images], np.int64)
    known, first = np.unique(ids, return_index=True)
    extra = np.setdiff1d(image_id, known)
    every = np.concatenate([known, extra])
    order = np.argsort(every, kind="stable")
    place = np.searchsorted(every[order], image_id)
    by_image = np.argsort(place, kind="stable")
    with_record: list[dict[str, Any] | None] = [images[i] for i in first.tolist()]
    records = [*with_record, *[None] * len(extra)]
    in_order = [records[i] for i in order.tolist()]
    n = len(image_id)
    rows: dict[str, Any] = {
        key: column.take(by_image) if isinstance(column, Shapes) else column[by_image]
        for key, column in columns.items() if column is not None
    }  # fmt: skip
    return Annotations(
        splits=np.searchsorted(place[by_image], np.arange(len(every) + 1)).astype(np.int64),
        image_ids=every[order],
        classes={int(c["id"]): str(c.get("name", c["id"])) for c in categories},
        image_sizes=_sizes(in_order) if images else np.zeros((len(every), 2), np.int64),
        image_names=tuple(str((r or {}).get("file_name") or "") for r in in_order),
        listed=np.array([r is not None or not images for r in in_order], bool),
        source=Source((path,), np.zeros(n, np.int64), by_image.astype(np.int64), "record"),
        format=format, remarks=tuple(remarks or ()), **rows,
    )  # fmt: skip


def _sizes(records: list[dict[str, Any] | None]) -> Array:
    """(images, 2) height and width, 0 where they are none."""
    sides: list[tuple[Any, ...]] = [
        ((r or {}).get("height"), (r or {}).get("width")) for r in records
    ]
    if not {type(s) for pair in sides for s in pair} <= {int, float, type(None)}:
        sides = [tuple(s if isinstance(s, (int, float)) else None for s in p) for p in sides]
    found = np.array(sides, np.float64).reshape(-1, 2)
    good = ((found > 0) & (found < 2**31)).all(axis=1, keepdims=True)
    return np.where(good, found, 0).astype(np.int64)


def _results(path: str, text: Array) -> Annotations | None:
    with open(path, "rb", buffering=0) as file:
        table = _core.read_plain_file(file.fileno(), os.fstat(file.fileno()).st_size)
    plain = table is not None  # and nothing stands beside what was read
    if table is None:
        table = _core.read_coco_results(text)
    if table is None or b'"file_name"' in text[:2000].tobytes():
        return None
    keypoints = keypoints_of(table) if "numbers" in table or "keypoints" in table else None
    read = ((_SHAPE, "text_splits" in table), (_POINTS, keypoints is not None))
    if not plain and any(not there and kind.search(text.data) for kind, there in read):
        return None  # boxes were read, and what stands beside them was not
    shapes = None
    if "text_splits" in table:
        n = len(table["bbox"])
        empty = np.zeros(n + 1, np.int64)
        shapes = Shapes(
            np.empty(0),
            np.zeros(1, np.int64),
            empty,
            table["text"],
            table["text_splits"],
            table["extent"],
        )
    return grouped(
        path, [], [], table["image_id"], boxes=table["bbox"], labels=table["category_id"],
        scores=table["score"], shapes=shapes, keypoints=keypoints,
    )  # fmt: skip
