"""The state folder: killed, truncated and foreign files, and shards that are not what they were."""

from __future__ import annotations

import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
import tamis.shards
from shard_files import (
    BUCKETS,
    HANGS,
    buckets,
    rows_with_copies,
    write_parquet,
    write_shards,
)

X = rows_with_copies(400, 8)


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    return write_shards(tmp_path / "x", X, [90, 100, 333])


@pytest.fixture
def plan(tmp_path: Path, paths: list[str]) -> Any:
    return tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "state"))


def test_tasks_say_what_they_need(plan: Any, paths: list[str]) -> None:
    assert plan.stages == ("scan", "group", "part")
    assert [len(plan.stage(stage)) for stage in plan.stages] == [7, 7, 7]
    group = plan.task("group-0")
    assert group.after == "scan" and plan.task(7) == group and group.inputs[0] == paths[0]
    assert group.rows == sum(plan._rows_of(part) for part in (0, 1, 3))
    assert group.memory > group.rows * 8 * 4
    with pytest.raises(ValueError, match="there is no task 'group-7'; the first is scan-0"):
        plan.task("group-7")
    with pytest.raises(ValueError, match="task must be 0 to 20"):
        plan.task(21)


def test_stages_wait_for_each_other(plan: Any) -> None:
    with pytest.raises(ValueError, match=r"group-0 needs scan-0 and 6 more, which are not done"):
        plan.run("group-0")
    for i in range(6):
        assert plan.run(f"scan-{i}") and not plan.run(f"scan-{i}")
    with pytest.raises(ValueError, match=r"group-0 needs scan-6, which are not done"):
        plan.run("group-0")
    with pytest.raises(ValueError, match=r"plan.merge needs part-0 and 6 more"):
        plan.merge()
    status = plan.status()
    assert status.ready == ["scan-6"] and len(status.done) == 6 and len(status.waiting) == 14


def test_estimates_shrink_as_tasks_are_done(plan: Any) -> None:
    before = plan.estimate()
    assert not before.measured and before.hours == pytest.approx(before.cpu_hours, rel=0.1)
    assert before.state_bytes == 400 * 16 * 3 * 4
    assert before.read_bytes == 4 * 400 * 8 * 4  # scans once, groups three times
    many = plan.estimate(nodes=2, cores=16)
    assert many.hours < before.hours / 4
    plan.run_all()
    after = plan.estimate()
    assert after.measured and after.cpu_hours == 0


def test_the_same_plan_is_taken_up(plan: Any, paths: list[str], tmp_path: Path) -> None:
    plan.run("scan-0")
    again = tamis.shards.plan_uniqueness(paths, state=f"file://{tmp_path}/state")
    assert again.status().done == ["scan-0"]
    assert pickle.loads(pickle.dumps(plan)).status() == again.status()
    assert tamis.shards.open_plan(str(tmp_path / "state")).tasks == plan.tasks


def test_other_parameters_data_or_work(paths: list[str], plan: Any, tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with pytest.raises(ValueError, match=r"plan_uniqueness: state .* is of other parameters"):
        tamis.shards.plan_uniqueness(paths, state=state, k=4)
    with pytest.raises(ValueError, match=r"plan_uniqueness: state .* is of other parameters"):
        tamis.shards.plan_uniqueness(paths, state=state, parts=13)
    with pytest.raises(ValueError, match=r"plan_uniqueness: state .* is of other data"):
        tamis.shards.plan_uniqueness(paths[::-1], state=state)
    with pytest.raises(ValueError, match=r"plan_knn: state .* is of other work"):
        tamis.shards.plan_knn(paths, k=3, state=state)


def test_a_shard_that_has_changed(plan: Any, paths: list[str], tmp_path: Path) -> None:
    np.save(paths[0], X[:90] + 1)
    with pytest.raises(ValueError, match=r"plan.run: .*shard00.npy has changed since the plan"):
        plan.run("scan-0")
    with pytest.raises(ValueError, match="is of other data"):
        tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "state"))


