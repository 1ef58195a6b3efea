"""tamis.uniqueness against its definition and FiftyOne Brain's."""

import importlib

import numpy as np
import pytest
import reference_embeddings as reference
import tamis
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tamis.embeddings.uniqueness import mean_by_image


def defined(x, k=3, weights=(0.6, 0.3, 0.1), metric="cosine"):
    if len(x) <= k:
        return np.ones(len(x))
    x = x.astype(np.float64)
    far = reference.keys(x - x.mean(0) if metric == "cosine" else x, metric=metric)
    score = (np.sort(far, 1)[:, :k] * weights).mean(1)
    return score / score.max() if score.max() > 0 else np.ones(len(x))


def rows(n, d, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((6, d))[rng.integers(0, 6, n)] + 0.4 * rng.standard_normal((n, d))
    return x.astype(dtype)


def test_by_hand():
    x = np.array([[0, 0], [1, 0], [3, 0], [7, 0], [15, 0]], np.float32)
    means = [
        0.6 * a + 0.3 * b + 0.1 * c
        for a, b, c in ((1, 3, 7), (1, 2, 6), (2, 3, 4), (4, 6, 7), (8, 12, 14))
    ]
    np.testing.assert_allclose(
        tamis.uniqueness(x, metric="euclidean"), np.array(means) / max(means), rtol=1e-12
    )


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_rows_are_all_unique(n):
    assert tamis.uniqueness(rows(n, 4)).tolist() == [1] * n
    assert tamis.uniqueness(rows(n, 4), compat="brain").tolist() == [1] * n


def test_four_rows():
    x = rows(4, 5)
    np.testing.assert_allclose(tamis.uniqueness(x), defined(x), rtol=1e-5)
    assert np.isnan(tamis.uniqueness(x, compat="brain")).all()


@pytest.mark.parametrize("compat", [None, "brain"])
def test_equal_rows_are_all_unique(compat):
    x = np.full((20, 7), 0.3, np.float32)
    assert tamis.uniqueness(x, compat=compat).tolist() == [1] * 20


def test_equal_rows_by_distance():
    assert (
        tamis.uniqueness(np.full((20, 7), 0.3, np.float32), metric="euclidean").tolist() == [1] * 20
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_definition(dtype, metric):
    x = rows(300, 20, dtype=dtype)
    found = tamis.uniqueness(x, metric=metric)
    np.testing.assert_allclose(found, defined(x, metric=metric), rtol=1e-5)
    found = tamis.uniqueness(x, k=5, weights=[5, 4, 3, 2, 1], metric=metric)
    np.testing.assert_allclose(found, defined(x, 5, [5, 4, 3, 2, 1], metric), rtol=1e-5)


@pytest.mark.parametrize("mean", [12345678.9, 1e9, 1e-60])
def test_float64_rows_far_from_zero(mean):
    x = np.random.default_rng(0).standard_normal((300, 16)) * min(1, mean) + mean
    np.testing.assert_allclose(tamis.uniqueness(x), defined(x - mean), rtol=1e-6)


@examples(60)
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 30), st.integers(1, 8)),
        elements=st.integers(-4, 4).map(float),
    )
)
def test_generated_rows(x):
    found = tamis.uniqueness(x, metric="euclidean")
    np.testing.assert_allclose(found, defined(x, metric="euclidean"), rtol=1e-9)
    assert found.max(initial=1) == 1


