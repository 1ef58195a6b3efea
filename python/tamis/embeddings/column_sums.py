"""Exact sums of columns: the same bits for any order of rows, and for any parts put together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array

BLOCK = 16384  # rows of float16 that are widened at a time
Partials = list[list[float]]


def column_sums(x: Array) -> Array:
    """(D, P) float64 whose exact sum over P is that of the finite rows of `x`; P is mostly 1 to 3.

    The same for any order of rows: first the rounded sum, then the rounded rest, and so on.
    """
    if x.dtype != np.float16:
        return _canonical(_core.column_sums(x))
    starts = range(0, max(1, len(x)), BLOCK)
    parts = [_core.column_sums(x[i : i + BLOCK].astype(np.float32)) for i in starts]
    return put_together([_canonical(part) for part in parts])


def put_together(parts: Sequence[Array]) -> Array:
    """The `column_sums` of all rows from those of parts."""
    return _canonical(np.concatenate(parts, axis=1).tolist())


def mean_of(sums: Array, n: int) -> Array:
    """(D,) float64: the exact sums over `n`, rounded once; zeros where there is no row."""
    n = max(1, n)
    first = np.array([math.fsum(column) for column in sums.tolist()]) / n
    if n == 1:
        return first
    # what the division lost: first * n, as an exact sum of products of halves (Dekker 1971)
    high = first * 134217729.0
    high -= high - first
    halves = np.stack([high, first - high], axis=1) * -np.array([[n]], np.float64)
    rest = [math.fsum(column) for column in np.concatenate([sums, halves], axis=1).tolist()]
    return np.asarray(first + np.array(rest) / n)


def _canonical(columns: Partials) -> Array:
    found = []
    for column in columns:
        rest, partial = list(column), [math.fsum(column)]
        while partial[-1] != 0:
            rest.append(-partial[-1])
            partial.append(math.fsum(rest))
        found.append(partial)
    out = np.zeros((len(found), max(map(len, found), default=1)))
    for row, partial in zip(out, found, strict=True):
        row[: len(partial)] = partial
    return out