def test_a_shard_that_is_missing(plan: Any, paths: list[str]) -> None:
    os.unlink(paths[3])
    with pytest.raises(FileNotFoundError, match="shard03"):
        plan.run("scan-6")


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text"])
def test_a_damaged_state_is_named_and_written_again(plan: Any, damage: str) -> None:
    plan.run_all()
    file = Path(plan.state) / "group-2.npz"
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(b"plan.npy") + 200] ^= 255
    spoiled = {
        "truncated": whole[: len(whole) // 2], "empty": b"", "flipped": bytes(flipped),
        "text": b"PK not a zip",
    }[damage]  # fmt: skip
    file.write_bytes(spoiled)
    for i in range(7):
        (Path(plan.state) / f"part-{i}.npz").unlink()
    assert plan.status().damaged == ["group-2"]
    with pytest.raises(ValueError, match=r"group-2.npz is damaged \(.*\): run group-2 again"):
        for i in range(7):
            plan.run(f"part-{i}")
    assert plan.run("group-2") and file.read_bytes() != spoiled
    assert np.array_equal(plan.run_all(), tamis.uniqueness(X))


def test_damaged_values_are_found_when_they_are_read(plan: Any) -> None:
    plan.run_all()
    file = Path(plan.state) / "part-3.npz"
    whole = bytearray(file.read_bytes())
    whole[whole.index(b"score.npy") + 200] ^= 1
    file.write_bytes(whole)
    with pytest.raises(ValueError, match=r"part-3.npz is damaged \(.*CRC.*\): run part-3 again"):
        plan.merge()


def test_a_state_of_another_plan(plan: Any, paths: list[str], tmp_path: Path) -> None:
    other = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "other"), k=2)
    other.run("scan-0")
    shutil.copy(tmp_path / "other" / "scan-0.npz", tmp_path / "state" / "scan-0.npz")
    with pytest.raises(ValueError, match=r"scan-0.npz is of another plan"):
        plan.run("scan-0")
    with pytest.raises(ValueError, match=r"scan-0.npz is of another plan"):
        plan.status()


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "uniqueness"}', "{"])
def test_a_plan_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(ValueError, match=r"plan.json is not a plan"):
        tamis.shards.open_plan(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="No plan in this folder"):
        tamis.shards.open_plan(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", [".npy", ".parquet", ".lance"])
def test_a_row_that_is_not_finite(tmp_path: Path, value: float, suffix: str) -> None:
    if suffix != ".npy":
        pytest.importorskip({".parquet": "pyarrow", ".lance": "lance"}[suffix])
    x = X.copy()
    x[120, 5] = value
    paths = write_shards(tmp_path / "x", x, [90, 100, 333], suffix)
    plan = tamis.shards.plan_knn(paths, k=2, state=str(tmp_path / "s"), parts=1)
    with pytest.raises(ValueError, match=rf"plan.run: .*shard02{suffix}: row 20 must be finite"):
        plan.run("group-0")


def test_lance(tmp_path: Path) -> None:
    """Datasets of several files, one of which loses rows: those left count."""
    lance = pytest.importorskip("lance")
    paths = write_shards(tmp_path / "x", X, [90, 100, 333], ".lance")
    lance.dataset(paths[1]).delete("other % 2 = 1")
    x = np.concatenate([X[:90], X[90:100:2], X[100:]])
    plan = tamis.shards.plan_knn(str(tmp_path / "x"), k=2, state=str(tmp_path / "s"), parts=3)
    for found, wanted in zip(plan.run_all(), tamis.knn(x, 2), strict=True):
        assert np.array_equal(found, wanted)
    with pytest.raises(ValueError, match=r"column must be one of the lists of .*: embedding, got"):
        tamis.shards.plan_knn(paths, column="other", k=2, state=str(tmp_path / "t"))
    plan = tamis.shards.plan_knn(paths, k=2, state=str(tmp_path / "t"), parts=1)
    lance.dataset(paths[0]).delete("other = 3")
    with pytest.raises(ValueError, match=r"shard00.lance has changed since the plan was made"):
        plan.run_all()


def test_rows_that_cannot_be_squared(tmp_path: Path) -> None:
    x = X.astype(np.float64)
    x[95] *= 1e200
    paths = write_shards(tmp_path / "x", x, [90])
    plan = tamis.shards.plan_knn(paths, k=2, state=str(tmp_path / "s"), parts=7)
    with pytest.raises(ValueError, match=r"plan.run: .*shard01.npy: row 5 is too large: its norm"):
        plan.run_all()
    x[95] = x[0] * 1e-200
    paths = write_shards(tmp_path / "y", x, [90])
    plan = tamis.shards.plan_knn(paths, k=2, metric="cosine", state=str(tmp_path / "t"), parts=7)
    with pytest.raises(ValueError, match=r"plan.run: .*shard01.npy: row 5 is too small: its norm"):
        plan.run_all()


def test_shards_that_do_not_fit_each_other(tmp_path: Path) -> None:
    a, b = str(tmp_path / "a.npy"), str(tmp_path / "b.npy")
    np.save(a, X)
    for wrong, said in (
        (X[:, :5], "must have 8 columns of float32 as .*a.npy has, got 5 of float32"),
        (X.astype(np.float64), "must have 8 columns of float32 as .*a.npy has, got 8 of float64"),
        (X.astype(np.int32), "must hold float16, float32 or float64, got int32"),
        (X[0], r"must hold \(N, D\) in C order, got \(8,\)"),
        (np.asfortranarray(X), r"must hold \(N, D\) in C order, got \(400, 8\) in Fortran order"),
    ):
        np.save(b, wrong)
        with pytest.raises((ValueError, TypeError), match=f"plan_knn: .*b.npy {said}"):
            tamis.shards.plan_knn([a, b], k=2, state=str(tmp_path / "s"))
    Path(b).write_bytes(b"not numpy")
    with pytest.raises(ValueError, match=r"plan_knn: .*b.npy is not a .npy file"):
        tamis.shards.plan_knn([a, b], k=2, state=str(tmp_path / "s"))
    with pytest.raises(ValueError, match=r"c.txt must end in .npy or .parquet or .lance"):
        tamis.shards.plan_knn([a, str(tmp_path / "c.txt")], k=2, state=str(tmp_path / "s"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"paths must name .npy or .parquet or .lance files, got none"
    ):
        tamis.shards.plan_knn(str(tmp_path / "empty"), k=2, state=str(tmp_path / "s"))
    assert not (tmp_path / "s").exists()


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, X)
    path.write_bytes(path.read_bytes()[:-50])
    plan = tamis.shards.plan_knn(str(path), k=2, state=str(tmp_path / "s"), parts=1)
    with pytest.raises(ValueError, match=r"a.npy: row 398 is not there: the file ends before it"):
        plan.run("group-0")


def test_parquet_columns(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path, state = tmp_path / "a.parquet", str(tmp_path / "s")
    write_parquet(path, X, fixed=True)
    assert np.array_equal(
        tamis.shards.plan_uniqueness(str(path), state=str(tmp_path / "fixed")).run_all(),
        tamis.uniqueness(X),
    )
    with pytest.raises(ValueError, match=r"column must be one of the lists of .*: embedding, got"):
        tamis.shards.plan_knn(str(path), k=2, state=state, column="id")
    ragged = [row.tolist() for row in X[:50]]
    for bad, said in (([1.0], "must have 8 values, got 1"), (None, "must have 8 values, got null")):
        ragged[33] = bad
        pq.write_table(pa.table({"e": pa.array(ragged, pa.list_(pa.float32()))}), path)
        plan = tamis.shards.plan_knn(str(path), k=2, state=f"{state}{bad}", parts=1)
        with pytest.raises(ValueError, match=rf"a.parquet: row 33 {said}"):
            plan.run("group-0")
    ragged[33] = [1.0] * 7 + [None]
    pq.write_table(pa.table({"e": pa.array(ragged, pa.list_(pa.float32()))}), path)
    plan = tamis.shards.plan_knn(str(path), k=2, state=f"{state}-null", parts=1)
    with pytest.raises(ValueError, match=r"a.parquet: row 33 must have no nulls"):
        plan.run("group-0")
    path.write_bytes(b"PAR1 is not enough")
    with pytest.raises(ValueError, match=r"a.parquet is not a Parquet file"):
        tamis.shards.plan_knn(str(path), k=2, state=state)


def _run(state: str, task: str) -> bool:
    return tamis.shards.open_plan(state).run(task)


def test_a_pool_of_processes(plan: Any) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for stage in plan.stages:
            tasks = [task.id for task in plan.stage(stage)]
            assert all(pool.map(_run, [plan.state] * len(tasks), tasks))
    assert np.array_equal(plan.merge(), tamis.uniqueness(X))


def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """Killed before its file is in place: what is done stays, and only that task runs again."""
    x = rows_with_copies(2000, 16)
    paths = write_shards(tmp_path / "x", x, [900])
    plan = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "state"), parts=3)
    for task in [*plan.stage("scan"), plan.task("group-0")]:
        plan.run(task)
    worker = subprocess.Popen(
        [sys.executable, "-c", HANGS, plan.state, "group-1"], stdout=subprocess.PIPE
    )
    assert worker.stdout is not None and worker.stdout.readline()
    worker.send_signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    worker.stdout.close()
    assert (Path(plan.state) / ".group-1.npz.unfinished").stat().st_size > 1000
    assert plan.status().ready == ["group-1", "group-2"] and not plan.status().damaged
    assert [task.id for task in plan.tasks if plan.run(task)] == [
        "group-1", "group-2", "part-0", "part-1", "part-2",
    ]  # fmt: skip
    assert np.array_equal(plan.merge(), tamis.uniqueness(x))
    assert not (Path(plan.state) / ".group-1.npz.unfinished").exists()


