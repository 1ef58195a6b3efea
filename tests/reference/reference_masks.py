"""Slow, obvious masks: text letter by letter, everything else on pixels."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np


def counts_of(text: bytes) -> list[int]:
    """Five bits a character, least first; 32 says that more follow, 16 of the last is the sign."""
    counts: list[int] = []
    value = shift = 0
    for char in text:
        value |= ((char - 48) & 31) << shift
        shift += 5
        if not (char - 48) & 32:
            value -= (1 << shift) if (char - 48) & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def runs_of(mask: np.ndarray) -> list[int]:
    """Run lengths down the columns, background first."""
    runs = [(value, len(list(run))) for value, run in itertools.groupby(mask.ravel(order="F") != 0)]
    return [0] * bool(runs and runs[0][0]) + [n for _, n in runs] or [0]


def pixels(rle: dict[str, Any]) -> np.ndarray:
    """(h, w) bool."""
    counts = counts_of(rle["counts"]) if isinstance(rle["counts"], bytes) else rle["counts"]
    flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return flat.reshape(rle["size"], order="F")


def boundary(mask: np.ndarray, dilation_ratio: float = 0.02) -> np.ndarray:
    """The mask less the pixels whose square around them is in the mask altogether."""
    h, w = mask.shape
    d = min(max(1, round(dilation_ratio * np.sqrt(h**2 + w**2))), h + w)
    side = 2 * d + 1
    y, x = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    used = tuple(slice(*(v[[0, -1]] + [0, 1])) if len(v) else slice(0) for v in (y, x))
    sums = np.pad(mask[used].astype(np.int64), ((d + 1, d), (d + 1, d))).cumsum(0).cumsum(1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    found = mask.copy()
    found[used] &= inside < side**2
    return found


def bbox(mask: np.ndarray) -> list[float]:
    y, x = np.nonzero(mask)
    if len(x) == 0:
        return [0, 0, 0, 0]
    return [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]


def iou(a: list[np.ndarray], b: list[np.ndarray], crowd: Any = None) -> np.ndarray:
    out = np.zeros((len(a), len(b)))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            inter = np.count_nonzero(x & y)
            union = x.sum() if crowd is not None and crowd[j] else np.count_nonzero(x | y)
            out[i, j] = inter / union if inter else 0
    return out
