"""Nearest neighbours: exact, or by a faiss index with its recall measured."""

from __future__ import annotations

from typing import Any, Literal, overload

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.typed import AnyArray, Host, Int64, T
from tamis.embeddings import knn_cuda
from tamis.embeddings.knn_exact import Metric, exact, exact_on_device
from tamis.embeddings.knn_search import (
    METRICS,
    check_k,
    matrix,
)


@overload
def knn(  # type: ignore[overload-overlap]
    x: Host,
    k: int,
    *,
    queries: AnyArray | None = None,
    metric: Metric = "euclidean",
    exclude_self: bool = True,
    method: Any = "exact",
    recall_sample: Literal[0] = 0,
    progress: Progress = None,
) -> tuple[Array, Int64]: ...
@overload
def knn(
    x: Host,
    k: int,
    *,
    queries: AnyArray | None = None,
    metric: Metric = "euclidean",
    exclude_self: bool = True,
    method: Any = "exact",
    recall_sample: int,
    progress: Progress = None,
) -> tuple[Array, Int64, float]: ...
@overload
def knn(  # type: ignore[overload-overlap]
    x: T,
    k: int,
    *,
    queries: AnyArray | None = None,
    metric: Metric = "euclidean",
    exclude_self: bool = True,
    method: Any = "exact",
    recall_sample: Literal[0] = 0,
    progress: Progress = None,
) -> tuple[T, T]: ...
@overload
def knn(
    x: T,
    k: int,
    *,
    queries: AnyArray | None = None,
    metric: Metric = "euclidean",
    exclude_self: bool = True,
    method: Any = "exact",
    recall_sample: int,
    progress: Progress = None,
) -> tuple[T, T, float]: ...
def knn(
    x: Any,
    k: int,
    *,
    queries: Any = None,
    metric: Metric = "euclidean",
    exclude_self: bool = True,
    method: Any = "exact",
    recall_sample: int = 0,
    progress: Progress = None,
) -> tuple[Any, Any] | tuple[Any, Any, float]:
    """The `k` nearest rows of `x` for each of its rows, or for each row of `queries`.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64; NumPy (also `np.memmap`), PyTorch or anything with
        DLPack or the buffer protocol. Read where it lies when it is C-contiguous and float32,
        float64, or on the host and without `queries` float16; else copied once.
    k : int
        1 to 1024, and at most N (N - 1 in a self search without the row itself).
    queries : (M, D) array, optional
        Same dtype as `x`. Default: search among the rows of `x`.
    metric : {"euclidean", "sqeuclidean", "cosine", "inner_product"}
        "cosine" is ``1 - cos``, 1 where one of the rows is zero and 0 where both are;
        "inner_product" gives the largest products first.
    exclude_self : bool
        Self search only: False counts a row among its own neighbours.
    method : "exact", str or faiss index
        A faiss factory string (``"HNSW16"``, ``"IVF1024,Flat"``) builds that index; an index object
        is used as it is, or filled with `x` when empty. Answers are then approximate. This needs
        ``pip install faiss-cpu``; CUDA arrays need ``pip install faiss-gpu`` and an index that
        faiss supports on GPUs (``"IVF1024,Flat"``, ``"IVF1024,PQ32"``); an index object must be on
        the device of `x`. If the index finds fewer than `k`, the rest are index -1 and infinite
        distance (minus infinity for products).
    recall_sample : int
        With a faiss method: number of rows on which the recall is measured against the exact
        result; it is then returned too.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar (tqdm if it is installed).

    Returns
    -------
    distances : (M, k) array
        Ascending (inner products descending); float64 for float64 input, else float32. In the
        library of `x`.
    indices : (M, k) int64 array
        Equal distances (as float64 sees them) go to the lower index first.
    recall : float
        Only with `recall_sample`.

    Raises
    ------
    ValueError, TypeError
        For shapes, dtypes, `k` or `metric` that do not fit, and for NaN or infinity, naming the
        first such row; for float32 rows whose squared distances or products float32 cannot hold.
    tamis.CudaUnavailable
        For CUDA arrays where tamis was built without its CUDA part.

    Notes
    -----
    Exact: every distance that matters is computed in float64 from the rows, and the rest is
    excluded by lower bounds. So the result is bit-identical for any number of threads and on any
    CPU.

    Time is that of N * M / 2 (self) int8 dot products on clustered data, and never more than that
    of float32 ones; up to 8 queries (32 where `x` is float32 of 256 columns or more) cost one pass
    over the rows of `x`. Peak memory beyond `x`: at most ``N * (D + 330 + 28 k)`` bytes plus 6 MB a
    thread. A memory-mapped `x` may be larger than memory: for each row, about 50 rows are read
    again from random places on the disk.

    CUDA arrays (PyTorch, CuPy) are searched on their device, with a bit-identical result. The host
    waits once per matrix, to check that it is finite; the search is queued on the caller's current
    stream (with `progress` the host waits for each part of it). Its time is that of N * M float16
    dot products. Memory beyond `x`: ``2 * N * D`` bytes for a float16 copy, 24 bytes per row and
    result, and 150 MB of scratch, up to 530 MB for a large `k`. Each row with more than about ``3 *
    k`` (at least 250) rows as near as its neighbours, such as exact copies, is compared with all
    rows in float64. A faiss index reads the rows on the device, on the caller's stream; faiss
    itself may wait for the device.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]], np.float32)
    >>> distances, indices = tamis.knn(x, 1)
    >>> indices.ravel()
    array([1, 0, 1])
    """
    _check(k, metric, method)
    exclude_self = arrays.check_flag("knn", "exclude_self", exclude_self)
    recall_sample = arrays.check_integer("knn", "recall_sample", recall_sample, 0)
    like = arrays.as_array("knn", "x", x)
    if arrays.device(like) != "cpu":
        return _on_device(like, k, queries, metric, exclude_self, method, recall_sample, progress)
    rows = matrix("knn", "x", x, keep_float16=queries is None and _is_exact(method))
    asked = None if queries is None else matrix("knn", "queries", queries)
    _check_fit(rows, asked, k, exclude_self)
    if not _is_exact(method):
        found = _approximate(rows, asked, k, metric, method, recall_sample, exclude_self)
        return (*_give(like, *found[:2]), *found[2:])
    distances, indices = exact("knn", rows, asked, k, metric, exclude_self, progress)
    return _give(like, distances, indices)


