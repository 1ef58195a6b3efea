"""Approximate neighbours by a faiss index, for data too large for exact search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis.embeddings import knn_cuda, knn_search

Array = Any  # NumPy's, or of the caller's library on its device
LARGEST = 1e18  # norms whose squares float32, in which faiss works, can hold


def approximate(
    x: Array,
    queries: Array | None,
    k: int,
    metric: str,
    method: Any,
    recall_sample: int,
    exclude_self: bool,
) -> tuple[Array, Array, float | None]:
    """(distances, indices, recall or None); see `tamis.knn`."""
    faiss = _module(x)
    _check("x", x)
    if queries is not None:
        _check("queries", queries)
    index = _index(faiss, x, metric, method)
    rows = _prepared("x", x, metric)
    asked = rows if queries is None else _prepared("queries", queries, metric)
    itself = queries is None and exclude_self
    with _errors_of_ours():
        _fill(index, rows)
        keys, indices = _search(index, asked, k + itself)
    _check_found(indices, len(x))
    keys[indices < 0] = -np.inf if metric in ("cosine", "inner_product") else np.inf
    if itself:
        keys, indices = _without_itself(keys, indices)
    distances = arrays.cast(_distances(keys, metric), arrays.dtype_name(x))
    recall = None
    if recall_sample > 0:
        recall = _recall(x, queries, k, metric, indices, recall_sample, itself)
    return distances, indices, recall


@contextmanager
def _errors_of_ours() -> Iterator[None]:
    """Re-raise faiss' errors with the name of the argument."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"knn: method must be an index that takes these rows: {said}") from error


def _check_found(indices: Array, n: int) -> None:
    """Raise if an index has its own numbers for the rows."""
    if len(indices) and not -1 <= int(indices.min()) <= int(indices.max()) < n:
        raise ValueError(
            f"knn: method must number the rows of x from 0 on, got row {int(indices.max())} of {n}"
        )


def _module(x: Array) -> Any:
    try:
        import faiss  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        package = "faiss-cpu" if arrays.device(x) == "cpu" else "faiss-gpu"
        raise ImportError(
            f"knn: method other than 'exact' needs faiss (pip install {package})"
        ) from None
    return faiss


def _check(name: str, x: Array) -> None:
    make_rows = knn_search.make_rows if arrays.device(x) == "cpu" else knn_cuda.make_rows
    largest = make_rows("knn", name, x, cosine=False).largest
    if largest > LARGEST:
        raise ValueError(
            f"knn: {name} must have norms of at most {LARGEST:g} for faiss, got {largest:g}"
        )


def _index(faiss: Any, x: Array, metric: str, method: Any) -> Any:
    """The index that `method` is or names, where `x` lives."""
    products = metric in ("cosine", "inner_product")
    index = method
    if isinstance(method, str):
        kind = faiss.METRIC_INNER_PRODUCT if products else faiss.METRIC_L2
        try:
            index = faiss.index_factory(x.shape[1], method, kind)
        except RuntimeError as error:
            raise ValueError(
                f"knn: method must be 'exact' or a faiss factory string, got {method!r}"
            ) from error
    if (index.metric_type == faiss.METRIC_INNER_PRODUCT) != products:
        raise ValueError(f"knn: method must be an index for metric {metric!r}, got another metric")
    if index.d != x.shape[1]:
        raise ValueError(f"knn: method must be an index of {x.shape[1]} dimensions, got {index.d}")
    if index.ntotal not in (0, len(x)):
        raise ValueError(
            f"knn: method: the faiss index must be empty or hold the {len(x)} rows of x,"
            f" but it holds {index.ntotal}"
        )
    ids = faiss.vector_to_array(index.id_map) if hasattr(index, "id_map") else np.arange(len(x))
    if index.ntotal > 0 and not np.array_equal(ids, np.arange(len(x))):
        raise ValueError("knn: method must number the rows of x from 0 on, got other numbers")
    return index if arrays.device(x) == "cpu" else _on_gpu(faiss, index, x, method)