def test_a_disk_that_is_full(plan: Any) -> None:
    """The file is named, none is left behind, and the run goes on once there is room."""
    for task in plan.stage("scan"):
        plan.run(task)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = sorted(os.listdir(plan.state))
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*state/group-0.npz"):
            plan.run("group-0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(os.listdir(plan.state)) == sorted([*before, "mean.npz"])
    assert not plan.status().damaged and "group-0" in plan.status().ready
    assert np.array_equal(plan.run_all(), tamis.uniqueness(X))


def test_other_file_systems(paths: list[str]) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for path in paths:
        memory.pipe_file(f"/data/{Path(path).name}", Path(path).read_bytes())
    try:
        plan = tamis.shards.plan_uniqueness("memory://data", state="memory://run")
        assert np.array_equal(plan.run_all(), tamis.uniqueness(X))
        assert tamis.shards.open_plan("memory://run").status().done == [t.id for t in plan.tasks]
    finally:
        memory.rm("/data", recursive=True)
        memory.rm("/run", recursive=True)


def test_s3(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and state in a bucket, of a server in this process."""
    for name, value in BUCKETS.items():
        monkeypatch.setenv(name, value)
    with buckets() as bucket:
        for path in paths:
            bucket.pipe_file(f"bucket/data/{Path(path).name}", Path(path).read_bytes())
        plan = tamis.shards.plan_uniqueness("s3://bucket/data", state="s3://bucket/run", parts=3)
        assert np.array_equal(plan.run_all(), tamis.uniqueness(X))
        again = tamis.shards.open_plan("s3://bucket/run")
        assert again.status().done == [t.id for t in plan.tasks]
        plan = tamis.shards.plan_uniqueness("s3://bucket/data", state="s3://bucket/other", parts=3)
        bucket.pipe_file(f"bucket/data/{Path(paths[0]).name}", b"other")
        with pytest.raises(ValueError, match=r"has changed since the plan was made"):
            plan.run_all()


def test_no_engine_is_imported() -> None:
    code = (
        "import sys, tamis, tamis.shards; print(sorted({'ray', 'dask', 'pyarrow', 'fsspec',"
        " 'tamis.ray'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("kind", ["plan_uniqueness", "plan_near_duplicates"])
def test_one_plan_of_searches_serves_all_groups(tmp_path: Path, kind: str) -> None:
    """And changes no answer, nor does a damaged one."""
    x = rows_with_copies(21_000, 32)
    paths = write_shards(tmp_path / "x", x, [9000])
    how: dict[str, Any] = {} if "unique" in kind else {"threshold": 0.005}
    plan = getattr(tamis.shards, kind)(paths, state=str(tmp_path / "state"), parts=3, **how)
    for task in plan.stage("scan"):
        plan.run(task)
    held = Path(plan.state) / "search.npz"
    plan.run("group-0")
    first = held.read_bytes()
    plan.run("group-1")
    assert held.read_bytes() == first
    held.write_bytes(first[:99])
    plan.run("group-2")
    assert held.read_bytes() == first or np.load(held)["gain"] > 0
    wanted = getattr(tamis, kind.removeprefix("plan_"))(x, **how)
    found = plan.run_all()
    assert np.array_equal(found, wanted) if isinstance(wanted, np.ndarray) else found == wanted
