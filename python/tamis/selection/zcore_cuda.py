"""Draws of zcore scored on a CUDA device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays

Array = Any  # of the caller's library, on its device
SLICE = 1 << 16  # draws queued at once
LIST_BYTES = 1 << 30
COLUMN_BYTES = 1 << 30  # of columns whose spans are found at once
EXPECTED = 48  # sampled rows among the neighbours of a row
FEWEST_SAMPLED, MOST_SAMPLED = 2048, 16384  # or a 48th of the rows, if that is more
LARGEST = 1e150  # as on the host


class DeviceScorer:
    """A checked matrix, ready to score draws; `zcore_scorer.Scorer` on the device."""

    slice = SLICE

    def __init__(self, function: str, x: Array, k: int, neighbours: int, exponent: float) -> None:
        n, d = x.shape
        wanted = min(EXPECTED * n // neighbours, max(MOST_SAMPLED, n // EXPECTED))
        sampled = min(n, max(FEWEST_SAMPLED, wanted))
        self.x, self.halves = x, None
        self.k, self.exponent, self.wanted = k, float(exponent), min(neighbours, n - 1)
        self.sample = arrays.empty(x, (d, sampled), arrays.dtype_name(x))
        self.spans = arrays.empty(x, (3, d), "float64")
        self.sums_so_far = arrays.from_host(x, np.zeros(n, np.int64))
        self.scale = self._scale(function)

    def _scale(self, function: str) -> float:
        """The factor that brings centred values below 2 ** 15; fills spans and sample."""
        x, (n, d), dtype = self.x, self.x.shape, arrays.dtype_name(self.x)
        width = min(d, max(1, COLUMN_BYTES // (n * np.dtype(dtype).itemsize)))
        columns, bad = arrays.empty(x, (width, n), dtype), arrays.from_host(x, np.array([n]))
        for first in range(0, d, width):
            some = columns[: min(width, d - first)]
            arrays.call("zcore_columns", x, x, first, some, self.sample, self.spans, bad)
        row = int(bad[0])  # the host waits
        if row < n:
            raise ValueError(f"{function}: x must be finite, got NaN or infinity in row {row}")
        low, median, high = arrays.host(function, "x", self.spans)
        largest = max(-low.min(), high.max())
        if largest > LARGEST and dtype == "float64":
            raise ValueError(f"{function}: x must be at most {LARGEST:g}, got {largest:g}")
        exponent = math.frexp(max((high - median).max(), (median - low).max()))[1]
        return math.ldexp(1.0, 15 - max(exponent, -1000))

    def _make_halves(self) -> Array:
        eight = arrays.backend("zcore", arrays.device(self.x)).ZCORE_EIGHT
        n, d = self.x.shape
        halves = arrays.empty(self.x, (d, -(-n // eight) * eight), "int16")
        arrays.call("zcore_halves", self.x, self.x, self.spans, self.scale, halves)
        return halves

    def _make_lists(self) -> Array:
        backend = arrays.backend("zcore", arrays.device(self.x))
        key_bytes = 8 if arrays.dtype_name(self.x) == "float32" else 16
        places = max(256, backend.ZCORE_SPARE * self.wanted)
        blocks = max(1, min(backend.ZCORE_BLOCKS, LIST_BYTES // (places * key_bytes)))
        return arrays.empty(self.x, (blocks, places * key_bytes // 8), "int64")

    def draws(self, seed: int, first: int, end: int) -> tuple[Array, Array]:
        """(dims, points) of the draws [first, end)."""
        shape = end - first, self.k
        dims = arrays.empty(self.x, shape, "int32")
        points = arrays.empty(self.x, shape, "float64")
        arrays.call("zcore_draws", self.x, self.spans, seed, first, dims, points)
        return dims, points

    def add(self, dims: Any, points: Any) -> None:
        """Score draws; they may come from the host."""
        if self.halves is None:
            self.halves, self.lists = self._make_halves(), self._make_lists()
        if isinstance(dims, np.ndarray):
            dims, points = (arrays.from_host(self.x, np.array(a)) for a in (dims, points))
        order = dims[:, 0].argsort()  # draws of one column side by side find it in the cache
        dims, points = arrays.cast(dims[order], "int32"), arrays.cast(points[order], "float64")
        arrays.call(
            "zcore_score", self.x, x=self.x, spans=self.spans, scale=self.scale,
            halves=self.halves, sample=self.sample, dims=dims, points=points, wanted=self.wanted,
            exponent=self.exponent, lists=self.lists, sums=self.sums_so_far,
        )  # fmt: skip

    def sums(self) -> Array:
        """(N,) int64 in units, of all draws added."""
        return self.sums_so_far


def in_scores(sums: Array) -> Array:
    """(N,) float64 of sums in units."""
    return arrays.cast(sums, "float64") / _core.ZCORE_UNIT


def finish(sums: Array, *, random_init: bool, seed: int) -> Array:
    """What `zcore_finish` gives, on the device."""
    return scaled(in_scores(sums), random_init=random_init, seed=seed)


def scaled(scores: Array, *, random_init: bool, seed: int) -> Array:
    """(N,) float64 sums, started and scaled to [0, 1]."""
    if len(scores) == 0:
        return arrays.cast(scores, "float32")
    if random_init:
        start = arrays.empty(scores, tuple(scores.shape), "float64")
        arrays.call("zcore_start", scores, seed, start)
        scores = scores + start
    scores = scores - scores.min()
    most = scores.max()
    return arrays.cast(scores / (most + (most == 0)), "float32")
