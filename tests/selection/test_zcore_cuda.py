"""tamis.zcore on CUDA arrays: the host's draws, and its scores to one unit per draw."""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from reference import same_bits
from reference_zcore import close, rows
from tamis.selection import zcore_cuda
from test_zcore import LINE

pytestmark = pytest.mark.gpu


def same_as_host(library, x, dims, points, **options):
    got = tamis.zcore_from_draws(library.array(x), dims, points, **options)
    close(library.numpy(got), tamis.zcore_from_draws(x, dims, points, **options), len(dims))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_draws_and_scores(gpu_library, k, dtype):
    x = rows(999, 7, dtype)
    dims, points = tamis.zcore_draws(x, 12, sample_dim=k, first=5, seed=2**63 + 1)
    got = tamis.zcore_draws(gpu_library.array(x), 12, sample_dim=k, first=5, seed=2**63 + 1)
    np.testing.assert_array_equal(gpu_library.numpy(got[0]), dims)
    np.testing.assert_array_equal(gpu_library.numpy(got[1]), points)
    same_as_host(gpu_library, x, dims, points, redundancy_nn=20)
    same_as_host(gpu_library, x, dims, points, redundancy_nn=2, redundancy_exp=2.5)


@pytest.mark.parametrize("n", [10, 11])
def test_columns_with_ties_and_of_one_value(gpu_library, n):
    x = np.random.default_rng(0).integers(-2, 3, (n, 4)).astype(np.float32)
    x[:, 1] = -3
    got = tamis.zcore_draws(gpu_library.array(x), 20)
    for mine, theirs in zip(got, tamis.zcore_draws(x, 20), strict=True):
        np.testing.assert_array_equal(gpu_library.numpy(mine), theirs)


@pytest.mark.parametrize("nn", [1, 20, 1000])
def test_ties(gpu_library, nn):
    x = np.random.default_rng(0).integers(0, 12, (1500, 6)).astype(np.float32)
    x[::3, :4] = 0
    dims, points = tamis.zcore_draws(x, 12, seed=11)
    points[::2] = np.rint(points[::2])
    same_as_host(gpu_library, x, dims, points, redundancy_nn=nn)


def test_by_hand(gpu_library):
    same_as_host(gpu_library, LINE, np.array([[0]]), np.array([[1.4]]))
    same_as_host(gpu_library, LINE[:1], np.array([[0]]), np.array([[1.4]]))
    x = np.array([[1.0, 5], [0, 0], [1, 5], [1, 5], [2, 2]])
    same_as_host(gpu_library, x, np.array([[1, 0]]), np.array([[5.0, 1]]))
    x = np.concatenate([[[0.0]], np.full((700, 1), 1.0), np.full((700, 1), -1.0)])
    same_as_host(gpu_library, x, np.array([[0]]), np.array([[0.0]]), redundancy_nn=10)


@pytest.mark.parametrize("sampled", [4, 64])
def test_a_sample_that_misleads(gpu_library, monkeypatch, sampled):
    """Too near a reach is widened, too far a one narrowed, until the list fits."""
    monkeypatch.setattr(zcore_cuda, "FEWEST_SAMPLED", sampled)
    monkeypatch.setattr(zcore_cuda, "MOST_SAMPLED", sampled)
    rng = np.random.default_rng(1)
    x = np.exp(4 * rng.normal(size=(1200, 3))).astype(np.float32)
    x[::300] = 0
    dims, points = tamis.zcore_draws(x, 15)
    same_as_host(gpu_library, x, dims, points, redundancy_nn=60)


SHAPES = {
    "far from zero": lambda x: x + 1000,
    "heavy tails": lambda x: np.sign(x) * np.exp(9 * abs(x)),
    "one column rules": lambda x: x * np.where(np.arange(x.shape[1]) == 2, 1e7, 1),
    "one value rules": lambda x: np.where((x == x.max()), 1e30, x),
    "tiny": lambda x: x * 1e-42,
    "huge": lambda x: x * 1e36,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_halves_lose_no_row(gpu_library, monkeypatch, shape, dtype):
    """All rows are sampled here, so the one nearest to a point lies at the very bound."""
    monkeypatch.setattr(zcore_cuda, "COLUMN_BYTES", 4 * 8 * 200)  # of eight columns, or of four
    x = SHAPES[shape](rows(200, 9)).astype(dtype)
    for k in (2, 3):
        dims, points = tamis.zcore_draws(x, 12, sample_dim=k, seed=k)
        some = np.arange(0, 12, 2)
        points[some] = np.take_along_axis(x[5 * some], dims[some], 1)  # at a row
        points[some[::2]] = np.nextafter(points[some[::2]], 0)
        points[1::10] *= 100  # outside
        same_as_host(gpu_library, x, dims, points, redundancy_nn=5)


def test_more_rows_on_the_current_stream(gpu_library):
    x = rows(50_000, 20)
    dims, points = tamis.zcore_draws(x, 300)
    stream, current = gpu_library.new_stream()
    with current:
        same_as_host(gpu_library, x, dims, points)
        stream.synchronize()


@pytest.mark.parametrize("random_init", [False, True])
def test_whole_scores(gpu_library, monkeypatch, random_init):
    monkeypatch.setattr(zcore_cuda.DeviceScorer, "slice", 16)
    x = rows(400, 5)
    options = {"n_samples": 40, "redundancy_nn": 30, "seed": 4, "random_init": random_init}
    got = gpu_library.numpy(tamis.zcore(gpu_library.array(x), **options))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, tamis.zcore(x, **options), rtol=0, atol=1e-6)
    same = gpu_library.array(np.full((9, 4), 2.5, np.float32)[:1])
    assert gpu_library.numpy(tamis.zcore(same, n_samples=3, random_init=False)).tolist() == [0]


def test_errors(gpu_library):
    x = rows(40, 3)
    x[[7, 30], 1] = np.nan
    with pytest.raises(ValueError, match="zcore: x must be finite, got NaN or infinity in row 7"):
        tamis.zcore(gpu_library.array(x), n_samples=3)
    with pytest.raises(ValueError, match="zcore: checkpoint must be None for CUDA arrays"):
        tamis.zcore(gpu_library.array(rows(40, 3)), n_samples=3, checkpoint="x.npz")
    with pytest.raises(ValueError, match=r"zcore: x must be at most 1e.150, got 1e.200"):
        tamis.zcore(gpu_library.array(np.array([[1e200], [0]])), n_samples=3, sample_dim=1)


def test_the_finish_of_sums_that_are_there(gpu_library):
    on, sums = gpu_library.array, np.random.default_rng(0).normal(size=500).round(9)
    for how in ({"seed": 9}, {"random_init": False}):
        got = tamis.zcore_finish(on(sums), **how)
        same_bits(gpu_library.numpy(got), tamis.zcore_finish(sums, **how))
    even = tamis.zcore_finish(on(np.ones(3)), random_init=False)
    same_bits(gpu_library.numpy(even), np.zeros(3, np.float32))
    assert gpu_library.numpy(tamis.zcore_finish(on(np.empty(0)))).shape == (0,)
    with pytest.raises(ValueError, match="sums must be finite, got NaN or infinity in row 1"):
        tamis.zcore_finish(on(np.array([1, np.nan])))
    with pytest.raises(ValueError, match=r"sums must have shape \(N,\), got \(3, 1\)"):
        tamis.zcore_finish(on(np.ones((3, 1))))
