"""Neighbours as float64 on the host, for rows on any device; groups and clusters of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings import knn_cuda
from tamis.embeddings.knn_pairs import any_matrix
from tamis.embeddings.knn_search import Rows, check_k, make_rows, nearest, nearest_cosine

Metric = Literal["euclidean", "cosine"]
BLOCK = 4096  # rows turned into float64, or compared with all others, at a time


def two_matrices(function: str, **given: Any) -> tuple[Any, Any]:
    """Two checked matrices of one width, dtype and device; no dtype is widened."""
    (a_name, a), (b_name, b) = ((name, any_matrix(function, name, x)) for name, x in given.items())
    arrays.one_device(function, **{a_name: a, b_name: b})
    b = arrays.same_library(a, b)
    if b.shape[1] != a.shape[1] or arrays.dtype_name(b) != arrays.dtype_name(a):
        raise ValueError(
            f"{function}: {b_name} must be {arrays.dtype_name(a)} of shape (M, {a.shape[1]}) as"
            f" {a_name} is, got {arrays.dtype_name(b)} {tuple(b.shape)}"
        )
    return a, b


def check_metric(function: str, metric: str) -> None:
    if not arrays.one_of(metric, ("euclidean", "cosine")):
        raise ValueError(f"{function}: metric must be euclidean or cosine, got {metric!r}")


def made_ready(function: str, name: str, x: Any, metric: str) -> Any:
    """Rows of a checked matrix for a search where it lives; raises for NaN and infinity."""
    make: Any = make_rows if arrays.device(x) == "cpu" else knn_cuda.make_rows
    return make(function, name, x, cosine=metric == "cosine")


def neighbours(
    function: str,
    x: Any,
    k: int,
    *,
    queries: Any = None,
    metric: str = "euclidean",
    names: tuple[str, str] = ("x", "queries"),
    progress: Progress = None,
) -> tuple[Array, Array]:
    """(distances float64, indices) of checked matrices, as `tamis.knn` finds them."""
    check_k(function, k)
    most = len(x) - (queries is None)
    if k > most:
        raise ValueError(f"{function}: k must be at most {most} for {len(x)} rows, got {k}")
    rows = made_ready(function, names[0], x, metric)
    asked = None if queries is None else made_ready(function, names[1], queries, metric)
    return _nearest(function, rows, asked, k, metric, progress)


def neighbours_and_held(
    function: str, x: Any, k: int, radii: Array, *, metric: str, name: str, progress: Progress
) -> tuple[Array, Array, Array | None]:
    """`neighbours` of a checked matrix, and who is nearer to another row than that row's radius.

    None for the latter where this search does not tell: on a device, and for rows without a
    direction.
    """
    rows = made_ready(function, name, x, metric)
    if not isinstance(rows, Rows) or len(rows.zeros) > 0:
        return *_nearest(function, rows, None, k, metric, progress), None
    rows.balls = 2 * radii if metric == "cosine" else _squares(radii)
    return *_nearest(function, rows, None, k, metric, progress), rows.held


def _squares(radii: Array) -> Array:
    """The least squared distances whose roots, as rounded, reach the radii."""
    squares = radii * radii
    while (low := np.sqrt(squares) < radii).any():  # the square of a tiny radius may be 0
        squares[low] = np.nextafter(squares[low], np.inf)
    while True:
        below = np.nextafter(squares, 0)
        high = (below < squares) & (np.sqrt(below) >= radii)
        if not high.any():
            return squares
        squares[high] = below[high]


def _nearest(
    function: str, rows: Any, asked: Any, k: int, metric: str, progress: Progress
) -> tuple[Array, Array]:
    if not isinstance(rows, Rows):
        found = knn_cuda.nearest(
            rows, asked, k, output=knn_cuda.OUTPUT_OF[metric], progress=progress, title=function
        )
        far, near = (arrays.host(function, "neighbours", part) for part in found)
        return far, near
    if metric == "cosine":
        return nearest_cosine(rows, asked, k, progress=progress, title=function)
    keys, near = nearest(rows, asked, k, dots=False, progress=progress, title=function)
    return np.sqrt(keys, out=keys), near


def hosted(x: Any) -> Array:
    """A checked matrix on the host."""
    return arrays.host("", "x", x)


def blocks(x: Array, size: int = BLOCK) -> Iterator[tuple[slice, Array]]:
    """The rows as float64, some at a time."""
    for begin in range(0, len(x), size):
        part = slice(begin, min(len(x), begin + size))
        yield part, np.asarray(x[part], np.float64)


def groups_of(pairs: Array, n: int) -> Array:
    """(n,): the first row of the connected group each row is in."""
    group = np.empty(n, np.int64)
    _core.group_pairs(np.ascontiguousarray(pairs, np.int64).reshape(-1, 2), group)
    return group


def k_means(
    x: Array, k: int, seed: int, rounds: int = 10, *, report: Any = None
) -> tuple[Array, Array]:
    """(centres (k', D) float64, the centre of each row), of at most `k` clusters that have rows.

    Initialised by k-means++ on at most 256 rows per cluster, so most of the cost is the last step,
    which assigns all rows to their centres.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(x))[: 256 * k])
    sample = np.asarray(x[some], np.float64)
    centres = sample[_spread(sample, min(k, len(sample)), rng)]
    for _ in range(rounds):
        at = _nearest_centre(sample, centres)
        held, at = np.unique(at, return_inverse=True)
        counts = np.bincount(at, minlength=len(held))
        order = np.argsort(at, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        moved = np.add.reduceat(sample[order], starts, axis=0) / counts[:, None]
        if moved.shape == centres.shape and np.array_equal(moved, centres):
            break
        centres = moved
    parts = []
    for rows, part in blocks(x):
        parts.append(_nearest_centre(part, centres))
        if report is not None:
            report(rows.start + len(part), len(x))
    at = np.concatenate(parts)
    held, at = np.unique(at, return_inverse=True)
    return centres[held], at


def _spread(sample: Array, k: int, rng: np.random.Generator) -> Array:
    """k-means++: each next row drawn by its squared distance from those drawn before."""
    chosen = [int(rng.integers(len(sample)))]
    far = np.full(len(sample), np.inf)
    for _ in range(k - 1):
        far = np.minimum(far, ((sample - sample[chosen[-1]]) ** 2).sum(1))
        total = far.sum()
        if total == 0:
            break
        place = np.searchsorted(np.cumsum(far), rng.random() * total, side="right")
        chosen.append(int(min(place, len(sample) - 1)))
    return np.array(chosen)


def _nearest_centre(x: Array, centres: Array) -> Array:
    squares = (centres**2).sum(1) - 2 * (x @ centres.T)
    return np.asarray(squares.argmin(1))
