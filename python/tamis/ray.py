"""`tamis.shards` on Ray: its tasks run plans, Datasets in and out (``pip install tamis[ray]``)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tamis._shared import arrays, output
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.threads import threads
from tamis.embeddings.near_duplicates import NearDuplicates
from tamis.shards import (
    Plan,
    open_plan,
    plan_knn,
    plan_leaks,
    plan_near_duplicates,
    plan_uniqueness,
    plan_zcore,
)
from tamis.shards.storage import is_url, plain

SHARD = 1 << 18  # rows of a shard that is written from a Dataset

__all__ = ["knn", "leaks", "near_duplicates", "run", "uniqueness", "zcore"]


def run(plan: Plan, *, num_cpus: int = 1, retries: int = 3, progress: Progress = None) -> Any:
    """All tasks of a plan on the running cluster, or a local one, and their merge.

    Parameters
    ----------
    plan : Plan
        Of `tamis.shards`; every node must see its shards and its state folder.
    num_cpus : int
        CPUs, and threads, of a task. Default 1.
    retries : int
        How often Ray runs a task again whose worker or node died. Default 3.
    progress : bool or callable, optional
        ``f(done, total)`` of tasks, or True for a bar.

    Returns
    -------
    What ``plan.merge()`` gives.

    Raises
    ------
    ValueError, OSError
        What a task raises, such as for a row that is NaN; tasks that have not begun are cancelled.

    Notes
    -----
    Tasks read shards and write state themselves: no rows go through the object store or the driver.
    A run whose driver was killed goes on where it was, with the same plan. Ray's workers run at
    niceness 15; a cluster started here has them at 0, another one where ``RAY_worker_niceness=0``
    is set before ``ray start``.
    """
    arrays.check_integer("ray.run", "num_cpus", num_cpus, 1)
    arrays.check_integer("ray.run", "retries", retries, 0)
    ray = _ray()
    report = reporter(progress, plan.kind)
    remote = ray.remote(_task).options(
        num_cpus=num_cpus, max_retries=retries, scheduling_strategy="SPREAD"
    )
    have = set(plan.status().done)
    report(len(have), len(plan.tasks))
    for stage in plan.stages:
        left = [task.id for task in plan.stage(stage) if task.id not in have]
        waiting = [remote.remote(plan.state, task, num_cpus) for task in left]
        try:
            while waiting:
                done, waiting = ray.wait(waiting, num_returns=1)
                have.add(ray.get(done[0]))
                report(len(have), len(plan.tasks))
        except BaseException as error:
            for one in waiting:
                ray.cancel(one)
            cause = getattr(error, "cause", None)
            if isinstance(cause, (ValueError, TypeError, OSError, ImportError)):
                raise cause from None
            raise
    return plan.merge()


def _ray() -> Any:
    """Ray, connected to a cluster; one of this machine is started where there is none."""
    try:
        import ray
    except ImportError:
        raise ImportError("tamis.ray needs Ray: pip install tamis[ray]") from None
    if not ray.is_initialized():
        os.environ.setdefault("RAY_worker_niceness", "0")
        ray.init(include_dashboard=False, log_to_driver=False)
    return ray


def _task(state: str, task: str, num_cpus: int) -> str:
    """In a worker."""
    with threads(num_cpus):
        open_plan(state).run(task)
    return task


def uniqueness(
    data: Any,
    *,
    state: str,
    id: str | None = None,
    output: str = "uniqueness",
    num_cpus: int = 1,
    retries: int = 3,
    progress: Progress = None,
    **how: Any,
) -> Any:
    """`tamis.uniqueness` of shards, or of a Dataset.

    Parameters
    ----------
    data : paths, or ray.data.Dataset
        Paths as for `tamis.shards.plan_uniqueness`. A Dataset needs `column` and `id`.
    state : str
        A folder that all nodes see.
    id : str, optional
        For a Dataset: the column of its rows' names, unique integers or strings.
    output : str
        For a Dataset: the name of the new column. Default ``"uniqueness"``.
    num_cpus, retries, progress
        As for `run`.
    how : options
        Of `tamis.shards.plan_uniqueness`: column, k, weights, metric, parts.

    Returns
    -------
    (N,) float64, or the Dataset with one more column of float64.

    Raises
    ------
    ValueError, TypeError
        As `tamis.shards.plan_uniqueness`; for a Dataset without an id column, and for ids that
        appear twice.

    Notes
    -----
    The rows of a Dataset are written once, by Ray's workers, in the order of their ids, into
    ``state/rows``; they take their place in memory task by task.
    """
    return _of_rows(
        plan_uniqueness, data, state, id, output, how,
        num_cpus=num_cpus, retries=retries, progress=progress,
    )  # fmt: skip


def near_duplicates(
    data: Any,
    *,
    state: str,
    id: str | None = None,
    output: str = "keep",
    num_cpus: int = 1,
    retries: int = 3,
    progress: Progress = None,
    **how: Any,
) -> Any:
    """`tamis.near_duplicates` of shards, or the rows of a Dataset to keep.

    Parameters
    ----------
    data, state, id, num_cpus, retries, progress
        As for `uniqueness`.
    output : str
        For a Dataset: the name of the new column. Default ``"keep"``.
    how : options
        Of `tamis.shards.plan_near_duplicates`: column, threshold, metric, max_pairs, parts.

    Returns
    -------
    tamis.NearDuplicates, or the Dataset with one more column of bool: of near-duplicates the one
    whose id comes first is kept.

    Raises
    ------
    ValueError, TypeError
        As `uniqueness`.
    """
    return _of_rows(
        plan_near_duplicates, data, state, id, output, how,
        num_cpus=num_cpus, retries=retries, progress=progress,
    )  # fmt: skip


def zcore(
    data: Any,
    *,
    state: str,
    id: str | None = None,
    output: str = "zcore",
    num_cpus: int = 1,
    retries: int = 3,
    progress: Progress = None,
    **how: Any,
) -> Any:
    """`tamis.zcore` of shards, or of a Dataset.

    Parameters
    ----------
    data, state, id, num_cpus, retries, progress
        As for `uniqueness`.
    output : str
        For a Dataset: the name of the new column. Default ``"zcore"``.
    how : options
        Of `tamis.shards.plan_zcore`: column, n_samples, sample_dim, redundancy_nn, redundancy_exp,
        random_init, seed, parts, batch.

    Returns
    -------
    (N,) float32, or the Dataset with one more column of float32.

    Raises
    ------
    ValueError, TypeError
        As `tamis.shards.plan_zcore` and `uniqueness`.
    """
    return _of_rows(
        plan_zcore, data, state, id, output, how,
        num_cpus=num_cpus, retries=retries, progress=progress,
    )  # fmt: skip


def knn(
    paths: Any,
    *,
    num_cpus: int = 1,
    retries: int = 3,
    progress: Progress = None,
    **how: Any,
) -> tuple[Array, Array]:
    """`tamis.knn` of shards: a plan of `tamis.shards.plan_knn`, which takes `how`, and `run`."""
    found: tuple[Array, Array] = run(
        plan_knn(paths, **how), num_cpus=num_cpus, retries=retries, progress=progress
    )
    return found


def leaks(
    paths: Any,
    splits: Any,
    *,
    num_cpus: int = 1,
    retries: int = 3,
    progress: Progress = None,
    **how: Any,
) -> Any:
    """`tamis.leaks` of shards: a plan of `tamis.shards.plan_leaks`, that takes `how`, and `run`."""
    plan = plan_leaks(paths, splits, **how)
    return run(plan, num_cpus=num_cpus, retries=retries, progress=progress)


def _of_rows(
    planned: Callable[..., Plan],
    data: Any,
    state: str,
    id: str | None,
    output: str,
    how: dict[str, Any],
    **options: Any,
) -> Any:
    """A plan of paths, run; or of a Dataset's rows, whose values become its column `output`."""
    if not _is_dataset(data):
        return run(planned(data, state=state, **how), **options)
    function = planned.__name__.replace("plan_", "ray.")
    paths = _written(function, data, how.pop("column", None), id, state)
    plan = planned(paths, state=state, **how)
    found = run(plan, **options)
    if isinstance(found, NearDuplicates):
        keep, found = found.keep, np.zeros(plan.source.n, bool)
        found[keep] = True
    return _with_column(data, id, output, state, found)


