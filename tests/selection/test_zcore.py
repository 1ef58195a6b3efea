"""zcore: draws, scores, shards, checkpoints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import reference_zcore as reference
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference_zcore import close, rows, some_draws
from tamis import _core

# Hand cases and edges


LINE = np.array([[0.0], [1.0], [3.0], [7.0]])


def test_one_draw_by_hand():
    dims, points = np.array([[0]]), np.array([[1.4]])
    weights = np.array([1 / 1, 1 / 16, 1 / 6**4])  # of rows 0, 2 and 3 about row 1
    want = -weights / weights.sum()
    got = tamis.zcore_from_draws(LINE, dims, points)
    close(got, [want[0], 1, want[1], want[2]], 1)
    got = tamis.zcore_from_draws(LINE, dims, points, redundancy_nn=1)
    np.testing.assert_array_equal(got, [-1, 1, 0, 0])
    got = tamis.zcore_from_draws(LINE, dims, points, redundancy_exp=0)
    close(got, [-1 / 3, 1, -1 / 3, -1 / 3], 1)


def test_ties_go_to_the_lower_row():
    points = np.array([[0.5], [2.0]])  # rows 0 and 1, rows 1 and 2 are equally near
    got = tamis.zcore_from_draws(LINE, np.zeros((2, 1), int), points, redundancy_nn=1)
    np.testing.assert_array_equal(got, [1 - 1, -1 + 1, 0, 0])


def test_a_row_at_the_same_place_pays_alone_and_the_covering_row_never():
    x = np.array([[1.0, 5], [0, 0], [1, 5], [1, 5], [2, 2]])
    got = tamis.zcore_from_draws(x, np.array([[1, 0]]), np.array([[5.0, 1]]))
    np.testing.assert_array_equal(got, [1, 0, -1, 0, 0])


def test_equal_distances_at_the_last_place_go_to_the_lower_rows():
    x = np.concatenate([[[0.0]], np.full((500, 1), 1.0), np.full((500, 1), -1.0)])
    got = tamis.zcore_from_draws(x, np.array([[0]]), np.array([[0.0]]), redundancy_nn=10)
    want = np.zeros(1001)
    want[0], want[1:11] = 1, -0.1
    close(got, want, 1)


def test_ties_at_the_last_place_before_many_nearer_rows():
    """Few of the 300 ties count, which is known once the nearer rows after them have been seen."""
    x = np.zeros((400, 2), np.float32)
    x[300:] = 1 + np.random.default_rng(0).random((100, 2)) / 10
    dims = np.tile(np.int32([[0, 1]]), (40, 1))
    points = 1 + np.linspace(0, 0.1, 40)[:, None].repeat(2, axis=1)
    got = tamis.zcore_from_draws(x, dims, points, redundancy_nn=120)
    close(got, reference.from_draws(x, dims, points, redundancy_nn=120), 40)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows(n):
    x = rows(n, 3)
    dims, points = some_draws(x, 20)
    close(tamis.zcore_from_draws(x, dims, points), reference.from_draws(x, dims, points), 20)
    scores = tamis.zcore(x, n_samples=20)
    assert scores.shape == (n,)
    assert np.isfinite(scores).all()


def test_constant_columns():
    x = rows(300, 3)
    x[:, 1] = 4
    dims, points = some_draws(x, 50)
    assert (points[dims == 1] == 4).all()
    close(tamis.zcore_from_draws(x, dims, points), reference.from_draws(x, dims, points), 50)
    same = np.full((9, 4), 2.5, np.float32)
    got = tamis.zcore(same, n_samples=10, random_init=False)
    np.testing.assert_array_equal(got, [1, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distances_whose_power_underflows(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([[0], [3 * tiny], [1], [7 * tiny]], dtype)
    got = tamis.zcore_from_draws(x, np.array([[0]]), np.array([[-1.0]]))
    share = 1 / (1 + (3 / 7) ** 4)
    np.testing.assert_allclose(got, [1, -share, 0, share - 1], atol=1e-8)


def test_wide_and_narrow_values():
    x = rows(400, 4, "float64")
    x[:, 0] *= 1e140
    x[:, 1] = 1e8 + x[:, 1] * 1e-6
    x[7, 2] = 1e30  # one outlier
    dims, points = some_draws(x, 100)
    close(tamis.zcore_from_draws(x, dims, points), reference.from_draws(x, dims, points), 100)


def test_all_scores_equal_are_zero():
    np.testing.assert_array_equal(tamis.zcore_finish(np.ones(3), random_init=False), np.zeros(3))
    assert tamis.zcore_finish(np.empty(0)).shape == (0,)


# Every path equals the reference


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_scores(isa, library, dtype, k):
    x = rows(3000, 9, dtype)
    dims, points = some_draws(x, 40, k)
    want = reference.from_draws(x, dims, points, redundancy_nn=70)
    got = tamis.zcore_from_draws(library.array(x), dims, points, redundancy_nn=70)
    close(got, want, 40)


@pytest.mark.parametrize("n", [1001, 20_000])
def test_many_rows_and_neighbours(isa, n):
    x = rows(n, 30)
    dims, points = some_draws(x, 60)
    got = tamis.zcore_from_draws(x, dims, points, redundancy_exp=2.5)
    close(got, reference.from_draws(x, dims, points, redundancy_exp=2.5), 60)


@pytest.mark.parametrize("nn", [1, 20, 1000])
def test_ties(isa, nn):
    """Few different values, so that everything is tied."""
    x = np.random.default_rng(0).integers(0, 12, (5000, 6)).astype(np.float32)
    x[::3, :4] = 0
    dims, points = some_draws(x, 60)
    points[::2] = np.rint(points[::2])
    got = tamis.zcore_from_draws(x, dims, points, redundancy_nn=nn)
    close(got, reference.from_draws(x, dims, points, redundancy_nn=nn), 60)


def test_every_row_twice(isa):
    x = np.repeat(rows(1500, 5), 2, axis=0)
    dims, points = some_draws(x, 80)
    got = tamis.zcore_from_draws(x, dims, points)
    np.testing.assert_array_equal(got, reference.from_draws(x, dims, points))
    assert got.sum() == 0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_draws(k):
    x = rows(500, 5)
    dims, points = tamis.zcore_draws(x, 30, sample_dim=k, seed=2**64 - 1, first=7)
    want = reference.draws(x, 30, first=7, sample_dim=k, seed=2**64 - 1)
    np.testing.assert_array_equal(dims, want[0])
    np.testing.assert_array_equal(points, want[1])


def test_whole_score(library):
    x = rows(800, 6)
    sums = reference.from_draws(x, *reference.draws(x, 120, seed=3), redundancy_nn=30)
    for start in (True, False):
        got = tamis.zcore(
            library.array(x), n_samples=120, redundancy_nn=30, random_init=start, seed=3
        )
        got = library.numpy(got)
        assert got.dtype == np.float32
        want = reference.finish(sums, 3, start)
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6)
        assert got.min() == 0
        assert got.max() == 1


def test_half_precision_and_memory_maps(tmp_path):
    x = rows(600, 5).astype(np.float16)
    want = tamis.zcore(x.astype(np.float32), n_samples=50)
    np.testing.assert_array_equal(tamis.zcore(x, n_samples=50), want)
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(tamis.zcore(mapped, n_samples=50), want)
    np.testing.assert_array_equal(tamis.zcore(np.asfortranarray(mapped), n_samples=50), want)


def test_draws_are_triangular_and_columns_even():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, (999, 4)), np.ones((1, 4))])
    x[:, 3] = x[:, 3] ** 4
    dims, points = tamis.zcore_draws(x, 40_000)
    assert (dims[:, 0] != dims[:, 1]).all()
    np.testing.assert_allclose(np.bincount(dims.ravel()) / 80_000, 0.25, atol=0.01)
    low, mode, high = reference.spans(x)
    for j in range(4):
        got = np.sort(points[dims == j])
        want = rng.triangular(low[j], mode[j], high[j], 200_000)
        quantiles = np.linspace(0.01, 0.99, 50)
        apart = np.quantile(got, quantiles) - np.quantile(want, quantiles)
        assert np.abs(apart).max() < 0.02


# The same bits, however the work is cut


def test_threads_and_instruction_sets_give_the_same_bits(isa):
    x = rows(4000, 12)
    want = tamis.zcore(x, n_samples=500)
    for threads in (1, 3):
        tamis.set_num_threads(threads)
        np.testing.assert_array_equal(tamis.zcore(x, n_samples=500), want)
    tamis.set_num_threads(0)
    before = _core.isa()
    _core.cap_isa(2)
    np.testing.assert_array_equal(tamis.zcore(x, n_samples=500), want)
    _core.cap_isa(before)


def test_shards_add_up():
    x = rows(2000, 8)
    want = tamis.zcore(x, n_samples=300, redundancy_nn=50, seed=9)
    parts = [(0, 7), (7, 120), (127, 173)]
    sums = sum(
        tamis.zcore_from_draws(x, *tamis.zcore_draws(x, n, first=first, seed=9), redundancy_nn=50)
        for first, n in reversed(parts)
    )
    np.testing.assert_array_equal(tamis.zcore_finish(sums, seed=9), want)


def test_checkpoint(tmp_path):
    x, path = rows(1000, 6), tmp_path / "run.npz"
    want = tamis.zcore(x, n_samples=400)
    first = tamis.zcore(x, n_samples=150, checkpoint=path)
    np.testing.assert_array_equal(first, tamis.zcore(x, n_samples=150))
    seen = []
    got = tamis.zcore(x, n_samples=400, checkpoint=path, progress=lambda *done: seen.append(done))
    np.testing.assert_array_equal(got, want)
    assert seen == [(400, 400)]
    seen.clear()  # nothing is left to do
    got = tamis.zcore(x, n_samples=400, checkpoint=str(path), progress=lambda *d: seen.append(d))
    np.testing.assert_array_equal(got, want)
    assert seen == []
    assert os.listdir(tmp_path) == ["run.npz"]


def test_checkpoint_of_something_else(tmp_path):
    x, path = rows(1000, 6), tmp_path / "run.npz"
    tamis.zcore(x, n_samples=100, checkpoint=path)
    other = x.copy()
    other[999, 5] += 1
    with pytest.raises(
        ValueError, match=r"^zcore: checkpoint '.*' was written for different data$"
    ):
        tamis.zcore(other, n_samples=200, checkpoint=path)
    for change in ({"seed": 1}, {"sample_dim": 3}, {"redundancy_nn": 9}, {"redundancy_exp": 2}):
        with pytest.raises(ValueError, match=r"belongs to other \(sample_dim, redundancy_nn, "):
            tamis.zcore(x, n_samples=200, checkpoint=path, **change)
    with pytest.raises(ValueError, match="has 100 draws, more than n_samples 50"):
        tamis.zcore(x, n_samples=50, checkpoint=path)
    path.write_bytes(b"no zip at all")
    with pytest.raises(ValueError, match=r"run.npz' is not a zcore checkpoint: "):
        tamis.zcore(x, n_samples=200, checkpoint=path)


# Errors come before work


X = np.zeros((4, 3), np.float32)
DIMS, POINTS = np.array([[0, 1]]), np.zeros((1, 2))
VALUE_ERRORS = {
    r"zcore: x must have shape \(N, D\), got \(12,\)": lambda: tamis.zcore(X.ravel()),
    r"zcore: x must have 1 to 4294967295 rows, got 0": lambda: tamis.zcore(X[:0]),
    "zcore: sample_dim must be 1 to 3, got 4": lambda: tamis.zcore(X, sample_dim=4),
    "zcore: sample_dim must be at least 1, got 0": lambda: tamis.zcore(X, sample_dim=0),
    "zcore: redundancy_nn must be at least 1, got 0": lambda: tamis.zcore(X, redundancy_nn=0),
    "zcore: redundancy_exp must be 0 or more, got -1": lambda: tamis.zcore(X, redundancy_exp=-1),
    "zcore: redundancy_exp must be 0 or more, got nan": lambda: tamis.zcore(
        X, redundancy_exp=np.nan
    ),
    "zcore: n_samples must be 1 to 1099511627776, got 0": lambda: tamis.zcore(X, n_samples=0),
    "zcore: seed must be 0 to 18446744073709551615, got -1": lambda: tamis.zcore(X, seed=-1),
    "zcore: x must be at most 1e[+]150, got 1e[+]200": lambda: tamis.zcore(np.full((3, 2), 1e200)),
    r"zcore_from_draws: dims must be 0 to 2, got \[0 3\] in row 0": lambda: tamis.zcore_from_draws(
        X, np.array([[0, 3]]), POINTS
    ),
    r"zcore_from_draws: dims must differ, got \[1 1\] in row 0": lambda: tamis.zcore_from_draws(
        X, np.array([[1, 1]]), POINTS
    ),
    r"zcore_from_draws: points must have shape \(1, 2\), got \(2, 2\)": lambda: (
        tamis.zcore_from_draws(X, DIMS, np.zeros((2, 2)))
    ),
    r"zcore_from_draws: points must be finite, got \[nan  0.\] in row 0": lambda: (
        tamis.zcore_from_draws(X, DIMS, np.array([[np.nan, 0]]))
    ),
    "zcore_finish: sums must be finite, got NaN or infinity in row 1": lambda: tamis.zcore_finish(
        np.array([0, np.inf])
    ),
}
TYPE_ERRORS = {
    "zcore: x must be float16, bfloat16, float32 or float64, got int64": lambda: tamis.zcore(
        X.astype(int)
    ),
    "zcore: n_samples must be an integer, got 1000000.0": lambda: tamis.zcore(X, n_samples=1e6),
    "zcore: redundancy_exp must be a number, got '4'": lambda: tamis.zcore(X, redundancy_exp="4"),
    "zcore_from_draws: dims must be int8 to int64, got float64": lambda: tamis.zcore_from_draws(
        X, POINTS, POINTS
    ),
}


@pytest.mark.parametrize("text", [*VALUE_ERRORS, *TYPE_ERRORS])
def test_errors(text):
    error = ValueError if text in VALUE_ERRORS else TypeError
    with pytest.raises(error, match=f"^{text}$"):
        (VALUE_ERRORS | TYPE_ERRORS)[text]()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_bad_row_is_named(dtype, bad):
    x = rows(5000, 7).astype(dtype)
    x[4321, 3] = x[4700, 0] = bad
    with pytest.raises(
        ValueError, match=r"^zcore: x must be finite, got NaN or infinity in row 4321$"
    ):
        tamis.zcore(x)


def test_ctrl_c_leaves_a_checkpoint_that_is_whole(tmp_path):
    path = tmp_path / "run.npz"
    code = (  # a background job starts with SIGINT ignored
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import numpy as np, tamis\n"
        "tamis.set_num_threads(1)\n"
        "from tamis.selection import zcore_checkpoint as c; c.EVERY = 0.0\n"
        "x = np.random.default_rng(0).random((4000, 20), dtype=np.float32)\n"
        f"tamis.zcore(x, n_samples=10**7, checkpoint={str(path)!r},"
        " progress=lambda *a: print('ready', flush=True))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    begin = time.monotonic()
    try:
        _, err = child.communicate(timeout=10)
    finally:
        child.kill()
    assert "KeyboardInterrupt" in err
    assert time.monotonic() - begin < 8
    x = np.random.default_rng(0).random((4000, 20), dtype=np.float32)
    done = int(np.load(path)["done"])
    seen = []
    got = tamis.zcore(x, n_samples=done + 10, checkpoint=path, progress=lambda *a: seen.append(a))
    assert seen == [(done + 10, done + 10)]
    assert np.isfinite(got).all()


# Properties


VALUES = st.floats(-8, 8, width=32) | st.sampled_from([0.0, 1.0, -1.0, 1e-30, 3e30])


@examples(150)
@given(st.data())
def test_any_draws_equal_the_reference(data):
    n, d = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    k = data.draw(st.integers(1, d))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    x = data.draw(arrays(np.float32, (n, d), elements=VALUES)).astype(dtype)
    dims = np.array(
        data.draw(st.lists(st.permutations(range(d)).map(lambda p: p[:k]), min_size=1, max_size=4))
    )
    points = data.draw(arrays(np.float64, dims.shape, elements=VALUES))
    nn = data.draw(st.integers(1, 45))
    got = tamis.zcore_from_draws(x, dims, points, redundancy_nn=nn)
    close(got, reference.from_draws(x, dims, points, redundancy_nn=nn), len(dims))
