"""Identical rows are at distance 0 by every metric, also at the mean, where none has a direction.

And distances do not depend on where the rows lie, nor what is found on their scale.
"""

import numpy as np
import pytest
import reference_embeddings as reference
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st

ONES = np.ones((5, 3), np.float32)
METRICS = ("cosine", "euclidean")


def about_mean(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return reference.keys(x - x.mean(0), metric="cosine")


def with_rows_at_the_mean(seed: int, n: int, zeros: int, d: int, dtype: str) -> np.ndarray:
    """Rows and their opposites, whose mean is 0 exactly, and copies of the mean among them."""
    rng = np.random.default_rng(seed)
    half = rng.integers(-3, 4, (n, d))
    half[:, 0] = rng.integers(1, 4, n)
    x = np.concatenate([half, -half, np.zeros((zeros, d))])
    return x[rng.permutation(len(x))].astype(dtype)


class Everywhere:
    """What holds on the host and on a device, which `give` brings an array to."""

    def check_ones(self, give):
        for metric in METRICS:
            for value in (1, 0, 0.1):
                x = give(ONES * np.float32(value))
                assert tamis.near_duplicates(x, metric=metric).duplicates.tolist() == [1, 2, 3, 4]
                assert tamis.leaks(x, [0, 0, 1, 1, 1], metric=metric).rows.tolist() == [*range(5)]
                assert len(tamis.leaks(x[:2], other=x[2:], metric=metric).pairs) == 6
                assert len(tamis.find_unique(x, 2, metric=metric)) == 1
                batch = tamis.select_batch(np.zeros(5), x, np.array([0]), budget=5, metric=metric)
                assert len(batch) == 1  # all repeat the failure
                assert tamis.uniqueness(x, metric=metric).tolist() == [1] * 5

    def check_pairs(self, give, x):
        far = about_mean(x)
        for threshold in (0, 0.3, 1, 1.5):
            found = tamis.near_duplicates(give(x), threshold=threshold + 1e-9)
            near = far <= threshold + 1e-9
            assert found.pairs.tolist() == np.argwhere(np.triu(near, 1)).tolist()
            np.testing.assert_allclose(found.distances, far[tuple(found.pairs.T)], atol=1e-9)
            left = len(x) // 3
            got = tamis.leaks(give(x), np.arange(len(x)) < left, threshold=threshold + 1e-9)
            between = tamis.leaks(give(x[:left]), other=give(x[left:]), threshold=threshold + 1e-9)
            assert between.pairs.tolist() == np.argwhere(near[:left, left:]).tolist()
            assert got.pairs.tolist() == (between.pairs + np.array([0, left])).tolist()


class TestHost(Everywhere):
    def test_equal_rows(self):
        self.check_ones(lambda x: x)
        self.check_ones(lambda x: x.astype(np.float64))

    @examples(40)
    @given(st.integers(0, 1 << 30), st.integers(1, 9), st.integers(0, 7), st.integers(1, 5))
    def test_pairs(self, seed, n, zeros, d):
        for dtype in ("float32", "float64"):
            self.check_pairs(lambda x: x, with_rows_at_the_mean(seed, n, zeros, d, dtype))

    @pytest.mark.parametrize("zeros", [0, 1, 2, 5])
    @pytest.mark.parametrize("exclude_self", [True, False])
    def test_neighbours(self, zeros, exclude_self):
        x = with_rows_at_the_mean(3, 4, zeros, 3, "float64")
        for k in range(1, len(x) + 1 - exclude_self):
            got = tamis.knn(x, k, metric="cosine", exclude_self=exclude_self)[0]
            far = reference.keys(x, metric="cosine")
            np.fill_diagonal(far, np.inf if exclude_self else 0)
            np.testing.assert_allclose(got, np.sort(far, axis=1)[:, :k], atol=1e-12)
        asked = x[::-1].copy()
        got = tamis.knn(x, 3, queries=asked, metric="cosine")
        reference.assert_neighbours(got, x, 3, asked, "cosine", ties=1e-9)


@pytest.mark.gpu
class TestDevice(Everywhere):
    def test_equal_rows(self, gpu_library):
        self.check_ones(gpu_library.array)

    # 32: the float16 table has no dimension to spare
    @pytest.mark.parametrize(("seed", "d"), [(1, 32), (2, 3), (3, 32)])
    def test_pairs_and_neighbours(self, gpu_library, seed, d):
        x = with_rows_at_the_mean(seed, 3 * seed, 1 + seed, d, "float32")
        self.check_pairs(gpu_library.array, x)
        for k in {1, min(4, len(x) - 1)} - {0}:
            for how in ({}, {"exclude_self": False}, {"queries": x[:4]}):
                want = tamis.knn(x, k, metric="cosine", **how)
                on = {
                    key: gpu_library.array(v) if key == "queries" else v for key, v in how.items()
                }
                got = tamis.knn(gpu_library.array(x), k, metric="cosine", **on)
                for mine, theirs in zip(got, want, strict=True):
                    np.testing.assert_array_equal(gpu_library.numpy(mine), theirs)


def test_brain_keeps_copies_of_the_mean_apart():
    x = np.array([[1, 0], [-1, 0], [0, 0], [0, 0]], np.float32)
    assert tamis.leaks(x, [0, 0, 0, 1]).pairs.tolist() == [[2, 3]]
    assert tamis.leaks(x, [0, 0, 0, 1], compat="brain").pairs.tolist() == []


class TestLargeMean:
    def test_rows_on_both_sides_of_a_mean_that_float32_does_not_have(self):
        x = np.array([[2**24], [2**24 + 2], [2**24 + 6]], np.float32)
        assert tamis.near_duplicates(x, threshold=0.1).pairs.tolist() == [[0, 1]]

    @pytest.mark.parametrize(
        ("offset", "spread"), [(1e4, 1), (1e6, 1), (1e7, 1), (100, 1e-4), (1, 1e-6), (-1e30, 1e24)]
    )
    @pytest.mark.parametrize("n", [400, 6000])  # by float tiles, and by a plan
    def test_float32_rows_have_the_distances_of_float64(self, offset, spread, n):
        rng = np.random.default_rng(0)
        d = 16 if n == 400 else 128
        centres = rng.standard_normal((n // 10, d))[rng.integers(0, n // 10, n)]
        x = (offset + spread * (centres + 0.1 * rng.standard_normal((n, d)))).astype(np.float32)
        wide = x.astype(np.float64)
        np.testing.assert_allclose(tamis.uniqueness(x), tamis.uniqueness(wide), rtol=1e-9)
        got, want = (tamis.near_duplicates(a, threshold=0.3) for a in (x, wide))
        np.testing.assert_array_equal(got.pairs, want.pairs)
        np.testing.assert_allclose(got.distances, want.distances, rtol=1e-7, atol=1e-9)
        if n == 400:
            far = about_mean(x)
            assert len(got.pairs) == (np.triu(far, 1) <= 0.3).sum() - n * (n + 1) // 2

    @pytest.mark.gpu
    def test_on_a_device(self, gpu_library):
        x = (np.random.default_rng(0).standard_normal((300, 8)) + 1e6).astype(np.float32)
        got, want = (tamis.near_duplicates(a, threshold=0.3) for a in (gpu_library.array(x), x))
        np.testing.assert_array_equal(got.pairs, want.pairs)
        np.testing.assert_allclose(got.distances, want.distances, atol=1e-9)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_failures_of_elsewhere_are_not_measured_from_the_mean(self, dtype):
        x = (np.eye(6) * np.arange(1, 7)[:, None] + 100).astype(dtype)
        failure = x[4:5] + np.eye(1, 6, dtype=dtype)  # near row 4, and not too near
        chosen = tamis.select_batch(np.zeros(6), x, failure, budget=1, coverage=0, threshold=1e-9)
        assert chosen.tolist() == [4]


class TestScale:
    @pytest.mark.parametrize("scale", [1, 1e-7, 1e-8, 1e-9, 1e-30, 1e12])
    def test_find_unique(self, scale):
        x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
        keep = tamis.find_unique(x * np.float32(scale), 50, metric="euclidean")
        assert len(keep) == 50

    @pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6])
    def test_find_unique_in_tight_clusters(self, spread):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((2, 8))[rng.integers(0, 2, 500)]
        x = x + spread * rng.standard_normal((500, 8))
        assert len(tamis.find_unique(x, 100)) == 100

    def test_find_unique_of_copies_gives_all_there_are(self):
        x = np.repeat(np.random.default_rng(0).standard_normal((7, 4)), 9, axis=0)
        for metric in METRICS:
            assert tamis.find_unique(x, 20, metric=metric).tolist() == [*range(0, 63, 9)]

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("d", [1, 4, 700])
    def test_uniqueness_of_rows_in_one_direction(self, dtype, d):
        rng = np.random.default_rng(d)
        line = rng.standard_normal(d)
        x = (rng.uniform(1, 9, (24, 1)) * np.where(np.arange(24)[:, None] % 2, 1, -1)).astype(dtype)
        x = x * 4.0 if d == 1 else x * line
        assert (tamis.uniqueness(x.astype("float64")) == 1).all()

    @pytest.mark.gpu
    def test_uniqueness_of_rows_in_one_direction_on_a_device(self, gpu_library):
        x = np.random.default_rng(0).standard_normal((12, 1))
        assert (gpu_library.numpy(tamis.uniqueness(gpu_library.array(x))) == 1).all()


class TestMostPairs:
    def test_counts_pairs_with_rows_at_the_mean(self):
        x = np.array([[1, 0], [-1, 0], [0, 0]], np.float32)
        found = tamis.near_duplicates(x, threshold=1, max_pairs=2)
        assert found.pairs.tolist() == [[0, 2], [1, 2]] and found.distances.tolist() == [1, 1]

    @pytest.mark.parametrize("zeros", [1, 2, 3])
    def test_is_exact(self, zeros):
        x = np.concatenate([np.repeat([[1.0, 0], [-1, 0]], 3, 0), np.zeros((zeros, 2))])
        for threshold, pairs in (
            (0.5, 6 + zeros * (zeros - 1) // 2),
            (1, 6 + zeros * (zeros - 1) // 2 + 6 * zeros),
        ):
            for most in range(pairs + 3):
                if most >= pairs:
                    found = tamis.near_duplicates(x, threshold=threshold, max_pairs=most)
                    assert len(found.pairs) == pairs
                    continue
                with pytest.raises(ValueError, match=f"more than {most} pairs"):
                    tamis.near_duplicates(x, threshold=threshold, max_pairs=most)
        sides = {"other": x[3:], "threshold": 1}
        pairs = len(tamis.leaks(x[:3], **sides).pairs)
        assert len(tamis.leaks(x[:3], max_pairs=pairs, **sides).pairs) == pairs
        with pytest.raises(ValueError, match="leaks: more than"):
            tamis.leaks(x[:3], max_pairs=pairs - 1, **sides)


class TestHugeValues:
    def test_what_float32_cannot_hold_is_refused(self):
        x = np.array([[1e30], [3e30], [9e30]], np.float32)
        assert tamis.knn(x, 1)[0].ravel().tolist() == pytest.approx([2e30, 2e30, 6e30])
        for metric in ("sqeuclidean", "inner_product"):
            with pytest.raises(
                ValueError, match=f"knn: x has rows whose {metric} is beyond float32"
            ):
                tamis.knn(x, 1, metric=metric)
            assert np.isfinite(tamis.knn(x.astype(np.float64), 1, metric=metric)[0]).all()
        near = np.array([[1e30], [1e30], [-1e30], [-1e30]], np.float32)
        assert tamis.knn(near, 1, metric="sqeuclidean")[0].ravel().tolist() == [0] * 4

    @pytest.mark.gpu
    def test_on_a_device(self, gpu_library):
        x = gpu_library.array(np.array([[1e30], [3e30]], np.float32))
        with pytest.raises(ValueError, match="knn: x has rows whose sqeuclidean is beyond float32"):
            tamis.knn(x, 1, metric="sqeuclidean")


def test_representativeness_of_clusters_of_equal_rows():
    pytest.importorskip("sklearn")
    x = np.repeat(np.array([[0.1, 0.7], [5.3, 0.2], [9.9, 9.1]], np.float32), 4, axis=0)
    x[:4, 0] += np.arange(4)
    for method in ("cluster-center", "cluster-center-downweight"):
        for compat in ("brain", None):
            score = tamis.representativeness(x, n_clusters=3, method=method, compat=compat)
            assert np.isfinite(score).all() and score.min() >= 0 and score.max() == 1
    brain = tamis.representativeness(x, n_clusters=3, compat="brain")[4:]
    assert set(brain.tolist()) <= {0, 1}  # by how Brain rounds the centre, but never NaN
    assert (tamis.representativeness(x, n_clusters=3)[4:] == 1).all()
    zeros = np.zeros((4, 2), np.float32)
    assert tamis.representativeness(zeros, n_clusters=1, compat="brain").tolist() == [0] * 4


class TestMissingSplits:
    x = np.array([[0.0, 1], [0, 1], [5, 0], [5, 0], [-5, 3], [1, -7]], np.float32)

    @pytest.mark.parametrize(
        "splits",
        [
            np.array([np.nan, np.nan, 0, 1, 0, 0]),
            np.array([np.nan, np.nan, "train", "test", "train", "train"], object),
            [float("nan"), float("nan"), "train", "test", "train", "train"],
            [None, None, "train", "test", "train", "train"],
            [None, float("nan"), 1, 2, 1, 1],
            np.array(["NaT", "NaT", "2001", "2002", "2001", "2001"], "datetime64[Y]"),
            [True, True, False, True, True, True],
            np.array([1, 1, 0, 1, 1, 1], bool),
        ],
    )
    def test_equal_themselves(self, splits):
        assert tamis.leaks(self.x, splits, threshold=0.01).pairs.tolist() == [[2, 3]]

    def test_numbers_and_strings_differ(self):
        splits = [1, "1", None, None, 2, 2]
        assert tamis.leaks(self.x, splits, threshold=0.01).pairs.tolist() == [[0, 1]]

    def test_of_pandas(self):
        pandas = pytest.importorskip("pandas")
        splits = [pandas.NA, None, "a", "b", "a", "a"]
        assert tamis.leaks(self.x, splits, threshold=0.01).pairs.tolist() == [[2, 3]]

    def test_what_cannot_be_compared_is_named(self):
        with pytest.raises(TypeError, match="leaks: groups must hold numbers or strings, got list"):
            tamis.leaks(self.x, [[1], [2], 3, 4, 5, 6])


@pytest.mark.parametrize("exponent", [100, -100])
def test_representativeness_does_not_depend_on_the_scale(exponent):
    pytest.importorskip("sklearn")
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    scaled = tamis.representativeness(np.ldexp(x, exponent), n_clusters=5)
    assert np.array_equal(scaled, tamis.representativeness(x, n_clusters=5))
