"""tamis.knn on CUDA arrays: bit-identical to the host, whatever the filter lets through."""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from tamis.embeddings import knn_cuda
from test_knn import METRICS, rows

pytestmark = pytest.mark.gpu


def same_as_host(library, x, k, queries=None, **options):
    on = library.array
    asked = None if queries is None else on(queries)
    got = tamis.knn(on(x), k, queries=asked, **options)
    want = tamis.knn(x, k, queries=queries, **options)
    np.testing.assert_array_equal(library.numpy(got[1]), want[1])
    np.testing.assert_array_equal(library.numpy(got[0]), want[0])
    assert library.numpy(got[0]).dtype == want[0].dtype


@pytest.fixture
def small_pieces(monkeypatch):
    """Several blocks of rows, pieces of columns and sums."""
    monkeypatch.setattr(knn_cuda, "SUMMED", 1000)
    monkeypatch.setattr(knn_cuda, "BLOCK", 128)
    monkeypatch.setattr(knn_cuda, "SAMPLE", 128)


def test_a_search_of_the_rows_themselves(gpu_library, small_pieces):
    same_as_host(gpu_library, rows(270, 33), 5)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric(gpu_library, small_pieces, metric):
    same_as_host(gpu_library, rows(390, 130), 5, rows(30, 130, seed=1), metric=metric)


@pytest.mark.parametrize("metric", METRICS)
def test_float64(gpu_library, metric):
    same_as_host(gpu_library, rows(130, 70, dtype="float64"), 3, metric=metric)


@pytest.mark.parametrize("metric", METRICS)
def test_queries(gpu_library, metric):
    x, queries = rows(270, 20), rows(20, 20, seed=1)
    same_as_host(gpu_library, x, 9, queries, metric=metric)
    same_as_host(gpu_library, x[:3], 3, queries, metric=metric)


@pytest.mark.parametrize("metric", METRICS)
def test_the_row_itself(gpu_library, metric):
    x = rows(140, 8)
    x[[3, 70]] = 0
    same_as_host(gpu_library, x, 4, metric=metric, exclude_self=False)


@pytest.mark.parametrize("k", [1, 100, 299])
def test_few_and_many_neighbours(gpu_library, small_pieces, k):
    same_as_host(gpu_library, rows(300, 16), k, rows(30, 16, seed=1))


