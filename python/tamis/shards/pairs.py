"""Plans of all pairs within a threshold: `tamis.near_duplicates` and `tamis.leaks` over shards."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from tamis import _core
from tamis._shared import row_columns
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.embeddings.knn_pairs import MOST_PAIRS, all_pairs, check_search
from tamis.embeddings.knn_search import TooManyPairs
from tamis.embeddings.leaks import Leaks
from tamis.embeddings.near_duplicates import NearDuplicates
from tamis.shards.cells import cell_plans, check_cells
from tamis.shards.grouped import GroupedPlan
from tamis.shards.groups import check_parts, groups_of, owner_of
from tamis.shards.sources import ShardRows, describe
from tamis.shards.storage import plain

Pairs = tuple[Array, Array]


class PairsPlan(GroupedPlan):
    """Groups give the pairs of the parts they answer for, by the part of the left row."""

    def __init__(
        self, source: ShardRows, arguments: dict[str, Any], state: str, codes: Array | None = None
    ) -> None:
        self.owner = owner_of(groups_of(arguments["parts"]))
        super().__init__(source, arguments, state)
        self.codes = codes  # a number for each row: pairs of equal ones are left out

    @property
    def radius(self) -> float:
        threshold = float(self.arguments["threshold"])
        return 2 * threshold if self.arguments["metric"] == "cosine" else threshold**2

    def _run_group(self, group: int, progress: Progress) -> dict[str, Any]:
        rows, at = self._group_rows(group)
        parts = self.groups[group]
        threshold, metric = self.arguments["threshold"], self.arguments["metric"]
        most = self.arguments["max_pairs"]
        try:
            pairs, far = all_pairs("plan.run", rows, threshold, metric, most, progress)
        except TooManyPairs:
            raise self._too_many() from None
        part_of = np.repeat(np.arange(len(parts)), [self._rows_of(part) for part in parts])
        mine = np.zeros((len(parts), len(parts)), bool)
        for i, a in enumerate(parts):
            for j, b in enumerate(parts):
                mine[i, j] = a <= b and self.owner[a, b] == group
        left = part_of[pairs[:, 0]]
        kept = mine[left, part_of[pairs[:, 1]]]
        pairs, far, left = at[pairs[kept]], far[kept], left[kept]
        found: dict[str, Any] = {"count": np.array(len(pairs))}
        if self.codes is not None:
            apart = self.codes[pairs[:, 0]] != self.codes[pairs[:, 1]]
            pairs, far, left = pairs[apart], far[apart], left[apart]
        ends = np.searchsorted(left, np.arange(len(parts) + 1))
        for i, (a, b) in enumerate(itertools.pairwise(ends)):
            found |= {f"pairs{i}": pairs[a:b], f"far{i}": far[a:b]}
        return found

    def _too_many(self) -> ValueError:
        most, threshold = self.arguments["max_pairs"], self.arguments["threshold"]
        return ValueError(f"{self.kind}: more than {most} pairs (max_pairs) are within {threshold}")

    def _check_count(self) -> None:
        """Raise where all groups together found more pairs than are allowed."""
        self._check_done()
        counts = [int(self._state.read(task.id, ["count"])[0]) for task in self.stage("group")]
        if sum(counts) > self.arguments["max_pairs"]:
            raise self._too_many()

    def pieces(self) -> Iterator[Pairs]:
        """(pairs, distances) by the part of the left row; in turn they ascend."""
        self._check_done()
        for part, _ in enumerate(self.bounds):
            found = [
                self._state.read(f"group-{g}", [f"pairs{i}", f"far{i}"])
                for g, i in self.groups_with(part)
            ]
            pairs, far = (np.concatenate(both) for both in zip(*found, strict=True))
            order = np.lexsort((pairs[:, 1], pairs[:, 0]))
            yield np.ascontiguousarray(pairs[order]), far[order]

    def _all(self) -> Pairs:
        pairs, far = zip(*self.pieces(), strict=True)
        return np.concatenate(pairs), np.concatenate(far)


class NearDuplicatesPlan(PairsPlan):
    """`tamis.near_duplicates` of all rows."""

    kind = "near_duplicates"

    def merge(self, *, pairs: bool = True) -> NearDuplicates:
        """What `tamis.near_duplicates` of all rows gives, bit for bit.

        Parameters
        ----------
        pairs : bool
            False leaves the pairs empty, and then holds those of one part at a time and 25 bytes a
            row: `max_pairs` is no limit for it.
        """
        if pairs:
            self._check_count()
        n = self.source.n
        keep = np.ones(n, np.uint8)
        group = np.arange(n)
        held: list[Pairs] = []
        for piece, far in self.pieces():
            _core.greedy_keep(piece, keep)  # a row's fate is known when its part begins
            group = _joined(group, piece)
            if pairs:
                held.append((piece, far))
        keeper, apart = np.full(n, -1), np.full(n, np.nan)
        for piece, far in held if pairs else self.pieces():
            _core.nearest_kept(piece, far, keep, keeper, apart)
        kept, gone = np.flatnonzero(keep), np.flatnonzero(keep == 0)
        held = held or [(np.empty((0, 2), np.int64), np.empty(0))]
        both = [np.concatenate(columns) for columns in zip(*held, strict=True)]
        return NearDuplicates(kept, gone, keeper[gone], apart[gone], both[0], both[1], group)


def _joined(group: Array, pairs: Array) -> Array:
    """The first row of each connected group, from the groups so far and more pairs."""
    rest = np.flatnonzero(group != np.arange(len(group)))
    so_far = np.stack([group[rest], rest], axis=1)
    out = np.empty_like(group)
    _core.group_pairs(np.ascontiguousarray(np.concatenate([so_far, pairs])), out)
    return out


class LeaksPlan(PairsPlan):
    """`tamis.leaks` of all rows and their splits."""

    kind = "leaks"

    def load_inputs(self) -> None:
        (self.codes,) = self._state.read("splits", ["codes"])

    def merge(self) -> Leaks:
        """What `tamis.leaks(x, splits)` gives, bit for bit."""
        self._check_count()
        pairs, far = self._all()
        return Leaks(pairs, far, np.unique(pairs))


def plan_near_duplicates(
    paths: Any,
    *,
    state: str,
    column: str | None = None,
    threshold: float = 0.2,
    metric: Literal["cosine", "euclidean"] = "cosine",
    max_pairs: int = MOST_PAIRS,
    parts: int = 7,
    cells: int | None = None,
    probes: int | None = None,
) -> NearDuplicatesPlan:
    """Rows of the shards that nearly repeat an earlier one; the merge is that of one process.

    Parameters
    ----------
    paths, state, column, parts
        As for `plan_knn`.
    threshold : float
        Largest distance of near-duplicates, included. Default 0.2.
    metric : {"cosine", "euclidean"}
    max_pairs : int
        More pairs than this, in one task or in the merge, raise. Default 100,000,000; with
        ``merge(pairs=False)`` it is a limit of tasks only.
    cells : int, optional
        The rows are put into at most so many cells by k-means, and each enters all where a
        near-duplicate of it may be: the answer is the same, at less cost where the threshold is
        small and rows are many.
    probes : int, optional
        A row enters so many cells instead, its nearest: pairs may be missed, and ``plan.recall()``
        gives the share that was found, of the pairs of 1,000 rows. By cells the plan reads a sample
        at once, so that ``plan.estimate()`` knows their sizes.

    Returns
    -------
    NearDuplicatesPlan
        `merge` gives `tamis.NearDuplicates`.

    Raises
    ------
    ValueError, TypeError
        As `plan_knn`.
    """
    chosen = _arguments("plan_near_duplicates", threshold, metric, max_pairs, parts)
    source = describe("plan_near_duplicates", paths, column)
    by_cells = check_cells("plan_near_duplicates", cells, probes, source.n)
    kind = cell_plans().NearDuplicatesCellsPlan if by_cells else NearDuplicatesPlan
    plan: NearDuplicatesPlan = kind(source, chosen | by_cells, plain(state))
    plan.save("plan_near_duplicates")
    plan.look()
    return plan


def plan_leaks(
    paths: Any,
    splits: Any,
    *,
    state: str,
    column: str | None = None,
    threshold: float = 0.2,
    metric: Literal["cosine", "euclidean"] = "cosine",
    max_pairs: int = MOST_PAIRS,
    parts: int = 7,
) -> LeaksPlan:
    """Pairs of rows of the shards from different splits; the merge is that of `tamis.leaks`.

    Parameters
    ----------
    paths, state, column, parts
        As for `plan_knn`.
    splits : (N,) array or list
        The split of each row, as for `tamis.leaks`.
    threshold, metric, max_pairs
        As for `plan_near_duplicates`; pairs of one split count too, though none is kept.

    Returns
    -------
    LeaksPlan
        `merge` gives `tamis.Leaks`.

    Raises
    ------
    ValueError, TypeError
        As `plan_knn`.
    """
    chosen = _arguments("plan_leaks", threshold, metric, max_pairs, parts)
    source = describe("plan_leaks", paths, column)
    codes = row_columns.codes("plan_leaks", "splits", splits, source.n)
    codes = np.unique(codes, return_inverse=True)[1].astype(np.int32)
    chosen["splits"] = hashlib.blake2b(codes.tobytes(), digest_size=16).hexdigest()
    plan = LeaksPlan(source, chosen, plain(state), codes)
    plan.save("plan_leaks")
    plan._state.write("splits", {"codes": codes})
    return plan


def _arguments(
    function: str, threshold: float, metric: Any, max_pairs: int, parts: int
) -> dict[str, Any]:
    """What the groups of a plan go by, checked."""
    check_search(function, threshold, metric, max_pairs)
    check_parts(function, parts)
    chosen = {"threshold": float(threshold), "metric": metric, "max_pairs": int(max_pairs)}
    return chosen | {"parts": parts}
