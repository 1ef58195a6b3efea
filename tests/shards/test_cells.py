"""Plans by cells: exact where rows enter by a margin, and a recall that is that of brute force."""

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
from tamis import cli
from tamis.shards.cells import k_means, within_margin


def planned(folder: Path, x: Any, kind: str, **how: Any) -> Any:
    paths = write_shards(folder / "x", x, cuts_of(len(x), 4))
    return getattr(tamis.shards, f"plan_{kind}")(paths, state=str(folder / "state"), **how)


@pytest.mark.parametrize("parts", [1, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("metric", "threshold"), [("cosine", 0.05), ("euclidean", 0.9)])
def test_near_duplicates_by_a_margin(
    tmp_path: Path, metric: str, threshold: float, dtype: Any, parts: int
) -> None:
    x = rows_with_copies(700, 8, dtype)
    x[[5, 300, 650]] = x.astype(np.float64).mean(0)  # near the mean, where directions are any
    how: dict[str, Any] = {"metric": metric, "threshold": threshold}
    plan = planned(tmp_path, x, "near_duplicates", cells=40, parts=parts, **how)
    wanted = tamis.near_duplicates(x, **how)
    assert run_in_any_order(plan, parts) == wanted and len(wanted.pairs) > 100
    assert plan.recall() == 1.0
    without = plan.merge(pairs=False)
    assert np.array_equal(without.keep, wanted.keep)
    again = tamis.shards.open_plan(str(tmp_path / "state"))
    assert again.merge() == wanted and [t.id for t in again.tasks] == [t.id for t in plan.tasks]
    searched = sum(task.pairs for task in plan.stage("group"))
    assert 0 < searched < len(x) ** 2 / 2  # by the sample: cells are smaller than the whole


@given(st.integers(2, 40), st.integers(1, 12), st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.data())
@examples(60)
def test_rows_of_a_pair_meet_at_a_home(n: int, cells: int, apart: float, data: Any) -> None:
    values = data.draw(st.lists(st.integers(-3, 3), min_size=2 * n, max_size=2 * n))
    y = 0.5 * np.array(values, np.float32).reshape(n, 2)
    centres = k_means(y, min(n, cells))
    member, home = np.zeros((2, n, len(centres)), bool)
    row, cell, own = within_margin(y, centres, apart)
    member[row, cell], home[row, cell] = True, own
    assert (home.sum(1) == 1).all()
    near = np.square(y[:, None] - y).sum(2) <= apart**2
    meet = ((home[:, None] & member) | (member[:, None] & home)).any(2)
    assert meet[near].all()


def test_margins_that_are_small_leave_rows_at_home() -> None:
    y = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    row, _, home = within_margin(y, k_means(y, 20), 0.01)
    assert len(row) < 1.1 * len(y) and home.sum() == len(y)


def test_outliers_without_end(tmp_path: Path) -> None:
    x = rows_with_copies(2000, 4)
    x[[20, 33]] = 1e30  # the sample has one of them at most, and no float32 holds its square
    plan = planned(tmp_path, x, "near_duplicates", metric="euclidean", threshold=0.01, cells=12)
    assert run_in_any_order(plan) == tamis.near_duplicates(x, metric="euclidean", threshold=0.01)


def brute_recall(x: Any, asked: Any, indices: Any, k: int) -> float:
    far = np.square(x[asked, None].astype(np.float64) - x).sum(2)
    far[np.arange(len(asked)), asked] = np.inf
    last = np.sort(far, axis=1)[:, k - 1, None]
    mine = np.where(indices[asked] < 0, np.inf, np.take_along_axis(far, indices[asked], 1))
    return float((mine <= last).mean())


def test_neighbours_and_their_recall(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(1100, 16)).astype(np.float32)
    recalls = []
    for probes in (1, 2, 30):
        plan = planned(tmp_path / f"{probes}", x, "knn", k=5, cells=30, probes=probes, parts=3)
        distances, indices = run_in_any_order(plan, probes)
        (asked,) = plan._state.read("sample-0", ["rows"])
        assert plan.recall() == pytest.approx(brute_recall(x, asked, indices, 5), abs=1e-12)
        assert (distances[:, 1:] >= distances[:, :-1]).all() and len(asked) == 1000
        recalls.append(plan.recall())
    assert 0.1 < recalls[0] < recalls[1] - 0.1 and recalls[1] < recalls[2] == 1.0
    assert all(map(np.array_equal, (distances, indices), tamis.knn(x, 5)))


def test_cells_with_fewer_rows_than_neighbours(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    plan = planned(tmp_path / "a", x, "knn", k=10, cells=20, probes=1)
    distances, indices = plan.run_all()
    assert (np.isinf(distances) == (indices < 0)).all() and (indices < 0).any()
    plan = planned(tmp_path / "b", x, "uniqueness", k=10, cells=20, probes=1)
    with pytest.raises(ValueError, match="cells must be fewer, or probes more: some rows"):
        plan.run_all()


def test_uniqueness_and_the_recall_of_pairs(tmp_path: Path) -> None:
    x = rows_with_copies(900, 12)
    all_cells: dict[str, Any] = {"cells": 9, "probes": 9}
    plan = planned(tmp_path / "u", x, "uniqueness", **all_cells)
    assert np.array_equal(plan.run_all(), tamis.uniqueness(x)) and plan.recall() == 1
    wanted = tamis.near_duplicates(x, threshold=0.1)
    plan = planned(tmp_path / "n", x, "near_duplicates", threshold=0.1, **all_cells)
    assert plan.run_all() == wanted and plan.recall() == 1
    plan = planned(tmp_path / "few", x, "near_duplicates", threshold=0.1, cells=90, probes=1)
    found = {tuple(pair) for pair in plan.run_all().pairs}
    assert found < {tuple(pair) for pair in wanted.pairs}
    (asked,) = plan._state.read("sample-0", ["rows"])
    assert len(asked) == len(x)  # so the recall is that of all pairs
    assert plan.recall() == pytest.approx(len(found) / len(wanted.pairs)) and plan.recall() < 1


def test_more_pairs_than_wanted(tmp_path: Path) -> None:
    x = np.ones((60, 4), np.float32)
    plan = planned(tmp_path, x, "near_duplicates", metric="euclidean", max_pairs=1000, cells=3)
    with pytest.raises(ValueError, match=r"more than 1000 pairs \(max_pairs\) are within 0.2"):
        plan.run_all()


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"probes": 2}, "probes must be absent without cells, got 2"),
        ({"cells": 0}, "cells must be 1"),
        ({"cells": 51}, "cells must be 1 to 50"),
        ({"cells": 3, "probes": 4}, "probes must be 1 to 3"),
        ({"cells": 3, "metric": "inner_product"}, "metric must be a distance with cells"),
    ],
)
def test_bad_arguments(tmp_path: Path, how: dict[str, Any], match: str) -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    with pytest.raises((ValueError, TypeError), match=f"plan_knn: {match}"):
        planned(tmp_path, x, "knn", k=2, **how)


def test_the_command_takes_cells(tmp_path: Path, capsys: Any) -> None:
    x = rows_with_copies(300, 6)
    paths = write_shards(tmp_path / "x", x, [100])
    state, out = str(tmp_path / "state"), str(tmp_path / "found.npz")
    plan = ["shards", "plan", "near_duplicates", state, *paths, "--threshold", "0.05"]
    assert cli.main([*plan, "--cells", "9"]) in (0, None)
    assert cli.main(["shards", "run", state]) in (0, None)
    assert cli.main(["shards", "merge", state, "-o", out]) in (0, None)
    wanted = tamis.near_duplicates(x, threshold=0.05)
    assert np.array_equal(np.load(out)["pairs"], wanted.pairs)
    assert cli.main(["shards", "plan", "zcore", state, *paths, "--cells", "9"]) == 2
    assert "--cells must be absent for zcore" in capsys.readouterr().err