def same_as_brain(x):
    pytest.importorskip("sklearn")
    wanted = reference.brain_uniqueness(
        x, importlib.import_module("tamis.embeddings.uniqueness").BRAIN_SWITCH
    )
    found = tamis.uniqueness(x, compat="brain")
    np.testing.assert_allclose(found, wanted, rtol=1e-14 if x.dtype == np.float64 else 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("n", "d"), [(5, 24), (6, 24), (1440, 9), (1441, 9), (1921, 512), (2000, 768), (3001, 7)]
)
def test_brain(n, d, dtype):
    same_as_brain(rows(n, d, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_brain_above_its_switch(monkeypatch, dtype):
    monkeypatch.setattr(importlib.import_module("tamis.embeddings.uniqueness"), "BRAIN_SWITCH", 200)
    same_as_brain(rows(300, 24, dtype=dtype))
    same_as_brain(rows(3000, 512, dtype=dtype))


@pytest.mark.parametrize("name", ["pool_512.npy", "semanticlip_train.npy", "graffiti_vit768.npy"])
def test_brain_on_real_embeddings(name):
    same_as_brain(np.load(data_path("embeddings", name))[:2000].astype(np.float32))


def test_patches():
    x, image = rows(90, 6), np.random.default_rng(0).permutation(np.arange(90) % 30)
    means = np.array([x[image == i].astype(np.float64).mean(0) for i in range(30)]).astype(
        np.float32
    )
    found = tamis.uniqueness(x, image_index=image)
    assert found.shape == (30,)
    np.testing.assert_allclose(found, tamis.uniqueness(means), rtol=1e-5)
    with pytest.raises(ValueError, match="image 3 has no row"):
        tamis.uniqueness(x, image_index=np.where(image == 3, 31, image))
    assert mean_by_image("f", x[:0], image[:0]).shape == (0, 6)
    x[71] = np.nan
    with pytest.raises(ValueError, match=r"uniqueness: x must be finite.*row 71"):
        tamis.uniqueness(x, image_index=image)


def test_errors():
    x = rows(10, 3)
    for options, message in (
        ({"k": 0}, "uniqueness: k must be 1 to 1024, got 0"),
        ({"weights": [1]}, "uniqueness: weights must have 3 entries, got 1"),
        ({"metric": "l1"}, "uniqueness: metric must be"),
        ({"compat": "other"}, "uniqueness: compat must be"),
        ({"compat": "brain", "k": 4}, "uniqueness: compat='brain' fixes k"),
    ):
        with pytest.raises(ValueError, match=message):
            tamis.uniqueness(x, **options)
    x[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"uniqueness: x must be finite.*row 7"):
        tamis.uniqueness(x)


@pytest.mark.parametrize("k", [2.5, "3", None, True])
def test_k_is_an_integer(k):
    with pytest.raises(TypeError, match=f"uniqueness: k must be an integer, got {k!r}"):
        tamis.uniqueness(rows(10, 3), k=k)


def test_weights_are_checked():
    x = rows(10, 3)
    for bad in ([1, np.nan, 0], [1, -1, 1], [0, 0, 0], [np.inf, 1, 1]):
        with pytest.raises(ValueError, match="uniqueness: weights must be finite, 0 or more and"):
            tamis.uniqueness(x, weights=bad)
    for bad in ("abc", 1.0, ["1", "2", "3"]):
        with pytest.raises(TypeError, match="uniqueness: weights must be 3 numbers, got"):
            tamis.uniqueness(x, weights=bad)
    assert tamis.uniqueness(x, weights=np.ones(3)).max() == 1


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_image_index_far_above_the_rows(dtype):
    index = np.array([0, 1, 2**62], dtype)
    with pytest.raises(ValueError, match="image 2 has no row"):
        tamis.uniqueness(rows(3, 4), image_index=index)
    with pytest.raises(ValueError, match="image 0 has no row"):
        tamis.uniqueness(rows(3, 4), image_index=index[[2, 2, 2]])
    assert len(tamis.uniqueness(rows(3, 4), image_index=np.array([1, 0, 1], dtype))) == 2


def test_torch():
    torch = pytest.importorskip("torch")
    x = rows(40, 5)
    assert (tamis.uniqueness(torch.from_numpy(x)).numpy() == tamis.uniqueness(x)).all()


def test_methods_that_are_none():
    for method in (5, None):
        with pytest.raises(TypeError, match="knn: method must be 'exact', a faiss factory string"):
            tamis.knn(rows(30, 8), 2, method=method)


def test_arrays_on_a_device_are_refused():
    torch = pytest.importorskip("torch")
    meta = torch.empty((3, 2), device="meta")
    with pytest.raises(ValueError, match="knn: arrays must be on the CPU or on CUDA, got meta"):
        tamis.knn(meta, 1)
    text = r"representativeness: x must be on the host.*x\.cpu\(\)"
    with pytest.raises(tamis.CudaUnavailable, match=text):
        tamis.representativeness(meta)


@pytest.mark.parametrize("size", [1e15, 1e30, 1e140])
@pytest.mark.parametrize("metric", ["euclidean", "inner_product", "cosine"])
def test_one_huge_row(size, metric):
    """One that the sample of a plan may miss, beyond what float32 can square."""
    for row in (0, 150):
        x = rows(300, 8, dtype="float64")
        x[row] *= size
        found = tamis.knn(x, 4, metric=metric)
        reference.assert_neighbours(found, x, 4, None, metric, ties=1e-10)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_gpu_equals_the_host(gpu_library, metric, dtype):
    x = np.random.default_rng(0).normal(1, 1, (120, 9)).astype(dtype)
    got = tamis.uniqueness(gpu_library.array(x), metric=metric, k=4)
    want = tamis.uniqueness(x, metric=metric, k=4)
    np.testing.assert_allclose(
        gpu_library.numpy(got), want, rtol=1e-6 if dtype == "float32" else 1e-12
    )
    same = gpu_library.array(np.ones((20, 3), dtype))
    assert gpu_library.numpy(tamis.uniqueness(same, metric=metric))[0] == 1
    assert gpu_library.numpy(tamis.uniqueness(gpu_library.array(x[:3]))).tolist() == [1, 1, 1]
    assert gpu_library.numpy(tamis.uniqueness(gpu_library.array(x[:0]))).shape == (0,)
