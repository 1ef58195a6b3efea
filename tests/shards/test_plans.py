"""Plans over shards give the bits of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.shards
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from shard_files import cuts_of, rows_with_copies, run_in_any_order, write_shards
from tamis.embeddings.knn_search import make_rows, nearest
from tamis.shards.neighbours import nearest_of

PARTS = [1, 7, 13, 21]


def same(a: Any, b: Any) -> bool:
    return all(np.array_equal(x, y) and x.dtype == y.dtype for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_uniqueness(tmp_path: Path, parts: int, metric: Any) -> None:
    x = rows_with_copies(600, 12)
    paths = write_shards(tmp_path / "x", x, cuts_of(len(x), 9))
    plan = tamis.shards.plan_uniqueness(
        paths, state=str(tmp_path / "state"), metric=metric, parts=parts
    )
    assert np.array_equal(run_in_any_order(plan, parts), tamis.uniqueness(x, metric=metric))


@pytest.mark.parametrize(
    ("dtype", "parts"), [*((np.float32, parts) for parts in PARTS), (np.float64, 13)]
)
@pytest.mark.parametrize("metric", ["euclidean", "sqeuclidean", "cosine", "inner_product"])
def test_knn(tmp_path: Path, parts: int, metric: Any, dtype: Any) -> None:
    x = rows_with_copies(300, 6, dtype)
    x[[3, 70, 299]] = 0  # rows without a direction
    paths = write_shards(tmp_path / "x", x, cuts_of(len(x), 4))
    plan = tamis.shards.plan_knn(
        paths, k=20, state=str(tmp_path / "state"), metric=metric, parts=parts
    )
    assert same(run_in_any_order(plan, parts), tamis.knn(x, 20, metric=metric))


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(("metric", "threshold"), [("cosine", 0.1), ("euclidean", 0.9)])
def test_near_duplicates(tmp_path: Path, parts: int, metric: Any, threshold: float) -> None:
    x = rows_with_copies(500, 8)
    paths = write_shards(tmp_path / "x", x, cuts_of(len(x), 5))
    plan = tamis.shards.plan_near_duplicates(
        paths, state=str(tmp_path / "state"), threshold=threshold, metric=metric, parts=parts
    )
    wanted = tamis.near_duplicates(x, threshold=threshold, metric=metric)
    assert len(wanted.pairs) > 500 and run_in_any_order(plan, parts) == wanted
    without = plan.merge(pairs=False)
    assert len(without.pairs) == 0 and np.array_equal(without.group, wanted.group)
    assert np.array_equal(without.keep, wanted.keep)
    assert np.array_equal(without.keeper, wanted.keeper)
    assert np.array_equal(without.keeper_distance, wanted.keeper_distance)


@pytest.mark.parametrize("parts", PARTS)
def test_leaks(tmp_path: Path, parts: int) -> None:
    x = rows_with_copies(500, 8)
    splits = np.random.default_rng(1).choice(["train", "val", "test"], len(x))
    paths = write_shards(tmp_path / "x", x, cuts_of(len(x), 5))
    plan = tamis.shards.plan_leaks(
        paths, splits, state=str(tmp_path / "state"), threshold=0.1, parts=parts
    )
    again = tamis.shards.open_plan(str(tmp_path / "state"))
    assert run_in_any_order(again, parts) == tamis.leaks(x, splits, threshold=0.1)
    assert plan.merge() == again.merge()


@pytest.mark.parametrize("suffix", [".parquet"])
def test_parquet(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("pyarrow")
    x = rows_with_copies(400, 10)
    write_shards(tmp_path / "x", x, cuts_of(len(x), 4), suffix)
    plan = tamis.shards.plan_uniqueness(
        str(tmp_path / "x"), column="embedding", state=str(tmp_path / "state")
    )
    assert np.array_equal(plan.run_all(), tamis.uniqueness(x))


def test_half_precision_is_held_as_float32(tmp_path: Path) -> None:
    x = rows_with_copies(200, 8, np.float16)
    paths = write_shards(tmp_path / "x", x, [50])
    plan = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "state"))
    assert np.array_equal(plan.run_all(), tamis.uniqueness(x))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_fewer_rows_than_parts(tmp_path: Path, n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    paths = write_shards(tmp_path / "x", x, [])
    plan = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "u"), parts=13)
    assert np.array_equal(plan.run_all(), tamis.uniqueness(x))
    pairs = tamis.shards.plan_near_duplicates(paths, state=str(tmp_path / "n"), parts=13)
    assert pairs.run_all() == tamis.near_duplicates(x)


def test_equal_rows_everywhere(tmp_path: Path) -> None:
    x = np.ones((60, 4), np.float32)
    paths = write_shards(tmp_path / "x", x, cuts_of(60, 6))
    uniqueness = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "u"), parts=13)
    assert np.array_equal(uniqueness.run_all(), tamis.uniqueness(x))
    knn = tamis.shards.plan_knn(paths, k=5, state=str(tmp_path / "k"), parts=13)
    assert same(knn.run_all(), tamis.knn(x, 5))


def test_more_pairs_than_wanted(tmp_path: Path) -> None:
    x = np.ones((60, 4), np.float32)
    paths = write_shards(tmp_path / "x", x, [20])
    plan = tamis.shards.plan_near_duplicates(
        paths, state=str(tmp_path / "a"), metric="euclidean", max_pairs=1000
    )
    with pytest.raises(ValueError, match=r"near_duplicates: more than 1000 pairs \(max_pairs\)"):
        plan.run_all()  # each task has fewer
    assert plan.merge(pairs=False).keep.tolist() == [0]
    plan = tamis.shards.plan_near_duplicates(
        paths, state=str(tmp_path / "b"), metric="euclidean", max_pairs=100
    )
    with pytest.raises(ValueError, match=r"near_duplicates: more than 100 pairs \(max_pairs\)"):
        plan.run("group-0")


@given(n=st.integers(2, 60), parts=st.sampled_from([1, 3, 7]), k=st.integers(1, 8), data=st.data())
@examples(25)
def test_small_numbers_with_many_ties(
    tmp_path_factory: Any, n: int, parts: int, k: int, data: Any
) -> None:
    values = data.draw(st.lists(st.integers(-2, 2), min_size=2 * n, max_size=2 * n))
    x = np.array(values, np.float32).reshape(n, 2)
    folder = tmp_path_factory.mktemp("ties")
    paths = write_shards(folder / "x", x, [n // 3])
    k = min(k, n - 1)
    plan = tamis.shards.plan_knn(paths, k=k, state=str(folder / "s"), parts=parts)
    assert same(plan.run_all(), tamis.knn(x, k))


def test_lists_that_name_a_row_twice() -> None:
    one = np.array([[0.1, 0.2, 0.4]]), np.array([[7, 3, 9]])
    two = np.array([[0.1, 0.2, 0.3]]), np.array([[7, 2, 5]])
    keys, rows = nearest_of([one, two], 4)
    assert keys.tolist() == [[0.1, 0.2, 0.2, 0.3]] and rows.tolist() == [[7, 2, 3, 5]]
    for k in (1, 5, 7):
        keys, rows = nearest_of([one, two], k)
        wanted = [0.1, 0.2, 0.2, 0.3, 0.4, np.inf, np.inf]
        assert keys.tolist() == [wanted[:k]] and rows.tolist() == [[7, 2, 3, 5, 9, -1, -1][:k]]


@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_a_search_that_starts_from_limits(metric: Any) -> None:
    """What is at a limit is found, what is above it is not, and the rest is missing."""
    x = rows_with_copies(3000, 40)
    dots = metric == "inner_product"
    rows = make_rows("test", "x", x, cosine=False)
    keys, found = nearest(rows, None, 5, dots=dots, progress=None, title="")
    rows.limits = keys[:, -1].copy()
    again = nearest(rows, None, 5, dots=dots, progress=None, title="")
    assert np.array_equal(again[0], keys) and np.array_equal(again[1], found)
    rows.limits = np.where(np.arange(len(x)) % 2, keys[:, 2], np.inf)
    some, some_found = nearest(rows, None, 5, dots=dots, progress=None, title="")
    wanted = keys <= rows.limits[:, None]
    assert (~wanted).any() and np.array_equal(some, np.where(wanted, keys, np.inf))
    assert np.array_equal(some_found, np.where(wanted, found, -1))
    with pytest.raises(ValueError, match="limits must have shape"):
        rows.limits = np.zeros(7)
        nearest(rows, None, 5, dots=dots, progress=None, title="")


def test_repeats_leave_no_key_behind() -> None:
    """Of lists with fewer than k different rows the rest is missing, and no repeat."""
    one = np.array([[0.1, 0.2, np.inf]]), np.array([[7, 3, -1]])
    keys, rows = nearest_of([one, one], 3)
    assert keys.tolist() == [[0.1, 0.2, np.inf]] and rows.tolist() == [[7, 3, -1]]
