"""Rows made ready for an exact search, and the two searches: k nearest, and all within a radius."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter, telling
from tamis.embeddings.column_sums import column_sums, mean_of, put_together
from tamis.embeddings.knn_paged import random_access
from tamis.embeddings.knn_plan import MOST_GAINED, Plan, make_plan

MOST_NEIGHBOURS = 1024
METRICS = ("euclidean", "sqeuclidean", "cosine", "inner_product")
SMALLEST, LARGEST = 1e-150, 1e150  # norms whose squares, and those of differences, are safe


class TooManyPairs(Exception):
    """A radius search went past the number of pairs its caller can use."""


@dataclass
class Rows:
    """A checked matrix; for cosine also what turns a row into a unit row about `offset`."""

    x: Array
    largest: float  # of their norms; 1 for unit rows
    scale: Array | None = None
    offset: Array | None = None
    zeros: Array = field(default_factory=lambda: np.empty(0, np.int64))  # rows at the offset itself
    plan: Plan | None = None  # of a search among them, where one is at hand
    limits: Array | None = None  # (n,) keys above which none is wanted of a search among them
    index: Any = None  # a `_core.KnnIndex` of them, where several searches share one
    gain: float = 1.0  # of that index
    directed: Rows | None = None  # those that have a direction, where they have an index
    balls: Array | None = None  # (n,) keys: a search among them finds who is nearer to each row
    held: Array | None = None  # (n,) bool, from that search: whether a row is in another's ball

    def without_zeros(self) -> tuple[Rows, Array]:
        """The rows that have a direction, and where they stand here; no copy when all have one."""
        assert self.scale is not None
        if len(self.zeros) == 0:
            return self, np.arange(len(self.x))
        if self.directed is not None:
            return self.directed, np.flatnonzero(np.isfinite(self.scale))
        kept = np.flatnonzero(np.isfinite(self.scale))
        x = np.ascontiguousarray(self.x[kept])
        return Rows(x, 1.0, self.scale[kept], self.offset, plan=self.plan), kept


def check_k(function: str, k: int) -> None:
    """Raise unless `k` is a number of neighbours."""
    arrays.check_integer(function, "k", k, 1, MOST_NEIGHBOURS)


def check_matrix(function: str, name: str, x: Any) -> Any:
    """`x` as an array of its own library, of floats, with two axes and at least one column."""
    x = arrays.as_array(function, name, x)
    arrays.check_shape(function, name, x, ("N", "D"))
    if arrays.dtype_name(x) not in arrays.FLOATS + arrays.HALVES:
        raise TypeError(
            f"{function}: {name} must be float16, bfloat16, float32 or float64,"
            f" got {arrays.dtype_name(x)}"
        )
    if x.shape[1] == 0:
        raise ValueError(f"{function}: {name} must have at least one column, got {tuple(x.shape)}")
    return x


def matrix(function: str, name: str, x: Any, *, keep_float16: bool = False) -> Array:
    """`x` as a C-contiguous float32 or float64 matrix on the host; memory maps stay memory maps.

    `keep_float16`: float16 stays float16, which searches read as it is.
    """
    x = check_matrix(function, name, x)
    if arrays.device(x) != "cpu":
        raise arrays.CudaUnavailable(
            f"{function}: {name} must be on the host, where this function runs,"
            f" got an array on {arrays.device(x)}: pass {name}.cpu() (CuPy: {name}.get())"
        )
    host = arrays.host(function, name, x)
    wanted: Any = {
        "float64": np.float64,
        "float16": np.float16 if keep_float16 else np.float32,
    }.get(arrays.dtype_name(host), np.float32)  # of any byte order
    return np.ascontiguousarray(host, dtype=wanted)


def bits(x: Array) -> Array:
    """Rows as `_core` takes them: float16 by its bits."""
    return x.view(np.uint16) if x.dtype == np.float16 else x


def make_rows(function: str, name: str, x: Array, *, cosine: bool) -> Rows:
    """Check every value; for cosine take norms."""
    norms = checked_norms(function, name, x)
    check_small(function, name, x, norms)
    if cosine:
        return _with_norms(x, norms, np.zeros(x.shape[1]))
    return Rows(x, norms.max(initial=0))


def centred_rows(function: str, **matrices: Array) -> tuple[Rows, ...]:
    """Rows for cosine about their common mean, which no order of rows changes."""
    for name, x in matrices.items():
        checked_norms(function, name, x)
    xs = matrices.values()
    mean = mean_of(put_together([column_sums(x) for x in xs]), sum(len(x) for x in xs))
    return tuple(rows_about(function, name, x, mean) for name, x in matrices.items())


def rows_about(function: str, name: str, x: Array, mean: Array) -> Rows:
    """Rows for cosine about a mean; their values are known to be finite."""
    norms = np.empty(len(x))
    _core.knn_scan(bits(x), mean, norms, None)
    check_small(function, name, x, norms, mean)
    return _with_norms(x, norms, mean)


class BadRow(ValueError):
    """A row whose values cannot be searched."""

    def __init__(self, message: str, row: int, what: str) -> None:
        super().__init__(message)
        self.row, self.what = row, what


def checked_finite(function: str, name: str, x: Array) -> Array:
    """The norms of the rows, of values that are finite; some may be infinite."""
    norms = np.empty(len(x))
    bad = _core.knn_scan(bits(x), None, norms, None)
    if bad >= 0:
        what = "must be finite, got NaN or infinity"
        raise BadRow(f"{function}: {name} {what} in row {bad}", bad, what)
    return norms


def checked_norms(function: str, name: str, x: Array) -> Array:
    """The norms of the rows, of values that are finite and can be squared."""
    norms = checked_finite(function, name, x)
    if norms.max(initial=0) > LARGEST:
        row = int(np.argmax(norms > LARGEST))
        what = f"is too large: its norm must be at most {LARGEST:g}, got {norms[row]:g}"
        raise BadRow(f"{function}: {name}: row {row} {what}", row, what)
    return norms


def check_small(
    function: str, name: str, x: Array, norms: Array, offset: Array | float = 0.0
) -> None:
    """Raise for the first row whose squares underflow; rows at the offset are allowed."""
    for row in np.flatnonzero(norms < SMALLEST) if arrays.dtype_name(x) == "float64" else ():
        if (arrays.host(function, name, x[int(row)]) != offset).any():
            what = (
                "is too small: its norm (about the mean where it is subtracted) must be 0 or"
                f" at least {SMALLEST:g}"
            )
            raise BadRow(f"{function}: {name}: row {row} {what}", int(row), what)


def _with_norms(x: Array, norms: Array, offset: Array) -> Rows:
    with np.errstate(divide="ignore"):
        scale = 1 / norms
    return Rows(x, 1.0, scale, offset, np.flatnonzero(~np.isfinite(scale)))


def search(rows: Rows, queries: Rows | None, *, k: int, radius: float, dots: bool) -> Any:
    """A `_core.KnnSearch` by the index of these rows, or by the plan that suits them."""
    asked: dict[str, Any] = {
        "queries": None if queries is None else bits(queries.x),
        "query_scale": None if queries is None else queries.scale,
        "k": k,
        "radius": radius,
    }
    fits = queries is None or float(queries.largest) * float(rows.gain) <= MOST_GAINED
    if rows.index is not None and fits:
        return _core.KnnSearch(index=rows.index, **asked)
    plan = rows.plan if queries is None else None
    if plan is None:
        n_queries = None if queries is None else len(queries.x)
        plan = make_plan(rows.x, rows.scale, rows.offset, n_queries, k=k, radius=radius, dots=dots)
    largest = max(rows.largest, 0 if queries is None else queries.largest)
    of: dict[str, Any] = {"x": bits(rows.x), "scale": rows.scale, "offset": rows.offset}
    return _core.KnnSearch(**asked, **of, **plan.arguments(largest, dots))


@contextlib.contextmanager
def searched(rows: Rows, queries: Rows | None, **how: Any) -> Iterator[Any]:
    """A search during which rows of large files are read one by one."""
    found = search(rows, queries, **how)
    with random_access([rows.x, None if queries is None else queries.x]) as paged:
        if paged:
            found.set_paged()
        yield found


def run(found: Any, progress: Progress, title: str, most_pairs: int | None = None) -> None:
    """All steps of a search."""
    if most_pairs is not None:
        found.set_most_pairs(most_pairs)
    report = reporter(progress, title)
    steps = found.steps
    with telling(lambda done, total: total == steps and report(done, total)):  # not of the start
        found.run()
    if found.too_many_pairs:
        raise TooManyPairs
    report(steps, steps)


def nearest(
    rows: Rows, queries: Rows | None, k: int, *, dots: bool, progress: Progress, title: str
) -> tuple[Array, Array]:
    """(keys, indices), both (n, k): squared distances of scaled rows, or negated products.

    Infinity and -1 where limits of the rows leave fewer than k.
    """
    n = len(rows.x) if queries is None else len(queries.x)
    keys, indices = np.empty((n, k)), np.empty((n, k), np.int64)
    if n == 0 or k == 0:
        return keys, indices
    progress = reporter(progress, title)  # seen while the rows are made ready
    with searched(rows, queries, k=k, radius=0.0, dots=dots) as found:
        if queries is None and rows.limits is not None:
            found.lower_limits(rows.limits)
        if rows.balls is not None:
            found.set_balls(rows.balls)
        run(found, progress, title)
    found.write_neighbours(keys, indices)
    if rows.balls is not None:
        rows.held = np.zeros(n, bool)
        found.write_held(rows.held.view(np.uint8))
    return keys, indices


def nearest_cosine(
    rows: Rows, queries: Rows | None, k: int, *, progress: Progress, title: str
) -> tuple[Array, Array]:
    """(distances, indices) by cosine; see `within_cosine` for rows without a direction."""
    if len(rows.zeros) == 0 and (queries is None or len(queries.zeros) == 0):
        keys, indices = nearest(rows, queries, k, dots=False, progress=progress, title=title)
        keys *= 0.5
        return keys, indices
    kept, at = rows.without_zeros()
    asked, asked_at = (kept, at) if queries is None else queries.without_zeros()
    possible = len(at) - (queries is None)
    some = max(0, min(k, possible))
    keys, found = nearest(
        kept, None if queries is None else asked, some, dots=False, progress=progress, title=title
    )
    n = len(rows.x) if queries is None else len(queries.x)
    distances, indices = np.ones((n, k)), np.empty((n, k), np.int64)
    nowhere = rows.zeros if queries is None else queries.zeros
    distances[nowhere], indices[nowhere] = _of_zeros(rows, at, nowhere, k, queries is None)
    far = np.broadcast_to(rows.zeros[:k], (len(asked_at), min(k, len(rows.zeros))))
    both = np.concatenate([at[found], far], axis=1)
    apart = np.concatenate([0.5 * keys, np.ones(far.shape)], axis=1)
    best = np.lexsort((both, apart), axis=1)[:, :k]
    indices[asked_at] = np.take_along_axis(both, best, 1)
    distances[asked_at] = np.take_along_axis(apart, best, 1)
    return distances, indices


def _of_zeros(
    rows: Rows, others: Array, nowhere: Array, k: int, itself: bool
) -> tuple[Array, Array]:
    """The `k` nearest of rows without a direction: their like at 0, then the others at 1."""
    like = rows.zeros[: k + itself]
    candidates = np.concatenate([like, others[: k + itself - len(like)]])
    apart = np.repeat([0.0, 1.0], [len(like), len(candidates) - len(like)])
    order = np.broadcast_to(np.arange(len(candidates)), (len(nowhere), len(candidates)))
    if itself:
        own = candidates == nowhere[:, None]
        own[~own.any(1), -1] = True
        order = order[~own].reshape(len(nowhere), -1)
    return apart[order], candidates[order]


def within(
    rows: Rows,
    queries: Rows | None,
    radius: float,
    *,
    progress: Progress,
    title: str,
    most_pairs: int | None = None,
    dots: bool = False,
) -> tuple[Array, Array]:
    """(pairs (p, 2), keys (p,)) with key <= `radius`, ascending; in a self search left < right."""
    if len(rows.x) == 0 or (queries is not None and len(queries.x) == 0):
        return np.empty((0, 2), np.int64), np.empty(0)
    progress = reporter(progress, title)
    most = 2.001 * max(rows.largest, 0 if queries is None else queries.largest)
    with searched(rows, queries, k=0, radius=min(radius, most**2), dots=dots) as found:
        run(found, progress, title, most_pairs)
    pairs, keys = np.empty((found.n_pairs, 2), np.int64), np.empty(found.n_pairs)
    found.write_pairs(pairs, keys)
    return pairs, keys


def within_cosine(
    rows: Rows,
    threshold: float,
    *,
    progress: Progress,
    title: str,
    most_pairs: int | None = None,
) -> tuple[Array, Array]:
    """(pairs, distances) of a self search by cosine.

    Rows without a direction are at 0 from each other and at 1 from all others.
    """
    kept, at = rows.without_zeros()
    pairs, keys = within(
        kept, None, 2 * threshold, progress=progress, title=title, most_pairs=most_pairs
    )
    distances = np.multiply(keys, 0.5, out=keys)
    if len(rows.zeros) == 0:
        return pairs, distances
    z = len(rows.zeros)
    check_most(most_pairs, len(pairs) + z * (z - 1) // 2 + (z * len(at) if threshold >= 1 else 0))
    like = rows.zeros[np.stack(np.triu_indices(z, 1), axis=1)]
    rest = product(rows.zeros, at if threshold >= 1 else at[:0])
    return in_order(
        (at[pairs], distances), (like, np.zeros(len(like))), (np.sort(rest), np.ones(len(rest)))
    )


def between_cosine(
    rows: Rows,
    queries: Rows,
    threshold: float,
    *,
    progress: Progress,
    title: str,
    most_pairs: int,
) -> tuple[Array, Array]:
    """(pairs of a row of `queries` and one of `rows`, distances), as `within_cosine`."""
    (kept, there), (asked, at) = rows.without_zeros(), queries.without_zeros()
    pairs, keys = within(
        kept, asked, 2 * threshold, progress=progress, title=title, most_pairs=most_pairs
    )
    pairs = np.stack([at[pairs[:, 0]], there[pairs[:, 1]]], axis=1)
    more = len(queries.zeros) * len(rows.zeros)
    if threshold >= 1:
        more += len(queries.zeros) * len(there) + len(at) * len(rows.zeros)
    check_most(most_pairs, len(pairs) + more)
    like = product(queries.zeros, rows.zeros)
    parts = [(pairs, 0.5 * keys), (like, np.zeros(len(like)))]
    if threshold >= 1:
        for rest in (product(queries.zeros, there), product(at, rows.zeros)):
            parts.append((rest, np.ones(len(rest))))
    return in_order(*parts)


def check_most(most_pairs: int | None, found: int) -> None:
    """Raise where a search has found more pairs than its caller can use."""
    if most_pairs is not None and found > most_pairs:
        raise TooManyPairs


def product(left: Array, right: Array) -> Array:
    """(p, 2): all pairs of one of each."""
    return np.stack([np.repeat(left, len(right)), np.tile(right, len(left))], axis=1)


def in_order(*parts: tuple[Array, Array]) -> tuple[Array, Array]:
    """Pairs and their distances of all parts, ascending."""
    pairs, distances = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], distances[order]
