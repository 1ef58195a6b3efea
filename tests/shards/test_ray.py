"""Plans on a local Ray: the bits of one process, whatever is killed."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shard_files import BUCKETS, buckets, rows_with_copies, write_shards

# Ray warns of its own sockets and options
pytestmark = pytest.mark.filterwarnings("ignore")
NICENESS = "RAY_worker_niceness"
QUICK = {
    # a killed node is missed after seconds; one that is slow to answer still has 5 times 10 s
    "health_check_initial_delay_ms": 500,
    "health_check_period_ms": 500,
    # spills what it can as soon as it must, not 100 MB at once
    "min_spilling_size": 1 << 20,
    "oom_grace_period_s": 0,
    "max_io_workers": 1,
}
STORE = 80 << 20  # bytes that objects of Ray may take in memory: about the least
X = rows_with_copies(300, 8)


@pytest.fixture(scope="module")
def spilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Ray puts objects that find no place in memory."""
    return tmp_path_factory.mktemp("spilled")


@pytest.fixture(scope="module")
def cluster(spilled: Path) -> Iterator[Any]:
    """One node of two CPUs, to which others can be added."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {NICENESS: "0", **BUCKETS}.items():
            patch.setenv(name, value)
        found = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2,
                "include_dashboard": False,
                "include_log_monitor": False,
                "no_monitor": True,
                "_system_config": QUICK,
                "object_store_memory": STORE,
                "object_spilling_directory": str(spilled),
            },
        )
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def ray(cluster: Any) -> Iterator[Any]:
    import ray as found

    found.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield found
    found.shutdown()


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    return write_shards(tmp_path / "x", X, [90, 100, 233])


def test_shards(ray: Any, paths: list[str], tmp_path: Path) -> None:
    import tamis.ray

    told: list[tuple[int, int]] = []
    found = tamis.ray.uniqueness(
        paths, state=str(tmp_path / "u"), progress=lambda done, total: told.append((done, total))
    )
    assert np.array_equal(found, tamis.uniqueness(X))
    assert told[0] == (0, 21) and told[-1] == (21, 21) and len(told) == 22
    assert tamis.ray.near_duplicates(paths, state=str(tmp_path / "n"), threshold=0.1) == (
        tamis.near_duplicates(X, threshold=0.1)
    )
    splits = np.arange(len(X)) % 3
    assert tamis.ray.leaks(paths, splits, state=str(tmp_path / "l"), threshold=0.1) == (
        tamis.leaks(X, splits, threshold=0.1)
    )
    drawn = tamis.ray.zcore(paths, state=str(tmp_path / "z"), n_samples=50, parts=3)
    assert np.array_equal(drawn, tamis.zcore(X, n_samples=50))
    distances, indices = tamis.ray.knn(paths, k=4, state=str(tmp_path / "k"), parts=3, num_cpus=2)
    assert np.array_equal(indices, tamis.knn(X, 4)[1])
    assert np.array_equal(distances, tamis.knn(X, 4)[0])


def test_an_error_of_a_task_is_raised_as_it_is(ray: Any, tmp_path: Path) -> None:
    import tamis.ray

    x = X.copy()
    x[95, 2] = np.nan
    paths = write_shards(tmp_path / "x", x, [90])
    with pytest.raises(ValueError, match=r"^plan.run: .*shard01.npy: row 5 must be finite"):
        tamis.ray.uniqueness(paths, state=str(tmp_path / "u"))


def test_a_worker_that_is_killed(ray: Any, tmp_path: Path) -> None:
    import tamis.ray

    x = rows_with_copies(20_000, 32)
    paths = write_shards(tmp_path / "x", x, [5000])
    plan = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "u"), parts=3)
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done >= 4 and not killed:  # groups are at work
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    parent = (line.parent / "status").read_text()
                    if line.read_bytes().startswith(b"ray::_task") and "State:\tZ" not in parent:
                        killed.append(int(line.parent.name))
                        os.kill(killed[-1], signal.SIGKILL)
                        return
                except (FileNotFoundError, ProcessLookupError):
                    pass

    found = tamis.ray.run(plan, progress=kill)
    assert killed and np.array_equal(found, tamis.uniqueness(x))


def test_a_node_that_is_killed(ray: Any, cluster: Any, tmp_path: Path) -> None:
    import tamis.ray

    x = rows_with_copies(20_000, 32)
    paths = write_shards(tmp_path / "x", x, [5000])
    plan = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "u"), parts=7)
    second = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    left: list[int] = []

    def kill(done: int, total: int) -> None:
        if done >= 9 and not left:  # groups are at work
            left.append(total - done)
            cluster.remove_node(second, allow_graceful=False)

    found = tamis.ray.run(plan, progress=kill)
    assert left[0] > 7 and np.array_equal(found, tamis.uniqueness(x))


DRIVER = """
import sys, time, tamis.ray, tamis.shards
plan = tamis.shards.open_plan(sys.argv[1])
def told(done, total):
    print(done, flush=True)
    if done == 4:
        time.sleep(600)
