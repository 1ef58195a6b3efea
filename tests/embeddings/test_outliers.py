"""outliers against scikit-learn, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from conftest import data_path


def rows(n: int, d: int = 12, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng((seed, n)).normal(size=(n, d))
    x[: n // 4] = x[: n // 4] * 0.1 + 3  # a denser cluster
    return x


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("k", [1, 7, 20])
def test_equals_scikit_learn(library, dtype, rtol, k):
    neighbors = pytest.importorskip("sklearn.neighbors")
    x = rows(700).astype(dtype)
    got = library.numpy(tamis.outliers(library.array(x), k))
    want = -neighbors.LocalOutlierFactor(k).fit(x).negative_outlier_factor_
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, want, rtol=rtol)


def test_cosine_equals_scikit_learn():
    neighbors = pytest.importorskip("sklearn.neighbors")
    x = rows(400)
    want = -neighbors.LocalOutlierFactor(9, metric="cosine").fit(x).negative_outlier_factor_
    np.testing.assert_allclose(tamis.outliers(x, 9, metric="cosine"), want, rtol=1e-9)


def test_real_embeddings_equal_scikit_learn():
    neighbors = pytest.importorskip("sklearn.neighbors")
    x = np.load(data_path("embeddings", "pool_512.npy"))[:2000]
    _, first = np.unique(x, axis=0, return_index=True)
    x = x[np.sort(first)].astype(np.float64)  # copies are neighbours at equal distance
    want = -neighbors.LocalOutlierFactor(20).fit(x).negative_outlier_factor_
    np.testing.assert_allclose(tamis.outliers(x), want, rtol=1e-9)


def test_a_planted_row_comes_first():
    x = rows(300)
    x[17] = 50
    assert np.argmax(tamis.outliers(x)) == 17


def test_copies_and_edges():
    x = np.repeat(np.arange(4.0)[:, None], 5, axis=0)
    np.testing.assert_allclose(tamis.outliers(x, 3), 1)  # all densities are 1e10
    assert len(tamis.outliers(np.empty((0, 3)))) == 0
    with pytest.raises(ValueError, match="outliers: k must be at most 19 for 20 rows, got 20"):
        tamis.outliers(x, 20)
    x[3] = np.nan
    with pytest.raises(
        ValueError, match="outliers: x must be finite, got NaN or infinity in row 3"
    ):
        tamis.outliers(x, 2)
    with pytest.raises(ValueError, match="outliers: metric must be euclidean or cosine, got 'l1'"):
        tamis.outliers(x, 2, metric="l1")


@pytest.mark.gpu
def test_on_a_device(gpu_library):
    x = rows(300).astype(np.float32)
    got = gpu_library.numpy(tamis.outliers(gpu_library.array(x), 5))
    np.testing.assert_allclose(got, tamis.outliers(x, 5), rtol=1e-12)
