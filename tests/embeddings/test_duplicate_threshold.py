"""The threshold that is read from nearest-neighbour distances: planted duplicates, real sets."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tamis
from conftest import data_path


def planted(share: float, seed: int = 0) -> tuple[np.ndarray, int]:
    """Rows of 40 clusters, and jittered repeats of some at cosine distances of about 1e-3."""
    rng = np.random.default_rng(seed)
    n = 2000
    centres = rng.normal(size=(40, 64))
    x = centres[rng.integers(0, 40, n)] + 0.4 * rng.normal(size=(n, 64))
    copies = int(share * n)
    x[n - copies :] = x[:copies] + 0.02 * rng.normal(size=(copies, 64))
    return x.astype(np.float32), copies


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_planted_duplicates_and_nothing_else(library, share, metric):
    x, copies = planted(share)
    found = tamis.near_duplicates(library.array(x), threshold="auto", metric=metric)
    assert abs(len(found.duplicates) - copies) <= 0.01 * len(x)
    if metric == "cosine":
        assert len(tamis.near_duplicates(x).duplicates) > 0.9 * len(x)  # the default's answer


def test_without_duplicates_nothing_is_dropped():
    x, _ = planted(0)
    assert len(tamis.near_duplicates(x, threshold="auto").duplicates) <= 2


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("graffiti_vit768", 20),
        ("ngt_sift_5k_128", 50),
        ("pool_512", 100),
        ("semanticlip_train", 20),
    ],
)
def test_real_sets_lose_few_rows(name, most):
    x = np.load(data_path("embeddings", f"{name}.npy")).astype(np.float32)
    found = tamis.near_duplicates(x, threshold="auto")
    assert len(found.duplicates) <= most


def test_counts_are_those_of_the_distances():
    x, _ = planted(0.1)
    found = tamis.duplicate_threshold(x)
    centred = x - x.mean(0)
    far = tamis.knn(centred, 1, metric="cosine")[0][:, 0]
    np.testing.assert_allclose(found.distances, np.sort(far), atol=1e-6)
    for at, count in found.counts.items():
        assert count == (found.distances <= at).sum()
    assert list(found.counts)[2] == found.threshold
    pairs = tamis.near_duplicates(x, threshold="auto").pairs
    assert len(np.unique(pairs)) == found.counts[found.threshold]
    text = str(found)
    assert text.count("\n") <= 19 and "<- chosen" in text
    json.dumps(found.to_dict(), allow_nan=False)


def test_copies_alone_and_what_does_not_fit():
    x = np.repeat(np.random.default_rng(0).normal(size=(5, 8)), 3, axis=0)
    assert len(tamis.near_duplicates(x, threshold="auto").keep) == 5
    with pytest.raises(ValueError, match="at least 8 rows, got 3"):
        tamis.near_duplicates(x[:3], threshold="auto")
    with pytest.raises(TypeError, match="near_duplicates: threshold must be a number, got 'best'"):
        tamis.near_duplicates(x, threshold="best")


@pytest.mark.gpu
def test_on_a_device(gpu_library):
    x, _ = planted(0.1)
    got = tamis.duplicate_threshold(gpu_library.array(x[::4]))
    assert got.threshold == pytest.approx(tamis.duplicate_threshold(x[::4]).threshold, rel=1e-6)
