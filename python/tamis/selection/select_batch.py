"""What to label: the rows with the highest scores, or a batch that is also near failures."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Literal, overload

import numpy as np

from tamis._shared import arrays, device_arrays, row_columns
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.typed import AnyArray, AnyColumn, Host, Int64
from tamis.embeddings.distances import BLOCK, k_means
from tamis.embeddings.knn_exact import exact_on_device
from tamis.embeddings.knn_index import index_soon
from tamis.embeddings.knn_pairs import (
    MOST_PAIRS,
    all_pairs,
    any_matrix,
    check_search,
    keep_mask,
    nearest_distance,
    searched_rows,
    some_rows,
    take,
)
from tamis.embeddings.knn_search import MOST_NEIGHBOURS, checked_norms


@overload
def select_coreset(
    scores: Host, *, fraction: float | None = None, count: int | None = None
) -> Int64: ...
@overload
def select_coreset(
    scores: object, *, fraction: float | None = None, count: int | None = None
) -> Any: ...
def select_coreset(scores: Any, *, fraction: float | None = None, count: int | None = None) -> Any:
    """The rows with the highest scores.

    Parameters
    ----------
    scores : (N,) float array
        Of `zcore`, or any others.
    fraction : float
        Share of the rows, 0 to 1; rounded to the nearest number of rows (half up).
    count : int
        Or their number, 0 to N. Give one of the two.

    Returns
    -------
    (count,) int64 array
        The highest score first, equal scores by row. NumPy's, or of CUDA scores in their library,
        on their device; the host waits only to check that none is NaN.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN, naming the first such row.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> tamis.select_coreset(np.array([0.1, 0.9, 0.5]), count=2)
    array([1, 2])
    """
    name = "select_coreset"
    values = arrays.column(name, "scores", scores, "float64")
    on_device = arrays.device(values).startswith("cuda")
    values = _device_scores(name, values) if on_device else _scores(name, values)
    if (fraction is None) == (count is None):
        raise TypeError(f"{name}: give either fraction or count")
    if fraction is not None:
        fraction = _share(name, "fraction", fraction)
        count = int(fraction * len(values) + 0.5)
    count = arrays.check_integer(name, "count", count, 0, len(values))
    if on_device:
        return device_arrays.stable_sort(0.0 - values)[1][:count]  # 0.0: a sort may tell -0 from 0
    return np.asarray(np.argsort(-values, kind="stable")[:count])


def select_batch(
    scores: AnyColumn,
    x: AnyArray,
    failures: AnyColumn,
    *,
    budget: int,
    coverage: float = 0.3,
    exclude: AnyColumn | None = None,
    quota: Any = None,
    threshold: float = 0.02,
    metric: Literal["cosine", "euclidean"] = "cosine",
    progress: Progress = None,
) -> Array:
    """Select the next rows to label: a share for coverage, the rest near known failures.

    Parameters
    ----------
    scores : (N,) float array
        Of `zcore`; the higher, the sooner a row is taken for coverage.
    x : (N, D) array
        Embeddings, as for `tamis.near_duplicates`.
    failures : (F,) array or list of integers, (N,) bool array or (F, D) float array
        Samples the model got wrong: rows of `x`, by number or mask, which are then not selected, or
        embeddings of samples elsewhere.
    budget : int
        Rows wanted.
    coverage : float
        Share of the budget that goes to coverage, rounded down; the rest goes to the
        neighbourhood of failures. Default 0.3.
    exclude : (E,) array or list of integers or (N,) bool array, optional
        Rows of `x` not to be selected, such as those labelled already.
    quota : int or (F,) array of integers, optional
        Clusters of failures among which their rows are divided evenly: their number (found by
        k-means), or the cluster of each failure, as `tamis.failures` gives. Default: the nearest
        rows go first, whichever failure they are near.
    threshold, metric
        No row of the batch is within this distance of another one or of an excluded row, nor of a
        failure unless there are not enough other rows, as `tamis.near_duplicates` measures it.
        Default 0.02, "cosine" (about the mean of `x`).
    progress : bool or callable, optional
        ``f(done, total)`` of the rows of the batch, or True for a bar.

    Returns
    -------
    (at most budget,) int64 array
        The rows for coverage, highest score first; then those near failures. A NumPy array.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    Rows for coverage are taken by descending score (ties by row). Then the nearest row of every
    failure is taken (Euclidean; ties by row), then the second nearest of every failure, and so on
    to the 1024th; among the k-th ones the nearest goes first. With `quota` this is done for each
    cluster, the largest first, up to its share, and then for all failures. A row within the
    threshold of a row that it must not be near is skipped. When no neighbours are left, the rest of
    the budget is filled by score; when only near-duplicates are left, the batch is smaller than the
    budget. Deterministic. Cost: `tamis.knn` of the failures, the near-duplicates among the
    candidate rows, and their nearest excluded rows.

    CUDA embeddings are searched on their device, where embeddings of failures must be too; scores,
    row numbers and the neighbours found are copied to the host, which waits for them.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> scores, failures = np.linspace(0, 1, 100), np.array([3, 4])
    >>> len(tamis.select_batch(scores, x, failures, budget=10))
    10
    """
    name = "select_batch"
    values = _scores(name, scores)
    budget = arrays.check_integer(name, "budget", budget, 0)
    advance = Advance(progress, name, budget)
    coverage = _share(name, "coverage", coverage)
    check_search(name, threshold, metric)
    given = any_matrix(name, "x", x)
    rows = searched_rows(name, given, metric)
    n = len(rows.x)
    arrays.check_shape(name, "scores", values, (n,))
    asked, failed, cluster = _failures(name, failures, given, quota)
    free = np.ones(n, bool)
    free[failed] = False
    excluded = np.empty(0, np.int64)
    if exclude is not None:
        excluded = row_columns.row_numbers(name, "exclude", exclude, n)
        free[excluded] = False
    taken = Taken(name, rows, np.flatnonzero(~free), float(threshold), metric, advance)
    if len(failed) == 0 and len(asked) > 0:
        taken.apart_from(given, asked)
    by_score = np.argsort(-values, kind="stable")
    by_score = by_score[free[by_score]]
    candidates = np.flatnonzero(free)
    nearby = Nearby(name, given, candidates, advance)

    def near_failures(batch: Array, which: Array, wanted: int) -> Array:
        """`batch` and rows near these failures, `wanted` in all."""
        k, some = 4, asked if len(which) == len(asked) else take(asked, which)
        while len(batch) < wanted and len(which) > 0 and len(candidates) > 0:
            k = min(4 * k, MOST_NEIGHBOURS, len(candidates))
            batch = taken.add(batch, nearby.rows(some, k), wanted)
            if k in (MOST_NEIGHBOURS, len(candidates)):
                break
        return batch

    batch = taken.add(np.empty(0, np.int64), by_score, int(coverage * budget))
    for which, share in _shares(cluster, budget - len(batch)):
        batch = near_failures(batch, which, len(batch) + share)
    batch = near_failures(batch, np.arange(len(asked)), budget)
    batch = taken.add(batch, by_score, budget)
    if len(batch) < budget and len(asked) > 0:  # what repeats a failure, where there is no more
        taken = Taken(name, rows, excluded, float(threshold), metric, advance)
        batch = taken.add(batch, by_score, budget)
    advance.to(budget, budget)
    return batch


class Advance:
    """Rows of a batch that are found; a search on the way counts for half of those it is for."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self.report, self.total = reporter(progress, name), total
        self.most, self.rows, self.wanted = -1, 0, 0
        # searches on a device wait for what they report
        self.of_search: Progress = self if progress else None

    def to(self, rows: int, wanted: int) -> None:
        self.rows, self.wanted = rows, wanted
        self(0, 1)

    def __call__(self, done: int, total: int) -> None:
        at = self.rows + (self.wanted - self.rows) * done // (2 * max(total, 1))
        if at > self.most:
            self.most = at
            self.report(at, self.total)


