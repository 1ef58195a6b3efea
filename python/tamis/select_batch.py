"""What to label: the rows of the highest scores, or a batch that also looks near failures."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tamis import _arrays, _columns
from tamis._knn_search import MOST_NEIGHBOURS
from tamis.knn import exact, exact_on_device
from tamis.near_duplicates import (
    MOST_PAIRS,
    all_pairs,
    any_matrix,
    check_search,
    keep_mask,
    searched_rows,
    some_rows,
    take,
)

Array = npt.NDArray[Any]


def select_coreset(scores: Any, *, fraction: float | None = None, count: int | None = None) -> Any:
    """The rows of the highest scores.

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
        on their device; the host waits only to see that none is NaN.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN, naming the first such row.
    """
    name = "select_coreset"
    values = _arrays.column(name, "scores", scores, "float64")
    on_device = _arrays.device(values).startswith("cuda")
    values = _device_scores(name, values) if on_device else _scores(name, values)
    if (fraction is None) == (count is None):
        raise TypeError(f"{name}: give either fraction or count")
    if fraction is not None:
        fraction = _share(name, "fraction", fraction)
        count = int(fraction * len(values) + 0.5)
    _arrays.check_integer(name, "count", count, 0, len(values))
    if on_device:
        return _arrays.stable_sort(0.0 - values)[1][:count]  # 0.0: a sort may tell -0 from 0
    return np.asarray(np.argsort(-values, kind="stable")[:count])


def select_batch(
    scores: Any,
    x: Any,
    failures: Any,
    *,
    budget: int,
    coverage: float = 0.3,
    exclude: Any = None,
    threshold: float = 0.02,
    metric: Literal["cosine", "euclidean"] = "cosine",
) -> Array:
    """The next rows to label: some that cover the data, most from around failures.

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
    threshold, metric
        No two rows of the batch are within this distance, as `tamis.near_duplicates` measures it.
        Default 0.02, "cosine" (about the mean of `x`).

    Returns
    -------
    (at most budget,) int64 array
        Those for coverage first, the highest score first; then those near failures. NumPy's.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    Coverage goes down the scores (equal ones by row). Then every failure in turn gives its nearest
    row (Euclidean; equal distances by row), then every failure its second nearest, and so on to
    the 1024th; among the k-th ones the nearest goes first. A row within the threshold of one
    already in the batch is passed over. When no neighbours are left, the scores fill what the
    budget still holds; when no row is left that is not a near-duplicate, the batch is smaller than
    the budget. Deterministic. Cost: `tamis.knn` of the failures, and the near-duplicates among the
    rows looked at.

    CUDA embeddings are searched on their device, where embeddings of failures must be too; scores,
    row numbers and the neighbours found come to the host, which waits for them.
    """
    name = "select_batch"
    values = _scores(name, scores)
    _arrays.check_integer(name, "budget", budget, 0)
    coverage = _share(name, "coverage", coverage)
    check_search(name, threshold, metric)
    rows = searched_rows(name, any_matrix(name, "x", x), metric)
    n = len(rows.x)
    _arrays.check_shape(name, "scores", values, (n,))
    asked, failed = _failures(name, failures, rows.x)
    free = np.ones(n, bool)
    free[failed] = False
    if exclude is not None:
        free[_columns.row_numbers(name, "exclude", exclude, n)] = False
    by_score = np.argsort(-values, kind="stable")
    by_score = by_score[free[by_score]]

    def apart(taken: Array, order: Array, wanted: int) -> Array:
        """`taken` and, in this order, rows that are near none of the batch, `wanted` in all."""
        order = order[~np.isin(order, taken)]
        while len(taken) < wanted and len(order) > 0:
            look, order = np.split(order, [2 * (wanted - len(taken)) + 64])
            both = np.concatenate([taken, look])
            pairs, _ = all_pairs(name, some_rows(rows, both), threshold, metric, MOST_PAIRS, None)
            taken = both[keep_mask(pairs, len(both))][:wanted]
        return taken

    batch = apart(np.empty(0, np.int64), by_score, int(coverage * budget))
    candidates = np.flatnonzero(free)
    k = 4
    while len(batch) < budget and len(asked) > 0 and len(candidates) > 0:
        k = min(4 * k, MOST_NEIGHBOURS, len(candidates))
        batch = apart(batch, _near(name, rows.x, candidates, asked, k), budget)
        if k in (MOST_NEIGHBOURS, len(candidates)):
            break
    return apart(batch, by_score, budget)


def _near(name: str, x: Any, candidates: Array, asked: Any, k: int) -> Array:
    """Rows by their place among the neighbours of any failure, then by distance, then by row."""
    search = exact if _arrays.device(x) == "cpu" else exact_on_device
    found = search(name, take(x, candidates), asked, k, "euclidean")
    distances, indices = (_arrays.host(name, "neighbours", part) for part in found)
    place = np.broadcast_to(np.arange(k), indices.shape)
    order = np.lexsort((indices.ravel(), distances.ravel(), place.ravel()))
    near = candidates[indices.ravel()[order]]
    return np.asarray(near[np.sort(np.unique(near, return_index=True)[1])])


def _scores(name: str, scores: Any) -> Array:
    values = _arrays.host(name, "scores", _arrays.column(name, "scores", scores, "float64"))
    _arrays.check_shape(name, "scores", values, ("N",))
    values = _arrays.floats(name, scores=values)[0]
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise ValueError(f"{name}: scores must not be NaN, got NaN in row {row}")
    return np.asarray(values)


def _device_scores(name: str, values: Any) -> Any:
    """Checked scores of a device, for which the host waits."""
    _arrays.check_shape(name, "scores", values, ("N",))
    (values,) = _arrays.floats(name, scores=values)
    if bool((values != values).any()):
        _scores(name, values)  # names the row
    return values


def _failures(name: str, failures: Any, x: Any) -> tuple[Any, Array]:
    """(their embeddings, their rows of x)."""
    given = _arrays.column(name, "failures", failures)
    if len(given.shape) == 1:
        failed = np.unique(_columns.row_numbers(name, "failures", given, len(x)))
        return take(x, failed), failed
    asked = any_matrix(name, "failures", given)
    _arrays.one_device(name, x=x, failures=asked)
    if asked.shape[1] != x.shape[1]:
        shape = f"(F,) or (F, {x.shape[1]})"
        raise ValueError(f"{name}: failures must have shape {shape}, got {tuple(asked.shape)}")
    asked = _arrays.same_library(x, asked)
    return _arrays.cast(asked, _arrays.dtype_name(x)), np.empty(0, np.int64)


def _share(name: str, what: str, value: Any) -> float:
    """`value` as a float in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: {what} must be a number, got {value!r}")
    if not 0 <= value <= 1:
        raise ValueError(f"{name}: {what} must be 0 to 1, got {value}")
    return float(value)
