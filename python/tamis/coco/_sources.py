"""Where a `COCO` object's annotations come from while nobody has touched its dicts."""

from __future__ import annotations

import copy
import json
import os
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _core
from tamis.coco import mask
from tamis.coco._columns import Annotation, Columns
from tamis.coco._plain_records import PlainRecords
from tamis.coco._shapes import PEOPLE, has_shapes, keypoints_of, masks_of, set_masks

Array = NDArray[Any]
Dataset = dict[str, Any]


class Base:
    """The `info`, `images` and `categories` that results share with their ground truth.

    Bound to a ground truth that is still columns, it is settled when that one is touched, before
    anybody can edit it, or when the results are touched first.
    """

    def __init__(self, ground_truth: Any) -> None:
        self._ground_truth = ground_truth
        self._parts: Dataset | None = None

    def settle(self, dataset: Dataset) -> None:
        if self._parts is None:
            self._parts = {
                "info": copy.deepcopy(dataset.get("info", {})),
                "images": list(dataset["images"]),
            }
            if "categories" in dataset:
                self._parts["categories"] = copy.deepcopy(dataset["categories"])
        self._ground_truth = None

    def dataset(self) -> Dataset:
        """The parts, as the start of the results' own dataset."""
        if self._parts is None:
            self.settle(self._ground_truth.dataset)
        assert self._parts is not None
        return dict(self._parts)

    def image_ids(self) -> list[Any]:
        if self._parts is not None:
            return list({img["id"]: None for img in self._parts["images"]})
        return list(self._ground_truth.getImgIds())

    def category_ids(self) -> list[Any]:
        if self._parts is not None:
            return [cat["id"] for cat in self._parts["categories"]]
        return list(self._ground_truth.getCatIds())


class Source(ABC):
    """Columns, and a way to build the dicts they came from."""

    columns: Columns

    @abstractmethod
    def columns_of(self, kind: str) -> Columns | None:
        """The columns with what "bbox", "segm" or "keypoints" needs; None where dicts must do."""

    @abstractmethod
    def rebuild(self) -> Dataset: ...

    @abstractmethod
    def image_ids(self) -> list[Any]: ...

    @abstractmethod
    def category_ids(self) -> list[Any]: ...

    def detached(self) -> Source:
        """The same without ties to other objects, for copies and pickles."""
        return self


class DatasetFile(Source):
    """A ground-truth file: its text, its annotations as columns, its image and category ids."""

    def __init__(self, text: Array, tables: dict[str, Any]) -> None:
        self._text = text
        self._images = tables["images"]["id"]
        self._categories = tables["categories"]["id"]
        table = tables["annotations"]
        people = {key: table.pop(key) for key in PEOPLE if key in table}
        self.columns = Columns(**table)
        if people:
            self.columns.keypoints = keypoints_of(people)
            self.columns.num_keypoints = people["extent"][:, 0]
        self._masks_unread = True

    def columns_of(self, kind: str) -> Columns | None:
        if kind == "segm" and self._masks_unread:
            tables = _core.read_dataset_masks(self._text)
            if tables is not None and all(tables):
                set_masks(self.columns, *tables)
            self._masks_unread = False
        return self.columns if has_shapes(self.columns, kind) else None

    def rebuild(self) -> Dataset:
        dataset: Dataset = json.loads(self._text.tobytes())
        return dataset

    def image_ids(self) -> list[Any]:
        return list(dict.fromkeys(self._images.tolist()))

    def category_ids(self) -> list[Any]:
        return list(self._categories.tolist())


class Results(Source):
    """Results of a file or an array, and what they share with the ground truth.

    `origin` is the file's text, or how its plain records were spelled; None for an array.
    """

    def __init__(
        self, base: Base, columns: Columns, origin: Array | PlainRecords | None = None
    ) -> None:
        self.columns = columns
        self._base = base
        self._origin = origin

    def columns_of(self, kind: str) -> Columns | None:
        text = self._origin
        if kind == "segm" and self.columns.masks is None and isinstance(text, np.ndarray):
            table = _core.read_result_masks(text)  # beside the boxes
            if table is not None and len(table["numbers"]) == 0:
                self.columns.masks = masks_of(table)
        return self.columns if has_shapes(self.columns, kind) else None

    def rebuild(self) -> Dataset:
        dataset = self._base.dataset()
        anns = self._records()
        prepare_results(anns, dataset)
        dataset["annotations"] = anns
        return dataset

    def _records(self) -> list[Annotation]:
        """What stood in the file or array."""
        if isinstance(self._origin, PlainRecords):
            return self._origin.annotations(self.columns)
        if self._origin is None:
            return self._array_rows()
        anns: list[Annotation] = json.loads(self._origin.tobytes())
        return anns

    def _array_rows(self) -> list[Annotation]:
        c, dtype = self.columns, self.columns.area.dtype  # the array's own: areas stay in it
        assert c.score is not None and c.bbox is not None
        return [
            {"image_id": image, "bbox": list(box), "score": score, "category_id": category}
            for image, box, score, category in zip(
                c.image_id.tolist(), c.bbox.astype(dtype), c.score.astype(dtype),
                c.category_id.tolist(), strict=True,
            )
        ]  # fmt: skip

    def image_ids(self) -> list[Any]:
        return self._base.image_ids()

    def category_ids(self) -> list[Any]:
        return self._base.category_ids()

    def detached(self) -> Source:
        other = copy.copy(self)
        other._base = type(self._base)(None)
        other._base.settle(self._base.dataset())
        return other


