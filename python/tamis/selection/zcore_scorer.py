"""Rows and rules of zcore, checked, and what scores its draws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.embeddings.knn_cuda import device_matrix
from tamis.embeddings.knn_search import matrix
from tamis.selection import zcore_cuda

LARGEST = 1e150  # of float64 values; their differences and quotients stay finite


def host_or_device_rows(function: str, x: Any) -> Any:
    """`x` checked, on the host as NumPy, or on its device."""
    if arrays.device(arrays.as_array(function, "x", x)) == "cpu":
        return matrix(function, "x", x)
    return device_matrix(function, "x", x)


def checked_rows(function: str, x: Any, sample_dim: int) -> Any:
    """`x` checked, where it lives, with as many columns as a draw takes."""
    rows = host_or_device_rows(function, x)
    check_rows(function, rows.shape, sample_dim)
    return rows


def make_scorer(function: str, x: Any, k: int, neighbours: int, exponent: float) -> Any:
    """What scores draws where `x` lives."""
    if arrays.device(x) == "cpu":
        return Scorer(function, x, k, neighbours, exponent)
    return zcore_cuda.DeviceScorer(function, x, k, neighbours, exponent)


class Scorer:
    """A checked matrix, ready to score draws."""

    def __init__(self, function: str, x: Array, k: int, neighbours: int, exponent: float) -> None:
        double = x.dtype == np.float64
        self.x, self.k = x, k  # the table reads x where it lies
        self.table = (_core.ZcoreTable64 if double else _core.ZcoreTable)(x, neighbours)
        self.table.find_spans()
        if self.table.bad >= 0:
            bad = f"NaN or infinity in row {self.table.bad}"
            raise ValueError(f"{function}: x must be finite, got {bad}")
        self.spans = self.table.spans()
        largest = max(-self.spans[0].min(), self.spans[2].max())
        if largest > LARGEST:
            raise ValueError(f"{function}: x must be at most {LARGEST:g}, got {largest:g}")
        run = _core.ZcoreRun64 if double else _core.ZcoreRun
        self.run = run(self.table, min(neighbours, 2**31), float(exponent), k)

    @property
    def slice(self) -> int:
        """Draws to score in one call, between which there is progress."""
        return int(self.run.slice)

    def draws(self, seed: int, first: int, end: int) -> tuple[Array, Array]:
        """(dims, points) of the draws [first, end)."""
        dims = np.empty((end - first, self.k), np.int32)
        points = np.empty((end - first, self.k))
        _core.zcore_draws(*self.spans, seed, first, dims, points)
        return dims, points

    def add(self, dims: Array, points: Array) -> None:
        self.run.add(dims, points)

    def sums(self, before: Array | None = None) -> Array:
        """(N,) int64 in units, of all draws added, and of a run before this one."""
        sums = np.empty(len(self.x), np.int64)
        self.run.write(sums)
        return sums if before is None else sums + before


def checked_rule(
    function: str, sample_dim: int, neighbours: int, exponent: float
) -> tuple[int, int, float]:
    arrays.check_integer(function, "sample_dim", sample_dim, 1)
    arrays.check_integer(function, "redundancy_nn", neighbours, 1)
    number = isinstance(exponent, (int, float, np.integer, np.floating))
    if isinstance(exponent, bool) or not number:
        raise TypeError(f"{function}: redundancy_exp must be a number, got {exponent!r}")
    if not 0 <= exponent < math.inf:
        raise ValueError(f"{function}: redundancy_exp must be 0 or more, got {exponent}")
    return int(sample_dim), int(neighbours), float(exponent)


def check_rows(function: str, shape: tuple[int, int], sample_dim: int) -> None:
    n, d = shape
    if not 1 <= n < 2**32:
        raise ValueError(f"{function}: x must have 1 to {2**32 - 1} rows, got {n}")
    if not 1 <= sample_dim <= d:
        raise ValueError(f"{function}: sample_dim must be 1 to {d}, got {sample_dim}")