def test_more_copies_than_a_list_holds(gpu_library, small_pieces):
    x = rows(400, 12)
    x[np.arange(0, 400, 3)] = x[0]
    x[np.arange(1, 400, 3)] = x[0]
    same_as_host(gpu_library, x, 3, x[:9])
    same_as_host(gpu_library, x[:200], 3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rows_without_direction(gpu_library, small_pieces, metric):
    x = rows(260, 12)
    x[[0, 77, 259]] = 0
    same_as_host(gpu_library, x, 6, x[:20], metric=metric)
    same_as_host(gpu_library, x[:40], 39, metric=metric)


def test_rows_of_very_different_length(gpu_library, small_pieces):
    x = rows(260, 12)
    x[5] *= 1e6
    x[9:40] *= 1e-5
    for metric in METRICS:
        same_as_host(gpu_library, x, 3, x[:12], metric=metric)


def test_the_filter_leaves_few(gpu_library, small_pieces, monkeypatch):
    """Only rows with too many copies are compared with all rows; lists end up short."""
    kept = []
    make = knn_cuda._lists
    monkeypatch.setattr(knn_cuda, "_lists", lambda *how: kept.append(make(*how)) or kept[-1])
    x, queries = rows(400, 24), rows(128, 24, seed=1)
    x[np.arange(400) % 3 < 2] = 50
    x[8] *= 1e4  # spoils nobody's limits
    queries[:5] = 50
    same_as_host(gpu_library, x, 3, queries)
    counts = gpu_library.numpy(kept[0]["counts"])
    others = counts[counts != -1]
    assert len(others) == len(queries) - 5
    assert (others >= 3).all() and np.median(others) < 10


# the pairs of a tile, and all: how many are found at a time does not depend on the metric
@pytest.mark.parametrize(("metric", "candidates"), [("cosine", 1 << 14), ("euclidean", 1 << 18)])
def test_all_pairs_within_a_radius(gpu_library, small_pieces, monkeypatch, metric, candidates):
    monkeypatch.setattr(knn_cuda, "CANDIDATES", candidates)
    x = rows(300, 10, dtype="float64")
    x[[5, 200]] = x.mean(0)
    threshold = {"cosine": 0.5, "euclidean": 3.0}[metric]
    got = tamis.near_duplicates(gpu_library.array(x), threshold=threshold, metric=metric)
    want = tamis.near_duplicates(x, threshold=threshold, metric=metric)
    assert len(want.pairs) > 5_000
    np.testing.assert_array_equal(got.pairs, want.pairs)
    np.testing.assert_allclose(got.distances, want.distances, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(got.group, want.group)
    with pytest.raises(ValueError, match="near_duplicates: more than 100 pairs"):
        tamis.near_duplicates(gpu_library.array(x), threshold=3.0, metric=metric, max_pairs=100)


def test_cosine_about_a_mean_far_from_zero(gpu_library):
    """The mean of large float64 values is summed as exactly as on the host."""
    x = rows(450, 9, dtype="float64") + 1e12
    got = tamis.near_duplicates(gpu_library.array(x), threshold=0.3)
    want = tamis.near_duplicates(x, threshold=0.3)
    assert len(want.pairs) > 100
    np.testing.assert_array_equal(got.pairs, want.pairs)
    np.testing.assert_allclose(got.distances, want.distances, rtol=0, atol=1e-12)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_leaks_and_unique_rows(gpu_library, metric):
    x, other = rows(140, 9), rows(150, 9, seed=1)
    other[:7] = x[20:27]
    on = gpu_library.array
    got = tamis.leaks(on(x), other=on(other), metric=metric)
    want = tamis.leaks(x, other=other, metric=metric)
    assert len(want.pairs) >= 7
    np.testing.assert_array_equal(got.pairs, want.pairs)
    np.testing.assert_allclose(got.distances, want.distances, rtol=1e-6, atol=1e-12)
    split = np.arange(140) % 2
    got, want = (tamis.leaks(a, split, metric=metric).pairs for a in (on(x), x))
    np.testing.assert_array_equal(got, want)
    assert len(tamis.find_unique(on(x), 30, metric=metric)) == 30


def test_halves_stand_for_float32(gpu_library):
    torch = pytest.importorskip("torch")
    if gpu_library.name != "torch":
        pytest.skip("bfloat16 is PyTorch's")
    x = torch.from_numpy(rows(50, 8)).to(gpu_library.device, torch.bfloat16)
    want = tamis.knn(x.float().cpu().numpy(), 2)
    got = tamis.knn(x, 2)
    assert got[0].cpu().numpy().tolist() == want[0].tolist()


def test_it_runs_on_the_current_stream(gpu_library):
    x = rows(5000, 64)
    stream, current = gpu_library.new_stream()
    with current:
        got = tamis.knn(gpu_library.array(x), 4)
        stream.synchronize()
        np.testing.assert_array_equal(gpu_library.numpy(got[1]), tamis.knn(x, 4)[1])


def test_more_rows(gpu_library):
    """Several blocks and pieces as they are on a device."""
    if gpu_library.emulated:
        pytest.skip("too slow where it is emulated")
    x = rows(20_000, 200)
    same_as_host(gpu_library, x, 10)
    same_as_host(gpu_library, x[:9000], 1024, x[:100], metric="cosine")


def test_nothing_to_search(gpu_library):
    none = gpu_library.array(np.empty((0, 3), np.float32))
    assert tamis.knn(none, 5)[1].shape == (0, 5)
    assert tamis.knn(gpu_library.array(rows(5, 3)), 2, queries=none)[0].shape == (0, 2)


def test_progress(gpu_library, small_pieces):
    seen = []
    x = gpu_library.array(rows(150, 4))
    tamis.knn(x, 1, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(128, 150), (150, 150)]


def test_errors_come_before_work(gpu_library):
    x = rows(9, 4)
    with pytest.raises(ValueError, match="knn: k must be at most 8 for 9 rows, got 9"):
        tamis.knn(gpu_library.array(x), 9)
    with pytest.raises(TypeError, match="queries must be float32 as x is, got float64"):
        tamis.knn(gpu_library.array(x), 2, queries=gpu_library.array(x.astype(np.float64)))
    for bad in (np.nan, np.inf):
        x[[4, 7], 1] = bad
        with pytest.raises(ValueError, match=r"knn: x must be finite, got NaN or .* in row 4"):
            tamis.knn(gpu_library.array(x), 2)
    large = rows(9, 4, dtype="float64")
    large[3] *= 1e160
    with pytest.raises(ValueError, match="row 3 is too large"):
        tamis.knn(gpu_library.array(large), 2)
    large[3] *= 1e-320
    with pytest.raises(ValueError, match="row 3 is too small"):
        tamis.knn(gpu_library.array(large), 2)
