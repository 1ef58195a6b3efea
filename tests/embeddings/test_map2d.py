"""map2d: PCA against its definition, and the libraries fed with exact neighbours."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tamis


def clusters() -> np.ndarray:
    x = np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)
    x[:150] += 6
    return x


@pytest.mark.parametrize(("n", "d"), [(300, 10), (3, 10), (50, 1)])
def test_pca_is_that_of_the_svd(library, n, d):
    x = clusters()[:n, :d] * np.arange(1, d + 1)
    found = tamis.map2d(library.array(x.astype(np.float32)), "pca")
    centred = x - x.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    want = np.zeros((n, 2))
    want[:, : min(d, 2)] = (u * s)[:, :2]
    assert found.shape == (n, 2) and found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found), np.abs(want), atol=1e-2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", ["umap", "pacmap"])
def test_the_libraries_get_our_neighbours(method):
    pytest.importorskip(method)
    x = clusters()
    found = tamis.map2d(x, method, k=10, seed=1)
    assert found.shape == (300, 2) and np.isfinite(found).all()
    gap = np.linalg.norm(found[:150].mean(0) - found[150:].mean(0))
    assert gap > 2 * max(found[:150].std(), found[150:].std())
    np.testing.assert_array_equal(found, tamis.map2d(x, method, k=10, seed=1))


def test_what_does_not_fit(monkeypatch):
    x = clusters()
    with pytest.raises(ValueError, match="map2d: method must be one of pca, umap, pacmap"):
        tamis.map2d(x, "tsne")
    with pytest.raises(ValueError, match="at least 3 rows, got 2"):
        tamis.map2d(x[:2], "pca")
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ImportError, match=r"map2d: umap is missing: pip install tamis\[map\]"):
        tamis.map2d(x)
    x[5, 5] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in row 5"):
        tamis.map2d(x, "pca")
