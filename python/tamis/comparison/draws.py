"""How often a sample holds each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.row_columns import codes

Draw = Callable[[int, int], Array]  # samples first to last - 1: (n, images) weights

_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mixed(x: Array) -> Array:
    """SplitMix64's finaliser, in place (Steele, Lea and Flood 2014)."""
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        x ^= x >> np.uint64(shift)
        x *= np.uint64(factor)
    x ^= x >> np.uint64(31)
    return x


def integers(seed: int, samples: range, n: int, below: int, stream: int) -> Array:
    """(samples, n) uint64 in [0, below) that depend only on seed, stream and sample."""
    key = _mixed(np.array([seed, stream], np.uint64) + np.uint64(1))
    number = np.arange(samples.start, samples.stop, dtype=np.uint64)
    start = _mixed((number + key[0]) * np.uint64(_GOLDEN) ^ key[1])
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    drawn = _mixed(start[:, None] + steps)
    drawn >>= np.uint64(32)
    drawn *= np.uint64(below)
    drawn >>= np.uint64(32)
    return drawn


def times_drawn(seed: int, samples: range, n: int, stream: int) -> Array:
    """(samples, n) how often each of n is drawn, n times with repetition."""
    drawn = integers(seed, samples, n, n, stream).astype(np.int64)
    drawn += np.arange(len(samples))[:, None] * n
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)


def bootstrap(seed: int, units: Array, stream: int = 0) -> Draw:
    """How often each image is drawn when whole units are, with repetition."""
    n = int(units.max(initial=-1)) + 1
    single = len(units) == n and bool((units == np.arange(n)).all())

    def draw(first: int, last: int) -> Array:
        counts = times_drawn(seed, range(first, last), n, stream).astype(np.float64)
        return counts if single else np.take(counts, units, axis=1)

    return draw


def leave_one_out(units: Array) -> Draw:
    def draw(first: int, last: int) -> Array:
        kept: Array = units[None, :] != np.arange(first, last)[:, None]
        return kept.astype(np.float64)

    return draw


def units_of(function: str, groups: Any, images: int) -> Array:
    """(images,) the unit of each image, 0, 1, ...: itself, or its group."""
    if groups is None:
        return np.arange(images)
    if not isinstance(groups, (list, tuple)):
        groups = arrays.host(function, "groups", groups)
        if groups.dtype.kind not in "iubUSO":
            raise TypeError(f"{function}: groups must hold integers or strings, got {groups.dtype}")
    return codes(function, "groups", groups, images)
