"""How far each row is from its nearest neighbours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.blas import products
from tamis._shared.progress import Progress, reporter
from tamis._shared.typed import AnyColumn, Float64, Host, T
from tamis.embeddings import knn_cuda
from tamis.embeddings.knn_search import (
    centred_rows,
    check_k,
    make_rows,
    matrix,
    nearest,
    nearest_cosine,
)

WEIGHTS = (0.6, 0.3, 0.1)
BRAIN_SWITCH = 15_000  # rows above which Brain measures by sqrt(2 * cosine distance)
BRAIN_BLOCK = 960  # rows of its matrix at a time, a multiple of what BLAS kernels take at once


@overload
def uniqueness(
    x: Host,
    *,
    k: int = 3,
    weights: Sequence[float] | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    image_index: AnyColumn | None = None,
    compat: Literal["brain"] | None = None,
    progress: Progress = None,
) -> Float64: ...
@overload
def uniqueness(
    x: T,
    *,
    k: int = 3,
    weights: Sequence[float] | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    image_index: AnyColumn | None = None,
    compat: Literal["brain"] | None = None,
    progress: Progress = None,
) -> T: ...
def uniqueness(
    x: Any,
    *,
    k: int = 3,
    weights: Sequence[float] | None = None,
    metric: Literal["cosine", "euclidean"] = "cosine",
    image_index: Any = None,
    compat: Literal["brain"] | None = None,
    progress: Progress = None,
) -> Any:
    """Weighted mean distance to the `k` nearest other rows over the largest: 1 is most unique.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, DLPack
        or buffer.
    k : int
        Neighbours, default 3.
    weights : k floats, optional
        Nearest first. Default (0.6, 0.3, 0.1), FiftyOne Brain's; for another `k` decreasing
        linearly to zero.
    metric : {"cosine", "euclidean"}
        Default "cosine": 1 - cosine similarity of the mean-centred rows, as in Brain.
    image_index : (N,) int array, optional
        Rows are patches of these images, numbered from 0: the mean embedding of each image is
        scored.
    compat : "brain", optional
        FiftyOne Brain 0.25's numbers instead (`k`, `weights` and `metric` must be the defaults):
        neighbours 2 to 4, NaN for N = 4, above 15,000 rows sqrt(2 * cosine distance), and its
        rounding: float32 rows are bit-identical with OpenBLAS, float64 rows except for the last
        bit.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.

    Returns
    -------
    (N,) array in [0, 1], float64, in the library of `x`; one entry per image with `image_index`.
    All ones if N <= k, or if all distances are 0 up to rounding.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    Cost and memory are those of `tamis.knn` with the same `k`; `compat` also takes a centred copy.
    With cosine, a row at the mean has distance 1 from all rows except its copies. On CUDA, `compat`
    is not available, the mean may differ from the host's in its last bit, and `image_index` is read
    on the host. `compat` up to 15,000 rows multiplies all pairs by NumPy, in blocks of 960 rows.
    Source: `compute_uniqueness` of fiftyone-brain 0.25.0.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> x[1] = x[0]
    >>> tamis.uniqueness(x).argsort()[:2]
    array([0, 1])
    """
    weights = _check(k, weights, metric, compat)
    like = arrays.as_array("uniqueness", "x", x)
    if arrays.device(like) != "cpu":
        return _on_device(like, weights, metric, image_index, compat, progress)
    alone = image_index is None and compat is None  # else rows are averaged or centred
    rows = matrix("uniqueness", "x", x, keep_float16=alone)
    if image_index is not None:
        rows = mean_by_image("uniqueness", rows, image_index)
    score = _score(rows, np.asarray(weights, np.float64), metric, compat, progress)
    if arrays.library(like) == "torch":
        import torch

        return torch.from_numpy(score)
    return score


def _on_device(
    x: Any,
    weights: Sequence[float],
    metric: str,
    image_index: Any,
    compat: str | None,
    progress: Progress,
) -> Any:
    """`uniqueness` of CUDA arrays."""
    if compat is not None:
        raise ValueError("uniqueness: compat must be None for CUDA arrays")
    x = knn_cuda.device_matrix("uniqueness", "x", x)
    if image_index is not None:
        knn_cuda.make_rows("uniqueness", "x", x, cosine=False)  # names a bad row
        order, counts = rows_by_image("uniqueness", image_index, len(x))
        x = arrays.cast(knn_cuda.mean_by_image(x, order, counts), arrays.dtype_name(x))
    if metric == "cosine":
        (rows,) = knn_cuda.centred_rows("uniqueness", x=x)
    else:
        rows = knn_cuda.make_rows("uniqueness", "x", x, cosine=False)
    k, n = len(weights), x.shape[0]
    if n <= k:
        return arrays.from_host(x, np.ones(n))
    output = knn_cuda.OUTPUT_OF[metric]
    far, _ = knn_cuda.nearest(rows, None, k, output=output, progress=progress, title="uniqueness")
    # in the order of NumPy's mean of up to seven, and a division: PyTorch multiplies by 1 / k
    score = sum(far[:, j] * weight for j, weight in enumerate(weights))
    score = score / arrays.from_host(x, np.full(1, k, np.float64))
    most = score.max()
    nothing = most <= noise_of(metric, x.shape[1])
    return (score / (most + (most == 0))) * ~nothing + nothing


def _check(
    k: int, weights: Sequence[float] | None, metric: str, compat: str | None
) -> Sequence[float]:
    if compat is not None and not arrays.one_of(compat, ("brain",)):
        raise ValueError(f"uniqueness: compat must be 'brain' or None, got {compat!r}")
    found = check_uniqueness("uniqueness", k, weights, metric)
    if compat == "brain" and (k != 3 or weights is not None or metric != "cosine"):
        raise ValueError("uniqueness: compat='brain' fixes k, weights and metric")
    return found


def check_uniqueness(
    function: str, k: int, weights: Sequence[float] | None, metric: str
) -> Sequence[float]:
    """The weights of `k` neighbours, given or the default."""
    if not arrays.one_of(metric, ("cosine", "euclidean")):
        raise ValueError(f"{function}: metric must be cosine or euclidean, got {metric!r}")
    check_k(function, k)
    if weights is None:
        k = int(k)  # of a small NumPy integer the product may overflow
        even = 2 * np.arange(k, 0, -1) / (k * (k + 1))
        return WEIGHTS if k == 3 else [float(w) for w in even]
    given = np.asarray(weights)
    if given.dtype.kind not in "iuf" or given.ndim != 1:
        raise TypeError(f"{function}: weights must be {k} numbers, got {weights!r}")
    if len(given) != k:
        raise ValueError(f"{function}: weights must have {k} entries, got {len(given)}")
    if not (np.isfinite(given) & (given >= 0)).all() or not given.any():
        raise ValueError(
            f"{function}: weights must be finite, 0 or more and not all 0, got {given.tolist()}"
        )
    return [float(w) for w in given]


def _score(x: Array, weights: Array, metric: str, compat: str | None, progress: Progress) -> Array:
    k, n = len(weights), len(x)
    if metric == "cosine" and compat is None:
        (rows,) = centred_rows("uniqueness", x=x)
    else:
        rows = make_rows("uniqueness", "x", x, cosine=False)
    if n <= k:
        return np.ones(n)
    if compat == "brain" and n == 4:  # the fourth neighbour is the row itself, at NaN
        return np.full(n, np.nan)
    if compat == "brain":
        far = _brain_distances(x, progress)[:, 1:]
    elif metric == "cosine":
        far, _ = nearest_cosine(rows, None, k, progress=progress, title="uniqueness")
    else:
        far, _ = nearest(rows, None, k, dots=False, progress=progress, title="uniqueness")
        np.sqrt(far, out=far)
    score = weighted(far, weights)
    noise = 0.0 if compat == "brain" else noise_of(metric, x.shape[1])
    return over_largest(score, float(score.max()), noise)


def weighted(far: Array, weights: Array) -> Array:
    """The weighted mean of each row's distances, nearest first."""
    return np.asarray((far * weights).mean(1))


