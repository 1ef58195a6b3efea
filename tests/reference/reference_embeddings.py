"""Embedding functions written the slow and obvious way: float64, whole matrices, plain loops."""

from __future__ import annotations

import numpy as np
import pytest


def unit(x: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norms == 0, 1, norms)


def keys(x: np.ndarray, queries: np.ndarray | None = None, metric: str = "euclidean") -> np.ndarray:
    """(M, N) distances, or negated products; infinite on the diagonal of a self search."""
    x = x.astype(np.float64)
    q = x if queries is None else queries.astype(np.float64)
    if metric == "inner_product":
        out = np.array([-(row * x).sum(1) for row in q]).reshape(len(q), len(x))
    else:
        cosine = metric == "cosine"
        a, b = (unit(q), unit(x)) if cosine else (q, x)
        out = np.array([((row - b) ** 2).sum(1) for row in a]).reshape(len(q), len(x))
        if cosine:
            out /= 2
            nowhere = (q == 0).all(1)[:, None], (x == 0).all(1)
            out[nowhere[0] ^ nowhere[1]] = 1
        elif metric == "euclidean":
            out = np.sqrt(out)
    if queries is None:
        np.fill_diagonal(out, np.inf)
    return out


def knn(x, k, queries=None, metric="euclidean", far=None):
    """(distances, indices), ties to the lower index; of `far`, where the keys are known."""
    far = keys(x, queries, metric) if far is None else far
    indices = np.argsort(far, axis=1, kind="stable")[:, :k]
    distances = np.take_along_axis(far, indices, 1)
    return (-distances if metric == "inner_product" else distances), indices


def assert_neighbours(got, x, k, queries=None, metric="euclidean", ties=1e-12):
    """`got` equals the reference, but for neighbours whose keys differ by less than `ties`."""
    distances, indices = map(np.asarray, got)
    far = keys(x, queries, metric)
    wanted, at = knn(x, k, queries, metric, far)
    rtol = 1e-12 if distances.dtype == np.float64 else 1e-6
    # rows of one direction are at a cosine distance of 0, and of about 1e-32 once rounded
    scale = max(1e-18 if metric == "cosine" else 1e-30, float(np.abs(wanted).max()))
    np.testing.assert_allclose(distances, wanted, rtol=rtol, atol=1e-13 * scale)
    mine = np.take_along_axis(far, indices, 1)
    theirs = np.take_along_axis(far, at, 1)
    same = indices == at
    assert np.all(same | (np.abs(mine - theirs) <= ties * scale))
    for row, own in zip(indices, range(len(indices)), strict=True):
        assert len(set(row.tolist())) == len(row)
        assert queries is not None or own not in row


# FiftyOne Brain 0.25,
# `brain/internal/core/{sklearn,uniqueness,duplicates,leaky_splits,representativeness}.py`


def brain_distances(x: np.ndarray) -> np.ndarray:
    """Cosine distances of the centred rows, as its sklearn backend has them up to 15,000 rows."""
    pytest.importorskip("sklearn")
    from sklearn.metrics import pairwise_distances

    x = x.copy()
    x -= x.mean(axis=0, keepdims=True)
    return pairwise_distances(x, metric="cosine")


def brain_neighbours(x: np.ndarray, k: int, switch: int = 15_000) -> np.ndarray:
    """(N, k) distances of `_kneighbors` on the full index."""
    if len(x) <= switch:
        far = brain_distances(x)
        np.fill_diagonal(far, np.nan)
        order = np.argsort(far, axis=1)[:, :k]
        return np.take_along_axis(far, order, 1)
    pytest.importorskip("sklearn")
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    x = normalize(x - x.mean(axis=0, keepdims=True), axis=1)
    return NearestNeighbors(metric="euclidean").fit(x).kneighbors(n_neighbors=k)[0]


def brain_uniqueness(x: np.ndarray, switch: int = 15_000) -> np.ndarray:
    if len(x) <= 3:
        return np.ones(len(x))
    dists = brain_neighbours(x, 4, switch)
    dists = np.mean([0.6, 0.3, 0.1] * dists[:, 1:], axis=1)
    return dists / dists.max()


def brain_keep(nearest: list[list[int]]) -> list[int]:
    keep = set(range(len(nearest)))
    for i in range(len(nearest)):
        if i in keep:
            keep -= {j for j in nearest[i] if j > i}
    return sorted(keep)


def brain_find_unique(far: np.ndarray, count: int) -> tuple[list[int], float]:
    """The bisection of `find_unique`, on a matrix of distances."""

    def kept_at(threshold):
        return brain_keep([np.flatnonzero(row <= threshold).tolist() for row in far])

    low, high, threshold, last = 0.0, None, 1.0, None
    while True:
        keep = kept_at(threshold)
        if len(keep) == count or (last == len(keep) and high is not None and high - low < 1e-6):
            return keep, threshold
        last = len(keep)
        if len(keep) < count:
            high = threshold
            threshold = (low + threshold) / 2
        else:
            low = threshold
            threshold = 2 * threshold if high is None else (threshold + high) / 2


def brain_leaks(x: np.ndarray, splits: np.ndarray, threshold: float) -> list[int]:
    """Rows of leaks: keepers and the duplicates assigned to them that are of another split."""
    pytest.importorskip("sklearn")
    from sklearn.preprocessing import normalize

    far = brain_distances(x)
    np.fill_diagonal(far, np.inf)
    keep = brain_keep([np.flatnonzero(row <= threshold).tolist() for row in far])
    duplicates = np.setdiff1d(np.arange(len(x)), keep)
    centred = x - x.mean(0)
    keepers = normalize(centred[keep] - centred[keep].mean(0))
    leaked: set[int] = set()
    for row in duplicates:  # the query is neither centred again nor normalised
        keeper = keep[int(np.argmin(((keepers - centred[row]) ** 2).sum(1)))]
        if splits[row] != splits[keeper]:
            leaked |= {int(row), int(keeper)}
    return sorted(leaked)


def brain_representativeness(x: np.ndarray, method: str = "cluster-center", centres: int = 20):
    from scipy.spatial import cKDTree

    pytest.importorskip("sklearn")
    from sklearn.cluster import KMeans

    fitted = KMeans(n_clusters=centres, random_state=1234).fit(x)
    far = np.linalg.norm(x - fitted.cluster_centers_[fitted.labels_], axis=1)
    most = np.array([far[fitted.labels_ == c].max() for c in range(centres)])
    score = far / most[fitted.labels_]
    if method == "cluster-center":
        return score
    tree, visited = cKDTree(x), set()
    for i in np.argsort(score)[::-1]:
        visited.add(int(i))
        nearby = set(tree.query_ball_point(x[i], 0.5)) - visited
        score[list(nearby)] *= 0.7
        visited |= nearby
    return score / score.max()
