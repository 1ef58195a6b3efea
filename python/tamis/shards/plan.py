"""A plan: tasks that anyone may run who sees the files, and their merge."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from tamis._shared import arrays
from tamis._shared.progress import Progress, reporter
from tamis._shared.results import Result
from tamis.shards.state import Damaged, State

FORMAT = 1
NS_PER_PAIR = 0.3, 1.1 / 768  # of a thread: for a pair, and for each of its columns


@dataclass(frozen=True)
class Task:
    """One piece of a plan.

    Attributes
    ----------
    id : str
        As ``"group-3"``: the stage and a number.
    after : str
        The stage that must be done before; empty for none.
    inputs : tuple of str
        The shards it reads.
    rows, pairs : int
        How many it reads, and how many pairs of rows it compares.
    memory : int
        Bytes at its peak, about.
    """

    id: str
    after: str
    inputs: tuple[str, ...]
    rows: int
    pairs: int
    memory: int

    @property
    def stage(self) -> str:
        return self.id.rpartition("-")[0]

    @property
    def number(self) -> int:
        return int(self.id.rpartition("-")[2])


@dataclass(frozen=True, eq=False, repr=False)
class Estimate(Result):
    """The outcome of `Plan.estimate`.

    Attributes
    ----------
    cpu_hours : float
        Of one thread, for what is left to do.
    hours : float
        On the nodes asked for, tasks of one thread each.
    measured : bool
        Whether tasks that are done say how long one takes; else constants do, within a factor of 2.
    read_bytes, state_bytes : int
        Of shards, and of state files, in all tasks.
    task_memory : int
        Bytes of the largest task.
    """

    cpu_hours: float
    hours: float
    measured: bool
    read_bytes: int
    state_bytes: int
    task_memory: int


@dataclass(frozen=True, eq=False, repr=False)
class Status(Result):
    """The outcome of `Plan.status`: ids of tasks done, that can run, that wait, and damaged."""

    done: list[str]
    ready: list[str]
    waiting: list[str]
    damaged: list[str]


class Plan(ABC):
    """Tasks over shards. Made by `plan_knn` and its like, or `open_plan`; it can be pickled.

    Attributes
    ----------
    tasks : tuple of Task
        Stage after stage; those of a stage can run in any order, anywhere, at the same time.
    state : str
        The folder of the answers of tasks.
    """

    kind: ClassVar[str]
    source_type: ClassVar[Any]

    def __init__(self, source: Any, arguments: dict[str, Any], state: str) -> None:
        self.source, self.arguments, self.state = source, arguments, state
        content = {"format": FORMAT, "kind": self.kind, "arguments": arguments}
        content["shards"] = [asdict(shard) for shard in source.shards]
        content["source"] = {k: v for k, v in vars(source).items() if k != "shards"}
        self.content = json.loads(json.dumps(content))
        digest = hashlib.blake2b(json.dumps(self.content, sort_keys=True).encode(), digest_size=16)
        self._state = State(state, digest.hexdigest())
        self.tasks = tuple(self._tasks())

    @abstractmethod
    def _tasks(self) -> list[Task]: ...

    @abstractmethod
    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        """The arrays of a task."""

    @abstractmethod
    def merge(self, *args: Any, **how: Any) -> Any:
        """The answer from those of all tasks."""

    def save(self, function: str) -> None:
        """Write the plan into its folder, which must be empty or hold this plan."""
        self._state.save_plan(function, self.content)

    def load_inputs(self) -> None:
        """Read what was given beside the shards."""
        return

    def task(self, task: str | int | Task) -> Task:
        """A task by its id, or its place among `tasks`."""
        if isinstance(task, Task):
            task = task.id
        if isinstance(task, str):
            for one in self.tasks:
                if one.id == task:
                    return one
            raise ValueError(f"plan: there is no task {task!r}; the first is {self.tasks[0].id}")
        arrays.check_integer("plan", "task", task, 0, len(self.tasks) - 1)
        return self.tasks[int(task)]

    def stage(self, name: str) -> tuple[Task, ...]:
        """The tasks of a stage."""
        return tuple(task for task in self.tasks if task.stage == name)

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return tuple(dict.fromkeys(task.stage for task in self.tasks))

    def run(self, task: str | int | Task, *, progress: Progress = None) -> bool:
        """Do a task and write its state, unless that is there; True where it was done now.

        Parameters
        ----------
        task : str, int or Task
            Its id, or its place among `tasks`.
        progress : bool or callable, optional
            ``f(done, total)``, or True for a bar.

        Raises
        ------
        ValueError
            For a task whose stage before is not done, shards that have changed, rows that are NaN
            or infinite (named by shard and row), and a state file of another plan. A damaged state
            file is written again.
        """
        one = self.task(task)
        try:
            if self._state.holds(one.id):
                return False
        except Damaged:
            pass
        self._check_before(one)
        began = time.process_time()
        found = self._run(one, progress)
        found["seconds"] = np.array(time.process_time() - began)
        self._state.write(one.id, found)
        return True

    def run_all(self, *, progress: Progress = None) -> Any:
        """All tasks in this process, one at a time, and their merge."""
        report = reporter(progress, self.kind)
        for done, task in enumerate(self.tasks):
            self.run(task)
            report(done + 1, len(self.tasks))
        return self.merge()

    def _check_before(self, task: Task) -> None:
        self._need(self._before(task), f"plan.run: {task.id}")

    def _before(self, task: Task) -> list[str]:
        """The tasks that must be done before this one."""
        return [one.id for one in self.stage(task.after)] if task.after else []

    def _need(self, tasks: list[str], who: str) -> None:
        missing = [one for one in tasks if not self._state.folder.has(f"{one}.npz")]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ValueError(f"{who} needs {missing[0]}{more}, which are not done")

    def _check_done(self) -> None:
        last = self.stages[-1]
        self._need([task.id for task in self.stage(last)], "plan.merge")

    def status(self) -> Status:
        """Which tasks are done, can run, wait for others, or have a damaged state."""
        done, damaged = [], []
        for task in self.tasks:
            try:
                if self._state.holds(task.id):
                    done.append(task.id)
            except Damaged:
                damaged.append(task.id)
        have = set(done)
        rest = [task for task in self.tasks if task.id not in have and task.id not in damaged]
        ready = [task.id for task in rest if have.issuperset(self._before(task))]
        waiting = [task.id for task in rest if task.id not in ready]
        return Status(done, ready, waiting, damaged)

    def estimate(self, nodes: int = 1, cores: int = 1) -> Estimate:
        """What is left to do on so many nodes of so many cores.

        Parameters
        ----------
        nodes, cores : int
            Default 1. More nodes times cores than tasks of a stage do not help.

        Returns
        -------
        Estimate
        """
        arrays.check_integer("estimate", "nodes", nodes, 1)
        arrays.check_integer("estimate", "cores", cores, 1)
        have = set(self.status().done)
        per_pair, measured = self._seconds_a_pair(have)
        cpu = hours = 0.0
        for stage in self.stages:
            left = [task for task in self.stage(stage) if task.id not in have]
            seconds = [task.pairs * per_pair + task.rows * 1e-7 for task in left]
            rounds = -(-len(left) // (nodes * cores))
            cpu += sum(seconds) / 3600
            hours += rounds * max(seconds, default=0.0) / 3600
        row = self.source.width * np.dtype(self.source.dtype).itemsize
        read = sum(task.rows for task in self.tasks if task.inputs) * row
        most = max(task.memory for task in self.tasks)
        return Estimate(cpu, hours, measured, read, self._state_bytes(), most)

    def _seconds_a_pair(self, have: set[str]) -> tuple[float, bool]:
        """(seconds of a thread, whether tasks have reported)."""
        done = [task for task in self.tasks if task.pairs and task.id in have]
        if not done:
            return 1e-9 * self._ns_a_pair(), False
        seconds = sum(float(self._state.read(task.id, ["seconds"])[0]) for task in done)
        return seconds / sum(task.pairs for task in done), True

    def _ns_a_pair(self) -> float:
        a_pair, a_column = NS_PER_PAIR
        return a_pair + a_column * int(self.source.width)

    def _state_bytes(self) -> int:
        return 0
