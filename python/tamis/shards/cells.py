"""Plans by cells: rows meet those that lie in a cell with them, and no others.

Each row has a home, the cell whose centre is nearest. Where it enters its `probes` nearest cells, a
sample says how much was found. Where pairs within a distance r are wanted, a row enters each cell
whose dividing plane from its home is at most r / 2 away, and nothing is missed: of two rows at most
r apart, with homes A and B, the distances from the plane between A and B add up to at most r.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis.embeddings.column_sums import column_sums, mean_of, put_together
from tamis.embeddings.knn import knn
from tamis.embeddings.knn_search import Rows, rows_about
from tamis.shards.grouped import GroupedPlan
from tamis.shards.plan import Task

A_CELL, CHECKED = 64, 1000  # rows of the sample for each cell; whose recall is measured
BLOCK, CHUNK, ROUNDS = 64, 1 << 22, 8  # rows read together; distances held at once; of k-means
FEW = 8  # a cell has at least one of so many of the rows that cells have on average
MOST, MOST_EXACT = 1 << 20, 4096  # cells; of which the distances between them are held
MOST_PROBES = 1024
FARTHEST = 1e15  # of a coordinate where cells are
HALF = 2.0**-24  # what rounding to float32 loses at most of 1


def check_cells(
    function: str, cells: Any, probes: Any, n: int, default: int | None = None
) -> dict[str, Any]:
    """The arguments of a plan by cells of `n` rows; none without."""
    if cells is None:
        if probes is not None:
            raise ValueError(f"{function}: probes must be absent without cells, got {probes!r}")
        return {}
    exact = probes is None and default is None
    cells = arrays.check_integer(function, "cells", cells, 1, min(n, MOST_EXACT if exact else MOST))
    if probes is not None:
        probes = arrays.check_integer(function, "probes", probes, 1, min(cells, MOST_PROBES))
    elif default is not None:
        probes = min(default, cells)
    return {"cells": cells, "probes": probes}


def cell_plans() -> Any:
    """The plans by cells, which stand on those of groups."""
    from tamis.shards import cell_plans

    return cell_plans


def k_means(y: Array, cells: int) -> Array:
    """At most so many (cells, D) centres of float32 rows: a few rows alone are not a cell."""
    first = np.sort(np.random.default_rng(0).choice(len(y), cells, replace=False))
    centres = y[first]
    for _ in range(ROUNDS):
        label = knn(centres, 1, queries=y)[1][:, 0]
        order = np.argsort(label, kind="stable")
        counts = np.bincount(label, minlength=cells)
        filled = np.flatnonzero(counts)
        begins = (np.cumsum(counts) - counts)[filled]
        sums = np.add.reduceat(y[order].astype(np.float64), begins, axis=0)
        centres[filled] = sums / counts[filled, None]
    return centres[counts * FEW >= len(y) / cells]


def within_margin(y: Array, centres: Array, apart: float) -> tuple[Array, Array, Array]:
    """(row, cell, whether that is its home) so that rows at most `apart` from each other meet."""
    wide = centres.astype(np.float64)
    squares = np.einsum("cd,cd->c", wide, wide)
    largest = np.sqrt(squares.max())
    between = np.sqrt(np.maximum(0, squares[:, None] + squares - 2 * wide @ wide.T))
    between += 1e-6 * largest  # the line before may lose less
    far = squares - 2 * (y @ centres.T).astype(np.float64)
    home = np.argmin(far, axis=1)
    size = np.sqrt(np.einsum("nd,nd->n", y, y, dtype=np.float64))
    lost = 4 * (y.shape[1] + 4) * HALF * (size + 1) * largest
    # the distance from the plane, times twice that between the centres
    past = far - far[np.arange(len(y)), home, None]
    row, cell = np.nonzero(past <= apart * (1 + 1e-6) * between[home] + lost[:, None])
    return row, cell, cell == home[row]


class CellsPlan(GroupedPlan):
    """A sample that places the cells; parts say who enters which; tasks search some cells each."""

    @property
    def exact(self) -> bool:
        """Whether rows enter cells by a margin, so that nothing is missed."""
        return self.arguments["probes"] is None

    def _tasks(self) -> list[Task]:
        parts, n = range(len(self.bounds)), self.source.n
        copies, share = self._measured()
        row = self._row_bytes()
        sample = min(n, max(CHECKED, A_CELL * self.arguments["cells"]))
        found = [Task("sample-0", "", (), sample, 0, 3 * sample * row)]
        stages = [("scan", "sample")] if self.centred else []
        stages.append(("assign", stages[-1][0] if stages else "sample"))
        if not self.exact:
            stages.append(("exact", "assign"))
        for stage, after in stages:
            asked = CHECKED if stage == "exact" else 0
            for i in parts:
                rows = self._rows_of(i)
                held = rows * (row + self.source.width + 330)
                if stage == "assign":
                    held = int(rows * (row * (1 + copies) + 20 * self.source.width))
                found.append(self._task(f"{stage}-{i}", after, [i], asked * rows, held))
        rows, pairs = int(copies * n / len(parts)), int(share * n * n / 2 / len(parts))
        held = rows * (2 * row + self.source.width + 330 + 28 * self.k)
        return found + [Task(f"group-{t}", "assign", (), rows, pairs, held) for t in parts]

    def _measured(self) -> tuple[float, float]:
        """(cells that a row enters, share of all pairs that is compared), by the sample if done."""
        probes = self.arguments["probes"] or 2
        if not self._state.folder.has("sample-0.npz"):
            return float(probes), min(1.0, probes**2 / self.arguments["cells"])
        copies, share = self._state.read("sample-0", ["copies", "share"])
        return float(copies), float(share)

    def look(self) -> None:
        self.run("sample-0")
        self.tasks = tuple(self._tasks())

    def _state_bytes(self) -> int:
        return super()._state_bytes() + int(self._measured()[0] * self.source.n) * (
            self._row_bytes() + 17
        )

    def groups_with(self, part: int) -> list[tuple[int, int]]:
        """Each task may have found something of each part."""
        return [(t, part) for t in range(len(self.bounds))]

    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        if task.stage == "sample":
            return self._sample()
        if task.stage == "assign":
            return self._assign(task.number)
        if task.stage == "exact":
            x = self.source.read("plan.run", [self.bounds[task.number]], None)
            at = np.arange(*self.bounds[task.number])
            asked_at, asked = self._state.read("sample-0", ["rows", "x"])
            rows, queries = self._ready(x, at), self._ready(asked, asked_at)
            return self._of_sample(rows, at, queries, asked_at, progress)
        return super()._run(task, progress)

    def _of_sample(
        self, rows: Rows, at: Array, asked: Rows, asked_at: Array, progress: Progress
    ) -> dict[str, Any]:
        """What an exact search finds in a part for the rows of the sample."""
        raise NotImplementedError

    def _exact(self, names: list[str]) -> tuple[Array, list[list[Array]]]:
        """The rows of the sample, and what an exact search found for them, part by part."""
        tasks = [task.id for task in self.stage("exact")]
        self._need(tasks, "plan.recall")
        (asked,) = self._state.read("sample-0", ["rows"])
        return asked, [self._state.read(task, names) for task in tasks]

    # Cells

    def _sample(self) -> dict[str, Any]:
        n, cells = self.source.n, self.arguments["cells"]
        blocks = -(-max(CHECKED, A_CELL * cells) // BLOCK)
        spans = [(0, n)]
        if blocks * BLOCK < n:
            begins = [i * (n - BLOCK) // max(1, blocks - 1) for i in range(blocks)]
            spans = [(begin, begin + BLOCK) for begin in begins]
        at = np.concatenate([np.arange(*span) for span in spans])
        x = self.source.read("plan.run", spans)
        about = mean_of(put_together([column_sums(x)]), len(x))
        spread = float(np.sqrt(np.mean(np.square(x - about).sum(axis=1))))
        gain = 1 / spread if 0 < spread < np.inf else 1.0
        rows = rows_about("plan.run", "shards", x, about) if self.centred else self._ready(x, at)
        y = placed(rows, about, gain)
        centres = k_means(y, cells)
        members = [cell for _, cell, _ in self._entered(y, centres, gain)]
        counts = np.bincount(np.concatenate(members)) / len(y)
        some = np.arange(min(CHECKED, len(at))) * len(at) // min(CHECKED, len(at))
        return {
            "centres": centres, "about": about, "gain": np.array(gain), "rows": at[some],
            "x": x[some], "copies": np.array(counts.sum()), "share": np.array((counts**2).sum()),
        }  # fmt: skip

    def _margin(self, gain: float) -> float:
        """How far apart rows of a pair may be, where cells are."""
        return float(np.sqrt(self.radius)) * (1.0 if self.arguments["metric"] == "cosine" else gain)

    def _entered(
        self, y: Array, centres: Array, gain: float
    ) -> Iterator[tuple[Array, Array, Array]]:
        """(row, cell, whether that is its home), chunk by chunk, rows ascending."""
        step = max(BLOCK, CHUNK // len(centres))
        for begin in range(0, len(y), step):
            some = y[begin : begin + step]
            probes = self.arguments["probes"]
            if probes is None:
                row, cell, home = within_margin(some, centres, self._margin(gain))
            else:
                probes = min(probes, len(centres))
                cell = knn(centres, probes, queries=some)[1].reshape(-1)
                row, place = np.divmod(np.arange(len(cell)), probes)
                home = place == 0
            yield begin + row, cell, home

    def _assign(self, part: int) -> dict[str, Any]:
        """The rows of a part by the task of the cells they enter."""
        centres, about, gain = self._state.read("sample-0", ["centres", "about", "gain"])
        x = self.source.read("plan.run", [self.bounds[part]])
        at = np.arange(*self.bounds[part])
        y = placed(self._ready(x, at), about, float(gain))
        chunks = list(self._entered(y, centres, float(gain)))
        empty = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, bool))]
        row, cell, home = (np.concatenate(c) for c in zip(*(chunks or empty), strict=True))
        found: dict[str, Any] = {}
        for t in range(len(self.bounds)):
            mine = np.flatnonzero(cell % len(self.bounds) == t)
            found |= {
                f"rows{t}": at[row[mine]], f"cells{t}": cell[mine], f"home{t}": home[mine],
                f"x{t}": x[row[mine]],
            }  # fmt: skip
        return found

    def _cells(self, t: int, progress: Progress) -> Iterator[tuple[Rows, Array, Array]]:
        """(rows made ready, their numbers, whether they are at home) of each cell of a task."""
        names = [f"{name}{t}" for name in ("rows", "cells", "home", "x")]
        held = [self._state.read(task.id, names) for task in self.stage("assign")]
        at, cell, home, x = (np.concatenate(column) for column in zip(*held, strict=True))
        del held
        order = np.argsort(cell, kind="stable")
        begins = np.flatnonzero(np.diff(cell[order], prepend=-1))
        report = reporter(progress, "cells")
        for done, mine in enumerate(np.split(order, begins[1:]) if len(order) else ()):
            yield self._ready(np.ascontiguousarray(x[mine]), at[mine]), at[mine], home[mine]
            report(done + 1, len(begins))

    def _by_part(self, rows: Array) -> list[Array]:
        """Where ascending rows are of each part."""
        ends = np.searchsorted(rows, [begin for begin, _ in self.bounds] + [self.source.n])
        return [np.arange(a, b) for a, b in itertools.pairwise(ends)]


def placed(rows: Rows, about: Array, gain: float) -> Array:
    """Rows as float32, where cells are: unit rows by cosine, else of a size that squares hold.

    What is cut off brings no two rows further apart.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if rows.scale is None:
            y = (rows.x.astype(np.float64) - about) * gain
        else:
            y = (rows.x - rows.offset) * rows.scale[:, None]
            y[rows.zeros] = 0
    return np.clip(y, -FARTHEST, FARTHEST).astype(np.float32)
