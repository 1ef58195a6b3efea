"""select_coreset and select_batch: what is taken, in which order, and what is not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import ROOT


def rows(n: int, d: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, n)).normal(size=(n, d)).astype(np.float32)


def scores(n: int) -> np.ndarray:
    return np.random.default_rng(n).permutation(n).astype(np.float32)


# select_coreset


def test_the_highest_scores_first_and_ties_by_row(library):
    given = library.array(np.array([0.5, 0.9, 0.5, 1.0, 0.5], np.float32))
    np.testing.assert_array_equal(tamis.select_coreset(given, count=4), [3, 1, 0, 2])
    np.testing.assert_array_equal(tamis.select_coreset(given, fraction=0.5), [3, 1, 0])
    assert len(tamis.select_coreset(given, fraction=0)) == 0
    assert len(tamis.select_coreset(given, fraction=1)) == 5
    assert tamis.select_coreset(given, count=0).dtype == np.int64


# select_batch


def brute_force(score, x, failures, budget, coverage, threshold, free, excluded):
    """Row by row, in plain loops, on distances about the mean."""
    rows = np.concatenate([x, failures]).astype(np.float64) - x.mean(0, dtype=np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    batch: list[int] = []
    taken = [*np.flatnonzero(~free), *range(len(x), len(rows))]

    def take(order, wanted):
        for i in order:
            far = all(1 - unit[i] @ unit[j] > threshold for j in [*batch, *taken])
            if len(batch) < wanted and i not in batch and far:
                batch.append(int(i))

    by_score = [i for i in np.argsort(-score, kind="stable") if free[i]]
    take(by_score, int(coverage * budget))
    near = []
    for failure in failures.astype(np.float64):
        apart = [(np.linalg.norm(failure - x[i]), i) for i in np.flatnonzero(free)]
        near += [(place, *pair) for place, pair in enumerate(sorted(apart))]
    take([i for _, _, i in sorted(near)], budget)
    take(by_score, budget)
    taken[:] = excluded  # what repeats a failure, where there is no more
    take(by_score, budget)
    return batch


@pytest.mark.parametrize("threshold", [0.02, 0.6, 0.9])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_batch_equals_plain_loops(library, threshold, elsewhere):
    x, score = rows(300), scores(300)
    x[100:150] = x[:50] + 0.01 * rows(50)
    failed = np.array([3, 250, 60, 3])
    free = np.ones(300, bool)
    free[200:230] = False
    given = library.array(rows(5, seed=1) if elsewhere else failed)
    embeddings = rows(5, seed=1) if elsewhere else x[np.unique(failed)]
    if not elsewhere:
        free[failed] = False
    got = tamis.select_batch(
        library.array(score), library.array(x), given, budget=60, exclude=np.arange(200, 230),
        threshold=threshold,
    )  # fmt: skip
    want = brute_force(score, x, embeddings, 60, 0.3, threshold, free, range(200, 230))
    np.testing.assert_array_equal(got, want)


def test_shares():
    x, score = rows(200), scores(200)
    got = tamis.select_batch(score, x, np.array([7]), budget=10)
    assert len(got) == 10
    np.testing.assert_array_equal(got[:3], tamis.select_coreset(score, count=3))
    near = tamis.knn(x, 12, queries=x[[7]])[1][0]
    assert set(got[3:]) <= set(near.tolist()) - {7}
    all_cover = tamis.select_batch(score, x, np.array([7]), budget=10, coverage=1)
    order = tamis.select_coreset(score, count=11)
    np.testing.assert_array_equal(all_cover, order[order != 7][:10])


def test_scores_fill_a_batch_without_failures():
    x, score = rows(50), scores(50)
    none = np.empty(0, np.int64)
    got = tamis.select_batch(score, x, none, budget=20)
    np.testing.assert_array_equal(got, tamis.select_coreset(score, count=20))
    assert len(tamis.select_batch(score, x, none, budget=0)) == 0


def test_a_batch_may_run_out_of_rows():
    x = np.repeat(rows(6), 10, axis=0)
    got = tamis.select_batch(scores(60), x, np.array([0]), budget=30)
    assert sorted(got // 10) == [0, 1, 2, 3, 4, 5]  # one of each place, the failure's at the end
    assert got[-1] // 10 == 0
    free = np.array([14])
    exclude = np.setdiff1d(np.arange(60), np.arange(10, 20))
    got = tamis.select_batch(scores(60), x, np.array([0]), budget=5, exclude=exclude)
    assert len(got) == 1 and got[0] // 10 == 1
    exclude = np.setdiff1d(np.arange(60), free)  # its repeats are among them
    assert len(tamis.select_batch(scores(60), x, np.array([0]), budget=5, exclude=exclude)) == 0


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_taken_is_chosen_again(library, metric, dtype):
    x = rows(300).astype(dtype) + 3
    labelled, elsewhere = np.arange(40), x[40:80] + dtype(1e-5)
    x[100:140] = x[labelled] + dtype(1e-5)
    got = tamis.select_batch(
        library.array(scores(300)), library.array(x), library.array(elsewhere), budget=180,
        exclude=labelled, metric=metric, threshold=0.002,
    )  # fmt: skip
    assert sorted(got) == [*range(80, 100), *range(140, 300)]


def test_clusters_of_failures_share_the_batch(library):
    x = rows(400, seed=3)
    x[:200] = 0.2 * x[:200] + 20  # 9 failures here, where rows are near, and 2 in the rest
    failed = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 300, 301])
    how = {"budget": 40, "coverage": 0, "metric": "euclidean"}
    args = library.array(scores(400)), library.array(x), library.array(failed)
    assert (tamis.select_batch(*args, **how) < 200).sum() > 30
    given = (failed >= 200).astype(np.int64)
    for quota in (2, given):
        got = tamis.select_batch(*args, quota=quota, **how)
        assert (got < 200).sum() == 20 and len(set(got)) == 40
    with pytest.raises(ValueError, match=r"select_batch: quota must have shape \(11,\), got \(2"):
        tamis.select_batch(*args, quota=np.zeros(2, np.int64), **how)
    with pytest.raises(ValueError, match="select_batch: quota must be at least 1, got 0"):
        tamis.select_batch(*args, quota=0, **how)


# The recipes of docs/zcore.md


def recipe(name: str) -> str:
    text = (ROOT / "docs" / "zcore.md").read_text()
    return text.split(f"<!-- recipe {name} -->\n```python\n")[1].split("```")[0]


def test_recipe_of_the_reference():
    x = rows(300)
    args = SimpleNamespace(
        n_sample=50, sample_dim=2, redund_nn=100, redund_exp=4, rand_init=True
    )  # fmt: skip
    names = {"tamis": tamis, "embeddings": x, "args": args}
    exec(recipe("reference"), names)
    want = tamis.zcore(x, n_samples=50, redundancy_nn=100)
    np.testing.assert_array_equal(names["scores"], want)


def test_recipes_of_shards_and_batches():
    x = rows(400)
    names: dict[str, Any] = {"tamis": tamis, "x": x}
    names |= {"failures": np.array([3]), "labelled": np.arange(20)}
    exec(recipe("shards"), names)
    np.testing.assert_array_equal(names["scores"], tamis.zcore(x, n_samples=2000, seed=3))
    exec(recipe("batch"), names)
    assert len(names["batch"]) == 100
    assert names["batch"].min() >= 20


X, SCORES = np.eye(4, 3, dtype=np.float32), np.zeros(4)
VALUE_ERRORS = {
    "select_coreset: fraction must be 0 to 1, got 2": lambda: tamis.select_coreset(
        SCORES, fraction=2
    ),
    "select_coreset: count must be 0 to 4, got 5": lambda: tamis.select_coreset(SCORES, count=5),
    "select_coreset: scores must not be NaN, got NaN in row 1": lambda: tamis.select_coreset(
        np.array([0, np.nan]), count=1
    ),
    r"select_batch: scores must have shape \(4,\), got \(3,\)": lambda: tamis.select_batch(
        SCORES[:3], X, [], budget=1
    ),
    "select_batch: coverage must be 0 to 1, got -1": lambda: tamis.select_batch(
        SCORES, X, SCORES, budget=1, coverage=-1
    ),
    "select_batch: failures must be 0 to 3, got 4 at position 1": lambda: tamis.select_batch(
        SCORES, X, np.array([0, 4]), budget=1
    ),
    r"select_batch: failures must have shape \(F,\) or \(F, 3\), got \(1, 2\)": lambda: (
        tamis.select_batch(SCORES, X, X[:1, :2], budget=1)
    ),
    "select_batch: budget must be at least 0, got -1": lambda: tamis.select_batch(
        SCORES, X, SCORES, budget=-1
    ),
}
TYPE_ERRORS = {
    "select_coreset: give either fraction or count": lambda: tamis.select_coreset(SCORES),
    "select_batch: failures must be int8 to int64, got float64": lambda: tamis.select_batch(
        SCORES, X, SCORES, budget=1
    ),
}


@pytest.mark.parametrize("text", [*VALUE_ERRORS, *TYPE_ERRORS])
def test_errors(text):
    error = ValueError if text in VALUE_ERRORS else TypeError
    with pytest.raises(error, match=f"^{text}$"):
        (VALUE_ERRORS | TYPE_ERRORS)[text]()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_progress_rises_to_the_budget(metric):
    said = []
    x, exclude = rows(400), np.arange(0, 400, 10)
    how = {"budget": 60, "exclude": exclude, "quota": 3, "threshold": 0.2, "metric": metric}
    args = scores(400), x, np.arange(5, 45)
    want = tamis.select_batch(*args, **how)
    got = tamis.select_batch(*args, **how, progress=lambda *at: said.append(at))
    np.testing.assert_array_equal(got, want)
    done = [at for at, _ in said]
    assert done[0] == 0 and done[-1] == 60 and done == sorted(set(done)) and len(done) > 3
    assert {total for _, total in said} == {60}
    with pytest.raises(TypeError, match=r"^select_batch: progress must be"):
        tamis.select_batch(*args, **how, progress=3)


def test_an_interrupted_search_stops_the_batch():
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tamis.select_batch(scores(40), rows(40), [3], budget=9, progress=stop)