def _is_dataset(data: Any) -> bool:
    return hasattr(data, "map_batches") and hasattr(data, "materialize")


def _written(function: str, data: Any, column: str | None, id: str | None, state: str) -> list[str]:
    """The rows of a Dataset as shards in the order of their ids, written by its workers."""
    names = data.schema().names
    if column is None or column not in names:
        raise ValueError(f"{function}: column must be one of {', '.join(names)}, got {column!r}")
    if id is None or id not in names:
        raise ValueError(
            f"{function}: id must name a column of unique names, one of {', '.join(names)},"
            f" got {id!r}: blocks have no order of their own"
        )
    if is_url(plain(state)):
        raise ValueError(f"{function}: state must be a folder for a Dataset, got {state}")
    folder = os.path.join(os.path.abspath(plain(state)), "rows")
    os.makedirs(folder, exist_ok=True)
    written = data.select_columns([id, column]).map_batches(
        _write_block, batch_size=None, batch_format="numpy",
        fn_kwargs={"id": id, "column": column, "folder": folder},
    )  # fmt: skip
    blocks = [str(row["block"]) for row in written.take_all() if row["block"]]
    if not blocks:
        raise ValueError(f"{function}: the Dataset has no rows")
    ray = _ray()
    n = ray.get(ray.remote(_sort_ids).remote(folder, blocks))
    if n is None:
        raise ValueError(f"{function}: id {id!r} must be unique, some appear twice")
    write = ray.remote(_write_shard)
    tasks = [write.remote(folder, blocks, first) for first in range(0, n, SHARD)]
    paths: list[str] = ray.get(tasks)
    for block in blocks:
        os.unlink(os.path.join(folder, f"{block}.block"))
        os.unlink(os.path.join(folder, f"{block}.ids"))
    return paths


