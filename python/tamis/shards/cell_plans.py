"""Plans by cells of nearest neighbours and of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.knn_pairs import all_pairs
from tamis.embeddings.knn_search import Rows, TooManyPairs, between_cosine, within
from tamis.shards.cells import CellsPlan
from tamis.shards.groups import cut
from tamis.shards.neighbours import KnnPlan, NeighboursPlan, UniquenessPlan, nearest_of
from tamis.shards.pairs import NearDuplicatesPlan, Pairs

MOST_FOUND = 2**40  # pairs of the sample: memory ends before


def once(pairs: Array, far: Array) -> Pairs:
    """The pairs ascending, each once."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    pairs, far = pairs[order], far[order]
    fresh = np.ones(len(pairs), bool)
    fresh[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[fresh], far[fresh]


class NeighbourCellsPlan(NeighboursPlan, CellsPlan):
    """Each row has a list from each of the cells it enters."""

    def _run_group(self, group: int, progress: Progress) -> dict[str, Any]:
        lists = [
            (at, *self._nearest(rows, None, at, self.k, None))
            for rows, at, _ in self._cells(group, progress)
        ]
        none = (np.empty(0, np.int64), np.empty((0, self.k)), np.empty((0, self.k), np.int64))
        at, keys, found = (np.concatenate(c) for c in zip(*(lists or [none]), strict=True))
        order = np.argsort(at, kind="stable")
        out: dict[str, Any] = {}
        for i, mine in enumerate(self._by_part(at[order])):
            some = order[mine]
            out |= {f"at{i}": at[some], f"keys{i}": keys[some], f"rows{i}": found[some]}
        return out

    def _lists(self, part: int) -> list[tuple[Array, Array]]:
        names = [f"{name}{part}" for name in ("at", "keys", "rows")]
        held = [self._state.read(task.id, names) for task in self.stage("group")]
        at, keys, rows = (np.concatenate(column) for column in zip(*held, strict=True))
        order = np.argsort(at, kind="stable")  # all rows enter as many cells
        n = self._rows_of(part)
        wide = n, len(at) // max(1, n) * self.k
        return [(keys[order].reshape(wide), rows[order].reshape(wide))]

    def _of_sample(
        self, rows: Rows, at: Array, asked: Rows, asked_at: Array, progress: Progress
    ) -> dict[str, Any]:
        keys, found = self._nearest(rows, asked, at, self.k + 1, progress)
        return {"keys": keys, "rows": found}

    def recall(self) -> float:
        """The share of the nearest neighbours of some rows that was found, of those of all rows.

        Raises
        ------
        ValueError
            Where tasks are not done.
        """
        self._check_done()
        asked, exact = self._exact(["keys", "rows"])
        keys, rows = nearest_of([(keys, rows) for keys, rows in exact], self.k + 1)
        itself = rows == asked[:, None]
        itself[~itself.any(axis=1), -1] = True
        last = keys[~itself].reshape(len(asked), self.k)[:, -1:]
        found = []
        for part, mine in enumerate(self._by_part(asked)):
            here = asked[mine] - self.bounds[part][0]
            found.append(nearest_of(self._lists(part), self.k)[0][here])
        return float((np.concatenate(found) <= last).mean())


class KnnCellsPlan(NeighbourCellsPlan, KnnPlan):
    """About `tamis.knn`."""

    kind = "knn_cells"

    def _of_part(self, keys: Array, rows: Array) -> dict[str, Any]:
        found = super()._of_part(np.where(rows < 0, 0.0, keys), rows)
        found["distances"][rows < 0] = np.inf
        return found


class UniquenessCellsPlan(NeighbourCellsPlan, UniquenessPlan):
    """About `tamis.uniqueness`."""

    kind = "uniqueness_cells"

    def _of_part(self, keys: Array, rows: Array) -> dict[str, Any]:
        few = np.isinf(keys[:, -1]) if self.source.n > self.k else np.zeros(len(keys), bool)
        if few.any():
            raise ValueError(
                f"plan.run: cells must be fewer, or probes more: some rows have less than {self.k}"
                " others in their cells"
            )
        return super()._of_part(keys, rows)


class NearDuplicatesCellsPlan(CellsPlan, NearDuplicatesPlan):
    """`tamis.near_duplicates`, or without `exact` about that."""

    kind = "near_duplicates_cells"

    def _run_group(self, group: int, progress: Progress) -> dict[str, Any]:
        threshold, metric = self.arguments["threshold"], self.arguments["metric"]
        most = self.arguments["max_pairs"]
        lists = [(np.empty((0, 2), np.int64), np.empty(0))]
        for rows, at, home in self._cells(group, progress):
            try:
                pairs, far = all_pairs("plan.run", rows, threshold, metric, most, None)
            except TooManyPairs:
                raise self._too_many() from None
            if self.exact:  # a pair meets where one of its rows is at home
                known = home[pairs].any(axis=1)
                pairs, far = pairs[known], far[known]
            lists.append((at[pairs], far))
        pairs, far = once(*(np.concatenate(column) for column in zip(*lists, strict=True)))
        if len(pairs) > most:
            raise self._too_many()
        sizes = [len(mine) for mine in self._by_part(pairs[:, 0])]
        out = {f"pairs{i}": piece for i, piece in enumerate(cut(pairs, sizes))}
        return out | {f"far{i}": piece for i, piece in enumerate(cut(far, sizes))}

    def pieces(self) -> Iterator[Pairs]:
        for pairs, far in super().pieces():
            yield once(pairs, far)

    def _check_count(self) -> None:
        if sum(len(pairs) for pairs, _ in self.pieces()) > self.arguments["max_pairs"]:
            raise self._too_many()

    def _of_sample(
        self, rows: Rows, at: Array, asked: Rows, asked_at: Array, progress: Progress
    ) -> dict[str, Any]:
        how: dict[str, Any] = {"progress": progress, "title": "exact", "most_pairs": MOST_FOUND}
        if self.arguments["metric"] == "cosine":
            pairs, _ = between_cosine(rows, asked, self.arguments["threshold"], **how)
        else:
            pairs, _ = within(rows, asked, self.radius, **how)
        others = asked_at[pairs[:, 0]] != at[pairs[:, 1]]
        return {"found": np.array(others.sum())}

    def recall(self) -> float:
        """The share of the pairs of some rows that was found; 1 where `probes` was not given.

        Raises
        ------
        ValueError
            Where tasks are not done.
        """
        self._check_done()
        if self.exact:
            return 1.0
        asked, exact = self._exact(["found"])
        wanted = sum(int(count) for (count,) in exact)
        found = sum(int(np.isin(pairs, asked).sum()) for pairs, _ in self.pieces())
        return found / wanted if wanted else 1.0
