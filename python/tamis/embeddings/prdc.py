"""Precision, recall, density and coverage of one set of rows against another, from neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.distances import BLOCK, hosted, made_ready, neighbours
from tamis.embeddings.knn_pairs import take
from tamis.embeddings.knn_search import on_disk

FIRST, MORE = 4, 8  # neighbours looked at, in units of k, and how many times more at each retry
MOST = 1024


@dataclass
class Side:
    """The rows of one set, and what is known of each; NaN and -1 where nothing is yet."""

    rows: Any
    name: str
    radius: Array  # distance to the k-th neighbour in the own set
    far: Array  # and to the nearest row of the other set
    near: Array
    counts: Array  # rows of the other set within the radius; -1: not known
    held: Array  # within the radius of some row of the other set

    @classmethod
    def of(cls, rows: Any, name: str) -> Side:
        n = len(rows)
        return cls(
            rows, name, np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1), np.full(n, -1),
            np.zeros(n, bool),
        )  # fmt: skip


def prdc(
    function: str, real: Any, fake: Any, k: int, *, metric: str, progress: Progress = None
) -> tuple[Array, Array, Array, dict[str, float]]:
    """(distance of each real row to its nearest fake one, that row, radii of the fake ones, PRDC).

    A ball is a row's neighbourhood up to its k-th neighbour in its own set, exclusive. For most
    rows, one search among the rows of both sets gives the size of the ball, the rows of the other
    set in it, and the nearest of them. The other rows are searched one by one.
    """
    how: dict[str, Any] = {"metric": metric, "progress": progress}
    n, m = len(real), len(fake)
    a, b = Side.of(real, "pool"), Side.of(fake, "labelled")
    whole = min(n, m) > k
    for side in (a, b):
        made_ready(function, side.name, side.rows, metric)  # names a bad row
    if whole and not any(on_disk(side.rows) for side in (a, b)):
        _together(function, a, b, k, how)
    if m > k:
        _own_radius(function, b, k, how)
    if whole:
        _own_radius(function, a, k, how)
        _in_balls(function, a, b, k, how)
        _in_balls(function, b, a, k, how)
    left = np.flatnonzero(a.near < 0)
    if len(left):
        far, near = _asked(function, b, 1, a, left, how)
        a.far[left], a.near[left] = far[:, 0], near[:, 0]
    if not whole:
        scores = dict.fromkeys(("precision", "recall", "density", "coverage"), float("nan"))
        return a.far, a.near, b.radius if m > k else np.empty(0), scores
    scores = {
        "precision": float(b.held.mean()),
        "recall": float(a.held.mean()),
        "density": float(a.counts.sum() / (k * m)),
        "coverage": float((a.far < a.radius).mean()),
    }
    return a.far, a.near, b.radius, scores


def _together(function: str, a: Side, b: Side, k: int, how: dict[str, Any]) -> None:
    """What one search among all rows says: all that is as near as the last of a list is in it."""
    n, total = len(a.rows), len(a.rows) + len(b.rows)
    rows = arrays.concatenate([a.rows, b.rows])
    far, near = neighbours(function, rows, min(FIRST * k, MOST, total - 1), **how)
    del rows
    for first, side, other in ((0, a, b), (n, b, a)):
        for begin in range(0, len(side.rows), BLOCK):
            which = slice(begin, min(begin + BLOCK, len(side.rows)))
            part = slice(first + which.start, first + which.stop)
            own = (near[part] < n) == (side is a)
            theirs = near[part] - n if side is a else near[part]
            _read(side, other, which, far[part], theirs, own, k)


def _read(
    side: Side, other: Side, which: slice, far: Array, theirs: Array, own: Array, k: int
) -> None:
    """Lists of neighbours of the rows `which`, some of them `own`, the others rows of the other."""
    kth = np.cumsum(own, axis=1) == k
    known = kth.any(1)
    radius = np.take_along_axis(far, kth.argmax(1)[:, None], 1)
    within = (far < radius) & ~own & known[:, None]
    side.radius[which] = np.where(known, radius[:, 0], np.nan)
    side.counts[which] = np.where(known, within.sum(1), -1)
    other.held[theirs[within]] = True
    some, at = (~own).any(1), own.argmin(1)[:, None]
    side.far[which] = np.where(some, np.take_along_axis(far, at, 1)[:, 0], np.nan)
    side.near[which] = np.where(some, np.take_along_axis(theirs, at, 1)[:, 0], -1)


def _asked(
    function: str, x: Side, k: int, of: Side, which: Array, how: dict[str, Any]
) -> tuple[Array, Array]:
    """Neighbours in `x` of some rows of a side."""
    asked = of.rows if len(which) == len(of.rows) else take(of.rows, which)
    return neighbours(function, x.rows, k, queries=asked, names=(x.name, of.name), **how)


def _own_radius(function: str, side: Side, k: int, how: dict[str, Any]) -> None:
    """The radii that are not known."""
    left = np.flatnonzero(np.isnan(side.radius))
    if len(left) == len(side.radius):
        far, _ = neighbours(function, side.rows, k, names=(side.name, ""), **how)
        side.radius[:] = far[:, -1]
    elif len(left):  # a row asked for is its own first neighbour, or all k + 1 are at 0
        side.radius[left] = _asked(function, side, k + 1, side, left, how)[0][:, -1]


def _in_balls(function: str, side: Side, other: Side, k: int, how: dict[str, Any]) -> None:
    """Which rows of the other set are in the balls that are not counted, and the nearest one.

    Only where all of a list of neighbours is within a ball, a longer one is asked for.
    """
    left, m = np.flatnonzero(side.counts < 0), len(other.rows)
    width = min(FIRST * k, m, MOST)
    while len(left):
        far, near = _asked(function, other, width, side, left, how)
        side.far[left], side.near[left] = far[:, 0], near[:, 0]
        within = far < side.radius[left, None]
        side.counts[left] = within.sum(1)
        other.held[near[within]] = True
        left = left[within[:, -1]] if width < m else left[:0]
        if width in (MOST, m):
            break
        width = min(MORE * width, m, MOST)
    for begin in range(0, len(left), 64):
        _by_distance(side, left[begin : begin + 64], other, how["metric"])


def _by_distance(side: Side, which: Array, other: Side, metric: str) -> None:
    """The same of the few balls that hold more than lists do, by every distance in float64."""
    mine, theirs = hosted(side.rows), hosted(other.rows)
    asked = np.asarray(mine[which], np.float64)
    side.counts[which] = 0
    for begin in range(0, len(theirs), BLOCK):
        part = np.asarray(theirs[begin : begin + BLOCK], np.float64)
        within = distances(asked, part, metric) < side.radius[which, None]
        side.counts[which] += within.sum(1)
        other.held[begin : begin + BLOCK] |= within.any(0)


def distances(a: Array, b: Array, metric: str) -> Array:
    """(n, m) of float64 rows, difference by difference."""
    if metric == "cosine":
        a, b = unit(a), unit(b)
    squares = np.stack([np.einsum("md,md->m", b - row, b - row) for row in a])
    if metric != "cosine":
        return np.asarray(np.sqrt(squares))
    directed = np.outer(a.any(1), b.any(1))
    return np.where(directed, 0.5 * squares, 1.0)


def unit(x: Array) -> Array:
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norms == 0, 1, norms))