def _with_column(data: Any, id: str | None, output: str, state: str, values: Array) -> Any:
    """The Dataset with values by id; workers look them up in files."""
    folder = os.path.join(os.path.abspath(plain(state)), "rows")
    _save(os.path.join(folder, f"all.{output}"), values)
    return data.map_batches(
        _look_up, batch_format="pyarrow", batch_size=None,
        fn_kwargs={"id": id, "output": output, "folder": folder},
    )  # fmt: skip


# What follows runs in workers.


def _write_block(batch: Any, id: str, column: str, folder: str) -> dict[str, Any]:
    """A block as two files, named by what is in them so that a retry writes the same."""
    ids, rows = _plain_ids(batch[id]), np.asarray(batch[column])
    if len(ids) == 0:
        return {"block": np.empty(0, "U1")}
    if rows.dtype == object:
        rows = np.stack([np.asarray(row) for row in rows])
    rows = np.ascontiguousarray(rows)
    name = hashlib.blake2b(ids.tobytes() + rows.tobytes(), digest_size=12).hexdigest()
    _save(os.path.join(folder, f"{name}.ids"), ids)
    _save(os.path.join(folder, f"{name}.block"), rows)
    return {"block": np.array([name])}


def _sort_ids(folder: str, blocks: list[str]) -> int | None:
    """Write all ids in order, and where their rows are; how many, or None where some repeat."""
    held = [np.load(os.path.join(folder, f"{block}.ids")) for block in blocks]
    ids = np.concatenate(held)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        return None
    _save(os.path.join(folder, "all.ids"), ids)
    _save(os.path.join(folder, "all.order"), order)
    return len(ids)


def _write_shard(folder: str, blocks: list[str], first: int) -> str:
    """Rows in the order of their ids, from blocks on the disk; a shard of the same rows stays."""
    order = np.load(os.path.join(folder, "all.order"), mmap_mode="r")[first : first + SHARD]
    held = [np.load(os.path.join(folder, f"{block}.block"), mmap_mode="r") for block in blocks]
    ends = np.cumsum([len(block) for block in held])
    block_of = np.searchsorted(ends, order, side="right")
    rows = np.empty((len(order), held[0].shape[1]), held[0].dtype)
    for i, block in enumerate(held):
        mine = np.flatnonzero(block_of == i)
        rows[mine] = block[order[mine] - (ends[i] - len(block))]
    name = hashlib.blake2b(rows.tobytes(), digest_size=12).hexdigest()
    path = os.path.join(folder, f"{first:012d}-{name}.npy")
    if not os.path.exists(path):
        _save(path, rows)
    return path


def _save(path: str, values: Array) -> None:
    output.write("tamis.ray: state", path, lambda file: np.save(file, values))


def _plain_ids(ids: Any) -> Array:
    ids = np.asarray(ids)
    return ids if ids.dtype.kind in "iuUS" else np.array([str(one) for one in ids])


def _look_up(table: Any, id: str, output: str, folder: str) -> Any:
    """A block with the values of its ids."""
    import pyarrow as pa

    ids = np.load(os.path.join(folder, "all.ids"), mmap_mode="r")
    values = np.load(os.path.join(folder, f"all.{output}"), mmap_mode="r")
    asked = _plain_ids(np.array(table[id].to_pylist()))
    return table.append_column(output, pa.array(values[np.searchsorted(ids, asked)]))
