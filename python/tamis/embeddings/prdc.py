"""Precision, recall, density and coverage of one set of rows against another, from neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.distances import BLOCK, hosted, neighbours

FIRST, MORE = 4, 8  # neighbours looked at, in units of k, and how many times more at each retry
MOST = 1024


def prdc(
    function: str, real: Any, fake: Any, k: int, *, metric: str, progress: Progress = None
) -> tuple[Array, Array, Array, dict[str, float]]:
    """(distance of each real row to its nearest fake one, that row, radii of the fake ones, PRDC).

    A ball is a row's neighbourhood up to its k-th neighbour in its own set, exclusive. If both sets
    are alike, balls hold about k rows of the other set, so a short list of neighbours is enough; a
    longer one is computed only if the whole list is within the ball.
    """
    how: dict[str, Any] = {"metric": metric, "progress": progress}
    n, m = len(real), len(fake)
    names = ("labelled", "pool")
    if min(n, m) <= k:
        far, near = neighbours(function, fake, 1, queries=real, names=names, **how)
        own = neighbours(function, fake, k, names=names, **how)[0][:, -1] if m > k else np.empty(0)
        nan = float("nan")
        return far[:, 0], near[:, 0], own, dict(
            precision=nan, recall=nan, density=nan, coverage=nan
        )  # fmt: skip
    real_radius = neighbours(function, real, k, names=("pool", ""), **how)[0][:, -1]
    fake_radius = neighbours(function, fake, k, names=("labelled", ""), **how)[0][:, -1]
    counts, held, far, near = _in_balls(function, real, real_radius, fake, k, how, names)
    _, reached, _, _ = _in_balls(function, fake, fake_radius, real, k, how, names[::-1])
    scores = {
        "precision": float(held.mean()),
        "recall": float(reached.mean()),
        "density": float(counts.sum() / (k * m)),
        "coverage": float((far < real_radius).mean()),
    }
    return far, near, fake_radius, scores


def _in_balls(
    function: str,
    centres: Any,
    radius: Array,
    others: Any,
    k: int,
    how: dict[str, Any],
    names: tuple[str, str],
) -> tuple[Array, Array, Array, Array]:
    """(other rows in each ball, whether another row is in any, nearest distance, nearest row)."""
    n, m = len(radius), len(others)
    counts, held = np.zeros(n, np.int64), np.zeros(m, bool)
    first, nearest = np.empty(n), np.empty(n, np.int64)
    left, width = np.arange(n), min(FIRST * k, m, MOST)
    while len(left):
        asked = centres if len(left) == n else centres[left]
        far, near = neighbours(function, others, width, queries=asked, names=names, **how)
        if len(left) == n:
            first[:], nearest[:] = far[:, 0], near[:, 0]
        within = far < radius[left, None]
        counts[left] = within.sum(1)
        held[near[within]] = True
        full = within[:, -1] if width < m else np.zeros(len(left), bool)
        left = left[full]
        if width in (MOST, m):
            break
        width = min(MORE * width, m, MOST)
    for begin in range(0, len(left), 64):
        _by_distance(centres, left[begin : begin + 64], radius, others, how["metric"], counts, held)
    return counts, held, first, nearest


def _by_distance(
    centres: Any, rows: Array, radius: Array, others: Any, metric: str, counts: Array, held: Array
) -> None:
    """The same of the few balls that hold more than lists do, by every distance in float64."""
    mine, theirs = hosted(centres), hosted(others)
    asked = np.asarray(mine[rows], np.float64)
    counts[rows] = 0
    for begin in range(0, len(theirs), BLOCK):
        part = np.asarray(theirs[begin : begin + BLOCK], np.float64)
        far = distances(asked, part, metric)
        within = far < radius[rows, None]
        counts[rows] += within.sum(1)
        held[begin : begin + BLOCK] |= within.any(0)


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
