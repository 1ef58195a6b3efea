"""Exact ends and medians of columns whose rows lie in parts, from a few values of each part.

Every part tells some of its values in order. Between two of them lie a known number of rows, so
together they say for sure between which two values a rank of all rows is. The parts then tell what
they have between these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tamis._shared.arrays import Array

TOLD = 1 << 14  # values of a column, by all parts together
BLOCK = 16  # columns at once


def ranks_told(rows: int, parts: int) -> Array:
    """Which values of a sorted column a part of so many rows tells; the ends are among them."""
    steps = max(2, min(rows, TOLD // parts))
    return np.unique(np.arange(steps) * (rows - 1) // (steps - 1))


def told(x: Array, parts: int) -> Array:
    """(D, some) values of the columns at `ranks_told`, of at least one row."""
    at = ranks_told(len(x), parts)
    out = np.empty((x.shape[1], len(at)), x.dtype)
    for block in _blocks(x.shape[1]):
        columns = np.ascontiguousarray(x[:, block].T)
        columns.sort(axis=1)
        out[block] = columns[:, at]
    return out


def middle(n: int) -> tuple[int, int]:
    """The ranks whose mean is the median."""
    return (n - 1) // 2, n // 2


def brackets(parts: Sequence[Array], sizes: Sequence[int]) -> tuple[Array, Array]:
    """(D,) values that the middle of each column is between, both included; `sizes`: rows."""
    n, width = sum(sizes), len(parts[0])
    first, last = middle(n)
    low, high = np.empty((2, width), parts[0].dtype)
    ranks = [ranks_told(size, len(sizes)) for size in sizes]
    # a value counts the rows up to itself, and those that may be below the next one
    up_to = np.concatenate([np.diff(at, prepend=-1) for at in ranks])
    below = np.concatenate(
        [np.diff(at, append=size) for at, size in zip(ranks, sizes, strict=True)]
    )
    for block in _blocks(width):
        values = np.concatenate([part[block] for part in parts], axis=1)
        order = np.argsort(values, axis=1)
        values = np.take_along_axis(values, order, 1)
        surely = np.cumsum(up_to[order], axis=1)
        perhaps = np.cumsum(below[order], axis=1) - below[order]
        rows = np.arange(len(values))
        high[block] = values[rows, np.argmax(surely > last, axis=1)]
        low[block] = values[rows, (perhaps <= first).sum(axis=1) - 1]
    return low, high


def between(x: Array, low: Array, high: Array) -> dict[str, Any]:
    """How many values of each column are below `low`, how many equal it, and what is between."""
    width = x.shape[1]
    counts = np.empty((2, width), np.int64)
    found, ends = [], np.zeros(width + 1, np.int64)
    for block in _blocks(width):
        columns = np.ascontiguousarray(x[:, block].T)
        a, b = low[block, None], high[block, None]
        counts[0, block] = (columns < a).sum(axis=1)
        counts[1, block] = (columns == a).sum(axis=1)
        inside = (columns > a) & (columns < b)
        ends[block.start + 1 : block.stop + 1] = inside.sum(axis=1)
        found.append(columns[inside])
    return {"counts": counts, "between": np.concatenate(found), "ends": np.cumsum(ends)}


def medians(parts: Sequence[tuple[Array, Array, Array]], low: Array, high: Array, n: int) -> Array:
    """(D,) float64 from what each part has `between`: (counts, between, ends)."""
    counts = np.sum([part[0] for part in parts], axis=0)
    out = np.zeros(len(low))
    for j in range(len(low)):
        inside = np.sort(np.concatenate([v[ends[j] : ends[j + 1]] for _, v, ends in parts]))
        begin = counts[0, j] + counts[1, j]
        for rank in middle(n):
            if rank < begin:
                value = low[j]
            else:
                value = inside[rank - begin] if rank < begin + len(inside) else high[j]
            out[j] += 0.5 * np.float64(value)
    return out


def _blocks(width: int) -> Iterator[slice]:
    for begin in range(0, width, BLOCK):
        yield slice(begin, min(width, begin + BLOCK))
