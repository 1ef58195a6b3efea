"""Rows in several files, and plans run in any order."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# A process that hangs as it ends a task, for a test to kill. Takes the state's folder and the task.
HANGS = """
import os, sys, time, tamis.shards
def hang(*names):
    print("at work", flush=True)
    time.sleep(600)
plan = tamis.shards.open_plan(sys.argv[1])
os.replace = hang
plan.run(sys.argv[2])
"""


def write_shards(folder: Path, x: Any, cuts: Any, suffix: str = ".npy") -> list[str]:
    """`x` cut at these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i, part in enumerate(np.split(x, cuts)):
        path = folder / f"shard{i:02d}{suffix}"
        if suffix == ".npy":
            np.save(path, part)
        elif suffix == ".lance":
            write_lance(path, part)
        else:
            write_parquet(path, part)
        paths.append(str(path))
    return paths


def write_lance(path: Path, x: Any) -> None:
    import lance
    import pyarrow as pa

    rows = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
    table = pa.table({"embedding": rows, "other": np.arange(len(x))})
    lance.write_dataset(table, str(path), max_rows_per_file=37)


def write_parquet(path: Path, x: Any, group: int = 37, fixed: bool = False) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = pa.array(x.reshape(-1))
    if fixed:
        lists = pa.FixedSizeListArray.from_arrays(flat, x.shape[1])
    else:
        offsets = np.arange(len(x) + 1, dtype=np.int32) * x.shape[1]
        lists = pa.ListArray.from_arrays(pa.array(offsets), flat)
    ids = pa.array([f"row{i}" for i in range(len(x))])
    pq.write_table(pa.table({"id": ids, "embedding": lists}), path, row_group_size=group)


def cuts_of(n: int, parts: int, seed: int = 0) -> list[int]:
    """Uneven places to cut at, some of them twice."""
    return sorted(np.random.default_rng(seed).integers(0, n + 1, parts - 1).tolist())


def run_in_any_order(plan: Any, seed: int = 0) -> Any:
    """All tasks, those of a stage shuffled, some of them twice."""
    rng = np.random.default_rng(seed)
    for stage in plan.stages:
        tasks = [task.id for task in plan.stage(stage)]
        for task in rng.permutation(tasks + tasks[:2]):
            plan.run(str(task))
    return plan.merge()


def rows_with_copies(n: int, d: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    """Clusters, exact copies far apart, near copies and rows at the mean."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(12, d))[rng.integers(0, 12, n)] + 0.4 * rng.normal(size=(n, d))
    x[n // 2 : n // 2 + n // 8] = x[: n // 8]
    x[-n // 10 :] = x[n // 10 : n // 10 + n // 10] + 1e-4
    x[rng.integers(0, n, n // 20)] = x[0]
    return x.astype(dtype)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


PORT = _free_port()  # one of a process: clients are kept
BUCKETS = {  # what says to a process where they are
    "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
}  # fmt: skip


@contextlib.contextmanager
def buckets() -> Iterator[Any]:
    """The file system of a server in this process, with an empty bucket."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=PORT)
    fsspec = pytest.importorskip("fsspec")
    server.start()
    try:
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.mkdir("bucket")
        yield files
        files.rm("bucket", recursive=True)  # servers of a process have the same buckets
    finally:
        server.stop()
