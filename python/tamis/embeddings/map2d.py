"""Two-dimensional maps of embeddings: PCA, or UMAP and PaCMAP on exact neighbours."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.typed import AnyArray
from tamis.embeddings.distances import BLOCK, Metric, blocks, check_metric, hosted, neighbours
from tamis.embeddings.knn_pairs import any_matrix

METHODS = ("pca", "umap", "pacmap")


def map2d(
    x: AnyArray,
    method: Literal["pca", "umap", "pacmap"] = "umap",
    *,
    k: int = 15,
    metric: Metric = "euclidean",
    seed: int = 0,
    progress: Progress = None,
) -> Array:
    """A two-dimensional map of the rows.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, CuPy,
        DLPack or buffer.
    method : {"umap", "pacmap", "pca"}
        Default "umap", of umap-learn; "pacmap" of pacmap (``pip install tamis[map]``). "pca" needs
        neither.
    k : int
        Neighbours of "umap" and "pacmap", the row itself not among them. Default 15.
    metric : {"euclidean", "cosine"}
        Of the neighbours. "pca" is always euclidean.
    seed : int
    progress : bool or callable, optional
        Of the search for neighbours.

    Returns
    -------
    (N, 2) float32 array
        NumPy's.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.
    ImportError
        Where the library of the method is missing.

    Notes
    -----
    UMAP and PaCMAP get the exact neighbours of `tamis.knn` instead of searching approximate ones.
    "pca": the two directions of the largest variance, each with the sign that makes its largest
    weight positive; one product of N * D * D.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> tamis.map2d(x, "pca").shape
    (100, 2)
    """
    name = "map2d"
    if not arrays.one_of(method, METHODS):
        raise ValueError(f"{name}: method must be one of {', '.join(METHODS)}, got {method!r}")
    check_metric(name, metric)
    seed = arrays.check_integer(name, "seed", seed, 0, 2**32 - 1)
    rows = any_matrix(name, "x", x)
    if len(rows) < 3:
        raise ValueError(f"{name}: x must have at least 3 rows, got {len(rows)}")
    if method == "pca":
        return _pca(name, hosted(rows))
    library = _library(method)
    far, near = neighbours(name, rows, min(k, len(rows) - 1), metric=metric, progress=progress)
    made = _umap if method == "umap" else _pacmap
    return np.asarray(made(library, hosted(rows), far, near, metric, seed), np.float32)


def _library(method: str) -> Any:
    try:
        if method == "umap":
            import umap

            return umap
        import pacmap

        return pacmap
    except ImportError:
        raise ImportError(f"map2d: {method} is missing: pip install tamis[map]") from None


def _pca(name: str, x: Array) -> Array:
    n, d = x.shape
    mean, square, largest = np.zeros(d), np.zeros((d, d)), 1.0
    for part, values in blocks(x):
        if not np.isfinite(values).all():
            row = part.start + int(np.argmin(np.isfinite(values).all(1)))
            raise ValueError(f"{name}: x must be finite, got NaN or infinity in row {row}")
        mean += (values / n).sum(0)
        largest = max(largest, float(np.abs(values).max(initial=0)))
    if largest > 1e37:  # the map is float32
        raise ValueError(f"{name}: x must hold values of at most 1e37, got {largest:g}")
    for _, values in blocks(x):
        values = values - mean
        square += values.T @ values
    _, vectors = np.linalg.eigh(square)
    axes = vectors[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.concatenate([axes, np.zeros((d, 1))], axis=1)
    axes = axes * np.where(axes[np.abs(axes).argmax(0), [0, 1]] < 0, -1, 1)
    found = [((np.asarray(x[i : i + BLOCK], np.float64) - mean) @ axes) for i in range(0, n, BLOCK)]
    return np.concatenate(found).astype(np.float32)


def _umap(library: Any, x: Array, far: Array, near: Array, metric: str, seed: int) -> Any:
    """UMAP counts a row as its own first neighbour."""
    own = np.arange(len(x))[:, None]
    indices = np.concatenate([own, near], axis=1).astype(np.int32)
    distances = np.concatenate([np.zeros((len(x), 1)), far], axis=1).astype(np.float32)
    return library.UMAP(
        n_neighbors=indices.shape[1], metric=metric, random_state=seed, n_jobs=1,
        precomputed_knn=(indices, distances),
    ).fit_transform(x)  # fmt: skip


def _pacmap(library: Any, x: Array, far: Array, near: Array, metric: str, seed: int) -> Any:
    """PaCMAP takes pairs, whose neighbours it would rank by scaled distances itself."""
    k = near.shape[1]
    pairs = np.stack([np.repeat(np.arange(len(x)), k), near.ravel()], axis=1).astype(np.int32)
    model = library.PaCMAP(
        n_neighbors=k, pair_neighbors=pairs, random_state=seed,
        distance="euclidean" if metric == "euclidean" else "angular",
    )  # fmt: skip
    return model.fit_transform(x)
