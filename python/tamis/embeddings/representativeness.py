"""How typical each row is of its cluster."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.typed import Float64, Host, T
from tamis.embeddings.knn_search import check_matrix, make_rows, matrix, within

NEARBY, LESS = 0.5, 0.7  # Brain's radius and factor of "cluster-center-downweight"


@overload
def representativeness(
    x: Host,
    *,
    method: Literal["cluster-center", "cluster-center-downweight"] = "cluster-center",
    n_clusters: int = 20,
    compat: Literal["brain"] | None = None,
    progress: Progress = None,
) -> Float64: ...
@overload
def representativeness(
    x: T,
    *,
    method: Literal["cluster-center", "cluster-center-downweight"] = "cluster-center",
    n_clusters: int = 20,
    compat: Literal["brain"] | None = None,
    progress: Progress = None,
) -> T: ...
def representativeness(
    x: Any,
    *,
    method: Literal["cluster-center", "cluster-center-downweight"] = "cluster-center",
    n_clusters: int = 20,
    compat: Literal["brain"] | None = None,
    progress: Progress = None,
) -> Any:
    """Score how typical each row is of its cluster: 1 at the centre, 0 at the farthest row.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings, N at least `n_clusters`.
    method : {"cluster-center", "cluster-center-downweight"}
        "cluster-center-downweight" visits rows from most to least representative, multiplies
        unvisited rows within distance 0.5 by 0.7, then rescales by the largest.
    n_clusters : int
        Of scikit-learn's KMeans with `random_state` 1234. Default 20, Brain's.
    compat : "brain", optional
        FiftyOne Brain 0.25's numbers: inverted, so that 1 is the row farthest from its centre.
        Where Brain divides 0 by 0, in a cluster of equal rows, the score is 0.
    progress : bool or callable, optional
        Of the radius search of the second method.

    Returns
    -------
    (N,) float64 array in [0, 1], in the library and on the device of `x`. A cluster of equal rows
    is all ones.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.
    ImportError
        Without scikit-learn.

    Notes
    -----
    KMeans takes most of the time. Memory: a float32 copy, and 48 bytes per pair within 0.5 with the
    second method. CUDA arrays are copied to the host, where scikit-learn runs, and the scores are
    copied back. Source: `compute_representativeness` of fiftyone-brain 0.25.0.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> scores = tamis.representativeness(x)
    >>> scores.shape, float(scores.min()), float(scores.max())
    ((100,), 0.0, 1.0)
    """
    if not arrays.one_of(method, ("cluster-center", "cluster-center-downweight")):
        raise ValueError(
            f"representativeness: method must be cluster-center[-downweight], got {method!r}"
        )
    if compat is not None and not arrays.one_of(compat, ("brain",)):
        raise ValueError(f"representativeness: compat must be 'brain' or None, got {compat!r}")
    name, like = "representativeness", check_matrix("representativeness", "x", x)
    on_device = arrays.device(like).startswith("cuda")
    hosted = matrix(name, "x", arrays.host(name, "x", like) if on_device else like)
    rows = make_rows(name, "x", hosted, cosine=False)
    n_clusters = arrays.check_integer(name, "n_clusters", n_clusters)
    if not 1 <= n_clusters <= len(rows.x):
        raise ValueError(
            f"{name}: n_clusters must be 1 to the {len(rows.x)} rows, got {n_clusters}"
        )
    score = _by_centre(rows.x, n_clusters, upside_down=compat == "brain")
    if method == "cluster-center-downweight":
        score = _downweighted(rows, score, progress)
    return arrays.from_host(like, score)


def _by_centre(x: Array, n_clusters: int, *, upside_down: bool) -> Array:
    try:
        from sklearn.cluster import KMeans  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise ImportError(
            "representativeness: needs scikit-learn (pip install scikit-learn)"
        ) from None
    exponent = int(np.frexp(np.abs(x).max(initial=0))[1])
    if abs(exponent) > 50:  # a power of two changes no score, and float32 squares stay in range
        x = np.ldexp(x, -exponent)
    fitted = KMeans(n_clusters=n_clusters, random_state=1234).fit(x)
    far = np.linalg.norm(x - fitted.cluster_centers_[fitted.labels_], axis=1).astype(np.float64)
    first = np.zeros(n_clusters, np.int64)
    first[fitted.labels_[::-1]] = np.arange(len(x))[::-1]
    unlike = np.zeros(n_clusters, bool)
    unlike[fitted.labels_[(x != x[first[fitted.labels_]]).any(1)]] = True
    most = np.zeros(n_clusters)
    np.maximum.at(most, fitted.labels_, far)
    if not upside_down:
        most[~unlike] = 0  # equal rows are as far from their centre as it is rounded
    largest = most[fitted.labels_]
    score = np.divide(far, largest, out=np.zeros(len(x)), where=largest > 0)
    return score if upside_down else np.asarray(1 - score)


def _downweighted(rows: Any, score: Array, progress: Progress) -> Array:
    pairs, _ = within(rows, None, NEARBY**2, progress=progress, title="representativeness")
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.argsort(both[:, 0], kind="stable")]
    starts = np.searchsorted(both[:, 0], np.arange(len(score) + 1))
    visited = np.zeros(len(score), bool)
    order = np.argsort(score)[::-1]
    score = score.copy()
    for i in order:
        visited[i] = True
        nearby = both[starts[i] : starts[i + 1], 1]
        nearby = nearby[~visited[nearby]]
        score[nearby] *= LESS
        visited[nearby] = True
    return np.asarray(score / (score.max() or 1.0))
