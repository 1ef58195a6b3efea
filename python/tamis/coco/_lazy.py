"""A dataset that stays columns until one of its dicts is touched."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, ClassVar

from tamis._shared.locks import Lock
from tamis.coco._columns import Columns
from tamis.coco._prepare import collector_paused
from tamis.coco._sources import Base, DatasetFile, Source

_TOUCHING = Lock()  # touching results touches their ground truth


@dataclass
class Mark:
    """Flags of an evaluation of columns, to be written into the dicts of ground truths later."""

    kind: str
    image_ids: list[Any]
    category_ids: list[Any] | None  # None: all

    def write(self, anns: list[dict[str, Any]]) -> None:
        images = set(self.image_ids)
        categories = None if self.category_ids is None else set(self.category_ids)
        for ann in anns:
            if ann["image_id"] not in images:
                continue
            if categories is None or ann["category_id"] in categories:
                set_ignore(ann, self.kind)


def set_ignore(ann: dict[str, Any], kind: str) -> None:
    """The flag pycocotools gives a ground truth."""
    ann["ignore"] = "iscrowd" in ann and ann["iscrowd"]
    if kind == "keypoints":
        ann["ignore"] = (ann["num_keypoints"] == 0) or ann["ignore"]


class LazyDataset:
    """`dataset` and its look-ups, built from a source when one of them is first asked for.

    A subclass says which they are in `_INDEX`, how `_index_of` makes them, and which `Base` its
    results share.
    """

    _INDEX: ClassVar[tuple[str, ...]]
    _BASE: ClassVar[type[Base]] = Base

    _source: Source | None
    _waiting: list[weakref.ref[Base]]
    _marks: list[Mark]

    def _start(self) -> None:
        self._source, self._waiting, self._marks = None, [], []

    @staticmethod
    def _index_of(dataset: Any) -> tuple[Any, ...]:
        """The dataset itself and its look-ups, in the order of `_INDEX`."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name in self._INDEX:
            self._touch()
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _columns(self, kind: str) -> Columns | None:
        """The annotations as read, with what a kind of evaluation needs.

        None once somebody may have edited them, or where a file is not plain enough for it.
        """
        source = self._untouched()
        return None if source is None else source.columns_of(kind)

    def _untouched(self) -> Source | None:
        """The source, if nothing has been changed since."""
        source: Source | None = self.__dict__.get("_source")
        return None if any(name in self.__dict__ for name in self._INDEX) else source

    def _records(self, key: str) -> list[dict[str, Any]]:
        """The "images" or "categories"; those of an untouched file without its annotations."""
        source = self._untouched()
        found = source.records(key) if isinstance(source, DatasetFile) else None
        return list(self.dataset.get(key, [])) if found is None else found

    def _mark_later(self, mark: Mark) -> None:
        """Write it when the dicts are built."""
        if mark not in self._marks[-1:]:
            self._marks.append(mark)

    def _touch(self) -> None:
        """Build the dicts from the source; attributes that were set by hand are kept.

        One thread at a time; the source is dropped last, so an interrupt changes nothing.
        """
        with _TOUCHING:
            source = self.__dict__.get("_source")
            if source is None:
                return
            with collector_paused():
                dataset = source.rebuild()
                index = source.index(dataset, self._index_of)
            for mark in self._marks:
                mark.write(dataset["annotations"])
            for waiting in self._waiting:
                if (base := waiting()) is not None:
                    base.settle(dataset)
            mine = {name: self.__dict__[name] for name in self._INDEX if name in self.__dict__}
            self.__dict__.update({**dict(zip(self._INDEX, index, strict=True)), **mine})
            self._source = None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        state["_waiting"] = []  # a copy starts a life of its own
        state["_marks"] = list(self.__dict__.get("_marks", ()))
        if isinstance(self.__dict__.get("_source"), Source):
            state["_source"] = self._source.detached()  # type: ignore[union-attr]
        return state

    def _base(self) -> Base:
        """The parts that results loaded against this dataset share with it, as they are now."""
        if isinstance(self._untouched(), DatasetFile):
            base = self._BASE(self)
            self._waiting.append(weakref.ref(base))
            return base
        base = self._BASE(None)
        base.settle(self.dataset)
        return base

    def _set_index(self, *parts: Any) -> None:
        self.__dict__.update(zip(self._INDEX, parts, strict=True))

    def _set_source(self, source: Source) -> None:
        """From now on what the source says, until a dict is touched."""
        for name in self._INDEX:
            self.__dict__.pop(name, None)
        self._source = source