def over_largest(score: Array, most: float, noise: float) -> Array:
    """Scores over the largest of all, which is 0 where it is no more than `noise`."""
    return score / most if most > noise else np.ones(len(score))


def noise_of(metric: str, d: int) -> float:
    """The largest distance that rounding can make of 0, for example of rows in one direction."""
    return ((d / 16 + 8) * float(np.finfo(np.float64).eps)) ** 2 if metric == "cosine" else 0.0


def _brain_distances(x: Array, progress: Progress) -> Array:
    """(N, 4) of `_kneighbors(4)`, its rounding included: the steps of Brain and scikit-learn."""
    n = len(x)
    x = x - x.mean(axis=0, keepdims=True)
    norms = np.sqrt(np.einsum("nd,nd->n", x, x))
    x /= np.where(norms == 0, 1, norms)[:, None]
    if n > BRAIN_SWITCH:
        rows = make_rows("uniqueness", "x", x, cosine=False)
        squares, _ = nearest(rows, None, 4, dots=False, progress=progress, title="uniqueness")
        return np.asarray(np.sqrt(squares.astype(x.dtype, copy=False)))
    report = reporter(progress, "uniqueness")
    largest = np.full((n, 4), -np.inf, x.dtype)
    # BLAS adds up small blocks in ways of its own, so none is
    bounds = [*range(0, max(1, n - BRAIN_BLOCK // 2), BRAIN_BLOCK), n]
    blocks = [slice(*ends) for ends in itertools.pairwise(bounds)]
    for i, left in enumerate(blocks):
        with products():
            cosines = x[left] @ x[left].T
        np.fill_diagonal(cosines, -np.inf)
        _core.keep_largest(cosines, largest[left], None)
        for right in blocks[i + 1 :]:
            with products():
                cosines = x[left] @ x[right].T
            _core.keep_largest(cosines, largest[left], largest[right])
        report(left.stop, n)
    return np.asarray(np.clip(-largest + 1, 0, 2))


def mean_by_image(function: str, x: Array, image_index: Any) -> Array:
    """(images, D): the mean of the rows of each image; every image from 0 on must have one."""
    make_rows(function, "x", x, cosine=False)  # a bad row is named by its own number
    order, counts = rows_by_image(function, image_index, len(x))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
    sums = np.add.reduceat(x[order], starts, axis=0, dtype=np.float64) if len(x) else x
    return np.ascontiguousarray(sums / counts[:, None], dtype=x.dtype) if len(x) else x


def rows_by_image(function: str, image_index: Any, n: int) -> tuple[Array, Array]:
    """The rows sorted by image, and the number of rows of each."""
    index = arrays.column(function, "image_index", image_index)
    index = arrays.host(function, "image_index", index)
    arrays.check_shape(function, "image_index", index, (n,))
    if index.dtype.kind not in "iu":
        raise TypeError(f"{function}: image_index must be integers, got {index.dtype}")
    if len(index) and index.min() < 0:
        raise ValueError(f"{function}: image_index must not be negative, got {index.min()}")
    counts = np.bincount(index[index < n].astype(np.int64))
    if (counts == 0).any() or counts.sum() < n:
        missing = int(np.append(counts, 0).argmin())
        raise ValueError(
            f"{function}: image_index must use every image number from 0 to the"
            f" maximum; image {missing} has no row"
        )
    return np.argsort(index, kind="stable"), counts
