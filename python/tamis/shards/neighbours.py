"""Plans of nearest neighbours: `tamis.knn` and `tamis.uniqueness` over shards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.knn_exact import Metric, nearest_by, output_of
from tamis.embeddings.knn_search import METRICS, Rows, check_k
from tamis.embeddings.uniqueness import check_uniqueness, noise_of, over_largest, weighted
from tamis.shards.cells import cell_plans, check_cells
from tamis.shards.grouped import GroupedPlan
from tamis.shards.groups import check_parts, cut
from tamis.shards.plan import Task
from tamis.shards.sources import describe
from tamis.shards.state import Damaged
from tamis.shards.storage import plain

PROBES = 4


def nearest_of(lists: Sequence[tuple[Array, Array]], k: int) -> tuple[Array, Array]:
    """The `k` nearest of several (keys, rows), both (n, any), that may name a row twice."""
    keys = np.concatenate([one[0] for one in lists], axis=1)
    rows = np.concatenate([one[1] for one in lists], axis=1)
    found = np.empty((len(keys), k)), np.empty((len(keys), k), np.int64)
    _core.merge_neighbours(keys, rows, *found)
    return found


class NeighboursPlan(GroupedPlan):
    """Groups give each row its nearest in the group; parts put those of groups together."""

    @property
    def k(self) -> int:
        return int(self.arguments["k"])

    def _tasks(self) -> list[Task]:
        found = super()._tasks()
        for i, (begin, end) in enumerate(self.bounds):
            memory = (end - begin) * 64 * self.k * len(self.groups[0])
            found.append(Task(f"part-{i}", "group", (), end - begin, 0, memory))
        return found

    def _state_bytes(self) -> int:
        lists = self.source.n * 16 * self.k * (len(self.groups[0]) + 1)
        return super()._state_bytes() + lists

    def _run(self, task: Task, progress: Progress) -> dict[str, Any]:
        if task.stage != "part":
            return super()._run(task, progress)
        return self._of_part(*nearest_of(self._lists(task.number), self.k))

    def _lists(self, part: int) -> list[tuple[Array, Array]]:
        """(keys, rows) that groups found for the rows of a part."""
        lists = []
        for g, i in self.groups_with(part):
            keys, rows = self._state.read(f"group-{g}", [f"keys{i}", f"rows{i}"])
            lists.append((keys, rows))
        return lists

    def _of_part(self, keys: Array, rows: Array) -> dict[str, Any]:
        raise NotImplementedError

    def _run_group(self, group: int, progress: Progress) -> dict[str, Any]:
        rows, at = self._group_rows(group)
        rows.limits = self._limits(group, len(rows.zeros) > 0)
        keys, found = self._nearest(rows, None, at, self.k, progress)
        sizes = [self._rows_of(part) for part in self.groups[group]]
        out = {f"keys{i}": piece for i, piece in enumerate(cut(keys, sizes))}
        return out | {f"rows{i}": piece for i, piece in enumerate(cut(found, sizes))}

    def _nearest(
        self, rows: Rows, asked: Rows | None, at: Array, most: int, progress: Progress
    ) -> tuple[Array, Array]:
        """(keys, rows by their numbers `at`) of the `most` nearest; infinity, -1 after the last."""
        k = max(0, min(most, len(at) - (asked is None)))
        metric = self.arguments["metric"]
        keys, found = nearest_by(metric, rows, asked, k, progress=progress, title="group")
        missing = ((0, 0), (0, most - k))
        found = np.where(found < 0, -1, at[found]) if k else found
        return (
            np.pad(keys, missing, constant_values=np.inf),
            np.pad(found, missing, constant_values=-1),
        )

    def _limits(self, group: int, without_direction: bool) -> Array | None:
        """No key of a row above this is among its `k` nearest, by the groups that are done."""
        if without_direction:
            return None
        limits = []
        for part in self.groups[group]:
            lists = []
            for g, i in self.groups_with(part):
                if g != group and self._state.folder.has(f"group-{g}.npz"):
                    with contextlib.suppress(Damaged):
                        keys, rows = self._state.read(f"group-{g}", [f"keys{i}", f"rows{i}"])
                        lists.append((keys, rows))
            far = np.full(self._rows_of(part), np.inf)
            if lists:
                far = nearest_of(lists, self.k)[0][:, -1]
            limits.append(far)
        scale = 2.0 if self.arguments["metric"] == "cosine" else 1.0  # of a distance to a key
        return scale * np.concatenate(limits)

    def pieces(self) -> Iterator[tuple[Any, ...]]:
        """What the part tasks gave, one part after the other."""
        self._check_done()
        for i, _ in enumerate(self.bounds):
            yield tuple(self._state.read(f"part-{i}", list(self.outputs)))

    outputs: tuple[str, ...] = ()


class KnnPlan(NeighboursPlan):
    """`tamis.knn` of all rows among each other."""

    kind = "knn"
    outputs = ("distances", "indices")

    @property
    def centred(self) -> bool:
        return False

    def _of_part(self, keys: Array, rows: Array) -> dict[str, Any]:
        metric, dtype = self.arguments["metric"], np.dtype(self.source.dtype)
        return {"distances": output_of("plan.run", keys, metric, dtype), "indices": rows}

    def merge(self) -> tuple[Array, Array]:
        """(distances, indices), both (N, k), bit-identical to `tamis.knn(x, k)`."""
        distances, indices = zip(*self.pieces(), strict=True)
        return np.concatenate(distances), np.concatenate(indices)


class UniquenessPlan(NeighboursPlan):
    """`tamis.uniqueness` of all rows."""

    kind = "uniqueness"
    outputs = ("score", "most")

    def _of_part(self, keys: Array, rows: Array) -> dict[str, Any]:
        if self.source.n <= self.k:
            return {"score": np.zeros(len(keys)), "most": np.array(0.0)}
        if self.arguments["metric"] == "euclidean":
            keys = np.sqrt(keys)
        score = weighted(keys, np.array(self.arguments["weights"]))
        return {"score": score, "most": np.array(score.max(initial=0))}

    def merge(self) -> Array:
        """(N,) float64, bit-identical to `tamis.uniqueness(x)`."""
        scores, most = zip(*self.pieces(), strict=True)
        noise = noise_of(self.arguments["metric"], self.source.width)
        return over_largest(np.concatenate(scores), float(max(most)), noise)


def plan_knn(
    paths: Any,
    *,
    k: int,
    state: str,
    column: str | None = None,
    metric: Metric = "euclidean",
    parts: int = 7,
    cells: int | None = None,
    probes: int | None = None,
) -> KnnPlan:
    """The `k` nearest other rows of every row of the shards; the merge is that of `tamis.knn`.

    Parameters
    ----------
    paths : path, or list of paths
        .npy or Parquet files, or folders of them, whose rows are numbered through in this order;
        URLs where fsspec is installed.
    k : int
        1 to 1024, and at most N - 1.
    state : str
        The folder of the plan and of the answers of its tasks: a path, or a URL.
    column : str, optional
        The list column of Parquet files. Default: the only one.
    metric : {"euclidean", "sqeuclidean", "cosine", "inner_product"}
    parts : {1, 3, 7, 13, 21, 31, 57, 73, 91}
        Into how many parts the rows are cut. A task holds about N / sqrt(parts) rows, and there
        are `parts` of each stage.
    cells : int, optional
        About `tamis.knn` instead, at less cost for many rows: they are put into at most so many
        cells by k-means, and each meets those in a cell with it. Not for inner products.
    probes : int, optional
        How many cells a row enters, its nearest; default 4.

    Returns
    -------
    KnnPlan
        `merge` gives (distances, indices). By cells these are infinity and -1 where a row has not
        met enough others, and ``plan.recall()`` is the share of true neighbours that was found, of
        1,000 rows.

    Raises
    ------
    ValueError, TypeError
        For arguments and files that do not fit, and for a state of other data or parameters.

    Notes
    -----
    Exact without cells: bit-identical to `tamis.knn` of all rows in one process, for any number of
    parts, shards and workers. Where parts are ``q * q + q + 1``, all tasks together compare
    ``(q + 1) ** 2 / parts`` times as many pairs as one process: docs/shards.md has what they take.
    State files take about ``16 * k * (q + 2)`` bytes a row.

    By cells the plan reads a sample at once, so that ``plan.estimate()`` knows their sizes. All
    tasks together compare about ``probes ** 2 / cells`` times the pairs of one process; the state
    holds ``probes`` copies of the rows.
    """
    if not arrays.one_of(metric, METRICS):
        raise ValueError(f"plan_knn: metric must be one of {', '.join(METRICS)}, got {metric!r}")
    check_k("plan_knn", k)
    check_parts("plan_knn", parts)
    source = describe("plan_knn", paths, column)
    if k > source.n - 1:
        raise ValueError(f"plan_knn: k must be at most {source.n - 1} for {source.n} rows, got {k}")
    chosen = {"k": int(k), "metric": metric, "parts": parts}
    by_cells = check_cells("plan_knn", cells, probes, source.n, PROBES)
    if by_cells and metric == "inner_product":
        raise ValueError("plan_knn: metric must be a distance with cells, got 'inner_product'")
    kind = cell_plans().KnnCellsPlan if by_cells else KnnPlan
    plan: KnnPlan = kind(source, chosen | by_cells, plain(state))
    plan.save("plan_knn")
    plan.look()
    return plan


def plan_uniqueness(
    paths: Any,
    *,
    state: str,
    column: str | None = None,
    k: int = 3,
    weights: Sequence[float] | None = None,
    metric: Any = "cosine",
    parts: int = 7,
    cells: int | None = None,
    probes: int | None = None,
) -> UniquenessPlan:
    """How far each row of the shards is from its nearest; the merge is that of `tamis.uniqueness`.

    Parameters
    ----------
    paths, state, column, parts, cells, probes
        As for `plan_knn`; by cells about `tamis.uniqueness`, and never less than it before scores
        are divided by the largest.
    k : int
        Neighbours, default 3.
    weights : k floats, optional
        As for `tamis.uniqueness`.
    metric : {"cosine", "euclidean"}

    Returns
    -------
    UniquenessPlan
        `merge` gives (N,) float64.

    Raises
    ------
    ValueError, TypeError
        As `plan_knn`.

    Notes
    -----
    By cosine a stage of scans comes first, for the mean; sums are exact, so it does not depend on
    how rows are cut, or on their order.
    """
    weights = check_uniqueness("plan_uniqueness", k, weights, metric)
    check_parts("plan_uniqueness", parts)
    source = describe("plan_uniqueness", paths, column)
    chosen = {"k": int(k), "weights": list(weights), "metric": metric, "parts": parts}
    by_cells = check_cells("plan_uniqueness", cells, probes, source.n, PROBES)
    kind = cell_plans().UniquenessCellsPlan if by_cells else UniquenessPlan
    plan: UniquenessPlan = kind(source, chosen | by_cells, plain(state))
    plan.save("plan_uniqueness")
    plan.look()
    return plan
