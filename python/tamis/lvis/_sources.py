"""Sources of the annotations of LVIS objects until their dicts are first accessed."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.ragged import positions
from tamis.coco._coco_json import _read, read_results
from tamis.coco._columns import Annotation, Columns
from tamis.coco._faults import check_known
from tamis.coco._plain_records import PlainRecords
from tamis.coco._prepare import measured
from tamis.coco._sources import Base, Dataset, DatasetFile, Results
from tamis.coco.coco import unknown_images


@dataclass
class Federation:
    """LVIS' federated lists of images and categories, as columns."""

    absent: Array  # (2, p) int64 image and category ids: the category is not in the image
    partial: Array  # (2, q) int64: not every object of the category is annotated in the image
    frequency: dict[Any, Any]  # of each category id


class LvisFile(DatasetFile):
    """A ground-truth file of LVIS: no crowds, but federated lists of categories by image."""

    def __init__(self, text: Array, tables: dict[str, Any]) -> None:
        super().__init__(text, tables)
        self.columns.iscrowd = np.zeros(len(self.columns.id), np.uint8)
        images, categories = tables["images"], tables["categories"]
        ends = images["part_splits"]
        image = np.repeat(np.repeat(images["id"], 2), np.diff(ends))
        category = images["numbers"].astype(np.int64)
        is_partial = np.repeat(np.arange(len(ends) - 1) % 2, np.diff(ends)) == 1
        frequency = (
            categories["text"][begin:end].tobytes().decode()
            for begin, end in pairwise(categories["text_splits"])
        )
        self.federation = Federation(
            np.stack([image[~is_partial], category[~is_partial]]),
            np.stack([image[is_partial], category[is_partial]]),
            dict(zip(categories["id"].tolist(), frequency, strict=True)),
        )


class LvisBase(Base):
    """All that results share with their ground truth: everything but the annotations."""

    def settle(self, dataset: Dataset) -> None:
        if self._parts is None:
            others = {key: part for key, part in dataset.items() if key != "annotations"}
            self._parts = copy.deepcopy(others)
        self._ground_truth = None

    def image_ids(self) -> list[Any]:
        if self._parts is not None:
            return super().image_ids()
        return list(self._ground_truth._source.image_ids())

    def category_ids(self) -> list[Any]:
        if self._parts is not None:
            return super().category_ids()
        return list(self._ground_truth._source.category_ids())


class LvisResults(Results):
    """Results of a file, cut to the best of each image."""

    def __init__(self, read: Results, max_dets: int) -> None:
        super().__init__(read._base, read.columns, read._origin)
        columns, base = self.columns, self._base
        self._max_dets = max_dets
        self._order = best_of_images(columns, np.unique(base.image_ids()), max_dets)
        if self._order is not None:
            self.columns = columns.take(self._order)
            self.columns.id = np.arange(1, len(self._order) + 1)
            if isinstance(self._origin, PlainRecords):
                self._origin = self._origin.take(self._order)

    def columns_of(self, kind: str) -> Columns | None:
        unread = self.columns.masks is None
        columns = super().columns_of(kind)
        if columns is not None and kind == "segm" and unread and self._order is not None:
            assert columns.masks is not None
            columns.masks = columns.masks[self._order]
        return columns

    def rebuild(self) -> Dataset:
        anns = self._records()
        if self._max_dets >= 0:
            anns = limit(anns, self._max_dets)
        prepare_results(anns)
        return self._base.dataset() | {"annotations": anns}


def best_of_images(columns: Columns, image_ids: Array, max_dets: int) -> Array | None:
    """The rows that `limit` keeps, in its order; None for all rows in order.

    `image_ids` are all images, ascending.
    """
    if max_dets < 0:
        return None
    image = positions(columns.image_id, image_ids)
    n = len(image)
    rows = np.arange(n)
    first = np.full(image.max(initial=0) + 1, n)
    first[image[::-1]] = rows[::-1]  # the last one written stays: where the image comes first
    turn = first[image]
    over = np.bincount(image, minlength=1) > max_dets
    if not over.any():
        return None if (np.diff(turn) >= 0).all() else np.argsort(turn, kind="stable")
    assert columns.score is not None
    row, rank, _ = _core.order_detections(
        np.zeros(n, np.int32), image, columns.score, 1, len(first), max_dets
    )
    order = np.lexsort((np.where(over[image[row]], rank, row), turn[row]))
    best: Array = row[order]
    return best


def limit(anns: list[Annotation], max_dets: int) -> list[Annotation]:
    """Results by image, in the order the images come; the best by score where there are more."""
    by_image: dict[Any, list[Annotation]] = {}
    for ann in anns:
        by_image.setdefault(ann["image_id"], []).append(ann)
    kept = []
    for group in by_image.values():
        if len(group) > max_dets:
            group = sorted(group, key=lambda ann: ann["score"], reverse=True)[:max_dets]
        kept += group
    return kept


def prepare_results(anns: list[Annotation]) -> None:
    """Add to result dicts, in place, what lvis-api adds: id, area, and a box or polygon."""
    if "bbox" in anns[0]:
        for i, ann in enumerate(anns, 1):
            x, y, w, h = ann["bbox"]
            if "segmentation" not in ann:
                ann["segmentation"] = [[x, y, x, y + h, x + w, y + h, x + w, y]]
            ann["area"] = w * h
            ann["id"] = i
    elif "segmentation" in anns[0]:
        for i, (ann, area, box) in enumerate(measured(anns), 1):
            ann["area"] = area
            ann.setdefault("bbox", box)
            ann["id"] = i


def read_lvis(path: Any) -> LvisFile | None:
    """A ground-truth file, or None where Python's json must look at it."""
    if not isinstance(path, (str, os.PathLike)):
        return None
    if not os.path.isfile(path):
        return None
    text = _read(path)
    tables = _core.read_lvis_dataset(text)
    if tables is None or not all(tables.values()):
        return None
    images, categories = tables["images"], tables["categories"]
    two_lists = len(images["part_splits"]) - 1 == 2 * len(images["id"])
    return LvisFile(text, tables) if two_lists and len(categories["part_splits"]) == 1 else None


def read_lvis_results(path: str, base: Base, max_dets: int) -> LvisResults | None:
    """Results of a file, or None where Python's json must look at it."""
    read, known = read_results(path, base), np.unique(base.image_ids())
    if not isinstance(read, Results) or read.columns.keypoints is not None:
        return None
    if known.dtype != np.int64:
        return None
    check_known(unknown_images(read.columns, base.image_ids()), NOT_OF_THIS_SET)
    if read.columns.image_names or read.columns.category_names:
        return None
    return LvisResults(read, max_dets)


NOT_OF_THIS_SET = "Results do not correspond to current LVIS set."
