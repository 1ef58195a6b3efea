"""Local outlier factors: how sparse the surroundings of a row are compared with its neighbours'."""

from __future__ import annotations

from typing import Any, overload

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.typed import Float64, Host, T
from tamis.embeddings.distances import BLOCK, Metric, check_metric, neighbours
from tamis.embeddings.knn_pairs import any_matrix

TINY = 1e-10  # scikit-learn's, against a division by zero where all neighbours are copies


@overload
def outliers(
    x: Host, k: int = 20, *, metric: Metric = "euclidean", progress: Progress = None
) -> Float64: ...
@overload
def outliers(
    x: T, k: int = 20, *, metric: Metric = "euclidean", progress: Progress = None
) -> T: ...
def outliers(
    x: Any, k: int = 20, *, metric: Metric = "euclidean", progress: Progress = None
) -> Any:
    """Local outlier factor of every row: about 1 inside a cluster, large far from any.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, CuPy,
        DLPack or buffer.
    k : int
        Neighbours, 1 to 1024 and below N. Default 20.
    metric : {"euclidean", "cosine"}
        Default "euclidean".
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.

    Returns
    -------
    (N,) float64 array
        In the library and on the device of `x`. To look at the strangest rows first:
        ``np.argsort(-scores)``.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    The reachability of j from i is the larger of their distance and j's distance to its own k-th
    neighbour; the density of i is one over the mean reachability of its neighbours (plus 1e-10);
    the factor is the mean density of the neighbours over the row's own. Equal to scikit-learn's
    ``-LocalOutlierFactor(k).fit(x).negative_outlier_factor_`` except for neighbours at equal
    distance, of which the lower rows are used here. Cost: one `tamis.knn`, and ``16 * N * k``
    bytes. Source: Breunig et al., LOF, SIGMOD 2000.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.array([[0.0], [1.0], [2.0], [3.0], [30.0]])
    >>> tamis.outliers(x, 2).round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 18.33]
    """
    name = "outliers"
    check_metric(name, metric)
    like = arrays.as_array(name, "x", x)
    rows = any_matrix(name, "x", like, keep_float16=True)
    if len(rows) == 0:
        return arrays.from_host(like, np.empty(0))
    far, near = neighbours(name, rows, k, metric=metric, progress=progress)
    return arrays.from_host(like, local_outlier_factor(far, near))


def local_outlier_factor(far: Array, near: Array) -> Array:
    """(N,) from the distances and rows of the neighbours."""
    n = len(far)
    density, factor = np.empty(n), np.empty(n)
    parts = [slice(i, i + BLOCK) for i in range(0, n, BLOCK)]
    for part in parts:
        reach = np.maximum(far[part], far[near[part], -1])
        density[part] = 1 / (reach.mean(1) + TINY)
    for part in parts:
        factor[part] = (density[near[part]] / density[part, None]).mean(1)
    return factor
