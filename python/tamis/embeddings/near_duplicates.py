"""Near-duplicate rows: all pairs within a distance, which rows to keep, and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamis import _core
from tamis._shared import arrays, row_columns
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.embeddings.knn_pairs import (
    MOST_PAIRS,
    Searched,
    all_pairs,
    any_matrix,
    check_search,
    keep_mask,
    searched_rows,
)
from tamis.embeddings.knn_search import (
    TooManyPairs,
)

CLOSE = 1e-6  # thresholds of a bisection, by their size, that are taken for equal


@dataclass(frozen=True, eq=False, repr=False)
class NearDuplicates(Result):
    """The outcome of `near_duplicates`; every array holds row numbers of `x`, ascending.

    Attributes
    ----------
    keep : (K,) int64
        Rows with no earlier kept row within the threshold.
    duplicates : (N - K,) int64
        All others.
    keeper : (N - K,) int64
        For each duplicate, the nearest kept row (lowest index on ties).
    keeper_distance : (N - K,) float64
        The distance to it.
    pairs : (P, 2) int64
        All pairs within the threshold, left < right.
    distances : (P,) float64
        The distance of each pair.
    group : (N,) int64
        The first row of the connected group a row is in; itself if it has no near-duplicate.
    """

    keep: Array
    duplicates: Array
    keeper: Array
    keeper_distance: Array
    pairs: Array
    distances: Array
    group: Array

    def _columns(self) -> dict[str, Any]:
        return {
            "row": self.duplicates,
            "keeper": self.keeper,
            "distance": self.keeper_distance,
        }


def near_duplicates(
    x: AnyArray,
    *,
    threshold: float | Literal["auto"] = 0.2,
    metric: Literal["cosine", "euclidean"] = "cosine",
    image_index: AnyColumn | None = None,
    max_pairs: int = MOST_PAIRS,
    progress: Progress = None,
) -> NearDuplicates:
    """Rows that nearly repeat an earlier one.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, DLPack
        or buffer.
    threshold : float or "auto"
        Largest distance of near-duplicates, inclusive. Default 0.2, FiftyOne Brain's, which is too
        large for many models; "auto" takes that of `tamis.duplicate_threshold`.
    metric : {"cosine", "euclidean"}
        Default "cosine": one minus the cosine of the rows minus their mean, as FiftyOne Brain
        measures it.
    image_index : (N,) array or list, optional
        Rows are patches of these images, named by numbers or strings; patches of one image are
        never each other's duplicates.
    max_pairs : int
        More pairs than this raise an error; each would take 24 bytes. Default 100,000,000.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.

    Returns
    -------
    NearDuplicates
        Rows to keep by Brain's rule (in order, a kept row drops all later ones within the
        threshold), every pair, and groups.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, more than `max_pairs` pairs, and for NaN or infinity, naming
        the first such row.

    Notes
    -----
    Exact and complete. Time: that of `tamis.knn` without its exact distances; peak memory beyond
    `x`: ``N * (D + 330) + 48 * pairs`` bytes. With cosine, a row at the mean has distance 1 from
    all rows except its copies. CUDA arrays are searched on their device, and the host waits for the
    pairs, which are copied to it. Source: `find_duplicates` of fiftyone-brain 0.25.0, whose
    distances to the keepers are not those of the metric, as they are here.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.001]], np.float32)
    >>> tamis.near_duplicates(x, threshold=0.01).duplicates
    array([2])
    """
    if isinstance(threshold, str) and threshold == "auto":
        from tamis.embeddings.duplicate_threshold import duplicate_threshold

        threshold = duplicate_threshold(x, metric=metric, progress=progress).threshold
    check_search("near_duplicates", threshold, metric, max_pairs)
    given = any_matrix("near_duplicates", "x", x, keep_float16=True)
    n, image = len(given), None
    if image_index is not None:
        image = row_columns.codes("near_duplicates", "image_index", image_index, n)
    rows = searched_rows("near_duplicates", given, metric)
    try:
        pairs, distances = all_pairs(
            "near_duplicates", rows, threshold, metric, max_pairs, progress
        )
    except TooManyPairs:
        raise ValueError(
            f"near_duplicates: more than {max_pairs} pairs (max_pairs) are within threshold"
            f" {threshold}; find_unique needs no pairs"
        ) from None
    if image is not None:
        apart = image[pairs[:, 0]] != image[pairs[:, 1]]
        pairs, distances = np.ascontiguousarray(pairs[apart]), distances[apart]
    return of_pairs(pairs, distances, n)


def of_pairs(pairs: Array, distances: Array, n: int) -> NearDuplicates:
    """What all pairs within a threshold, ascending, say of n rows."""
    kept = keep_mask(pairs, n)
    keep, duplicates = np.flatnonzero(kept), np.flatnonzero(~kept)
    keeper, keeper_distance = _nearest_keeper(pairs, distances, kept)
    group = np.empty(n, np.int64)
    _core.group_pairs(pairs, group)
    return NearDuplicates(
        keep, duplicates, keeper[duplicates], keeper_distance[duplicates], pairs, distances, group
    )


def find_unique(
    x: AnyArray,
    count: int,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
    progress: Progress = None,
) -> Array:
    """About `count` rows without near-duplicates, by Brain's bisection of the threshold.

    Parameters
    ----------
    x : (N, D) array
        Embeddings, as for `near_duplicates`.
    count : int
        Rows wanted. 0 or less returns no rows, N or more returns all. With ties, no threshold may
        keep exactly `count` rows; the rows of the last step are then returned, as in Brain.
    metric : {"cosine", "euclidean"}
        As for `near_duplicates`.
    progress : bool or callable, optional
        Of each radius search.

    Returns
    -------
    (about count,) int64 array, ascending.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    About 10 to 25 thresholds are tried; one radius search serves all smaller ones. At thresholds
    with more than 100,000,000 pairs, rows are compared with the kept ones only. Source:
    `find_unique` of fiftyone-brain 0.25.0, which stops when thresholds are 1e-6 apart; here the
    difference is relative to their size.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.001]], np.float32)
    >>> tamis.find_unique(x, 2)
    array([0, 1])
    """
    count = arrays.check_integer("find_unique", "count", count)
    check_search("find_unique", 1.0, metric)
    given = any_matrix("find_unique", "x", x, keep_float16=True)
    rows = searched_rows("find_unique", given, metric)
    n = len(rows.x)
    if count <= 0:
        return np.empty(0, np.int64)
    if count >= n:
        return np.arange(n)
    searched = Searched(rows, metric, progress)
    low, high, threshold, last = 0.0, np.inf, 1.0, -1
    start: float | None = None  # the first threshold that kept too few
    while True:
        keep = searched.keep(threshold)
        if len(keep) == count or (len(keep) == last and high - low < CLOSE * min(1, high)):
            return keep
        last = len(keep)
        if last < count:
            high = threshold
            start = high if start is None else start
            if low == 0 and high < CLOSE * start:
                start = 0.0
                distinct = searched.keep(0.0)
                if len(distinct) <= count:  # no threshold keeps more
                    return distinct
        else:
            low = threshold
        threshold = (low + high) / 2 if np.isfinite(high) else 2 * low
        if threshold in (low, high):  # as fine as floats are; Brain would go on forever
            return keep


def _nearest_keeper(pairs: Array, distances: Array, kept: Array) -> tuple[Array, Array]:
    """For every row the nearest kept row it is paired with (-1: none), and how far that is."""
    keeper, apart = np.full(len(kept), -1), np.full(len(kept), np.nan)
    _core.nearest_kept(pairs, distances, kept.view(np.uint8), keeper, apart)
    return keeper, apart