def _on_gpu(faiss: Any, index: Any, x: Array, method: Any) -> Any:
    """The index on the device of `x`: moved there if it was made here, else it must be there."""
    where = arrays.device(x)
    number = int(where.partition(":")[2])
    wrong = (
        f"knn: method must be a kind of index that faiss has on GPUs, on {where} where x is,"
        f" got {method if isinstance(method, str) else type(method).__name__}"
    )
    if isinstance(method, str):
        if not hasattr(faiss, "StandardGpuResources"):
            raise ImportError(
                f"knn: method {method!r} for CUDA arrays needs faiss with GPU support, in place of"
                " faiss-cpu (pip install faiss-gpu)"
            )
        try:
            index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, index)
        except RuntimeError as error:
            raise ValueError(wrong) from error
    if not hasattr(index, "getDevice") or index.getDevice() != number:  # left on the host, too
        raise ValueError(wrong)
    return index


@contextmanager
def _queued(index: Any, x: Array) -> Iterator[None]:
    """Context in which faiss queues its work on the caller's current stream."""
    faiss = _module(x)
    resources, device = index.getResources(), index.getDevice()
    before = resources.getDefaultStream(device)
    with arrays.stream(x) as number:
        resources.setDefaultStream(device, faiss.cast_integer_to_cudastream_t(number))
        try:
            yield
        finally:
            resources.setDefaultStream(device, before)


def _pointer(x: Array) -> Any:
    """A pointer to device memory as faiss takes it."""
    faiss = _module(x)
    at = x.data_ptr() if arrays.library(x) == "torch" else x.data.ptr
    if arrays.dtype_name(x) == "float32":
        return faiss.cast_integer_to_float_ptr(at)
    return faiss.cast_integer_to_idx_t_ptr(at)


def _prepared(name: str, x: Array, metric: str) -> Array:
    rows = arrays.cast(x, "float32")
    if metric != "cosine":
        return rows
    if arrays.device(x) != "cpu":
        scale = knn_cuda.make_rows("knn", name, x, cosine=True).scale
        return rows * arrays.cast(scale, "float32")[:, None]
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def _fill(index: Any, rows: Array) -> None:
    """Put the rows into an index that has none."""
    if index.ntotal > 0:
        return
    if arrays.device(rows) == "cpu":
        if not index.is_trained:
            index.train(rows)
        index.add(rows)
        return
    with _queued(index, rows):
        if not index.is_trained:
            index.train_c(len(rows), _pointer(rows))
        index.add_c(len(rows), _pointer(rows))


def _search(index: Any, asked: Array, k: int) -> tuple[Array, Array]:
    if arrays.device(asked) == "cpu":
        keys, indices = index.search(asked, k)
        return keys, indices
    keys, indices = (arrays.empty(asked, (len(asked), k), t) for t in ("float32", "int64"))
    with _queued(index, asked):
        index.search_c(len(asked), _pointer(asked), k, _pointer(keys), _pointer(indices))
    return keys, indices


def _distances(keys: Array, metric: str) -> Array:
    if metric == "euclidean":
        return (keys * (keys > 0)) ** 0.5
    return 1 - keys if metric == "cosine" else keys


def _without_itself(keys: Array, indices: Array) -> tuple[Array, Array]:
    """Each row's own entry dropped, or its last one where the index did not find it."""
    n, wide = indices.shape
    rows, columns = (arrays.from_host(indices, np.arange(size)) for size in (n, wide - 1))
    own = indices == rows[:, None]
    own[:, -1] |= ~own.any(1)
    dropped = arrays.cast(own, "int8").argmax(1)
    left = columns + (columns >= dropped[:, None])
    return keys[rows[:, None], left], indices[rows[:, None], left]


def _recall(
    x: Array, queries: Array | None, k: int, metric: Any, indices: Array, size: int, itself: bool
) -> float:
    from tamis.embeddings.knn_exact import exact, exact_on_device

    n = len(indices)
    which = np.sort(np.random.default_rng(0).choice(n, min(n, size), replace=False))
    at = arrays.from_host(x, which)
    search = exact if arrays.device(x) == "cpu" else exact_on_device
    asked = arrays.cast((x if queries is None else queries)[at], arrays.dtype_name(x))
    true = arrays.host("knn", "x", search("knn", x, asked, min(len(x), k + itself), metric)[1])
    found = arrays.host("knn", "x", indices[at])
    hits = 0
    for row, i in enumerate(which):
        wanted = true[row][true[row] != i][:k] if itself else true[row][:k]
        hits += len(np.intersect1d(wanted, found[row]))
    return hits / max(1, len(which) * k)
