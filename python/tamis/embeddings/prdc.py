"""Precision, recall, density and coverage of one set of rows against another, from neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.distances import BLOCK, hosted, made_ready, neighbours, neighbours_and_held
from tamis.embeddings.knn_pairs import take

FIRST, MORE, MOST = 4, 4, 1024  # neighbours looked at, and how many times more at each retry
MOST_DISTANCES = 1 << 23  # computed one by one at a time


@dataclass
class Side:
    """The rows of one set, the radii of their balls, and who is in a ball of the other set."""

    rows: Any
    name: str
    radius: Array  # distance to the k-th neighbour in the own set; NaN where there is none
    held: Array

    @classmethod
    def of(cls, rows: Any, name: str) -> Side:
        return cls(rows, name, np.full(len(rows), np.nan), np.zeros(len(rows), bool))


@dataclass
class Nearest:
    """Of each row of the one set: its nearest row of the other, and how many are in its ball."""

    far: Array
    near: Array
    counts: Array


def prdc(
    function: str,
    real: Any,
    fake: Any,
    k: int,
    *,
    numbers: Array | None = None,
    metric: str,
    progress: Progress = None,
) -> tuple[Array, Array, Array, dict[str, float]]:
    """(distance of each real row to its nearest fake one, that row, radii of the fake ones, PRDC).

    A ball is a row's neighbourhood up to its k-th neighbour in its own set, exclusive. Each pair of
    rows is looked at once: of the real ones, of the fake ones, and of both. If the fake rows are
    the real ones of these ascending `numbers`, the first search says most of it.
    """
    how: dict[str, Any] = {"metric": metric, "progress": progress}
    n, m = len(real), len(fake)
    a, b = Side.of(real, "pool"), Side.of(fake, "labelled")
    for side in (a, b):
        made_ready(function, side.name, side.rows, metric)  # names a bad row
    if m > k:
        b.radius = neighbours(function, fake, k, names=(b.name, ""), **how)[0][:, -1]
    if min(n, m) <= k:
        found = neighbours(function, fake, 1, queries=real, names=(b.name, a.name), **how)
        scores = dict.fromkeys(("precision", "recall", "density", "coverage"), float("nan"))
        return found[0][:, 0], found[1][:, 0], b.radius if m > k else np.empty(0), scores
    known = Nearest(np.full(n, np.inf), np.full(n, -1), np.zeros(n, np.int64))
    held = None
    if numbers is None:
        a.radius = neighbours(function, real, k, names=(a.name, ""), **how)[0][:, -1].copy()
        every, width = np.arange(n), min(1 + 2 * k * m // n, FIRST * k)
        for part, far, near in _within(function, b, a, every, a.radius, width, how):
            _read(known, a, b, part, far, near)
    else:
        balls = np.zeros(n)
        balls[numbers] = b.radius
        far, near, held = neighbours_and_held(function, real, k, balls, name=a.name, **how)
        a.radius = far[:, -1].copy()
        left = _among_own(known, a, b, far, near, numbers)
        if len(left):  # no fake row is in their balls: the nearest says the rest
            _read(known, a, b, left, *_asked(function, b, 1, a, left, how))
    if held is None:
        _held(function, known, a, b, how)
    else:
        a.held |= held
    scores = {
        "precision": float(b.held.mean()),
        "recall": float(a.held.mean()),
        "density": float(known.counts.sum() / (k * m)),
        "coverage": float((known.far < a.radius).mean()),
    }
    return known.far, known.near, b.radius, scores


def _among_own(known: Nearest, a: Side, b: Side, far: Array, near: Array, numbers: Array) -> Array:
    """What lists of real rows say where the fake ones are among them; the rows still to ask for.

    All that is in a row's ball is in its list, but the row itself.
    """
    place = np.full(len(far), -1)
    place[numbers] = np.arange(len(numbers))
    for begin in range(0, len(far), BLOCK):
        part = np.arange(begin, min(begin + BLOCK, len(far)))
        at = np.column_stack([place[part], place[near[part]]])
        apart = np.column_stack([np.zeros(len(part)), far[part]])
        _read(known, a, b, part, np.where(at < 0, np.inf, apart), at)
    inside = far[numbers] < b.radius[:, None]  # of a fake row's ball, what its own list holds
    a.held[near[numbers][inside]] = True
    known.near[a.radius == 0] = -1  # a copy beyond the list may come first
    return np.flatnonzero(known.near < 0)


def _read(known: Nearest, a: Side, b: Side, which: Array, far: Array, near: Array) -> None:
    """Lists of fake rows near the real rows `which`; infinity and -1 for none."""
    new = known.near[which] < 0
    nearest = far[new].min(1)
    first = np.where(far[new] == nearest[:, None], near[new], len(b.radius)).min(1)
    known.far[which[new]] = nearest
    known.near[which[new]] = np.where(np.isfinite(nearest), first, -1)
    within = far < a.radius[which, None]
    known.counts[which] = within.sum(1)
    b.held[near[within]] = True
    a.held[which] |= (far < b.radius[near]).any(1)


def _held(function: str, known: Nearest, a: Side, b: Side, how: dict[str, Any]) -> None:
    """The real rows that are in a fake row's ball, though in none of those next to them."""
    left = np.flatnonzero(~a.held & (known.far < b.radius.max()))
    if len(left) == 0:
        return
    some = Side.of(take(a.rows, left), a.name)
    wide = np.flatnonzero(b.radius > known.far[left].min())
    for part, far, near in _within(function, some, b, wide, b.radius[wide], FIRST, how):
        a.held[left[near[far < b.radius[part, None]]]] = True


def _within(
    function: str, x: Side, of: Side, which: Array, limits: Array, width: int, how: dict[str, Any]
) -> Iterator[tuple[Array, Array, Array]]:
    """(rows of a side, distances, rows of `x`): lists in the end of all that is within the limits.

    Only where all of a list of neighbours is within, a longer one is asked for.
    """
    width = min(width, len(x.rows), MOST)
    while len(which):
        far, near = _asked(function, x, width, of, which, how)
        yield which, far, near
        full = far[:, -1] < limits
        which, limits = which[full], limits[full]
        if width == len(x.rows):
            return
        if width == MOST:
            break
        width = min(MORE * width, len(x.rows), MOST)
    size = max(1, MOST_DISTANCES // len(x.rows))
    for begin in range(0, len(which), size):
        part = which[begin : begin + size]
        far = _distances(x, of, part, how["metric"])
        yield part, far, np.broadcast_to(np.arange(far.shape[1]), far.shape)


def _asked(
    function: str, x: Side, k: int, of: Side, which: Array, how: dict[str, Any]
) -> tuple[Array, Array]:
    """Neighbours in `x` of some rows of a side."""
    asked = of.rows if len(which) == len(of.rows) else take(of.rows, which)
    return neighbours(function, x.rows, k, queries=asked, names=(x.name, of.name), **how)


def _distances(x: Side, of: Side, which: Array, metric: str) -> Array:
    """All distances to the few rows whose lists would be too long, in float64."""
    theirs, asked = hosted(x.rows), np.asarray(hosted(of.rows)[which], np.float64)
    parts = [theirs[begin : begin + BLOCK] for begin in range(0, len(theirs), BLOCK)]
    return np.concatenate(
        [distances(asked, np.asarray(part, np.float64), metric) for part in parts], axis=1
    )


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
