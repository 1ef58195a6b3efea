"""Sources of a `COCO` object's annotations until its dicts are first accessed."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import json_text
from tamis._shared.arrays import Array
from tamis.coco._columns import Annotation, Columns, from_annotations
from tamis.coco._plain_records import PlainRecords
from tamis.coco._prepare import collector_paused, preparation, prepare_results
from tamis.coco._record_lists import records_of
from tamis.coco._shapes import has_shapes, set_masks
from tamis.regions.mask_tables import PEOPLE, keypoints_of, masks_of

Dataset = dict[str, Any]
IndexOf = Callable[[Dataset], tuple[Any, ...]]


class Base:
    """The `info`, `images` and `categories` that results share with their ground truth.

    While the ground truth is still columns, these are only fixed when its dicts are accessed,
    before they can be edited, or when the dicts of the results are.
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
        return list(self._ground_truth._source.image_ids())

    def category_ids(self) -> list[Any]:
        if self._parts is not None:
            return [cat["id"] for cat in self._parts["categories"]]
        return list(self._ground_truth._source.category_ids())

    def has_categories(self) -> bool:
        return self._parts is None or "categories" in self._parts


class Source(ABC):
    """Columns, and a way to build the dicts they came from."""

    @abstractmethod
    def columns_of(self, kind: str) -> Columns | None:
        """The columns with what "bbox", "segm" or "keypoints" needs; None where dicts must do."""

    @abstractmethod
    def rebuild(self) -> Dataset: ...

    def index(self, dataset: Dataset, index_of: IndexOf) -> tuple[Any, ...]:
        """A rebuilt dataset and its look-ups."""
        return index_of(dataset)

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
        self._images, self._categories = _ids(tables["images"]), _ids(tables["categories"])
        table = tables["annotations"]
        people = {key: table.pop(key) for key in PEOPLE if key in table}
        if table.pop("float_ids", False):
            table["id"] = table["id"].astype(np.float64)
        self.columns = Columns(**table)
        self._name_images(tables["images"].get("id_names"))
        if people:
            self.columns.keypoints = keypoints_of(people)
            self.columns.num_keypoints = people["extent"][:, 0]
        self._masks_unread = True
        self._read: dict[str, list[dict[str, Any]] | None] = {}

    def _name_images(self, names: list[Any] | None) -> None:
        """Let image ids that are text be places among the images, as these are read."""
        own = self.columns.image_names
        if names is None or own is None:
            return
        joined = {name: place for place, name in enumerate(dict.fromkeys([*names, *own]))}
        places = np.array([joined[name] for name in own], np.int64)
        self.columns.image_id = places[self.columns.image_id]
        self.columns.image_names = list(joined)

    def columns_of(self, kind: str) -> Columns | None:
        if kind == "segm" and self._masks_unread and self._sizes_known():
            tables = _core.read_dataset_masks(self._text)
            if tables is not None and all(tables):
                set_masks(self.columns, *tables)
            self._masks_unread = False
        return self.columns if has_shapes(self.columns, kind) else None

    def _sizes_known(self) -> bool:
        """Whether the image ids of annotations and images are of one kind."""
        text = bool(self._images) and isinstance(self._images[0], str)
        return text == (self.columns.image_names is not None)

    def rebuild(self) -> Dataset:
        dataset: Dataset = json_text.loads(self._text.tobytes())
        return dataset

    def image_ids(self) -> list[Any]:
        return list(dict.fromkeys(self._images))

    def category_ids(self) -> list[Any]:
        return list(self._categories)

    def records(self, key: str) -> list[dict[str, Any]] | None:
        """The "images" or "categories"; None where only the whole file tells."""
        if key not in self._read:
            found = records_of(self._text, key)
            ids = self._images if key == "images" else self._categories
            plain = found is not None and [r.get("id") for r in found] == ids
            self._read[key] = found if plain else None
        return self._read[key]


def _ids(table: dict[str, Any]) -> list[Any]:
    """The ids of images or categories, as the file spells them."""
    if "id_names" in table:
        return [table["id_names"][place] for place in table["id"].tolist()]
    ids = table["id"].astype(np.float64) if "float_ids" in table else table["id"]
    return list(ids.tolist())


class _Shared(Source):
    """Results, and what they share with the ground truth."""

    def __init__(self, base: Base) -> None:
        self._base = base

    def image_ids(self) -> list[Any]:
        return self._base.image_ids()

    def category_ids(self) -> list[Any]:
        return self._base.category_ids()

    def detached(self) -> Source:
        other = copy.copy(self)
        other._base = type(self._base)(None)
        other._base.settle(self._base.dataset())
        return other


class DictResults(_Shared):
    """Results in dicts of the caller, who may still change them: columns are made when needed.

    They are prepared, and their ids counted, before.
    """

    def __init__(self, base: Base, anns: list[Annotation]) -> None:
        super().__init__(base)
        self._anns, self._rows = anns, list(anns)

    def columns_of(self, kind: str) -> Columns | None:
        n_keypoints = 0
        if kind == "keypoints":
            n_keypoints = (len(self._rows[0].get("keypoints", ())) + 1) // 3
        elif kind == "segm" and any(
            type(ann.get("segmentation")) is not dict for ann in self._rows
        ):
            return None  # polygons are drawn in images, whose sizes the dicts know
        columns = from_annotations(self._rows, detections=True, kind=kind, n_keypoints=n_keypoints)
        if columns is None or not np.array_equal(columns.id, np.arange(1, len(self._rows) + 1)):
            return None
        return columns

    def rebuild(self) -> Dataset:
        return self._base.dataset() | {"annotations": self._anns}

    def index(self, dataset: Dataset, index_of: IndexOf) -> tuple[Any, ...]:
        """Index by the assigned ids, even if the list and its dicts have changed."""
        _, _, *others = index_of(dataset | {"annotations": self._rows})
        counted = {id(ann): i for i, ann in enumerate(self._rows, 1)}
        return dataset, {counted[id(ann)]: ann for ann in self._rows}, *others


class Results(_Shared):
    """Results of a file or an array.

    `origin` is the file's text, or how its plain records were spelled; None for an array.
    """

    def __init__(
        self, base: Base, columns: Columns, origin: Array | PlainRecords | None = None
    ) -> None:
        super().__init__(base)
        self.columns = columns
        self._origin = origin

    def columns_of(self, kind: str) -> Columns | None:
        text = self._origin
        if kind == "segm" and self.columns.masks is None and isinstance(text, np.ndarray):
            table = _core.read_result_masks(text)  # in addition to the boxes
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
        """The records of the file or array."""
        if isinstance(self._origin, PlainRecords):
            return self._origin.annotations(self.columns)
        if self._origin is None:
            return self._array_rows()
        anns: list[Annotation] = json_text.loads(self._origin.tobytes())
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


def results_from_dicts(anns: list[Annotation], base: Base) -> Source | None:
    """Prepared results of a list, or None where they change what they share with their base."""
    prepare = preparation(anns[0])
    if prepare is None or not base.has_categories():
        return None
    with collector_paused():
        prepare(anns)
    for ann in anns:
        ann["category_id"]  # KeyError here and not when it is looked for
    return DictResults(base, anns)
