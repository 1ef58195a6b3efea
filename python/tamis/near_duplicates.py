"""Near-duplicate rows: all pairs within a distance, which rows to keep, and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tamis import _arrays, _columns, _core, _knn_cuda
from tamis._knn_search import (
    Rows,
    TooManyPairs,
    centred_rows,
    make_rows,
    matrix,
    nearest,
    nearest_cosine,
    within,
    within_cosine,
)
from tamis._progress import Progress
from tamis._results import Result

Array = npt.NDArray[Any]
MOST_PAIRS = 100_000_000
MOST_THRESHOLD = 1e153  # its square is finite, and no distance is larger
CLOSE = 1e-6  # thresholds of a bisection, by their size, that are taken for equal
KEEP_BLOCK = 2048  # rows decided together where there are too many pairs to hold


@dataclass(frozen=True, eq=False, repr=False)
class NearDuplicates(Result):
    """The outcome of `near_duplicates`; every array holds row numbers of `x`, ascending.

    Attributes
    ----------
    keep : (K,) int64
        Rows that no earlier kept row is within the threshold of.
    duplicates : (N - K,) int64
        All others.
    keeper : (N - K,) int64
        For each duplicate the nearest kept row (the lower one if equally near), and its
    keeper_distance : (N - K,) float64
    pairs : (P, 2) int64
        All pairs within the threshold, left < right, and their
    distances : (P,) float64
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


