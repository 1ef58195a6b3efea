"""A plan of `tamis.zcore` over shards: parts of the rows answer batches of draws."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis.embeddings.knn_search import checked_finite
from tamis.selection.zcore import MOST_DRAWS, zcore_finish
from tamis.selection.zcore_scorer import LARGEST, check_rows, checked_rule
from tamis.shards import spans
from tamis.shards.groups import bounds_of
from tamis.shards.plan import Plan, Task
from tamis.shards.sources import ShardRows, describe
from tamis.shards.storage import plain
from tamis.shards.zcore_prices import PRICES, no_prices, prices

CHUNK = 1 << 14  # draws whose distances are in memory at once
SURE = 6.0  # deviations from an even spread that the distances told by a part allow for
DRAWS = {"nearest": "spans", "around": "nearest", "settle": "around", "pay": "settle"}
LOG = 1 << 30  # bytes at most that a run of draws logs
MOST_TASKS = 1_000_000  # of one stage


class ZcorePlan(Plan):
    """Spans of the columns, and then for each batch of draws: nearest, around, settle, pay."""

    kind = "zcore"
    source: ShardRows
    source_type = ShardRows

    def __init__(self, source: ShardRows, arguments: dict[str, Any], state: str) -> None:
        self.bounds = bounds_of(source.n, min(arguments["parts"], source.n))
        self.k, self.exponent = arguments["sample_dim"], arguments["redundancy_exp"]
        self.wanted = min(arguments["redundancy_nn"], source.n - 1)
        share = self.wanted / len(self.bounds)
        self.most = min(self.wanted, math.ceil(share + SURE * math.sqrt(share)) + 2)
        super().__init__(source, arguments, state)

    # Draws

    @property
    def batches(self) -> int:
        return -(-int(self.arguments["n_samples"]) // int(self.arguments["batch"]))

    def _batch(self, batch: int) -> tuple[int, int]:
        """The draws [first, end)."""
        size = self.arguments["batch"]
        return batch * size, min((batch + 1) * size, self.arguments["n_samples"])

    def _draws(self, batch: int) -> tuple[Array, Array]:
        low, median, high = self._state.read("spans-0", ["low", "median", "high"])
        first, end = self._batch(batch)
        dims = np.empty((end - first, self.k), np.int32)
        points = np.empty((end - first, self.k))
        _core.zcore_draws(low, median, high, self.arguments["seed"], first, dims, points)
        return dims, points

    # Tasks

    def _tasks(self) -> list[Task]:
        width, parts = self.source.width, range(len(self.bounds))
        scanned = 3 * spans.TOLD * width * self._item
        found = [self._task(f"scan-{i}", "", i, 0, scanned) for i in parts]
        found += [self._task(f"median-{i}", "scan", i, 0, scanned) for i in parts]
        found.append(Task("spans-0", "median", (), 0, 0, scanned))
        for stage, after in DRAWS.items():
            for batch in range(self.batches):
                first, end = self._batch(batch)
                if stage == "settle":
                    lists = 3 * min(CHUNK, end - first) * len(parts) * self.most * self._item
                    found.append(Task(f"settle-{batch}", after, (), 0, 0, lists))
                    continue
                held = (end - first) * (self.most * self._item + 32 * self.k)
                held += min(LOG, (end - first) * 3 * (self.most + 100) * (self.k + 1) * self._item)
                for i in parts:
                    name = f"{stage}-{batch * len(parts) + i}"
                    found.append(self._task(name, after, i, end - first, held))
        return found

    @property
    def _item(self) -> int:
        return np.dtype(self.source.dtype).itemsize

    def _task(self, name: str, after: str, part: int, draws: int, memory: int) -> Task:
        begin, end = self.bounds[part]
        shards = [shard.path for shard, _, _ in self.source.pieces(begin, end)]
        memory += (end - begin) * (self.source.width * self._item + 16)
        return Task(name, after, tuple(shards), end - begin, (end - begin) * draws, memory)

    def _before(self, task: Task) -> list[str]:
        """A batch waits for none of the others."""
        parts = len(self.bounds)
        if task.stage in ("scan", "median", "spans", "nearest"):
            return super()._before(task)
        if task.stage == "pay":
            return [f"settle-{task.number // parts}"]
        batch = task.number if task.stage == "settle" else task.number // parts
        return [f"{task.after}-{batch * parts + i}" for i in range(parts)]

    def _state_bytes(self) -> int:
        parts, item = len(self.bounds), self._item
        a_draw = parts * (16 + (self.k + self.most) * item) + 12 + (self.k + 2) * item
        once = spans.TOLD * self.source.width * item
        draws = int(self.arguments["n_samples"])
        return int(a_draw * draws + 8 * self.source.n * self.batches + once)

    def _ns_a_pair(self) -> float:
        return 0.1 * int(self.arguments["sample_dim"])

    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        if task.stage == "spans":
            return self._spans()
        if task.stage == "settle":
            return self._settle(task.number, progress)
        batch, part = divmod(task.number, len(self.bounds))
        x = self._rows(part)
        if task.stage == "scan":
            return {"told": spans.told(x, len(self.bounds))}
        if task.stage == "median":
            return spans.between(x, *self._brackets())
        work = {"nearest": self._nearest, "around": self._around, "pay": self._pay}
        return work[task.stage](batch, part, x, progress)

    def _rows(self, part: int) -> Array:
        return self.source.read("plan.run", [self.bounds[part]], checked_finite)

    # Spans

    def _told(self) -> list[Array]:
        return [self._state.read(task.id, ["told"])[0] for task in self.stage("scan")]

    def _brackets(self) -> tuple[Array, Array]:
        return spans.brackets(self._told(), [end - begin for begin, end in self.bounds])

    def _spans(self) -> dict[str, Any]:
        told = self._told()
        low = np.min([part[:, 0] for part in told], axis=0).astype(np.float64)
        high = np.max([part[:, -1] for part in told], axis=0).astype(np.float64)
        largest = max(-low.min(), high.max())
        if largest > LARGEST:
            raise ValueError(f"plan.run: rows must be at most {LARGEST:g}, got {largest:g}")
        names = ["counts", "between", "ends"]
        parts: Any = [tuple(self._state.read(task.id, names)) for task in self.stage("median")]
        median = spans.medians(parts, *self._brackets(), self.source.n)
        return {"low": low, "median": median, "high": high}

    # A batch of draws

    def _scorer(self, x: Array, neighbours: int, sample: int) -> Any:
        double = x.dtype == np.float64
        table = (_core.ZcoreTable64 if double else _core.ZcoreTable)(x, max(1, sample))
        run = _core.ZcoreRun64 if double else _core.ZcoreRun
        return run(table, neighbours, self.exponent, self.k)

    def _chunks(self, draws: int, progress: Progress, title: str) -> Iterator[slice]:
        report = reporter(progress, title)
        for begin in range(0, draws, CHUNK):
            end = min(draws, begin + CHUNK)
            yield slice(begin, end)
            report(end, draws)

    def _nearest(self, batch: int, part: int, x: Array, progress: Progress) -> dict[str, Any]:
        """Of each draw: the row of this part nearest to the point, and what it has there."""
        dims, points = self._draws(batch)
        rows = np.empty(len(dims), np.int64)
        run = self._scorer(x, 1, len(x) // 64)
        for some in self._chunks(len(dims), progress, "nearest"):
            run.nearest(dims[some], points[some], rows[some])
        at = x[rows[:, None], dims]
        apart = np.abs(at.astype(np.float64) - points)
        distance = apart[:, 0].copy()
        for j in range(1, self.k):
            distance += apart[:, j]
        row = (rows + self.bounds[part][0]).astype(np.uint32)
        return {"distance": distance, "row": row, "at": at}

    def _chosen(self, batch: int) -> tuple[Array, Array]:
        """(row, its values in the columns) of each draw: the nearest of those of all parts."""
        names, parts = ["distance", "row", "at"], len(self.bounds)
        distance, row, at = self._state.read(f"nearest-{batch * parts}", names)
        for i in range(1, parts):
            far, other, there = self._state.read(f"nearest-{batch * parts + i}", names)
            nearer = far < distance  # at a tie the earlier part has the lower row
            distance[nearer], row[nearer], at[nearer] = far[nearer], other[nearer], there[nearer]
        return row, at

    def _own(self, part: int, row: Array) -> Array:
        """The number in a part of each row, -1 where it is in another."""
        begin, end = self.bounds[part]
        own = row.astype(np.int64) - begin
        return np.where((own >= 0) & (own < end - begin), own, -1)

    def _around(self, batch: int, part: int, x: Array, progress: Progress) -> dict[str, Any]:
        """Of each draw: the least distances of rows of this part to the row that was found."""
        if self.wanted == 0:
            return {}
        dims, _ = self._draws(batch)
        row, at = self._chosen(batch)
        places, own = at.astype(np.float64), self._own(part, row)
        run = self._scorer(x, self.most, self.most)
        found = {}
        for i, some in enumerate(self._chunks(len(dims), progress, "around")):
            out = np.empty((some.stop - some.start, self.most), x.dtype)
            run.around(dims[some], places[some], own[some], out)
            found[f"far{i}"] = out
        return found

    def _settle(self, batch: int, progress: Progress) -> dict[str, Any]:
        """Of each draw: which rows of which part pay how much."""
        dims, _ = self._draws(batch)
        row, at = self._chosen(batch)
        parts = range(len(self.bounds))
        found = []
        for i, some in enumerate(self._chunks(len(dims), progress, "settle")):
            if self.wanted == 0:
                found.append(no_prices(some.stop - some.start, len(parts), at.dtype))
                continue
            names = [f"around-{batch * len(parts) + part}" for part in parts]
            lists = [self._state.read(name, [f"far{i}"])[0] for name in names]
            one, more = prices(lists, self.wanted, self.exponent)
            again = np.flatnonzero(more.any(axis=1))
            if len(again):
                draws = dims[some][again], at[some][again], row[some][again]
                lists = [self._whole(part, far[again], more[again, part], *draws)
                         for part, far in enumerate(lists)]  # fmt: skip
                exact, _ = prices(lists, self.wanted, self.exponent)
                for held, new in zip(one, exact, strict=True):
                    held[again] = new
            found.append(one)
        columns = (np.concatenate(column) for column in zip(*found, strict=True))
        return dict(zip(PRICES, columns, strict=True)) | {"row": row, "at": at}

    def _whole(
        self, part: int, far: Array, more: Array, dims: Array, at: Array, row: Array
    ) -> Array:
        """The lists of a part, those with `more` to tell as long as there are neighbours."""
        if not more.any():
            return far
        out = np.full((len(far), self.wanted), np.nan, far.dtype)
        out[:, : self.most] = far
        x = self._rows(part)
        longer = np.empty((int(more.sum()), self.wanted), far.dtype)
        own = self._own(part, row[more])
        self._scorer(x, self.wanted, self.wanted).around(
            dims[more], at[more].astype(np.float64), own, longer
        )
        out[more] = longer
        return out

    def _pay(self, batch: int, part: int, x: Array, progress: Progress) -> dict[str, Any]:
        """What all draws of a batch give the rows of this part, and take from them."""
        dims, _ = self._draws(batch)
        names = [*PRICES, "row", "at"]
        limit, nearest, share, ties, row, at = self._state.read(f"settle-{batch}", names)
        own = self._own(part, row)
        sums = np.bincount(own[own >= 0], minlength=len(x)) * _core.ZCORE_UNIT
        here = np.flatnonzero(ties[:, part] >= 0)
        paid = np.empty(len(x), np.int64)
        run = self._scorer(x, max(1, self.wanted), len(x))
        for chunk in self._chunks(len(here), progress, "pay"):
            some = here[chunk]
            run.apply_penalty(
                dims[some], at[some].astype(np.float64), own[some], limit[some], nearest[some],
                share[some], ties[some, part].astype(np.int64),
            )  # fmt: skip
        run.write(paid)
        return {"sums": sums + paid}

    def merge(self) -> Array:
        """(N,) float32, bit-identical to `tamis.zcore(x)`."""
        self._check_done()
        parts = range(len(self.bounds))
        total = np.zeros(self.source.n, np.int64)
        for i, (begin, end) in enumerate(self.bounds):
            for batch in range(self.batches):
                name = f"pay-{batch * len(parts) + i}"
                total[begin:end] += self._state.read(name, ["sums"])[0]
        a = self.arguments
        found: Array = zcore_finish(
            total / _core.ZCORE_UNIT, random_init=a["random_init"], seed=a["seed"]
        )
        return found


def plan_zcore(
    paths: Any,
    *,
    state: str,
    column: str | None = None,
    n_samples: int = 1_000_000,
    sample_dim: int = 2,
    redundancy_nn: int = 1000,
    redundancy_exp: float = 4,
    random_init: bool = True,
    seed: int = 0,
    parts: int = 8,
    batch: int = 65_536,
) -> ZcorePlan:
    """Zero-shot coreset scores of the rows of the shards; the merge is that of `tamis.zcore`.

    Parameters
    ----------
    paths, state, column
        As for `plan_knn`.
    n_samples, sample_dim, redundancy_nn, redundancy_exp, random_init, seed
        As for `tamis.zcore`; `n_samples` is a number.
    parts : int
        Into how many parts the rows are cut, 1 or more. Default 8. A task holds one.
    batch : int
        Draws of a task. Default 65,536.

    Returns
    -------
    ZcorePlan
        `merge` gives (N,) float32.

    Raises
    ------
    ValueError, TypeError
        As `plan_knn` and `tamis.zcore`.

    Notes
    -----
    Exact: bit-identical to `tamis.zcore` of all rows in one process, for any number of parts,
    shards, batches and workers. Three stages find the spans of the columns; then a draw takes four:
    each part tells the row nearest to its point, then the least distances to the row that is the
    nearest of all; one task settles who pays, and each part pays. So the rows pass by three times,
    and not once. Where the neighbours of a draw lie in few of the parts, the task that settles it
    reads these parts again.

    State files take about ``parts * (24 + 4 * told)`` bytes a draw of float32, where a part tells
    ``told = m + 6 * sqrt(m) + 2`` distances, ``m = redundancy_nn / parts``, and 8 bytes a row and
    batch.
    """
    name = "plan_zcore"
    rule = checked_rule(name, sample_dim, redundancy_nn, redundancy_exp)
    chosen: dict[str, Any] = {
        "n_samples": arrays.check_integer(name, "n_samples", n_samples, 1, MOST_DRAWS),
        "seed": arrays.check_integer(name, "seed", seed, 0, 2**64 - 1),
        "random_init": arrays.check_flag(name, "random_init", random_init),
        "parts": arrays.check_integer(name, "parts", parts, 1),
        "batch": arrays.check_integer(name, "batch", batch, 1),
    }
    chosen |= zip(("sample_dim", "redundancy_nn", "redundancy_exp"), rule, strict=True)
    source = describe(name, paths, column)
    check_rows(name, (source.n, source.width), rule[0])
    tasks = -(-chosen["n_samples"] // chosen["batch"]) * min(chosen["parts"], source.n)
    if tasks > MOST_TASKS:
        raise ValueError(
            f"{name}: batch must be larger: {n_samples} draws in batches of {batch}, for {parts} "
            f"parts, are more than {MOST_TASKS:,} tasks of a stage"
        )
    plan = ZcorePlan(source, chosen, plain(state))
    plan.save(name)
    return plan
