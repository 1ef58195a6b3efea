"""Exact neighbours on the host and on a device, and the metrics they are measured in."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings import knn_cuda
from tamis.embeddings.knn_pass import are_few, nearest_of_few
from tamis.embeddings.knn_search import (
    Rows,
    make_rows,
    nearest,
    nearest_cosine,
)

FLOAT32_MAX = float(np.finfo(np.float32).max)
Metric = Literal["euclidean", "sqeuclidean", "cosine", "inner_product"]


def exact_on_device(
    function: str,
    x: Any,
    queries: Any,
    k: int,
    metric: Metric,
    exclude_self: bool = True,
    progress: Progress = None,
) -> tuple[Any, Any]:
    """`knn` on checked matrices on a device."""
    cosine = metric == "cosine"
    rows = knn_cuda.make_rows(function, "x", x, cosine=cosine)
    asked = None
    if queries is not None:
        asked = knn_cuda.make_rows(function, "queries", queries, cosine=cosine)
    distances, indices = knn_cuda.nearest(
        rows,
        asked,
        k,
        output=knn_cuda.OUTPUT_OF[metric],
        without_self=exclude_self,
        progress=progress,
        title=function,
    )
    distances = arrays.cast(distances, arrays.dtype_name(x))
    largest = rows.largest + (rows.largest if asked is None else asked.largest)
    if largest**2 > FLOAT32_MAX and bool((abs(distances) > FLOAT32_MAX).any()):
        _refuse_infinite(function, metric)
    return distances, indices


def _refuse_infinite(function: str, metric: str) -> None:
    raise ValueError(
        f"{function}: x has rows whose {metric} is beyond float32: pass float64 rows, or use metric"
        " 'euclidean' or 'cosine'"
    )


def exact(
    function: str,
    x: Array,
    queries: Array | None,
    k: int,
    metric: Metric,
    exclude_self: bool = True,
    progress: Progress = None,
) -> tuple[Array, Array]:
    """`knn` on checked host matrices."""
    cosine = metric == "cosine"
    dtype = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    if queries is not None and are_few(x, queries):
        found = nearest_of_few(x, queries, k, metric, progress, function)
        if found is not None:
            return output_of(function, found[0], metric, dtype), found[1]
    rows = make_rows(function, "x", x, cosine=cosine)
    asked = None
    if queries is not None:
        asked = make_rows(function, "queries", queries, cosine=cosine)
    itself = queries is None and not exclude_self
    wanted = max(0, min(k, len(x) - 1)) if itself else k
    keys, indices = nearest_by(metric, rows, asked, wanted, progress=progress, title=function)
    if itself:
        keys, indices = _with_itself(rows, keys, indices, metric, k)
    return output_of(function, keys, metric, dtype), indices


def nearest_by(
    metric: Metric, rows: Rows, asked: Rows | None, k: int, *, progress: Progress, title: str
) -> tuple[Array, Array]:
    """(keys, indices) of the nearest; `output_of` makes distances or products of the keys."""
    if metric == "cosine":
        return nearest_cosine(rows, asked, k, progress=progress, title=title)
    dots = metric == "inner_product"
    return nearest(rows, asked, k, dots=dots, progress=progress, title=title)


def output_of(function: str, keys: Array, metric: Metric, dtype: np.dtype[Any]) -> Array:
    """Keys of a search, which are written over, as distances or products of the type of x."""
    if metric == "euclidean":
        np.sqrt(keys, out=keys)
    elif metric == "inner_product":
        np.negative(keys, out=keys)
    if dtype == np.float32 and np.abs(keys).max(initial=0) > FLOAT32_MAX:
        _refuse_infinite(function, metric)
    return keys.astype(dtype, copy=False)


def _with_itself(
    rows: Rows, keys: Array, indices: Array, metric: Metric, k: int
) -> tuple[Array, Array]:
    """Each row put among its neighbours, where its key and index belong; the first `k` of them."""
    n = len(rows.x)
    own = np.zeros((n, 1))
    if metric == "inner_product":
        wide = rows.x.astype(np.float64)
        own = -np.einsum("nd,nd->n", wide, wide)[:, None]
    keys = np.concatenate([keys, own], axis=1)
    indices = np.concatenate([indices, np.arange(n)[:, None]], axis=1)
    order = np.lexsort((indices, keys), axis=1)[:, :k]
    return np.take_along_axis(keys, order, 1), np.take_along_axis(indices, order, 1)
