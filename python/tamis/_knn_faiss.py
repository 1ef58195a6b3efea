"""Approximate neighbours by a faiss index, for data beyond what exact search is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tamis._knn_search import make_rows

Array = npt.NDArray[Any]
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
    try:
        import faiss  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ImportError(
            "knn: method other than 'exact' needs faiss (pip install faiss-cpu)"
        ) from None
    _check("x", x)
    if queries is not None:
        _check("queries", queries)
    rows, asked = _prepared(x, metric), None if queries is None else _prepared(queries, metric)
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
    if index.ntotal == 0:
        if not index.is_trained:
            index.train(rows)
        index.add(rows)
    elif index.ntotal != len(x):
        raise ValueError(
            f"knn: method must hold the {len(x)} rows of x or none, got {index.ntotal}"
        )
    itself = queries is None and exclude_self
    keys, indices = index.search(rows if asked is None else asked, k + itself)
    if itself:
        keys, indices = _without_itself(keys, indices)
    distances = _distances(keys, metric).astype(x.dtype, copy=False)
    recall = None
    if recall_sample > 0:
        recall = _recall(x, queries, k, metric, indices, recall_sample, itself)
    return distances, indices, recall


def _check(name: str, x: Array) -> None:
    largest = make_rows("knn", name, x, cosine=False).largest
    if largest > LARGEST:
        raise ValueError(
            f"knn: {name} must have norms of at most {LARGEST:g} for faiss, got {largest:g}"
        )


def _prepared(x: Array, metric: str) -> Array:
    x = x.astype(np.float32, copy=False)
    if metric != "cosine":
        return x
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(norms == 0, 1, norms))


def _distances(keys: Array, metric: str) -> Array:
    if metric == "euclidean":
        return np.sqrt(np.maximum(keys, 0))
    return 1 - keys if metric == "cosine" else keys


def _without_itself(keys: Array, indices: Array) -> tuple[Array, Array]:
    """Each row's own entry dropped, or its last one where the index did not find it."""
    n, wide = indices.shape
    own = indices == np.arange(n)[:, None]
    own[~own.any(1), wide - 1] = True
    return keys[~own].reshape(n, wide - 1), indices[~own].reshape(n, wide - 1)


def _recall(
    x: Array, queries: Array | None, k: int, metric: Any, indices: Array, size: int, itself: bool
) -> float:
    from tamis.knn import exact

    n = len(indices)
    which = np.sort(np.random.default_rng(0).choice(n, min(n, size), replace=False))
    asked = np.ascontiguousarray((x if queries is None else queries)[which])
    _, true = exact("knn", x, asked, min(len(x), k + itself), metric)
    hits = 0
    for row, i in enumerate(which):
        wanted = true[row][true[row] != i][:k] if itself else true[row][:k]
        hits += len(np.intersect1d(wanted, indices[i]))
    return hits / max(1, len(which) * k)