def near_duplicates(
    x: Any,
    *,
    threshold: float | Literal["auto"] = 0.2,
    metric: Literal["cosine", "euclidean"] = "cosine",
    image_index: Any = None,
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
        Largest distance of near-duplicates, included. Default 0.2, which is Brain's and much for
        many models: "auto" takes that of `tamis.duplicate_threshold`.
    metric : {"cosine", "euclidean"}
        Default "cosine": one minus the cosine of the rows less their mean, as FiftyOne Brain
        measures it.
    image_index : (N,) array or list, optional
        Rows are patches of these images, named by numbers or strings; patches of one image are
        never each other's duplicates.
    max_pairs : int
        More pairs than this raise; they would take 24 bytes each. Default 100,000,000.
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
    Exact and complete. Time as `tamis.knn`, less its exact distances; peak memory beyond `x`:
    ``N * (D + 330) + 48 * pairs`` bytes. By cosine a row at the mean is at 1 from all but its
    copies. CUDA arrays are searched on their device, for which the host waits; the pairs come to
    the host. Source: `find_duplicates` of fiftyone-brain 0.25.0, whose
    distances to the keepers are not those of the metric; these are.
    """
    if isinstance(threshold, str) and threshold == "auto":
        from tamis.embeddings.duplicate_threshold import duplicate_threshold

        threshold = duplicate_threshold(x, metric=metric, progress=progress).threshold
    check_search("near_duplicates", threshold, metric, max_pairs)
    x = any_matrix("near_duplicates", "x", x)
    n, image = len(x), None
    if image_index is not None:
        image = _columns.codes("near_duplicates", "image_index", image_index, n)
    rows = searched_rows("near_duplicates", x, metric)
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
    kept = keep_mask(pairs, n)
    keep, duplicates = np.flatnonzero(kept), np.flatnonzero(~kept)
    keeper, keeper_distance = _nearest_keeper(pairs, distances, kept)
    group = np.empty(n, np.int64)
    _core.group_pairs(pairs, group)
    return NearDuplicates(
        keep, duplicates, keeper[duplicates], keeper_distance[duplicates], pairs, distances, group
    )


def find_unique(
    x: Any,
    count: int,
    *,
    metric: Literal["cosine", "euclidean"] = "cosine",
    progress: Progress = None,
) -> Array:
    """About `count` rows, none near another, by Brain's bisection for the threshold.

    Parameters
    ----------
    x : (N, D) array
        Embeddings, as for `near_duplicates`.
    count : int
        Rows wanted. None for 0 and less, all for N and more. With ties no threshold may keep just
        so many; then the last step's rows come back, as in Brain.
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
    Some 10 to 25 thresholds; one radius search serves all below its own. Thresholds that would
    give more than 100,000,000 pairs compare rows with the kept ones only. Source: `find_unique` of
    fiftyone-brain 0.25.0, which gives up where thresholds are 1e-6 apart; here that is measured
    by their size.
    """
    _arrays.check_integer("find_unique", "count", count)
    check_search("find_unique", 1.0, metric)
    rows = searched_rows("find_unique", any_matrix("find_unique", "x", x), metric)
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
        if threshold in (low, high):  # as fine as floats are; Brain would go on for ever
            return keep


class Searched:
    """The kept rows at one threshold after another, from one set of pairs while it serves."""

    def __init__(self, rows: Any, metric: str, progress: Progress) -> None:
        self.rows, self.metric, self.progress = rows, metric, progress
        self.radius, self.too_far = -1.0, np.inf
        self.pairs, self.distances = np.empty((0, 2), np.int64), np.empty(0)

    def keep(self, threshold: float) -> Array:
        if threshold > self.radius and threshold < self.too_far:
            try:
                self.pairs, self.distances = all_pairs(
                    "find_unique", self.rows, threshold, self.metric, MOST_PAIRS, self.progress
                )
                self.radius = threshold
            except TooManyPairs:
                self.too_far = threshold
        if threshold > self.radius:
            return keep_by_blocks(self.rows, threshold, self.metric)
        near = np.ascontiguousarray(self.pairs[self.distances <= threshold])
        return np.flatnonzero(keep_mask(near, len(self.rows.x)))


def any_matrix(function: str, name: str, x: Any) -> Any:
    """`x` checked, on the host as NumPy, or on its device."""
    if _arrays.device(_arrays.as_array(function, name, x)) == "cpu":
        return matrix(function, name, x)
    return _knn_cuda.device_matrix(function, name, x)


def searched_rows(function: str, x: Any, metric: str) -> Any:
    """Checked rows of a radius search, where `x` lives; for cosine about their mean."""
    if _arrays.device(x) != "cpu":
        if metric == "cosine":
            return _knn_cuda.centred_rows(function, x=x)[0]
        return _knn_cuda.make_rows(function, "x", x, cosine=False)
    if metric == "cosine":
        return centred_rows(function, x=x)[0]
    return make_rows(function, "x", x, cosine=False)


def check_search(function: str, threshold: float, metric: str, max_pairs: int = MOST_PAIRS) -> None:
    """Raise unless these describe a radius search."""
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"{function}: metric must be cosine or euclidean, got {metric!r}")
    if isinstance(threshold, bool) or not isinstance(
        threshold, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"{function}: threshold must be a number, got {threshold!r}")
    if isinstance(threshold, np.floating):
        threshold = float(threshold)
    if not 0 <= threshold <= MOST_THRESHOLD:
        wanted = "0 or more" if threshold < 0 else f"a finite number of at most {MOST_THRESHOLD:g}"
        raise ValueError(f"{function}: threshold must be {wanted}, got {threshold}")
    _arrays.check_integer(function, "max_pairs", max_pairs)
    if max_pairs < 0:
        raise ValueError(f"{function}: max_pairs must be 0 or more, got {max_pairs}")


def all_pairs(
    function: str, rows: Any, threshold: float, metric: str, most: int, progress: Progress
) -> tuple[Array, Array]:
    """(pairs, distances) within the threshold, on the host."""
    if isinstance(rows, _knn_cuda.DeviceRows):
        radius = 2 * threshold if metric == "cosine" else float(threshold) ** 2
        pairs, keys = _knn_cuda.within(
            rows, None, radius, progress=progress, title=function, most_pairs=most
        )
        return pairs, 0.5 * keys if metric == "cosine" else np.sqrt(keys)
    if metric == "cosine":
        return within_cosine(rows, threshold, progress=progress, title=function, most_pairs=most)
    pairs, keys = within(
        rows, None, float(threshold) ** 2, progress=progress, title=function, most_pairs=most
    )
    return pairs, np.sqrt(keys)


def keep_mask(pairs: Array, n: int) -> Array:
    """(n,) bool by Brain's rule."""
    keep = np.ones(n, np.uint8)
    _core.greedy_keep(np.ascontiguousarray(pairs), keep)
    return keep.view(bool)


def keep_by_blocks(rows: Any, threshold: float, metric: str) -> Array:
    """The kept rows without the pairs: each block against those kept so far, then itself."""
    kept = np.empty(0, np.int64)
    for begin in range(0, len(rows.x), KEEP_BLOCK):
        block = np.arange(begin, min(len(rows.x), begin + KEEP_BLOCK))
        if len(kept) > 0:
            far = nearest_distance(some_rows(rows, kept), some_rows(rows, block), metric)
            block = block[far > threshold]
        pairs, _ = all_pairs(
            "find_unique", some_rows(rows, block), threshold, metric, MOST_PAIRS, None
        )
        kept = np.concatenate([kept, block[keep_mask(pairs, len(block))]])
    return kept


def nearest_distance(keepers: Any, asked: Any, metric: str) -> Array:
    """(n,) how far the nearest keeper is from each row asked about, on the host."""
    if isinstance(keepers, _knn_cuda.DeviceRows):
        told = _knn_cuda.TOLD_OF[metric]
        far = _arrays.host("", "", _knn_cuda.nearest(keepers, asked, 1, told=told)[0])
    elif metric == "cosine":
        far = nearest_cosine(keepers, asked, 1, progress=None, title="")[0]
    else:
        far = np.sqrt(nearest(keepers, asked, 1, dots=False, progress=None, title="")[0])
    return np.asarray(far[:, 0])


def take(x: Any, which: Array) -> Any:
    """Rows of `x` by numbers of the host, where `x` lives."""
    if _arrays.device(x) == "cpu":
        return np.ascontiguousarray(x[which])
    return x[_arrays.from_host(x, which)]


def some_rows(rows: Any, which: Array) -> Any:
    x = take(rows.x, which)
    if isinstance(rows, _knn_cuda.DeviceRows):
        if rows.scale is None:
            return _knn_cuda.DeviceRows(x, rows.largest)
        scale = take(rows.scale, which)
        return _knn_cuda.DeviceRows(x, rows.largest, scale, rows.offset, int((scale == 0).sum()))
    if rows.scale is None:
        return Rows(x, rows.largest)
    scale = rows.scale[which]
    return Rows(x, rows.largest, scale, rows.offset, np.flatnonzero(~np.isfinite(scale)))


def _nearest_keeper(pairs: Array, distances: Array, kept: Array) -> tuple[Array, Array]:
    """For every row the nearest kept row it is paired with (-1: none), and how far that is."""
    keeper, apart = np.full(len(kept), -1), np.full(len(kept), np.nan)
    _core.nearest_kept(pairs, distances, kept.view(np.uint8), keeper, apart)
    return keeper, apart
