"""tamis.knn of CUDA arrays through faiss indices, their recall against the exact answer."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import tamis
from tamis.embeddings import knn_faiss
from test_knn import METRICS, rows

pytestmark = pytest.mark.gpu


@pytest.fixture
def faiss(gpu_library, monkeypatch):
    """faiss with GPUs; if the device is emulated, the index stays on the host."""
    module = pytest.importorskip("faiss")
    if gpu_library.emulated:
        monkeypatch.setattr(knn_faiss, "_on_gpu", lambda faiss, index, x, method: index)
        monkeypatch.setattr(knn_faiss, "_queued", lambda index, x: nullcontext())
    elif not hasattr(module, "StandardGpuResources"):
        pytest.skip("this faiss has no GPU support (pip install faiss-gpu)")
    return module


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("metric", METRICS)
def test_flat_finds_what_the_host_finds(gpu_library, faiss, metric, dtype):
    x = rows(500, 24).astype(dtype)
    options = {"metric": metric, "method": "Flat", "recall_sample": 60}
    got = tamis.knn(gpu_library.array(x), 5, **options)
    want = tamis.knn(x, 5, **options)
    distances, indices = (gpu_library.numpy(part) for part in got[:2])
    assert got[2] > 0.97 and distances.dtype == dtype and indices.dtype == np.int64
    assert (indices == want[1]).mean() > 0.97
    np.testing.assert_allclose(distances, want[0], rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("exclude_self", [False, True])
def test_queries_and_self(gpu_library, faiss, exclude_self):
    on, x = gpu_library.array, rows(300, 8)
    x[100:110] = x[:10]  # a row may be listed after its copy
    got = tamis.knn(on(x), 3, method="Flat", exclude_self=exclude_self)
    own = gpu_library.numpy(got[1]) == np.arange(300)[:, None]
    assert own.any() != exclude_self
    got = tamis.knn(on(x), 3, queries=on(x[:7] + 1), method="Flat", recall_sample=7)
    assert got[2] > 0.9 and tuple(got[1].shape) == (7, 3)


def test_an_index_that_must_be_trained(gpu_library, faiss):
    x = rows(2000, 16)
    recall = tamis.knn(gpu_library.array(x), 5, method="IVF16,Flat", recall_sample=100)[2]
    assert recall > 0.15


def test_rows_of_zeros_by_cosine(gpu_library, faiss):
    x = rows(60, 8)
    x[7] = 0
    got = gpu_library.numpy(tamis.knn(gpu_library.array(x), 2, metric="cosine", method="Flat")[0])
    assert np.isfinite(got).all() and (got[7] == 1).all()


def test_index_objects(gpu_library, faiss):
    x = rows(200, 8)
    if not gpu_library.emulated:
        with pytest.raises(ValueError, match=r"knn: method must be .* on cuda:0 .*got IndexFlatL2"):
            tamis.knn(gpu_library.array(x), 3, method=faiss.IndexFlatL2(8))
        with pytest.raises(ValueError, match=r"knn: method must be .* has on GPUs.*got HNSW16"):
            tamis.knn(gpu_library.array(x), 3, method="HNSW16")
        index = faiss.GpuIndexFlatL2(faiss.StandardGpuResources(), 8)
    else:
        index = faiss.IndexFlatL2(8)
    for _ in range(2):  # empty, then filled
        got = tamis.knn(gpu_library.array(x), 3, method=index)[1]
        assert (gpu_library.numpy(got) == tamis.knn(x, 3)[1]).mean() > 0.97
    with pytest.raises(ValueError, match="the faiss index must be empty or hold the 199 rows of x"):
        tamis.knn(gpu_library.array(x[1:]), 3, method=index)


def test_faiss_without_gpus(gpu_library):
    module = pytest.importorskip("faiss")
    if hasattr(module, "StandardGpuResources"):
        pytest.skip("this faiss has GPU support")
    with pytest.raises(ImportError, match=r"needs faiss with GPU support.*pip install faiss-gpu"):
        tamis.knn(gpu_library.array(rows(30, 8)), 2, method="Flat")


def test_errors(gpu_library, faiss):
    x = rows(30, 8, dtype="float64")
    with pytest.raises(ValueError, match="knn: method must be 'exact' or a faiss factory string"):
        tamis.knn(gpu_library.array(x), 2, method="Bogus")
    x[4, 2] = 1e30
    with pytest.raises(ValueError, match=r"knn: x must have norms of at most 1e\+18 for faiss"):
        tamis.knn(gpu_library.array(x), 2, method="Flat")
