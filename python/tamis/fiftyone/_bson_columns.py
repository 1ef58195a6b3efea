"""Label lists of MongoDB documents, read into columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array

Columns = tuple[tuple[str, str], ...]  # names and kinds of _core.bson_columns
CHUNK = 1 << 26  # bytes of documents that are held while they become columns


@dataclass
class LabelList:
    """One list field of all samples, its labels concatenated.

    Attributes
    ----------
    path : str
        Where the database keeps the list, ``predictions.detections``.
    counts : (samples,) int64
        Labels of each sample, -1 where it has no list.
    columns : dict of arrays
        By name; "_id" is (n, 12) bytes. Values of a number or box that can be missing have
        a "has_NAME" column.
    """

    path: str
    counts: Array
    columns: dict[str, Array]
    _hex: list[str] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.columns["_id"])

    @property
    def splits(self) -> Array:
        """(samples + 1,) bounds of each sample's labels."""
        return np.concatenate([[0], np.cumsum(np.maximum(self.counts, 0))])

    @property
    def sample(self) -> Array:
        """(n,) sample of each label."""
        return np.repeat(np.arange(len(self.counts)), np.maximum(self.counts, 0))

    @property
    def ids(self) -> list[str]:
        """The ids as FiftyOne shows them."""
        if self._hex is None:
            self._hex = hex_ids(self.columns["_id"])
        return self._hex

    def has_repeated_ids(self) -> bool:
        """Whether a sample holds an id twice."""
        if len(set(self.ids)) == len(self):
            return False
        return len(set(zip(self.sample.tolist(), self.ids, strict=True))) < len(self)


@dataclass
class Read:
    """What `read` found: sample ids, (samples, 12) bytes, the lists, the texts of text columns."""

    ids: Array
    lists: list[LabelList]
    texts: list[str]


def hex_ids(ids: Array) -> list[str]:
    text = ids.tobytes().hex()
    return [text[i : i + 24] for i in range(0, len(text), 24)]


def list_path(samples: Any, label_field: str) -> str:
    """``predictions.detections`` for ``predictions``."""
    label_type = samples._get_label_field_type(label_field)
    return f"{label_field}.{label_type._LABEL_LIST_FIELD}"


def read(samples: Any, lists: Sequence[tuple[str, Columns]]) -> Read | None:
    """Columns of list fields, in the samples' order; None if they are not plain values."""
    wanted = {"_id": True}
    for path, columns in lists:
        wanted |= {f"{path}.{name}": True for name, _ in columns}
    pipeline = samples._pipeline(detach_frames=True, detach_groups=True)
    return _columns(samples, [*pipeline, {"$project": wanted}], lists)


def _columns(
    samples: Any, pipeline: list[Any], lists: Sequence[tuple[str, Columns]]
) -> Read | None:
    cursor = samples._dataset._sample_collection.aggregate_raw_batches(pipeline, allowDiskUse=True)
    wanted = [(path.split("."), list(columns)) for path, columns in lists]
    texts: dict[str, int] = {}
    ids, tables = [], []
    for chunk in _chunks(cursor):
        got = _core.bson_columns(chunk, wanted)
        if got is None:
            return None
        codes = [texts.setdefault(text, len(texts)) for text in got[2]]
        recoded = np.array([*codes, -1], np.int32)
        for (_, columns), table in zip(lists, got[1], strict=True):
            table |= {name: recoded[table[name]] for name, kind in columns if kind == "text"}
        ids.append(got[0])
        tables.append(got[1])
    found = []
    for (path, _), parts in zip(lists, zip(*tables, strict=True), strict=True):
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        found.append(LabelList(path, whole.pop("counts"), whole))
    return Read(np.concatenate(ids), found, list(texts))


def _chunks(batches: Iterable[bytes]) -> Iterator[list[bytes]]:
    """At least one list of batches; each but the last of CHUNK bytes or more."""
    chunk, size = [], 0
    for batch in batches:
        chunk.append(batch)
        size += len(batch)
        if size >= CHUNK:
            yield chunk
            chunk, size = [], 0
    yield chunk
