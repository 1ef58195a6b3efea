"""Near-duplicates, leaks, representativeness and equal files against loops and Brain."""

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import reference_embeddings as reference
import tamis
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tamis.embeddings import knn_pairs, knn_search
from tamis.embeddings.knn_pairs import all_pairs, keep_mask, pairs_in_lists, searched_rows
from tamis.embeddings.knn_search import TooManyPairs, make_rows, nearest_cosine


def rows(n, d, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n // 5 + 1, d))[rng.integers(0, n // 5 + 1, n)]
    return (x + 0.15 * rng.standard_normal((n, d))).astype(dtype)


def distances(x, metric="cosine"):
    x = x.astype(np.float64)
    if metric == "cosine":
        x = x - x.mean(0)
    return reference.keys(x, metric=metric)


def check(found, far, threshold):
    """Everything `near_duplicates` says, from the matrix of distances."""
    n = len(far)
    near = far <= threshold
    assert found.pairs.tolist() == np.argwhere(np.triu(near, 1)).tolist()
    np.testing.assert_allclose(found.distances, far[tuple(found.pairs.T)], rtol=1e-9, atol=1e-12)
    assert found.keep.tolist() == reference.brain_keep(
        [np.flatnonzero(row).tolist() for row in near]
    )
    assert sorted([*found.keep, *found.duplicates]) == list(range(n))
    for row, keeper, apart in zip(
        found.duplicates, found.keeper, found.keeper_distance, strict=True
    ):
        to_keepers = far[row, found.keep]
        assert apart == pytest.approx(to_keepers.min(), rel=1e-9, abs=1e-12)
        assert far[row, keeper] == pytest.approx(to_keepers.min(), rel=1e-9, abs=1e-12)
    group = np.arange(n)
    for _ in range(n):
        new = np.array(
            [min(group[i], *group[near[i]]) if near[i].any() else group[i] for i in range(n)]
        )
        if (new == group).all():
            break
        group = new
    assert found.group.tolist() == group.tolist()


class TestNearDuplicates:
    @pytest.mark.parametrize("k", [1, 3, 10])
    @pytest.mark.parametrize("threshold", [0.0, 0.05, 0.4, 1.0])
    def test_lists_of_neighbours_hold_the_same_pairs(self, k, threshold):
        x = rows(200, 8)
        x[150:180], x[190:] = x[0], x[1]  # more copies than a list holds
        searched = searched_rows("test", x, "cosine")
        lists = nearest_cosine(searched, None, k, progress=None, title="")
        pairs, apart = pairs_in_lists("test", searched, *lists, threshold, "cosine")
        want = tamis.near_duplicates(x, threshold=threshold)
        np.testing.assert_array_equal(pairs, want.pairs)
        np.testing.assert_array_equal(apart, want.distances)

    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_definition(self, metric, dtype):
        x = rows(300, 16, dtype=dtype)
        far = distances(x, metric)
        for share in (0.0005, 0.01, 0.1):
            threshold = float(np.quantile(far[np.isfinite(far)], share)) * (1 + 1e-6)
            check(tamis.near_duplicates(x, threshold=threshold, metric=metric), far, threshold)

    def test_by_hand(self):
        x = np.array([[0.0], [1], [2], [10], [11], [50]], np.float32)
        found = tamis.near_duplicates(x, threshold=1, metric="euclidean")
        assert found.keep.tolist() == [0, 2, 3, 5] and found.duplicates.tolist() == [1, 4]
        assert found.keeper.tolist() == [0, 3] and found.keeper_distance.tolist() == [1, 1]
        assert found.group.tolist() == [0, 0, 0, 3, 3, 5]

    def test_equal_rows(self):
        x = np.full((12, 5), 0.7, np.float32)
        assert tamis.near_duplicates(x, threshold=0, metric="euclidean").keep.tolist() == [0]
        assert tamis.near_duplicates(x).keep.tolist() == [0]
        assert tamis.near_duplicates(x, threshold=0).keep.tolist() == [0]

    @pytest.mark.parametrize("n", [0, 1, 2])
    def test_few_rows(self, n):
        found = tamis.near_duplicates(rows(n, 4), threshold=0.0, metric="euclidean")
        assert found.keep.tolist() == list(range(n)) and found.pairs.shape == (0, 2)

    def test_patches_of_one_image(self):
        x = np.array([[0.0], [0.1], [0.2]], np.float32)
        found = tamis.near_duplicates(
            x, threshold=0.15, metric="euclidean", image_index=np.array([0, 0, 1])
        )
        assert found.pairs.tolist() == [[1, 2]]

    @pytest.mark.parametrize("mean", [12345678.9, 123456789, 3e12, 1e-60])
    def test_float64_rows_far_from_zero(self, mean):
        near_zero = np.random.default_rng(0).standard_normal((300, 16)) * min(1, mean)
        x = near_zero + mean
        exact = x - mean  # no rounding but that of x itself
        found = tamis.near_duplicates(x, threshold=0.3)
        far = reference.keys(exact - exact.mean(0), metric="cosine")
        assert found.pairs.tolist() == np.argwhere(np.triu(far <= 0.3, 1)).tolist()
        np.testing.assert_allclose(found.distances, far[tuple(found.pairs.T)], rtol=1e-3)
        both = tamis.leaks(x[:100], other=x[100:], threshold=0.3).pairs
        assert both.tolist() == np.argwhere(far[:100, 100:] <= 0.3).tolist()

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize(("value", "n"), [(0.1, 2101), (1 / 3, 701), (123456.789, 701)])
    def test_equal_rows_at_the_mean(self, dtype, value, n):
        x = np.full((n, 5), value, dtype)
        found = tamis.near_duplicates(x, threshold=0)
        assert found.keep.tolist() == [0] and len(found.pairs) == n * (n - 1) // 2

    def test_values_that_cannot_be_squared(self):
        x = rows(9, 4, dtype="float64")
        for size, kind in ((1e200, "large"), (1e-200, "small")):
            bad = x.copy()
            bad[3] *= size
            message = f"near_duplicates: x: row 3 is too {kind}"
            with pytest.raises(ValueError, match=message):
                tamis.near_duplicates(bad, metric="euclidean")
        with pytest.raises(ValueError, match="leaks: other: row 0 is too large"):
            tamis.leaks(x, other=x * 1e200)

    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    def test_thresholds(self, metric):
        x = rows(20, 4)
        for function in (tamis.near_duplicates, lambda *a, **o: tamis.leaks(*a, other=x, **o)):
            for bad in ("a", None, True, [1.0]):
                with pytest.raises(TypeError, match=": threshold must be a number, got "):
                    function(x, threshold=bad, metric=metric)
            for bad in (np.nan, np.inf, 1e200, 10**400, -0.1):
                with pytest.raises(ValueError, match=r": threshold must be .*, got "):
                    function(x, threshold=bad, metric=metric)
        for large in (1e150, np.float32(1e30), 10**100):
            found = tamis.near_duplicates(x, threshold=large, metric=metric)
            assert found.pairs.shape == (190, 2)

    def test_errors(self):
        x = rows(50, 4)
        with pytest.raises(ValueError, match=r"near_duplicates: more than 10 pairs \(max_pairs\)"):
            tamis.near_duplicates(x, threshold=1.5, max_pairs=10)
        with pytest.raises(
            ValueError, match="near_duplicates: threshold must be 0 or more, got -1"
        ):
            tamis.near_duplicates(x, threshold=-1)
        with pytest.raises(ValueError, match="near_duplicates: metric must be cosine or euclidean"):
            tamis.near_duplicates(x, metric="l1")
        with pytest.raises(TypeError, match=r"leaks: max_pairs must be an integer, got 1\.5"):
            tamis.leaks(x, np.zeros(50), max_pairs=1.5)
        with pytest.raises(ValueError, match=": max_pairs must be 0 or more, got -1"):
            tamis.near_duplicates(x, max_pairs=-1)
        with pytest.raises(ValueError, match=r": image_index must have shape \(50,\)"):
            tamis.near_duplicates(x, image_index=np.zeros(49, int))

    @examples(80)
    @given(
        hnp.arrays(
            np.float64,
            st.tuples(st.integers(1, 25), st.integers(1, 4)),
            elements=st.integers(-3, 3).map(float),
        ),
        st.sampled_from([0.0, 1.0, 1.5, 2.0, 4.0]),
    )
    def test_generated_rows(self, x, threshold):
        check(
            tamis.near_duplicates(x, threshold=threshold, metric="euclidean"),
            distances(x, "euclidean"),
            threshold,
        )

    def test_real_embeddings(self):
        x = np.load(data_path("embeddings", "pool_512.npy"))[:3000]
        far = reference.brain_distances(x)
        np.fill_diagonal(far, np.inf)
        found = tamis.near_duplicates(x, threshold=0.05)
        wanted = np.argwhere(np.triu(far <= 0.05, 1))
        edge = np.abs(far[tuple(found.pairs.T)] - 0.05) < 1e-6
        assert {*map(tuple, found.pairs[~edge].tolist())} <= {*map(tuple, wanted.tolist())}
        assert len(wanted) - len(found.pairs) <= (np.abs(far - 0.05) < 1e-6).sum()


@pytest.mark.parametrize("paths", ["abc", b"abc", 5, None])
def test_equal_files_of_no_list(paths):
    name = type(paths).__name__
    with pytest.raises(TypeError, match=f"paths must be an iterable of paths, got {name}"):
        tamis.exact_duplicates(paths)
    with pytest.raises(TypeError, match=r"exact_duplicates: paths\[1\] must be a path, got int"):
        odd: Any = ["a", 3]
        tamis.exact_duplicates(odd)


class TestFindUnique:
    @pytest.mark.parametrize("count", [1, 7, 60, 140, 199])
    @pytest.mark.parametrize("crowded", [False, True])
    def test_brain(self, count, crowded, monkeypatch):
        x = rows(200, 12)
        if crowded:  # every threshold has too many pairs to hold
            module = importlib.import_module("tamis.embeddings.near_duplicates")
            real = module.all_pairs

            def few(function, part, *args):
                if len(part.x) == len(x):
                    raise TooManyPairs
                return real(function, part, *args)

            monkeypatch.setattr(module, "all_pairs", few)
            monkeypatch.setattr("tamis.embeddings.knn_pairs.KEEP_BLOCK", 50)
        wanted, _ = reference.brain_find_unique(distances(x), count)
        assert tamis.find_unique(x, count).tolist() == wanted

    def test_ends_and_ties(self):
        x = rows(40, 6)
        assert tamis.find_unique(x, 0).tolist() == []
        assert tamis.find_unique(x, 99).tolist() == list(range(40))
        x[10:20] = x[10]
        wanted, _ = reference.brain_find_unique(distances(x), 35)
        assert tamis.find_unique(x, 35).tolist() == wanted
        with pytest.raises(TypeError, match=r"find_unique: count must be an integer, got 2\.5"):
            tamis.find_unique(x, 2.5)

    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    def test_rows_of_many_searches_share_an_index(self, metric, monkeypatch):
        x = rows(300, 12)
        x[::50] = 0
        real, indexes = knn_search.search, []

        def seen(searched, queries, **how):
            indexes.append(searched.index)
            return real(searched, queries, **how)

        monkeypatch.setattr(knn_search, "search", seen)
        made_ready = searched_rows("find_unique", x, metric)
        if metric == "cosine":
            made_ready = make_rows("find_unique", "x", x, cosine=True)  # some without a direction
        searched = knn_pairs.Searched(made_ready, metric, None)
        for threshold in (0.01, 0.05, 0.1, 0.3):
            keep = searched.keep(threshold)
            pairs, _ = all_pairs(
                "f", replace(made_ready, index=None, directed=None), threshold, metric, 10**6, None
            )
            np.testing.assert_array_equal(keep, np.flatnonzero(keep_mask(pairs, 300)))
        ours = indexes[::2]
        assert ours[0] is None and ours[1] is not None and ours[1:] == [ours[1]] * 3

    def test_ends_where_floats_do(self):
        """Between two neighbouring floats of this size lies more than Brain's 1e-6."""
        x = np.array([[0], [1e20], [8e20], [9e20]])  # two rows or four, never three
        assert len(tamis.find_unique(x, 3, metric="euclidean")) in (2, 4)


class TestLeaks:
    def test_definition(self):
        x = rows(250, 10)
        splits = np.random.default_rng(1).integers(0, 3, 250)
        far = distances(x)
        threshold = float(np.quantile(far[np.isfinite(far)], 0.02))
        found = tamis.leaks(x, splits, threshold=threshold)
        near = np.triu(far <= threshold, 1) & (splits[:, None] != splits)
        assert found.pairs.tolist() == np.argwhere(near).tolist()
        assert found.rows.tolist() == np.flatnonzero((near | near.T).any(1)).tolist()
        names = np.array(["train", "val", "test"])[splits]
        assert tamis.leaks(x, names, threshold=threshold).pairs.tolist() == found.pairs.tolist()
        assert (
            tamis.leaks(x, names.tolist(), threshold=threshold).pairs.tolist()
            == found.pairs.tolist()
        )

    def test_brain(self):
        pytest.importorskip("sklearn")
        x, splits = rows(250, 10), np.random.default_rng(1).integers(0, 3, 250)
        for threshold in (0.02, 0.1, 0.3):
            wanted = reference.brain_leaks(x, splits, threshold)
            found = tamis.leaks(x, splits, threshold=threshold, compat="brain")
            assert found.rows.tolist() == wanted
            assert set(wanted) <= set(tamis.leaks(x, splits, threshold=threshold).rows.tolist())

    def test_pairs_that_brain_misses(self):
        x = np.array([[0.0, 1], [0.02, 1], [-0.02, 1], [0, -3]], np.float32)
        splits = ["a", "a", "b", "c"]
        assert [1, 2] in tamis.leaks(x, splits, threshold=0.01).pairs.tolist()
        through_keepers = tamis.leaks(x, splits, threshold=0.01, compat="brain").pairs.tolist()
        assert [1, 2] not in through_keepers

    def test_other(self):
        x, other = rows(120, 8), rows(70, 8)
        both = distances(np.concatenate([x, other]))
        threshold = float(np.quantile(both[np.isfinite(both)], 0.03))
        found = tamis.leaks(x, other=other, threshold=threshold)
        assert found.pairs.tolist() == np.argwhere(both[:120, 120:] <= threshold).tolist()
        found = tamis.leaks(x, other=other, threshold=1.0, metric="euclidean")
        wide = reference.keys(other, x)
        assert found.pairs.tolist() == np.argwhere(wide <= 1.0).tolist()

    def test_brain_on_real_embeddings(self):
        pytest.importorskip("sklearn")
        x = np.load(data_path("embeddings", "pool_512.npy"))[:1500]
        splits = np.arange(len(x)) % 3
        found = tamis.leaks(x, splits, threshold=0.1, compat="brain")
        assert found.rows.tolist() == reference.brain_leaks(x, splits, 0.1)

    def test_errors(self):
        with pytest.raises(TypeError, match="leaks: give either groups or other"):
            tamis.leaks(rows(5, 3))
        with pytest.raises(ValueError, match=r"leaks: groups must have shape \(5,\), got \(4,\)"):
            tamis.leaks(rows(5, 3), np.zeros(4))

    def test_the_old_name_of_groups_warns(self):
        x, groups = rows(20, 3), np.arange(20) % 2
        with pytest.warns(DeprecationWarning, match="leaks: splits is now called groups"):
            old = tamis.leaks(x, splits=groups, threshold=0.5)
        assert old == tamis.leaks(x, groups=groups, threshold=0.5) and len(old.pairs)
        with (
            pytest.warns(DeprecationWarning, match="leaks: splits"),
            pytest.raises(TypeError, match="leaks: give groups only, not splits too"),
        ):
            tamis.leaks(x, groups, splits=groups)


class TestRepresentativeness:
    @pytest.mark.parametrize("method", ["cluster-center", "cluster-center-downweight"])
    def test_brain(self, method):
        pytest.importorskip("sklearn")
        x = 0.3 * rows(300, 8)
        wanted = reference.brain_representativeness(x, method)
        found = tamis.representativeness(x, method=method, compat="brain")
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)

    def test_the_right_way_up(self):
        pytest.importorskip("sklearn")
        x = rows(200, 8)
        mine = tamis.representativeness(x)
        theirs = tamis.representativeness(x, compat="brain")
        np.testing.assert_allclose(mine, 1 - theirs, atol=1e-12)
        again = tamis.representativeness(x, method="cluster-center-downweight")
        assert again.max() == 1 and again.min() >= 0

    def test_errors(self):
        with pytest.raises(
            ValueError, match="representativeness: n_clusters must be 1 to the 19 rows"
        ):
            tamis.representativeness(rows(19, 4))


class TestExactDuplicates:
    def test_contents(self, tmp_path):
        contents = [b"a", b"b", b"a" * 3_000_000, b"", b"a", b"a" * 3_000_000, b"", b"c", b"a"]
        paths = []
        for i, content in enumerate(contents):
            paths.append(tmp_path / f"{i}.jpg")
            paths[-1].write_bytes(content)
        wanted = {0: [4, 8], 2: [5], 3: [6]}
        assert tamis.exact_duplicates(paths) == wanted
        assert tamis.exact_duplicates(map(str, paths), num_workers=1) == wanted
        assert tamis.exact_duplicates([]) == {}

    def test_unreadable(self, tmp_path):
        (tmp_path / "a").write_bytes(b"1")
        with pytest.warns(
            UserWarning, match="exact_duplicates: 1 files could not be read, the first is"
        ):
            assert tamis.exact_duplicates([tmp_path / "none", tmp_path / "a", tmp_path / "a"]) == {
                1: [2]
            }
