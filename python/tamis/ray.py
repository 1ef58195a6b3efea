"""`tamis.shards` on Ray: its tasks run plans, Datasets in and out (``pip install tamis[ray]``)."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.threads import threads
from tamis.embeddings.near_duplicates import NearDuplicates
from tamis.shards import (
    Plan,
    blocks_of_rows,
    open_plan,
    plan_knn,
    plan_leaks,
    plan_near_duplicates,
    plan_uniqueness,
    plan_zcore,
)
from tamis.shards.storage import Folder, is_url, plain

Function = TypeVar("Function", bound=Callable[..., Any])

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


def _takes_options_of(planned: Callable[..., Plan]) -> Callable[[Function], Function]:
    """In place of `how` a function names the options of its plan."""

    def named(function: Function) -> Function:
        own = inspect.signature(function)
        mine = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        given = {p.name for p in mine} | {"paths"}
        options = [p for p in inspect.signature(planned).parameters.values() if p.name not in given]
        signature = own.replace(parameters=[*mine, *options])
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return named


@_takes_options_of(plan_uniqueness)
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
        A folder that all nodes see, or the URL of one in a bucket.
    id : str, optional
        For a Dataset: the column of its rows' names, unique integers or strings.
    output : str
        For a Dataset: the name of the new column. Default ``"uniqueness"``.
    num_cpus, retries, progress
        As for `run`.
    how
        The other options of `tamis.shards.plan_uniqueness`.

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


@_takes_options_of(plan_near_duplicates)
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
    how
        The other options of `tamis.shards.plan_near_duplicates`.

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


@_takes_options_of(plan_zcore)
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
    how
        The other options of `tamis.shards.plan_zcore`.

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


@_takes_options_of(plan_knn)
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


@_takes_options_of(plan_leaks)
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
    folder = _rows_of(state)
    Folder(folder).make()
    written = data.select_columns([id, column]).map_batches(
        blocks_of_rows.write_block, batch_size=None, batch_format="numpy",
        fn_kwargs={"id": id, "column": column, "folder": folder},
    )  # fmt: skip
    blocks = [str(row["block"]) for row in written.take_all() if row["block"]]
    if not blocks:
        raise ValueError(f"{function}: the Dataset has no rows")
    ray = _ray()
    ends = ray.get(ray.remote(blocks_of_rows.sort_ids).remote(folder, blocks))
    if ends is None:
        raise ValueError(f"{function}: id {id!r} must be unique, some appear twice")
    write = ray.remote(blocks_of_rows.write_shard)
    firsts = range(0, int(ends[-1]), blocks_of_rows.SHARD)
    paths: list[str] = ray.get([write.remote(folder, blocks, ends, first) for first in firsts])
    for block in blocks:
        Folder(folder).remove(f"{block}.block")
        Folder(folder).remove(f"{block}.ids")
    return paths


def _rows_of(state: str) -> str:
    """The folder of a Dataset's rows."""
    path = plain(state)
    return f"{path if is_url(path) else os.path.abspath(path)}/rows"


def _with_column(data: Any, id: str | None, output: str, state: str, values: Array) -> Any:
    """The Dataset with values by id; workers look them up in files."""
    folder = _rows_of(state)
    blocks_of_rows.save(folder, f"all.{output}", values)
    return data.map_batches(
        blocks_of_rows.look_up, batch_format="pyarrow", batch_size=None,
        fn_kwargs={"id": id, "output": output, "folder": folder},
    )  # fmt: skip