class Taken:
    """What no further row may be near: excluded rows, other embeddings, and the batch."""

    def __init__(
        self, name: str, rows: Any, out: Array, threshold: float, metric: str, advance: Advance
    ) -> None:
        self.name, self.rows, self.threshold, self.metric = name, rows, threshold, metric
        self.advance = advance
        self.out = some_rows(rows, out) if len(out) else None
        self.elsewhere: Array | None = None

    def apart_from(self, x: Any, elsewhere: Any) -> None:
        """Embeddings that are not rows of `x`; for cosine centred like the rows."""
        self.x = x
        self.mean = np.zeros(x.shape[1])
        if self.metric == "cosine":
            for begin in range(0, len(x), BLOCK):
                part = arrays.host(self.name, "x", x[begin : begin + BLOCK])
                self.mean += part.sum(0, dtype=np.float64) / len(x)
        self.elsewhere = self._centred(elsewhere)
        checked_norms(self.name, "failures", self.elsewhere)

    def add(self, batch: Array, order: Array, wanted: int) -> Array:
        """`batch` and the rows that are not near anything taken, in order; `wanted` in all."""
        order = order[~np.isin(order, batch)]
        while len(batch) < wanted and len(order) > 0:
            self.advance.to(len(batch), wanted)
            look, order = np.split(order, [2 * (wanted - len(batch)) + 64])
            both = np.concatenate([batch, self._far(look)])
            pairs, _ = all_pairs(
                self.name, some_rows(self.rows, both), self.threshold, self.metric, MOST_PAIRS,
                self.advance.of_search,
            )  # fmt: skip
            batch = both[keep_mask(pairs, len(both))][:wanted]
        return batch

    def _far(self, look: Array) -> Array:
        """The rows that are not near an excluded row or another embedding."""
        if self.out is not None:
            asked, progress = some_rows(self.rows, look), self.advance.of_search
            far = nearest_distance(self.out, asked, self.metric, progress, self.name)
            look = look[far > self.threshold]
        if self.elsewhere is not None and len(look) > 0:
            asked = self._centred(take(self.x, look))
            look = look[_least_distance(asked, self.elsewhere, self.metric) > self.threshold]
        return look

    def _centred(self, x: Any) -> Array:
        return np.asarray(arrays.host(self.name, "x", x), np.float64) - self.mean