def _read(path: Any) -> Array:
    """The bytes of a file. NumPy's large arrays lie on large pages, which `bytes` do not."""
    with open(path, "rb", buffering=0) as f:
        text = np.empty(os.fstat(f.fileno()).st_size, np.uint8)
        if _core.read_file(f.fileno(), text):
            return text
        got, part = 0, 1  # no plain file, or one that is being cut short
        while got < len(text) and part:
            part = f.readinto(text[got:].data) or 0
            got += part
    return text[:got]


def read_dataset(path: Any) -> tuple[Source | None, Any]:
    """A source, or what Python's json makes of a file that is not plain enough for one.

    A pipe is left to json: it can be read only once.
    """
    if _core.has_simdjson and isinstance(path, (str, os.PathLike)) and os.path.isfile(path):
        text = _read(path)
        tables = _core.read_coco_dataset(text)
        needed = ("images", "annotations", "categories")
        if tables is not None and tables["unique_ids"] and all(tables[k] for k in needed):
            return DatasetFile(text, tables), None
        del text
    with open(path) as f:
        return None, json.load(f)


def read_results(path: str, base: Base) -> Source | None:
    """Results of a file, or None where Python's json must look at it."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb", buffering=0) as f:
        table = _core.read_plain_file(f.fileno(), os.fstat(f.fileno()).st_size)
    origin: Array | PlainRecords
    if table is not None:
        origin = PlainRecords(table["keys"], table["size_first"], table["integers"])
    else:
        origin = _read(path)
        table = _core.read_coco_results(origin)
    if table is None:
        return None
    keys = ("image_id", "category_id", "score", "bbox")
    common = {key: table[key] for key in keys}
    bbox = table["bbox"]
    area = table["area"] if "area" in table else bbox[:, 2] * bbox[:, 3]
    columns = Columns(id=np.arange(1, len(bbox) + 1), area=area, **common)
    if "text_splits" in table:
        columns.masks, columns.mask_boxes = masks_of(table), bbox
    elif "numbers" in table or "keypoints" in table:
        columns.keypoints = keypoints_of(table)
        if columns.keypoints is None:
            return None
    return Results(base, columns, origin)


def results_from_array(data: Array, base: Base) -> Source | None:
    """Box results of an (N, 7) array, or None where a row by row look is needed."""
    if data.dtype.type not in (np.float32, np.float64) or data.ndim != 2 or len(data) == 0:
        return None
    table = _core.split_coco_rows(np.require(data, data.dtype.type, ["C", "A"]))
    return None if table is None else Results(base, Columns(**table))


def prepare_results(anns: list[Annotation], dataset: Dataset) -> None:
    """Add to result dicts, in place, what pycocotools' loadRes adds: id, area, bbox, iscrowd."""
    first = anns[0]
    if "caption" in first:
        images = {img["id"] for img in dataset["images"]} & {ann["image_id"] for ann in anns}
        dataset["images"] = [img for img in dataset["images"] if img["id"] in images]
        dataset.pop("categories", None)
        for i, ann in enumerate(anns, 1):
            ann["id"] = i
        return
    if "bbox" in first and first["bbox"] != []:
        prepare = _prepare_boxes
    elif "segmentation" in first:
        prepare = _prepare_masks
    elif "keypoints" in first:
        prepare = _prepare_keypoints
    else:
        dataset.pop("categories", None)
        return
    if "categories" not in dataset:
        raise KeyError("categories")
    prepare(anns)


def _prepare_boxes(anns: list[Annotation]) -> None:
    for i, ann in enumerate(anns, 1):
        x, y, w, h = (ann["bbox"][j] for j in range(4))
        if "segmentation" not in ann:
            ann["segmentation"] = [[x, y, x, y + h, x + w, y + h, x + w, y]]
        ann["area"] = w * h
        ann["id"] = i
        ann["iscrowd"] = 0


def _prepare_masks(anns: list[Annotation]) -> None:
    areas, boxes = mask.compressed([ann["segmentation"] for ann in anns])._measures()
    for i, (ann, area, box) in enumerate(zip(anns, areas, boxes, strict=True), 1):
        ann["area"] = area
        ann.setdefault("bbox", box)
        ann["id"] = i
        ann["iscrowd"] = 0


def _prepare_keypoints(anns: list[Annotation]) -> None:
    for i, ann in enumerate(anns, 1):
        x, y = ann["keypoints"][0::3], ann["keypoints"][1::3]
        x0, x1, y0, y1 = np.min(x), np.max(x), np.min(y), np.max(y)
        ann["area"] = (x1 - x0) * (y1 - y0)
        ann["id"] = i
        ann["bbox"] = [x0, y0, x1 - x0, y1 - y0]
