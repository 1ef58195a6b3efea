"""uniqueness against what FiftyOne Brain runs: scikit-learn's cosine distances, whole.

pytest benchmarks/bench_uniqueness.py              a million rows: bench_knn.py million
"""

import numpy as np
import pytest
import tamis
from embeddings import clustered
from knn_peers import brute_force


def check_uniqueness(x, score, k, rows):
    """The scores of some rows are their weighted distances over one and the same number."""
    centred = x - x.mean(0, dtype=np.float64).astype(np.float32)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    weights = np.arange(k, 0, -1)
    found = [
        (squares @ weights / score[own], own) for own, _, squares in brute_force(centred, k, rows)
    ]
    most = np.array(found)[:, 0]
    np.testing.assert_allclose(most, np.median(most), rtol=1e-4)  # `centred` is of float32


def scikit_learn(x, first=0):
    """Scores of at most 15,000 rows by their neighbours from `first` on."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    x = x - x.mean(axis=0, keepdims=True)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    peer = neighbors.NearestNeighbors(metric="cosine").fit(x)
    far = peer.kneighbors(x, n_neighbors=first + 4)[0][:, first + 1 :]
    score = (far * [0.6, 0.3, 0.1]).mean(1)
    return score / score.max()


def brain(x):
    """Brain's scores, which leave the nearest neighbour out."""
    return scikit_learn(x, first=1)


def compatible(x):
    return tamis.uniqueness(x, compat="brain")


@pytest.mark.parametrize("who", [compatible, brain, tamis.uniqueness, scikit_learn])
def test_uniqueness(benchmark, who):
    x = clustered(10_000)
    same = brain if who in (compatible, brain) else scikit_learn
    np.testing.assert_allclose(who(x), same(x), rtol=1e-4, atol=1e-6)  # theirs is of float32
    benchmark.group = f"uniqueness 10,000 x 512, {tamis.num_threads()} threads"
    benchmark.pedantic(who, args=(x,), rounds=3)
