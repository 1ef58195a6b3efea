"""Rows grouped by image: offsets, pairs of images, and where ids are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array, check_shape, host, integers

_FEW = 1 << 20  # so many values are counted rather than sorted


@dataclass
class Groups:
    """Rows of detections and of ground truths in groups that are compared with each other."""

    det: Array  # best score first
    det_splits: Array
    gt: Array
    gt_splits: Array
    least: float = -np.inf  # similarities below it need not be exact

    @property
    def ends(self) -> Array:
        """Where the pairs of each group begin, (detections, ground truths) of each."""
        pairs = np.diff(self.det_splits) * np.diff(self.gt_splits)
        ends: Array = np.concatenate([[0], np.cumsum(pairs)])
        return ends

    def with_detections(self) -> Groups:
        """Those groups that have one; they have all the pairs."""
        has, lengths = np.diff(self.det_splits) > 0, np.diff(self.gt_splits)
        if has.all():
            return self
        return replace(
            self, gt=self.gt[np.repeat(has, lengths)],
            det_splits=np.append(self.det_splits[:-1][has], self.det_splits[-1]),
            gt_splits=np.concatenate([[0], np.cumsum(lengths[has])]),
        )  # fmt: skip


Similarity = Callable[[Groups], Array]  # of all pairs


def runs(starts: Array, lengths: Array) -> Array:
    """The indices start, start + 1, ... of all runs, concatenated."""
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    indices: Array = np.arange(ends[-1] if len(ends) else 0) + shift
    return indices


def image_of(splits: Array) -> Array:
    """The image of each row."""
    return np.repeat(np.arange(len(splits) - 1, dtype=np.int32), np.diff(splits))


def positions(ids: Array, known: Array) -> Array:
    """Place of each id in `known` (ascending, distinct), -1 where it is not."""
    out = np.empty(len(ids), np.int32)
    _core.find_positions(ids, known, out)
    return out


def distinct(*columns: Array) -> Array:
    """All values of integer columns, ascending, each once."""
    joined = np.concatenate(columns)
    if len(joined) == 0:
        return joined
    low, high = int(joined.min()), int(joined.max())
    if high - low > _FEW:
        return np.unique(joined)
    return np.flatnonzero(np.bincount(joined - low)) + low


def splits(function: str, name: str, x: Any, rows: int, images: int | None = None) -> np.ndarray:
    """Checked offsets of images into `rows` boxes, as int64 on the host."""
    x = integers(function, name, x)
    check_shape(function, name, x, ("images + 1" if images is None else images + 1,))
    offsets: np.ndarray = np.require(host(function, name, x), np.int64, ["C", "A"])
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != rows:
        ends = "no offsets" if len(offsets) == 0 else f"{offsets[0]} and {offsets[-1]}"
        raise ValueError(f"{function}: {name} must begin with 0 and end with {rows}, got {ends}")
    drops = np.flatnonzero(np.diff(offsets) < 0)
    if len(drops):
        at = int(drops[0])
        raise ValueError(
            f"{function}: {name} must not decrease, got {offsets[at + 1]} after {offsets[at]}"
            f" at position {at + 1}"
        )
    return offsets


def pair_splits(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Where the pairs of each image begin, of the offsets of both sides."""
    starts = np.zeros_like(rows)
    np.cumsum(np.diff(rows) * np.diff(columns), out=starts[1:])
    return starts