def _is_exact(method: Any) -> bool:
    return isinstance(method, str) and method == "exact"


def _approximate(*arguments: Any) -> tuple[Any, Any] | tuple[Any, Any, float]:
    """(distances, indices), and the recall where it was asked for."""
    from tamis.embeddings.knn_faiss import approximate

    distances, indices, recall = approximate(*arguments)
    return (distances, indices) if recall is None else (distances, indices, recall)


def _on_device(
    x: Any,
    k: int,
    queries: Any,
    metric: Metric,
    exclude_self: bool,
    method: Any,
    recall_sample: int,
    progress: Progress,
) -> tuple[Any, Any] | tuple[Any, Any, float]:
    """`knn` of CUDA arrays."""
    x = knn_cuda.device_matrix("knn", "x", x)
    asked = None
    if queries is not None:
        queries = arrays.as_array("knn", "queries", queries)
        arrays.one_device("knn", x=x, queries=queries)
        asked = knn_cuda.device_matrix("knn", "queries", arrays.same_library(x, queries))
    _check_fit(x, asked, k, exclude_self)
    if not _is_exact(method):
        return _approximate(x, asked, k, metric, method, recall_sample, exclude_self)
    return exact_on_device("knn", x, asked, k, metric, exclude_self, progress)


def _check(k: int, metric: str, method: Any) -> None:
    if not arrays.one_of(metric, METRICS):
        raise ValueError(f"knn: metric must be one of {', '.join(METRICS)}, got {metric!r}")
    check_k("knn", k)
    if not isinstance(method, str) and not hasattr(method, "metric_type"):
        raise TypeError(
            "knn: method must be 'exact', a faiss factory string or a faiss index,"
            f" got {type(method).__name__}"
        )


def _check_fit(x: Any, queries: Any, k: int, exclude_self: bool) -> None:
    if queries is not None and queries.shape[1] != x.shape[1]:
        raise ValueError(
            f"knn: queries must have shape (M, {x.shape[1]}), got {tuple(queries.shape)}"
        )
    if queries is not None and queries.dtype != x.dtype:
        names = arrays.dtype_name(x), arrays.dtype_name(queries)
        raise TypeError(f"knn: queries must be {names[0]} as x is, got {names[1]}")
    most = len(x) - (queries is None and exclude_self)
    empty = len(x) == 0 if queries is None else len(queries) == 0
    if k > most and not empty:
        raise ValueError(f"knn: k must be at most {most} for {len(x)} rows, got {k}")


def _give(like: Any, distances: Array, indices: Array) -> tuple[Any, Any]:
    """The arrays in the library of `like`."""
    if arrays.library(like) != "torch":
        return distances, indices
    import torch

    return torch.from_numpy(distances), torch.from_numpy(indices)
