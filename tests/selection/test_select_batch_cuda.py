"""What to label, of CUDA arrays: what the host says; and other scores of embeddings."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import tamis
from reference import same_bits
from tamis.embeddings.knn_search import TooManyPairs
from test_select_batch import rows, scores

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_coreset(gpu_library, dtype):
    values = (np.random.default_rng(0).integers(-3, 4, 900) / 2).astype(dtype)
    values[::7] *= -1  # zeros of both signs are equal
    given = gpu_library.array(values)
    for how in ({"count": 0}, {"count": 300}, {"fraction": 1}, {"fraction": 0.25}):
        got = gpu_library.numpy(tamis.select_coreset(given, **how))
        same_bits(got, tamis.select_coreset(values, **how))
    none = tamis.select_coreset(gpu_library.array(values[:0]), fraction=0.5)
    assert gpu_library.numpy(none).shape == (0,)


def test_coreset_errors(gpu_library):
    on, name = gpu_library.array, "^select_coreset: "
    with pytest.raises(ValueError, match=f"{name}scores must not be NaN, got NaN in row 2"):
        tamis.select_coreset(on(np.array([1, 2, np.nan])), count=1)
    with pytest.raises(TypeError, match=f"{name}scores must be float16, .* got int64"):
        tamis.select_coreset(on(np.arange(3)), count=1)
    with pytest.raises(ValueError, match=rf"{name}scores must have shape \(N,\), got \(1, 3\)"):
        tamis.select_coreset(on(np.ones((1, 3))), count=1)
    with pytest.raises(ValueError, match=f"{name}count must be 0 to 3, got 4"):
        tamis.select_coreset(on(np.ones(3)), count=4)


@pytest.mark.parametrize(
    ("elsewhere", "metric", "dtype"),
    [(False, "cosine", "float32"), (True, "euclidean", "float64"), (True, "cosine", "float64")],
)
def test_batch(gpu_library, elsewhere, metric, dtype):
    x, score, on = rows(130).astype(dtype), scores(130), gpu_library.array
    x[100:] = x[:30] + 0.01 * rows(30)
    failures: Any = rows(5, seed=1).astype(dtype) if elsewhere else np.array([3, 110, 60, 3])
    threshold, free = {"cosine": 0.4, "euclidean": 3.5}[metric], np.arange(80, 95)
    how = {"budget": 25, "threshold": threshold, "metric": metric}
    want = tamis.select_batch(score, x, failures, exclude=free, **how)
    assert len(want) == 25
    got = tamis.select_batch(on(score), on(x), on(failures), exclude=on(free), **how)
    np.testing.assert_array_equal(got, want)
    if not elsewhere:
        got = tamis.select_batch(score, on(x), failures, exclude=free, **how)
        np.testing.assert_array_equal(got, want)


def test_batch_errors(gpu_library):
    x, score, on, name = rows(9), scores(9), gpu_library.array, "^select_batch: "
    with pytest.raises(ValueError, match=rf"{name}failures must have shape \(F,\) or \(F, 16\)"):
        tamis.select_batch(score, on(x), on(x[:, :3]), budget=1)
    with pytest.raises(ValueError, match=rf"{name}failures must be on the device of x \(cuda:0\)"):
        tamis.select_batch(score, on(x), x, budget=1)
    x[4, 2] = np.nan
    with pytest.raises(ValueError, match=f"{name}x must be finite, got NaN or infinity in row 4"):
        tamis.select_batch(score, on(x), np.array([1]), budget=1)


@pytest.mark.parametrize("method", ["cluster-center", "cluster-center-downweight"])
def test_representativeness_comes_back_to_the_device(gpu_library, method):
    pytest.importorskip("sklearn")
    x = rows(80)
    got = tamis.representativeness(gpu_library.array(x), method=method, n_clusters=4)
    want = tamis.representativeness(x, method=method, n_clusters=4)
    same_bits(gpu_library.numpy(got), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniqueness_of_the_mean_of_each_image(gpu_library, dtype):
    x, on = rows(120).astype(dtype), gpu_library.array
    image = np.random.default_rng(0).integers(0, 40, 120)
    image[:40] = np.arange(40)
    want = tamis.uniqueness(x, image_index=image, metric="euclidean")
    for index in (image, on(image)):
        got = tamis.uniqueness(on(x), image_index=index, metric="euclidean")
        same_bits(gpu_library.numpy(got), want)
    cosine = gpu_library.numpy(tamis.uniqueness(on(x), image_index=image))
    np.testing.assert_allclose(cosine, tamis.uniqueness(x, image_index=image), rtol=1e-6)
    with pytest.raises(ValueError, match="image 3 has no row"):
        tamis.uniqueness(on(x), image_index=np.where(image == 3, 50, image))
    x[7] = np.inf
    with pytest.raises(ValueError, match="x must be finite, got NaN or infinity in row 7"):
        tamis.uniqueness(on(x), image_index=image)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_unique_rows_where_there_are_too_many_pairs(gpu_library, monkeypatch, metric):
    x, module = rows(48), importlib.import_module("tamis.embeddings.near_duplicates")
    want, real = tamis.find_unique(x, 22, metric=metric), module.all_pairs

    def few(function, part, *args):
        if len(part.x) == len(x):
            raise TooManyPairs
        return real(function, part, *args)

    monkeypatch.setattr(module, "all_pairs", few)
    monkeypatch.setattr("tamis.embeddings.knn_pairs.KEEP_BLOCK", 25)
    got = tamis.find_unique(gpu_library.array(x), 22, metric=metric)
    np.testing.assert_array_equal(got, want)
