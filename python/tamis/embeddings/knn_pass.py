"""Neighbours of a few queries in one pass over the rows, of which nothing is made ready."""

from __future__ import annotations

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis.embeddings.knn_search import LARGEST, SMALLEST

FEW, FEW_WIDE, WIDE = 8, 32, 256  # queries up to which a pass is faster; more for wide float32 rows
VALUES = 2**27  # of the rows read between two reports


def are_few(x: Array, queries: Array) -> bool:
    """Whether one pass answers the queries sooner than other searches are ready."""
    wide = x.dtype == np.float32 and x.shape[1] >= WIDE
    return 0 < len(queries) <= (FEW_WIDE if wide else FEW)


def nearest_of_few(
    x: Array, queries: Array, k: int, metric: str, progress: Progress, title: str
) -> tuple[Array, Array] | None:
    """(keys, indices) as `nearest` and `nearest_cosine` have them, of checked matrices.

    None for values that the other searches take in their own way or name in an error.
    """
    norms = np.empty(len(queries))
    odd = _core.knn_scan(queries, None, norms, None) >= 0
    if odd or ((x.dtype == np.float64 or metric == "cosine") and not _plain(norms)):
        return None
    scale = 1 / norms if metric == "cosine" else None
    dots = metric == "inner_product"
    found = _core.KnnPass(x=x, queries=queries, query_scale=scale, k=k, dots=dots)
    report = reporter(progress, title)
    size = max(1, VALUES // x.shape[1])
    for begin in range(0, len(x), size):
        end = min(len(x), begin + size)
        if not found.run(begin, end):
            return None
        report(end, len(x))
    keys, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    found.write_neighbours(keys, indices)
    if metric == "cosine":
        keys *= 0.5
    return keys, indices


def _plain(norms: Array) -> bool:
    """Norms of rows that have a direction, and whose squares are safe."""
    return bool(norms.min() >= SMALLEST and norms.max() <= LARGEST)
