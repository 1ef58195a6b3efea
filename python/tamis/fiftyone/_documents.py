"""Samples in bulk: label lists as columns out of the database, and columns back into it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from itertools import islice
from typing import Any

import fiftyone.core.utils as fou
import fiftyone.core.view as fov
import numpy as np
from bson import ObjectId
from pymongo import UpdateOne

from tamis._shared.arrays import Array
from tamis.fiftyone._bson_columns import Columns, LabelList, _columns, hex_ids

IDS = 100_000  # a command names; 16 MB, MongoDB's limit, are about 800,000
BATCH = 200  # documents an update carries; an interrupt is noticed in between
TYPED_ID: Columns = (("_id", "id"),)


def id_bytes(ids: Iterable[str]) -> Array:
    """(n, 12) bytes of ids as FiftyOne shows them."""
    return np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 12)


def positions(samples: Any, ids: Array, label_list: LabelList) -> Array:
    """Where each label stands in the stored list, which a view may show in part."""
    splits = label_list.splits
    shown = np.arange(len(label_list)) - splits[:-1][label_list.sample]
    if not isinstance(samples, fov.DatasetView):
        return shown
    stored_ids, whole = _stored(samples, ids, label_list.path)
    if (
        np.array_equal(stored_ids, ids)
        and np.array_equal(whole.counts, label_list.counts)
        and (np.array_equal(whole.columns["_id"], label_list.columns["_id"]))
    ):
        return shown
    row = {sample: i for i, sample in enumerate(hex_ids(stored_ids))}
    at, bounds = whole.ids, whole.splits
    found = np.empty(len(label_list), np.int64)
    for sample, begin, end in zip(hex_ids(ids), splits, splits[1:], strict=False):
        i = row[sample]
        place = {label: k for k, label in enumerate(at[bounds[i] : bounds[i + 1]])}
        found[begin:end] = [place[label] for label in label_list.ids[begin:end]]
    return found


def _stored(samples: Any, ids: Array, path: str) -> tuple[Array, LabelList]:
    """Samples in the order of the database, and the ids of their whole lists."""
    wanted = {"$project": {"_id": True, f"{path}._id": True}}
    parts = []
    for i in range(0, max(1, len(ids)), IDS):
        chosen = {"$match": {"_id": {"$in": object_ids(ids[i : i + IDS])}}}
        part = _columns(samples, [chosen, wanted], [(path, TYPED_ID)])
        assert part is not None  # its ids have just been read
        parts.append(part)
    counts = np.concatenate([part.lists[0].counts for part in parts])
    labels = np.concatenate([part.lists[0].columns["_id"] for part in parts])
    return np.concatenate([part.ids for part in parts]), LabelList(path, counts, {"_id": labels})


def object_ids(ids: Array) -> list[Any]:
    data = ids.tobytes()
    return [ObjectId(data[i : i + 12]) for i in range(0, len(data), 12)]


@dataclass
class Update:
    """New attributes for the labels of a list.

    Attributes
    ----------
    label_list : LabelList
    positions : (n,) int64
        Where each label is stored.
    values : dict of lists of length n
        By attribute.
    written : (n,) bool, optional
        The labels that get the attributes; None for all.
    nulls : bool
        Whether a None is stored; by default its attribute stays unset.
    """

    label_list: LabelList
    positions: Array
    values: dict[str, list[Any]]
    written: Array | None = None
    nulls: bool = False

    def documents(self) -> Iterator[dict[str, Any]]:
        """Sample by sample the keys and values of its ``$set``."""
        label_list, written = self.label_list, self.written
        if written is None:
            splits, places, values = label_list.splits, self.positions, list(self.values.values())
        else:
            kept = np.concatenate([[0], np.cumsum(written)])
            splits, places = kept[label_list.splits], self.positions[written]
            rows = np.flatnonzero(written).tolist()
            values = [[column[i] for i in rows] for column in self.values.values()]
        table = np.empty((len(places), len(values)), object)
        for i, column in enumerate(values):
            table[:, i] = column
        flat, width = table.ravel().tolist(), len(values)
        names, stored = tuple(self.values), places.tolist()
        for begin, end in zip(splits[:-1].tolist(), splits[1:].tolist(), strict=True):
            keys: list[str] = []
            for place in stored[begin:end]:
                keys += _keys(label_list.path, place, names)
            pairs = zip(keys, flat[begin * width : end * width], strict=True)
            yield dict(pairs) if self.nulls else {k: v for k, v in pairs if v is not None}


@cache
def _keys(path: str, place: int, names: tuple[str, ...]) -> list[str]:
    return [f"{path}.{place}.{name}" for name in names]


def write(
    samples: Any,
    ids: Array,
    updates: Sequence[Update],
    fields: dict[str, list[Any]] | None = None,
    step: Callable[[int], None] = lambda _: None,
) -> None:
    """Set attributes of labels and fields of samples, one ``$set`` per sample.

    A None leaves a sample's field unchanged, as in FiftyOne's loops over samples.

    `step` is called with the number of samples written since its last call.
    """
    dataset = samples._dataset
    changes = _changes(ids, updates, fields or {})
    while batch := list(islice(changes, BATCH)):
        if operations := [change for change in batch if change is not None]:
            dataset._sample_collection.bulk_write(operations, ordered=False)
        step(len(batch))
    dataset._reload_docs()


def _changes(
    ids: Array, updates: Sequence[Update], fields: dict[str, list[Any]]
) -> Iterator[UpdateOne | None]:
    """The database updates, one per sample."""
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    rows = zip(*fields.values(), strict=True) if fields else ([] for _ in ids)
    parts = [update.documents() for update in updates]
    for _id, row, *lists in zip(object_ids(ids), rows, *parts, strict=True):
        named = zip(fields, row, strict=True)
        values = {name: value for name, value in named if value is not None}
        for part in lists:
            values |= part
        if values:
            values["last_modified_at"] = now
        yield UpdateOne({"_id": _id}, {"$set": values}) if values else None


def declare(samples: Any, fields: dict[str, type]) -> None:
    """Add fields, by path, to the schema in one step; each `add_sample_field` reloads it."""
    dataset = samples._dataset
    create = dataset._sample_doc_cls._create_field
    dataset._merge_sample_field_schema({path: create(path, kind) for path, kind in fields.items()})


def bar(total: int, progress: Any) -> Any:
    """FiftyOne's progress bar, for ``with``."""
    return fou.ProgressBar(total=total, progress=progress)


@contextmanager
def counted(progress: Any) -> Iterator[Callable[[int, int], None]]:
    """A ``progress(done, total)`` for tamis that drives FiftyOne's progress bar."""
    bars: list[Any] = []

    def report(done: int, total: int) -> None:
        if not bars:
            bars.append(fou.ProgressBar(total=total, progress=progress, iters_str="steps"))
            bars[0].__enter__()
        bars[0].set_iteration(done)

    try:
        yield report
    finally:
        for opened in bars:
            opened.__exit__(None, None, None)