def _least_distance(a: Array, b: Array, metric: str) -> Array:
    """(n,) of each row of `a` to the nearest of `b`, in float64."""
    least = np.full(len(a), np.inf)
    norms = [np.einsum("nd,nd->n", rows, rows) for rows in (a, b)]
    for begin in range(0, len(b), BLOCK):
        dots = a @ b[begin : begin + BLOCK].T
        part = norms[1][begin : begin + BLOCK]
        if metric == "cosine":
            scale = np.sqrt(np.outer(norms[0], part))
            far = 1 - np.divide(dots, scale, out=np.zeros_like(dots), where=scale > 0)
        else:
            far = np.sqrt(np.maximum(norms[0][:, None] + part - 2 * dots, 0))
        np.minimum(least, far.min(1), out=least)
    return least


def _shares(cluster: Array | None, wanted: int) -> list[tuple[Array, int]]:
    """(the failures of each cluster, its share of the rows wanted), the largest cluster first."""
    if cluster is None or len(cluster) == 0:
        return []
    _, code, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    each, more = divmod(max(0, wanted), len(sizes))
    return [(np.flatnonzero(code == c), each + (i < more)) for i, c in enumerate(order)]


class Nearby:
    """Neighbours among the candidates, which are made ready once, when some are first asked for."""

    def __init__(self, name: str, x: Any, candidates: Array, advance: Advance) -> None:
        self.name, self.x, self.candidates, self.advance = name, x, candidates, advance

    @cached_property
    def search(self) -> Callable[[Any, int], tuple[Any, Any]]:
        rows, progress = take(self.x, self.candidates), self.advance.of_search
        if arrays.device(rows) == "cpu":
            return partial(index_soon(self.name, rows, "euclidean").search, progress=progress)
        return lambda asked, k: exact_on_device(
            self.name, rows, asked, k, "euclidean", progress=progress
        )

    def rows(self, asked: Any, k: int) -> Array:
        """By the place among the neighbours of any failure, then by distance, then by row."""
        distances, indices = (
            arrays.host(self.name, "neighbours", part) for part in self.search(asked, k)
        )
        place = np.broadcast_to(np.arange(k), indices.shape)
        order = np.lexsort((indices.ravel(), distances.ravel(), place.ravel()))
        near = self.candidates[indices.ravel()[order]]
        return np.asarray(near[np.sort(np.unique(near, return_index=True)[1])])


def _scores(name: str, scores: Any) -> Array:
    values = arrays.host(name, "scores", arrays.column(name, "scores", scores, "float64"))
    arrays.check_shape(name, "scores", values, ("N",))
    values = arrays.floats(name, scores=values)[0]
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise ValueError(f"{name}: scores must not be NaN, got NaN in row {row}")
    return np.asarray(values)


def _device_scores(name: str, values: Any) -> Any:
    """Checked scores on a device, for which the host waits."""
    arrays.check_shape(name, "scores", values, ("N",))
    (values,) = arrays.floats(name, scores=values)
    if bool((values != values).any()):
        _scores(name, values)  # names the row
    return values


def _failures(name: str, failures: Any, x: Any, quota: Any) -> tuple[Any, Array, Array | None]:
    """(their embeddings, their rows of x, their clusters)."""
    given = arrays.column(name, "failures", failures)
    if len(given.shape) == 1:
        rows = row_columns.row_numbers(name, "failures", given, len(x))
        failed, first = np.unique(rows, return_index=True)
        asked, total = take(x, failed), len(rows)
    else:
        asked = any_matrix(name, "failures", given)
        arrays.one_device(name, x=x, failures=asked)
        if asked.shape[1] != x.shape[1]:
            shape = f"(F,) or (F, {x.shape[1]})"
            raise ValueError(f"{name}: failures must have shape {shape}, got {tuple(asked.shape)}")
        with np.errstate(over="ignore"):  # an infinity is refused by name
            asked = arrays.cast(arrays.same_library(x, asked), arrays.dtype_name(x))
        failed, first, total = np.empty(0, np.int64), np.arange(len(asked)), len(asked)
    if quota is None:
        return asked, failed, None
    if isinstance(quota, (bool, int, np.integer)):
        quota = arrays.check_integer(name, "quota", quota, 1)
        host = arrays.host(name, "failures", asked)
        return asked, failed, k_means(host, int(quota), 0)[1] if len(host) else first
    cluster = arrays.host(
        name, "quota", arrays.integers(name, "quota", arrays.column(name, "quota", quota))
    )
    arrays.check_shape(name, "quota", cluster, (total,))
    return asked, failed, cluster[first]


def _share(name: str, what: str, value: Any) -> float:
    """`value` as a float in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: {what} must be a number, got {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: {what} must be 0 to 1, got {value}")
    return float(value)
