"""All pairs of rows within a threshold, and which rows to keep."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings import knn_cuda
from tamis.embeddings.knn_index_rows import share_index
from tamis.embeddings.knn_search import (
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

MOST_PAIRS = 100_000_000
MOST_THRESHOLD = 1e153  # its square is finite, and no distance is larger
KEEP_BLOCK = 2048  # rows decided together where there are too many pairs to hold


class Searched:
    """The kept rows at a series of thresholds, from one set of pairs while it suffices."""

    def __init__(self, rows: Any, metric: str, progress: Progress) -> None:
        self.rows, self.metric, self.progress = rows, metric, progress
        self.radius, self.too_far = -1.0, np.inf
        self.searched = self.shared = False
        self.pairs, self.distances = np.empty((0, 2), np.int64), np.empty(0)

    def keep(self, threshold: float) -> Array:
        if threshold > self.radius and threshold < self.too_far:
            self._prepare()
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

    def _prepare(self) -> None:
        """From the second search on, the rows have an index."""
        if self.searched and not self.shared and isinstance(self.rows, Rows):
            share_index(self.rows)
            self.shared = True
        self.searched = True


def any_matrix(function: str, name: str, x: Any, *, keep_float16: bool = False) -> Any:
    """`x` checked, on the host as NumPy or on its device; float16 widened, or not."""
    if arrays.device(arrays.as_array(function, name, x)) == "cpu":
        return matrix(function, name, x, keep_float16=keep_float16)
    return knn_cuda.device_matrix(function, name, x)


def searched_rows(function: str, x: Any, metric: str) -> Any:
    """Checked rows of a radius search, where `x` lives; for cosine about their mean."""
    if arrays.device(x) != "cpu":
        if metric == "cosine":
            return knn_cuda.centred_rows(function, x=x)[0]
        return knn_cuda.make_rows(function, "x", x, cosine=False)
    if metric == "cosine":
        return centred_rows(function, x=x)[0]
    return make_rows(function, "x", x, cosine=False)


def check_search(function: str, threshold: float, metric: str, max_pairs: int = MOST_PAIRS) -> None:
    """Raise unless these describe a radius search."""
    if not arrays.one_of(metric, ("cosine", "euclidean")):
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
    max_pairs = arrays.check_integer(function, "max_pairs", max_pairs)
    if max_pairs < 0:
        raise ValueError(f"{function}: max_pairs must be 0 or more, got {max_pairs}")


def all_pairs(
    function: str, rows: Any, threshold: float, metric: str, most: int, progress: Progress
) -> tuple[Array, Array]:
    """(pairs, distances) within the threshold, on the host."""
    if isinstance(rows, knn_cuda.DeviceRows):
        radius = 2 * threshold if metric == "cosine" else float(threshold) ** 2
        pairs, keys = knn_cuda.within(
            rows, None, radius, progress=progress, title=function, most_pairs=most
        )
        return pairs, 0.5 * keys if metric == "cosine" else np.sqrt(keys)
    if metric == "cosine":
        return within_cosine(rows, threshold, progress=progress, title=function, most_pairs=most)
    pairs, keys = within(
        rows, None, float(threshold) ** 2, progress=progress, title=function, most_pairs=most
    )
    return pairs, np.sqrt(keys)


def pairs_in_lists(
    function: str, rows: Any, far: Array, near: Array, threshold: float, metric: str
) -> tuple[Array, Array]:
    """`all_pairs` from lists of neighbours that are known.

    A pair is missing only if the lists of both rows end within the threshold: such rows are
    searched among themselves.
    """
    n = len(far)
    left, at = np.nonzero(far <= threshold)
    pairs, distances = np.stack([left, near[left, at]], axis=1), far[left, at]
    full = np.flatnonzero(far[:, -1] <= threshold)
    if len(full) > 1 and far.shape[1] < n - 1:
        more, apart = all_pairs(
            function, some_rows(rows, full), threshold, metric, MOST_PAIRS, None
        )
        pairs, distances = np.concatenate([pairs, full[more]]), np.append(distances, apart)
    pairs.sort(axis=1)
    first = np.unique(pairs[:, 0] * n + pairs[:, 1], return_index=True)[1]
    return pairs[first], distances[first]


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


def take(x: Any, which: Array) -> Any:
    """Rows of `x`, by row numbers on the host, on the device of `x`."""
    if arrays.device(x) == "cpu":
        return np.ascontiguousarray(x[which])
    return x[arrays.from_host(x, which)]


def some_rows(rows: Any, which: Array) -> Any:
    x = take(rows.x, which)
    if isinstance(rows, knn_cuda.DeviceRows):
        if rows.scale is None:
            return knn_cuda.DeviceRows(x, rows.largest)
        scale = take(rows.scale, which)
        return knn_cuda.DeviceRows(x, rows.largest, scale, rows.offset, int((scale == 0).sum()))
    if rows.scale is None:
        return Rows(x, rows.largest)
    scale = rows.scale[which]
    return Rows(x, rows.largest, scale, rows.offset, np.flatnonzero(~np.isfinite(scale)))


def nearest_distance(
    keepers: Any, asked: Any, metric: str, progress: Progress = None, title: str = ""
) -> Array:
    """(n,) how far the nearest keeper is from each row asked about, on the host."""
    if isinstance(keepers, knn_cuda.DeviceRows):
        output = knn_cuda.OUTPUT_OF[metric]
        far = arrays.host("", "", knn_cuda.nearest(keepers, asked, 1, output=output)[0])
    elif metric == "cosine":
        far = nearest_cosine(keepers, asked, 1, progress=progress, title=title)[0]
    else:
        far = np.sqrt(nearest(keepers, asked, 1, dots=False, progress=progress, title=title)[0])
    return np.asarray(far[:, 0])