tamis.ray.run(plan, progress=told)
"""


def test_a_driver_that_is_killed(ray: Any, tmp_path: Path) -> None:
    import tamis.ray

    x = rows_with_copies(20_000, 32)
    paths = write_shards(tmp_path / "x", x, [5000])
    plan = tamis.shards.plan_uniqueness(paths, state=str(tmp_path / "u"), parts=3)
    env = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    driver = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", DRIVER, plan.state], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=env,
    )  # fmt: skip
    assert driver.stdout is not None
    for line in driver.stdout:
        if line.strip().isdigit() and int(line) >= 4:  # Ray speaks there too
            break
    driver.kill()
    driver.wait()
    driver.stdout.close()
    time.sleep(0.1)
    done = plan.status().done
    assert 4 <= len(done) < len(plan.tasks)
    told: list[int] = []
    found = tamis.ray.run(plan, progress=lambda done, total: told.append(done))
    assert told[0] >= len(done) and np.array_equal(found, tamis.uniqueness(x))


@pytest.fixture
def dataset(ray: Any) -> Any:
    """Rows in another order than that of their ids, in five blocks."""
    pa = pytest.importorskip("pyarrow")
    data = pytest.importorskip("ray.data")
    data.DataContext.get_current().enable_progress_bars = False
    order = np.random.default_rng(0).permutation(len(X))
    tables = [
        pa.table(
            {
                "name": [f"row{i:04d}" for i in part],
                "embedding": pa.array(list(X[part]), pa.list_(pa.float32())),
                "other": part,
            }
        )
        for part in np.array_split(order, 5)
    ]
    return data.from_arrow(tables)


def test_a_dataset_gets_a_column(dataset: Any, tmp_path: Path) -> None:
    import tamis.ray

    scored = tamis.ray.uniqueness(
        dataset, column="embedding", id="name", state=str(tmp_path / "u"), parts=3
    )
    kept = tamis.ray.near_duplicates(
        scored, column="embedding", id="name", state=str(tmp_path / "n"), parts=3, threshold=0.1
    )
    drawn = tamis.ray.zcore(
        kept, column="embedding", id="name", state=str(tmp_path / "z"), parts=2, n_samples=50
    )
    rows = drawn.take_all()
    assert set(rows[0]) == {"name", "embedding", "other", "uniqueness", "keep", "zcore"}
    order = np.array([row["other"] for row in rows])
    wanted, keep = tamis.uniqueness(X), tamis.near_duplicates(X, threshold=0.1).keep
    assert np.array_equal([row["uniqueness"] for row in rows], wanted[order])
    assert np.array_equal([row["keep"] for row in rows], np.isin(order, keep))
    assert np.array_equal([row["zcore"] for row in rows], tamis.zcore(X, n_samples=50)[order])


def test_a_dataset_that_is_larger_than_the_object_store(
    ray: Any, spilled: Path, tmp_path: Path
) -> None:
    import tamis.ray

    pa = pytest.importorskip("pyarrow")
    data = pytest.importorskip("ray.data")
    x = np.zeros((2_000, 1 << 14), np.float32)
    x[:, :8] = rows_with_copies(len(x), 8)
    tables = []
    for part in np.array_split(np.arange(len(x)), 20):
        flat = pa.FixedSizeListArray.from_arrays(pa.array(x[part].ravel()), x.shape[1])
        tables.append(pa.table({"name": part, "embedding": flat}))
    assert x.nbytes > 1.5 * STORE
    rows = data.from_arrow(tables)
    assert list(spilled.rglob("*-multi-*"))
    scored = tamis.ray.uniqueness(
        rows, column="embedding", id="name", state=str(tmp_path / "u"), parts=1
    )
    found = scored.select_columns(["name", "uniqueness"]).to_pandas()
    assert np.array_equal(found["uniqueness"].to_numpy(), tamis.uniqueness(x)[found["name"]])


def test_a_dataset_without_an_id(dataset: Any, tmp_path: Path) -> None:
    import tamis.ray

    with pytest.raises(ValueError, match="id must name a column of unique names, one of name"):
        tamis.ray.uniqueness(dataset, column="embedding", state=str(tmp_path / "u"))
    with pytest.raises(ValueError, match="column must be one of name, embedding, other, got None"):
        tamis.ray.near_duplicates(dataset, id="name", state=str(tmp_path / "u"))
    twice = dataset.union(dataset.limit(1))
    with pytest.raises(ValueError, match="id 'name' must be unique, some appear twice"):
        tamis.ray.uniqueness(twice, column="embedding", id="name", state=str(tmp_path / "u"))


def test_without_ray(monkeypatch: pytest.MonkeyPatch, paths: list[str], tmp_path: Path) -> None:
    import tamis.ray

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"tamis.ray needs Ray: pip install tamis\[ray\]"):
        tamis.ray.uniqueness(paths, state=str(tmp_path / "u"))


@pytest.mark.parametrize("name", ["uniqueness", "near_duplicates", "zcore", "knn", "leaks"])
def test_signatures_name_the_options_of_the_plan(name: str) -> None:
    import tamis.ray
    import tamis.shards

    mine = inspect.signature(getattr(tamis.ray, name)).parameters
    for option in inspect.signature(getattr(tamis.shards, f"plan_{name}")).parameters.values():
        if option.name == "paths":
            continue
        assert mine[option.name].default == option.default
        assert mine[option.name].kind == option.kind
    assert {"num_cpus", "retries", "progress"} <= set(mine) and "how" not in mine


def test_a_dataset_with_its_state_in_a_bucket(dataset: Any) -> None:
    import tamis.ray

    with buckets() as bucket:
        scored = tamis.ray.uniqueness(
            dataset, column="embedding", id="name", state="s3://bucket/run", parts=1
        )
        rows = scored.take_all()
        left = {path.rpartition(".")[2] for path in bucket.ls("bucket/run/rows", detail=False)}
    order = np.array([row["other"] for row in rows])
    assert np.array_equal([row["uniqueness"] for row in rows], tamis.uniqueness(X)[order])
    assert left == {"npy", "ids", "order", "uniqueness"}
