"""The arguments of `split` other than embeddings: keys, groups and labels, as columns of
numbers."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from tamis._shared import arrays, ragged
from tamis._shared.arrays import Array


def one_axis(name: str, what: str, of: Any, n: int) -> Array:
    if isinstance(of, (list, tuple)):
        whole = all(isinstance(v, (int, np.integer)) for v in of)
        values = np.array(of) if whole and len(of) else np.empty(len(of), object)
        if values.dtype == object:
            values[:] = of
    else:
        values = np.asarray(arrays.host(name, what, of) if hasattr(of, "__dlpack__") else of)
    arrays.check_shape(name, what, values, (n,))
    return values


def key_numbers(name: str, keys: Any, n: int) -> Array:
    """(n,) uint64 numbers of the keys."""
    if keys is None:
        return np.arange(n, dtype=np.uint64)
    values = one_axis(name, "keys", keys, n)
    if values.dtype.kind in "iu":
        found = values.astype(np.uint64)
    else:
        digest = hashlib.blake2b
        texts = [str(v).encode() for v in values.tolist()]
        joined = b"".join(digest(text, digest_size=8).digest() for text in texts)
        found = np.frombuffer(joined, "<u8").astype(np.uint64)
    ordered = np.sort(found)
    if (ordered[1:] == ordered[:-1]).any():
        raise ValueError(f"{name}: keys must differ")
    return found


def label_table(name: str, labels: Any, n: int) -> tuple[tuple[str, ...], tuple[Array, ...]]:
    """(class names, (rows, classes, counts)) of all rows that hold a class."""
    if labels is None:
        none = np.empty(0, np.int64)
        return (), (none, none, none)
    if isinstance(labels, tuple) and len(labels) == 2 and np.ndim(labels[1]) == 1:
        values = np.asarray(labels[0])
        offsets = ragged.splits(name, "labels splits", np.asarray(labels[1]), len(values), n)
        rows = np.repeat(np.arange(n), np.diff(offsets))
    else:
        values = np.asarray(
            arrays.host(name, "labels", labels) if hasattr(labels, "__dlpack__") else labels
        )
        if values.ndim == 2:
            return _of_counts(name, values, n)
        arrays.check_shape(name, "labels", values, (n,))
        rows = np.arange(n)
    if values.dtype == object:
        values = values.astype(str)
    classes, code = np.unique(values, return_inverse=True)
    both, counts = np.unique(rows * max(1, len(classes)) + code, return_counts=True)
    at, of = np.divmod(both, max(1, len(classes)))
    return tuple(str(c) for c in classes.tolist()), (at, of, counts.astype(np.int64))


def _of_counts(name: str, values: Array, n: int) -> tuple[tuple[str, ...], tuple[Array, ...]]:
    arrays.check_shape(name, "labels", values, (n, "C"))
    if values.dtype.kind not in "biu" or (values < 0).any():
        raise ValueError(f"{name}: labels must be counts of 0 or more, got {values.dtype}")
    rows, of = np.nonzero(values)
    return tuple(map(str, range(values.shape[1]))), (rows, of, values[rows, of].astype(np.int64))
