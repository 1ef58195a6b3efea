"""A plan of zcore gives the bits of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.shards
from generated import examples
from hypothesis import example, given
from hypothesis import strategies as st
from shard_files import HANGS, cuts_of, rows_with_copies, run_in_any_order, write_shards
from tamis import _core
from tamis.shards import spans, zcore
from tamis.shards.zcore_prices import prices

RNG = np.random.default_rng(5)


def plan_of(folder: Path, x: Any, shards: int = 6, **how: Any) -> Any:
    paths = write_shards(folder / "x", x, cuts_of(len(x), shards))
    return tamis.shards.plan_zcore(paths, state=str(folder / "state"), **how)


DATA = {
    "copies": rows_with_copies(1500, 6),
    "sorted": np.sort(RNG.normal(size=(1500, 4)).astype(np.float32), axis=0),
    "whole numbers": RNG.integers(0, 30, (1500, 5)).astype(np.float32),
    "equal": np.ones((300, 3), np.float32),
    "signs of zero": np.where(RNG.random((901, 4)) < 0.5, -0.0, RNG.normal(size=(901, 4))),
}


@pytest.mark.parametrize(
    ("data", "parts"),
    [*(("copies", parts) for parts in (1, 7, 13, 21)), ("sorted", 7), ("whole numbers", 13),
     ("equal", 7), ("signs of zero", 7)],
)  # fmt: skip
def test_bits_of_one_process(tmp_path: Path, parts: int, data: str) -> None:
    x = DATA[data]
    how: dict[str, Any] = {"n_samples": 150, "redundancy_nn": 60, "seed": 3}
    plan = plan_of(tmp_path, x, parts=parts, batch=80 if parts < 13 else 200, **how)
    assert np.array_equal(run_in_any_order(plan, parts), tamis.zcore(x, **how))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "how",
    [
        {"sample_dim": 3, "redundancy_nn": 7, "redundancy_exp": 2.5},
        {"sample_dim": 1, "redundancy_exp": 0, "random_init": False},
        {"redundancy_nn": 10**6},
    ],
)
def test_other_rules(tmp_path: Path, dtype: Any, how: dict[str, Any]) -> None:
    x = rows_with_copies(400, 5).astype(dtype)
    plan = plan_of(tmp_path, x, n_samples=90, parts=5, **how)
    assert np.array_equal(run_in_any_order(plan), tamis.zcore(x, n_samples=90, **how))


def test_neighbours_that_all_lie_in_one_part(tmp_path: Path, monkeypatch: Any) -> None:
    """That part tells fewer distances than it has neighbours, and is asked for the others."""
    x = np.sort(RNG.normal(size=(4000, 3)).astype(np.float32), axis=0)
    asked: list[int] = []
    whole = zcore.ZcorePlan._whole

    def ask(self: Any, part: int, far: Any, more: Any, *draws: Any) -> Any:
        asked.append(int(more.sum()))
        return whole(self, part, far, more, *draws)

    monkeypatch.setattr(zcore.ZcorePlan, "_whole", ask)
    monkeypatch.setattr(zcore, "CHUNK", 50)
    how: dict[str, Any] = {"n_samples": 120, "redundancy_nn": 300}
    plan = plan_of(tmp_path, x, parts=13, **how)
    assert plan.most < 100
    assert np.array_equal(plan.run_all(), tamis.zcore(x, **how)) and sum(asked) > 100


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_fewer_rows_than_parts(tmp_path: Path, n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    plan = plan_of(tmp_path, x, shards=2, n_samples=40, parts=13)
    assert np.array_equal(plan.run_all(), tamis.zcore(x, n_samples=40))


@given(n=st.integers(1, 40), parts=st.integers(1, 5), most=st.integers(1, 12), data=st.data())
@examples(8)
def test_small_numbers_with_many_ties(
    tmp_path_factory: Any, n: int, parts: int, most: int, data: Any
) -> None:
    values = data.draw(st.lists(st.integers(-2, 2), min_size=2 * n, max_size=2 * n))
    x = np.array(values, np.float32).reshape(n, 2)
    how: dict[str, Any] = {"n_samples": 25, "redundancy_nn": most}
    plan = plan_of(tmp_path_factory.mktemp("ties"), x, parts=parts, batch=10, **how)
    assert np.array_equal(plan.run_all(), tamis.zcore(x, **how))


def test_logs_that_are_full(tmp_path: Path) -> None:
    """Draws that find more than may be logged look again for less."""
    x = RNG.integers(0, 4, (3000, 3)).astype(np.float32)
    x[:, 2] = RNG.normal(size=3000)
    how: dict[str, Any] = {"n_samples": 100, "redundancy_nn": 20}
    wanted = tamis.zcore(x, **how)
    _core.cap_zcore_log(1 << 10)
    try:
        assert np.array_equal(plan_of(tmp_path, x, parts=3, **how).run_all(), wanted)
    finally:
        _core.cap_zcore_log(1 << 30)


# Its pieces


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    kind=st.sampled_from(["any", "ties", "sorted"]),
    told=st.sampled_from([4, 30, 1000]),
)
@example(sizes=[1], kind="any", told=4)
@examples(60)
def test_medians_from_parts(sizes: list[int], kind: str, told: int) -> None:
    rng = np.random.default_rng(sum(sizes))
    x = rng.normal(size=(sum(sizes), 18))
    x = np.sort(x, axis=0) if kind == "sorted" else x.round() if kind == "ties" else x
    parts = np.split(x, np.cumsum(sizes)[:-1])
    before, spans.TOLD = spans.TOLD, told
    try:
        low, high = spans.brackets([spans.told(part, len(parts)) for part in parts], sizes)
        found = [spans.between(part, low, high) for part in parts]
    finally:
        spans.TOLD = before
    lists: Any = [(one["counts"], one["between"], one["ends"]) for one in found]
    assert np.array_equal(spans.medians(lists, low, high, len(x)), np.median(x, axis=0))


def test_prices_by_hand() -> None:
    nan = np.nan
    lists = [
        np.array([[1.0, 2.0], [2.0, 2.0], [3.0, nan], [0.0, 1.0]]),
        np.array([[4.0, 8.0], [1.0, 5.0], [9.0, nan], [0.0, 0.0]]),
        np.array([[2.0, 9.0], [2.0, 4.0], [1.0, 2.0], [7.0, nan]]),
    ]
    (limit, nearest, share, ties), more = prices(lists, 3, 1)
    assert limit.tolist() == [2, 2, 3, 0] and nearest.tolist() == [1, 1, 1, 0]
    assert share[:3].tolist() == [2**30 / 2, 2**30 / 2, pytest.approx(2**30 / (1 + 1 / 2 + 1 / 3))]
    # nearer than the limit: 1, then 1 of part 1, then two of part 2; the rest are ties
    assert ties.tolist() == [[1, -1, 1], [2, 0, -1], [1, -1, 0], [1, -1, -1]]
    # part 2 has told all that is below the limit; more ties of part 0 come before those of part 2
    assert more.tolist() == [[True, False, False], [False] * 3, [False, False, True], [False] * 3]
    with pytest.raises(ValueError, match="as many as there are neighbours"):
        prices(lists, 6, 1)


# States


def test_tasks_wait_for_their_batch(tmp_path: Path) -> None:
    x = rows_with_copies(300, 4)
    plan = plan_of(tmp_path, x, n_samples=100, parts=3, batch=40)
    stages = ("scan", "median", "spans", "nearest", "around", "settle", "pay")
    assert plan.stages == stages
    assert [len(plan.stage(stage)) for stage in stages] == [3, 3, 1, 9, 9, 3, 9]
    with pytest.raises(ValueError, match=r"nearest-0 needs spans-0, which are not done"):
        plan.run("nearest-0")
    for stage in ("scan", "median", "spans"):
        for task in plan.stage(stage):
            plan.run(task)
    for name in ("nearest-3", "nearest-4", "nearest-5", "around-3", "around-4"):
        plan.run(name)
    with pytest.raises(ValueError, match=r"settle-1 needs around-5, which are not done"):
        plan.run("settle-1")
    for name in ("around-5", "settle-1", "pay-5"):
        plan.run(name)
    assert "pay-3" in plan.status().ready and "pay-0" in plan.status().waiting
    with pytest.raises(ValueError, match=r"plan.merge needs pay-0 and 7 more"):
        plan.merge()
    assert plan.estimate(cores=2).measured
    assert np.array_equal(plan.run_all(), tamis.zcore(x, n_samples=100))
    (Path(plan.state) / "around-4.npz").write_bytes(b"PK")
    assert plan.status().damaged == ["around-4"]
    (Path(plan.state) / "settle-1.npz").unlink()
    with pytest.raises(ValueError, match=r"around-4.npz is damaged .*: run around-4 again"):
        plan.run("settle-1")
    assert plan.run("around-4")
    assert np.array_equal(plan.run_all(), tamis.zcore(x, n_samples=100))


def test_bytes_of_the_state(tmp_path: Path) -> None:
    """At most 7 kB a draw by 8 parts, with what a million rows and a batch would add."""
    x = rows_with_copies(9000, 4)
    plan = plan_of(tmp_path, x, n_samples=300, batch=150)
    assert len(plan.bounds) == 8 and plan.most == 195
    plan.run_all()
    files = [f for f in Path(plan.state).iterdir() if f.name.split("-")[0] in zcore.DRAWS]
    held = sum(f.stat().st_size for f in files) - 2048 * len(files) - 8 * len(x) * plan.batches
    assert held / 300 + 8e6 / 65536 < 7000
    assert plan.estimate().state_bytes == pytest.approx(held + 16 * len(x) + 2**16 * 4, rel=0.05)


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    x = rows_with_copies(500, 4)
    plan = plan_of(tmp_path, x, n_samples=60, parts=2)
    for stage in plan.stages[:4]:
        for task in plan.stage(stage):
            plan.run(task)
    command = [sys.executable, "-c", HANGS, plan.state, "around-1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None and worker.stdout.readline()
        os.kill(worker.pid, signal.SIGKILL)
    assert plan.status().ready == ["around-0", "around-1"] and not plan.status().damaged
    assert np.array_equal(plan.run_all(), tamis.zcore(x, n_samples=60))


def test_rows_that_cannot_be_scored(tmp_path: Path) -> None:
    x = rows_with_copies(300, 4).astype(np.float64)
    x[250] *= 1e-200  # no norm of it is needed
    plan = plan_of(tmp_path / "a", x, n_samples=20, parts=3)
    assert np.array_equal(plan.run_all(), tamis.zcore(x, n_samples=20))
    x[250, 1] = 1e160
    with pytest.raises(ValueError, match=r"plan.run: rows must be at most 1e\+150, got 1e\+160"):
        plan_of(tmp_path / "b", x, n_samples=20, parts=3).run_all()
    x[250, 1] = np.nan
    with pytest.raises(ValueError, match=r"shard\d\d.npy: row \d+ must be finite, got NaN"):
        plan_of(tmp_path / "c", x, n_samples=20, parts=3).run_all()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"n_samples": "auto"}, "n_samples must be an integer"),
        ({"n_samples": 0}, "n_samples must be"),
        ({"sample_dim": 5}, "sample_dim must be 1 to 4, got 5"),
        ({"redundancy_exp": -1}, "redundancy_exp must be 0 or more"),
        ({"parts": 0}, "parts must be"),
        ({"batch": 2.5}, "batch must be"),
        ({"n_samples": 2**40}, "batch must be larger"),
        ({"seed": -1}, "seed must be"),
        ({"random_init": 2}, "random_init must be"),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, how: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"plan_zcore: {said}"):
        plan_of(tmp_path, rows_with_copies(50, 4), **how)
    assert not (tmp_path / "state").exists()
