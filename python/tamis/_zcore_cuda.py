"""Draws of zcore scored on a CUDA device."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis import _arrays, _core

Array = Any  # of the caller's library, on its device
SLICE = 1 << 16  # draws queued at once
LIST_BYTES = 1 << 30
EXPECTED = 48  # sampled rows among the neighbours of a row
FEWEST_SAMPLED, MOST_SAMPLED = 2048, 16384  # or a 48th of the rows, if that is more
LARGEST = 1e150  # as on the host


class DeviceScorer:
    """A checked matrix as columns, ready to score draws; `tamis.zcore.Scorer` on the device."""

    slice = SLICE

    def __init__(self, function: str, x: Array, k: int, neighbours: int, exponent: float) -> None:
        n, d = x.shape
        dtype = _arrays.dtype_name(x)
        wanted = min(EXPECTED * n // neighbours, max(MOST_SAMPLED, n // EXPECTED))
        sampled = min(n, max(FEWEST_SAMPLED, wanted))
        self.k, self.exponent, self.wanted = k, float(exponent), min(neighbours, n - 1)
        self.columns = _arrays.empty(x, (d, n), dtype)
        self.sample = _arrays.empty(x, (d, sampled), dtype)
        self.spans = _arrays.empty(x, (3, d), "float64")
        self.lists = self._make_lists(8 if dtype == "float32" else 16)
        self.sums_so_far = _arrays.from_host(x, np.zeros(n, np.int64))
        bad = _arrays.from_host(x, np.array([n]))
        _arrays.call("zcore_columns", x, x, self.columns, self.sample, self.spans, bad)
        row = int(bad[0])  # the host waits
        if row < n:
            raise ValueError(f"{function}: x must be finite, got NaN or infinity in row {row}")
        if dtype == "float64" and float(abs(self.spans).max()) > LARGEST:
            largest = float(abs(self.spans).max())
            raise ValueError(f"{function}: x must be at most {LARGEST:g}, got {largest:g}")

    def _make_lists(self, key_bytes: int) -> Array:
        backend = _arrays.backend("zcore", _arrays.device(self.columns))
        places = max(256, backend.ZCORE_SPARE * self.wanted)
        blocks = max(1, min(backend.ZCORE_BLOCKS, LIST_BYTES // (places * key_bytes)))
        return _arrays.empty(self.columns, (blocks, places * key_bytes // 8), "int64")

    def draws(self, seed: int, first: int, end: int) -> tuple[Array, Array]:
        """(dims, points) of the draws [first, end)."""
        shape = end - first, self.k
        dims = _arrays.empty(self.columns, shape, "int32")
        points = _arrays.empty(self.columns, shape, "float64")
        _arrays.call("zcore_draws", self.columns, self.spans, seed, first, dims, points)
        return dims, points

    def add(self, dims: Any, points: Any) -> None:
        """Score draws; they may come from the host."""
        if isinstance(dims, np.ndarray):
            dims, points = (_arrays.from_host(self.columns, np.array(a)) for a in (dims, points))
        order = dims[:, 0].argsort()  # draws of one column side by side find it in the cache
        dims, points = _arrays.cast(dims[order], "int32"), _arrays.cast(points[order], "float64")
        how = self.wanted, self.exponent, self.lists, self.sums_so_far
        _arrays.call("zcore_score", self.columns, self.columns, self.sample, dims, points, *how)

    def sums(self) -> Array:
        """(N,) int64 in units, of all draws added."""
        return self.sums_so_far


def in_scores(sums: Array) -> Array:
    """(N,) float64 of sums in units."""
    return _arrays.cast(sums, "float64") / _core.ZCORE_UNIT


def finish(sums: Array, *, random_init: bool, seed: int) -> Array:
    """What `zcore_finish` gives, on the device."""
    scores = in_scores(sums)
    if random_init:
        start = _arrays.empty(sums, tuple(sums.shape), "float64")
        _arrays.call("zcore_start", sums, seed, start)
        scores = scores + start
    scores = scores - scores.min()
    most = scores.max()
    return _arrays.cast(scores / (most + (most == 0)), "float32")
