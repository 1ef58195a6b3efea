"""Plans in which every two rows meet: parts in groups, a symmetric search in each."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.column_sums import column_sums, mean_of, put_together
from tamis.embeddings.knn_plan import Plan as SearchPlan
from tamis.embeddings.knn_plan import is_small, make_plan
from tamis.embeddings.knn_search import BadRow, Rows, checked_norms, make_rows, rows_about
from tamis.shards.groups import bounds_of, groups_of
from tamis.shards.plan import Plan, Task
from tamis.shards.sources import ShardRows, bad_row
from tamis.shards.state import Damaged

MOST_FINE = 256 << 20  # bytes that a search for neighbours may take for its rows in 16 bits
SEARCH, NAMES = "search", ["mean", "gain", "codes", "ordered", "basis"]


class GroupedPlan(Plan):
    """Scans of parts for their mean where it is subtracted, then groups."""

    source: ShardRows
    source_type = ShardRows

    def __init__(self, source: ShardRows, arguments: dict[str, Any], state: str) -> None:
        self.bounds = bounds_of(source.n, arguments["parts"])
        self.groups = groups_of(arguments["parts"])
        super().__init__(source, arguments, state)

    @property
    def centred(self) -> bool:
        """Whether rows are measured about their mean."""
        return bool(self.arguments["metric"] == "cosine")

    @property
    def k(self) -> int:
        return 0

    def _tasks(self) -> list[Task]:
        found = []
        if self.centred:
            for i, bounds in enumerate(self.bounds):
                rows = bounds[1] - bounds[0]
                found.append(self._task(f"scan-{i}", "", [i], 0, self._row_bytes() * rows))
        for g, parts in enumerate(self.groups):
            rows = sum(self._rows_of(part) for part in parts)
            held = self._row_bytes() + self.source.width + 330 + 28 * self.k
            fine = min(2 * rows * self.source.width, MOST_FINE) if self.k > 0 else 0
            memory, after = rows * held + fine, "scan" if self.centred else ""
            found.append(self._task(f"group-{g}", after, parts, self._pairs_of(g), memory))
        return found

    def look(self) -> None:
        """Do what estimates need to know of the rows, where that is anything."""
        return

    def _task(self, name: str, after: str, parts: list[int], pairs: int, memory: int) -> Task:
        spans = [self.bounds[part] for part in parts]
        shards = [s.path for span in spans for s, _, _ in self.source.pieces(*span)]
        rows = sum(end - begin for begin, end in spans)
        return Task(name, after, tuple(dict.fromkeys(shards)), rows, pairs, memory)

    def _pairs_of(self, group: int) -> int:
        """How many pairs a group compares."""
        rows = sum(map(self._rows_of, self.groups[group]))
        return rows * (rows - 1) // 2

    def _row_bytes(self) -> int:
        return self.source.width * np.dtype(self.source.dtype).itemsize

    def _rows_of(self, part: int) -> int:
        begin, end = self.bounds[part]
        return end - begin

    def groups_with(self, part: int) -> list[tuple[int, int]]:
        """(group, place in it) of the groups a part is in."""
        return [(g, parts.index(part)) for g, parts in enumerate(self.groups) if part in parts]

    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        if task.stage == "scan":
            x = self.source.read("plan.run", [self.bounds[task.number]])
            return {"sums": column_sums(x)}
        return self._run_group(task.number, progress)

    @abstractmethod
    def _run_group(self, group: int, progress: Progress) -> dict[str, Any]:
        """The arrays of a group."""

    def mean(self) -> Array:
        """The mean of all rows, from the scans."""

        def sums() -> dict[str, Any]:
            parts = [self._state.read(task.id, ["sums"])[0] for task in self.stage("scan")]
            return {"mean": mean_of(put_together(parts), self.source.n)}

        (mean,) = self._once("mean", ["mean"], sums)
        return mean

    def _once(self, name: str, names: list[str], make: Callable[[], dict[str, Any]]) -> list[Array]:
        """Arrays that all tasks would make alike: the first that needs them writes them."""
        if self._state.folder.has(f"{name}.npz"):
            with contextlib.suppress(Damaged):
                return self._state.read(name, names)
        found = {one: np.asarray(value) for one, value in make().items()}
        self._state.write(name, found)
        return [found[one] for one in names]

    def _group_rows(self, group: int) -> tuple[Rows, Array]:
        """The rows of a group made ready, and their numbers among all."""
        spans = [self.bounds[part] for part in self.groups[group]]
        check = None if self.centred else checked_norms  # the scans have
        x = self.source.read("plan.run", spans, check)
        at = np.concatenate([np.arange(begin, end) for begin, end in spans])
        rows = self._ready(x, at)
        rows.plan = self._search_plan(rows)
        return rows, at

    def _ready(self, x: Array, at: Array) -> Rows:
        """Rows made ready, `at` their numbers among all."""
        try:
            if self.centred:
                return rows_about("plan.run", "shards", x, self.mean())
            cosine = self.arguments["metric"] == "cosine"
            return make_rows("plan.run", "shards", x, cosine=cosine)
        except BadRow as bad:
            shard, row = self.source.where(int(at[bad.row]))
            raise bad_row("plan.run", shard, row, bad.what) from None

    @property
    def radius(self) -> float:
        """The largest key wanted where pairs are searched."""
        return 0.0

    def _search_plan(self, rows: Rows) -> SearchPlan | None:
        """How to filter: what a group found out first serves all (it changes no answer)."""
        n, d = rows.x.shape
        if is_small(n * n / 2, d) or len(rows.zeros) == n:
            return None

        def made() -> dict[str, Any]:
            some = rows if rows.scale is None else rows.without_zeros()[0]
            dots = self.arguments["metric"] == "inner_product"
            plan = make_plan(
                some.x, some.scale, some.offset, None, k=self.k, radius=self.radius, dots=dots
            )
            basis = np.empty((0, 0), np.float32) if plan.basis is None else plan.basis
            return {name: getattr(plan, name) for name in NAMES} | {"basis": basis}

        mean, gain, codes, ordered, basis = self._once(SEARCH, NAMES, made)
        wide = basis if basis.size else None
        return SearchPlan(mean, float(gain), bool(codes), bool(ordered), wide)
