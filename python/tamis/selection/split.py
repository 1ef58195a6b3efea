"""Splits without leaks: near-duplicates and groups stay together, and new rows move nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.embeddings.knn_pairs import (
    MOST_PAIRS,
    all_pairs,
    any_matrix,
    check_search,
    searched_rows,
)
from tamis.embeddings.near_duplicates import NearDuplicates
from tamis.selection.split_inputs import key_numbers, label_table, one_axis
from tamis.selection.stratification import balanced, by_hash, mixed, refined

FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}


@dataclass(frozen=True, eq=False, repr=False)
class Split(Result):
    """The outcome of `split`, of N rows, S splits and C classes.

    Attributes
    ----------
    names : tuple of S str
    split : (N,) int64
        Index of each row's split in `names`.
    unit : (N,) int64
        The first row of the unit a row belongs to.
    conflicts : (K,) int64
        First rows of units whose rows are in more than one split of `previous`.
    rows, units : (S,) int64
        Numbers of each split; a unit in conflict counts for the split of its first row.
    classes : tuple of C str
    class_rows : (S, C) int64
        Count of each class per split, as `labels` counts them.
    fractions : (S,) float64
    seed : int
    threshold : float
    metric : str
    """

    names: tuple[str, ...]
    split: Array
    unit: Array
    conflicts: Array
    rows: Array
    units: Array
    classes: tuple[str, ...]
    class_rows: Array
    fractions: Array
    seed: int
    threshold: float
    metric: str

    def _columns(self) -> dict[str, Any]:
        return {"split": [self.names[i] for i in self.split], "unit": self.unit}

    def rows_of(self, name: str) -> Array:
        """The rows of one split, ascending."""
        if not arrays.one_of(name, self.names):
            raise ValueError(f"Split.rows_of: name must be one of {self.names}, got {name!r}")
        return np.flatnonzero(self.split == self.names.index(name))

    def save(self, path: str | os.PathLike[str], **what: Any) -> None:
        """Write the manifest that `tamis.verify_split` checks: see `tamis.save_split`."""
        from tamis.selection.manifest import save_split

        save_split(self, path, **what)

    def __str__(self) -> str:
        total = max(1, int(self.rows.sum()))
        worst = self._worst_class()
        lines = [f"{'split':<10} {'rows':>9} {'share':>7} {'units':>9}"]
        for i, name in enumerate(self.names[:12]):
            share = self.rows[i] / total
            lines.append(f"{name:<10} {self.rows[i]:>9} {share:>7.2%} {self.units[i]:>9}")
        if worst:
            lines.append(worst)
        if len(self.conflicts):
            lines.append(f"{len(self.conflicts)} units hold rows of more than one split")
        return "\n".join(lines)

    def _worst_class(self) -> str:
        if len(self.classes) == 0:
            return ""
        totals = np.maximum(self.class_rows.sum(0), 1)
        away = np.abs(self.class_rows / totals - self.fractions[:, None]).max(0)
        at = int(away.argmax())
        return (
            f"{len(self.classes)} classes, farthest from its shares: {self.classes[at]}"
            f" by {away[at]:.2%}"
        )


def split(
    x: AnyArray | None = None,
    *,
    groups: AnyColumn | Mapping[str, AnyColumn] | None = None,
    labels: AnyColumn | None = None,
    fractions: Mapping[str, float] | None = None,
    seed: int = 0,
    threshold: float = 0.05,
    metric: str = "cosine",
    pairs: AnyArray | NearDuplicates | None = None,
    keys: AnyColumn | None = None,
    previous: AnyColumn | None = None,
    progress: Progress = None,
) -> Split:
    """Divide samples into splits such that near-duplicates and groups stay together.

    Parameters
    ----------
    x : (N, D) array, optional
        Embeddings as for `tamis.near_duplicates`; rows within `threshold` stay together.
    groups : (N,) array or list, or dict of name to such, optional
        Video, scene, source: rows with an equal value stay together; None, NaN and "" mean no
        group.
    labels : (N,) array or list, (N, C) array of counts, or (values, splits), optional
        One class per row; or how often each row holds each class; or the classes of all boxes and
        the (N + 1,) offsets of each row into them. Classes are balanced among the rows that are
        free.
    fractions : dict of str to float, optional
        Share of each split, relative to their sum. Default train .8, val .1, test .1.
    seed : int
    threshold, metric
        Of near-duplicates, as `tamis.near_duplicates` measures them. Default 0.05, "cosine".
    pairs : (P, 2) array of integers or `tamis.near_duplicates` result, optional
        Near-duplicates found before; `x` is then not used.
    keys : (N,) array or list, optional
        Permanent names of the rows, such as file names, which are hashed. Default: the row numbers,
        which work if new rows are only appended.
    previous : (N,) array or list, path or dict, optional
        The current split (name or index) of each row, and None, "" or -1 for new rows; or a
        manifest, whose names are looked up among `keys`. Rows with a split keep it.
    progress : bool or callable, optional
        Of the search for near-duplicates.

    Returns
    -------
    Split

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    A unit is a connected group of near-duplicates and equal groups. New rows of a unit that holds
    rows of `previous` get their split (that of most, the first on ties). If those are in two splits
    they stay there, and the unit is reported in `conflicts`.

    Without `labels`, the hash of its first row's key and the seed decides the split of a free unit:
    shares are met up to chance, and a unit keeps its split when rows are added, unless it merges
    with an earlier one. With `labels`, free units are balanced (iterative stratification, Sechidis
    et al. 2011, and moves if a class is still off), which depends on all of them: give `previous`
    from the second time on. Cost: `tamis.near_duplicates`, and time linear in the units.

    Examples
    --------
    >>> import tamis
    >>> found = tamis.split(groups=["a", "a", "b", "b"], fractions={"train": 3, "test": 1})
    >>> found.unit.tolist()
    [0, 0, 2, 2]
    """
    name = "split"
    seed = arrays.check_integer(name, "seed", seed, 0, 2**63 - 1)
    names, shares = _shares(name, fractions)
    edges, n = _edges(name, x, pairs, threshold, metric, progress)
    n = _rows(name, n, groups=groups, labels=labels, keys=keys, previous=previous)
    for what, of in _groups(groups):
        edges.append(_group_edges(name, what, of, n))
    unit = np.empty(n, np.int64)
    _core.group_pairs(_joined(name, edges, n), unit)
    key = key_numbers(name, keys, n)
    classes, table = label_table(name, labels, n)
    placed = _previous(name, previous, keys, names, n)
    first, of_unit = np.unique(unit, return_inverse=True)
    where, conflicts = _followed(placed, of_unit, len(first), len(names))
    free = np.flatnonzero(where < 0)
    hashes = mixed(key[first], seed)
    if len(classes) == 0:
        where[free] = by_hash(hashes[free], shares)
    else:
        where[free] = _stratified(free, where, of_unit, placed, table, hashes, shares, classes)
    chosen = np.where(placed >= 0, placed, where[of_unit])
    class_rows = np.zeros((len(names), len(classes)), np.int64)
    np.add.at(class_rows, (chosen[table[0]], table[1]), table[2])
    return Split(
        names, chosen, unit, first[conflicts], np.bincount(chosen, minlength=len(names)),
        np.bincount(chosen[first], minlength=len(names)), classes, class_rows, shares, int(seed),
        float(threshold), metric,
    )  # fmt: skip


def _shares(name: str, fractions: Mapping[str, float] | None) -> tuple[tuple[str, ...], Array]:
    given = FRACTIONS if fractions is None else fractions
    if not isinstance(given, Mapping) or len(given) < 2:
        raise TypeError(f"{name}: fractions must be a dict of two splits or more, got {given!r}")
    values = np.array([arrays.check_real(name, f"fractions[{k!r}]", v) for k, v in given.items()])
    if not (np.isfinite(values) & (values >= 0)).all() or values.sum() <= 0:
        raise ValueError(f"{name}: fractions must be 0 or more and not all 0, got {given!r}")
    return tuple(str(key) for key in given), values / values.sum()


def _edges(
    name: str, x: Any, pairs: Any, threshold: float, metric: str, progress: Progress
) -> tuple[list[Array], int | None]:
    check_search(name, threshold, metric)
    if pairs is not None:
        found = getattr(pairs, "pairs", pairs)
        rows = arrays.host(name, "pairs", arrays.integers(name, "pairs", found))
        arrays.check_shape(name, "pairs", rows, ("P", 2))
        return [rows.astype(np.int64)], None if x is None else len(any_matrix(name, "x", x))
    if x is None:
        return [], None
    searched = searched_rows(name, any_matrix(name, "x", x, keep_float16=True), metric)
    found, _ = all_pairs(name, searched, threshold, metric, MOST_PAIRS, progress)
    return [found], len(searched.x)


def _rows(name: str, n: int | None, **given: Any) -> int:
    """The number of rows, from any argument that gives it."""
    if n is not None:
        return n
    for what in ("keys", "groups", "labels", "previous"):
        value = given[what]
        if value is None or isinstance(value, (str, os.PathLike)):
            continue
        if what == "groups" and isinstance(value, Mapping) and value:
            return len(arrays.as_list(name, what, next(iter(value.values()))))
        if what == "labels" and isinstance(value, tuple):
            return len(value[1]) - 1
        if not isinstance(value, Mapping):
            return len(arrays.as_list(name, what, value))
    raise TypeError(f"{name}: give x, groups, labels or keys: nothing says how many rows there are")


def _groups(groups: Any) -> list[tuple[str, Any]]:
    if groups is None:
        return []
    if isinstance(groups, Mapping):
        return [(f"groups[{key!r}]", value) for key, value in groups.items()]
    return [("groups", groups)]


def _group_edges(name: str, what: str, of: Any, n: int) -> Array:
    """(P, 2): each row of a group with the first one."""
    values = one_axis(name, what, of, n)
    if values.dtype.kind in "iub":
        _, first, code = np.unique(values, return_index=True, return_inverse=True)
        return np.stack([first[code], np.arange(n)], axis=1)
    seen: dict[Any, int] = {}
    edges = np.empty(n, np.int64)
    for row, value in enumerate(values.tolist()):
        alone = value is None or value == "" or value != value
        edges[row] = row if alone else seen.setdefault(value, row)
    return np.stack([edges, np.arange(n)], axis=1)


def _joined(name: str, edges: Sequence[Array], n: int) -> Array:
    found = np.concatenate([np.empty((0, 2), np.int64), *edges])
    found = found[found[:, 0] != found[:, 1]]
    if len(found) and not 0 <= found.min() <= found.max() < n:
        bad = int(found.min() if found.min() < 0 else found.max())
        raise ValueError(f"{name}: pairs must be rows 0 to {n - 1}, got {bad}")
    return np.ascontiguousarray(found)


def _previous(name: str, previous: Any, keys: Any, names: tuple[str, ...], n: int) -> Array:
    """(n,) index of the current split of each row, or -1."""
    if previous is None:
        return np.full(n, -1)
    if isinstance(previous, (str, os.PathLike, Mapping)):
        from tamis.selection.manifest import read_manifest

        if keys is None:
            raise ValueError(f"{name}: keys must be given with a manifest, it holds names")
        held = read_manifest(name, previous)
        known = dict(zip(held["keys"], held["split"], strict=True))
        given: list[Any] = [known.get(str(key)) for key in list(keys)]
    else:
        given = one_axis(name, "previous", previous, n).tolist()
    place: dict[Any, int] = {text: i for i, text in enumerate(names)}
    place.update({i: i for i in range(len(names))}, **{"": -1})
    place.update({None: -1, -1: -1})
    try:
        return np.array([place[value] for value in given], np.int64).reshape(n)
    except TypeError:
        raise TypeError(f"{name}: previous must hold names or places of splits") from None
    except KeyError as error:
        raise ValueError(
            f"{name}: previous must hold splits among {', '.join(names)}, got {error.args[0]!r}"
        ) from None


def _followed(placed: Array, of_unit: Array, units: int, splits: int) -> tuple[Array, Array]:
    """(split of each unit by its placed rows, or -1; units with rows of two splits)."""
    held = placed >= 0
    votes = np.bincount(of_unit[held] * splits + placed[held], minlength=units * splits)
    votes = votes.reshape(units, splits)
    where = np.where(votes.any(1), votes.argmax(1), -1)
    return where, np.flatnonzero((votes > 0).sum(1) > 1)


def _stratified(
    free: Array,
    where: Array,
    of_unit: Array,
    placed: Array,
    table: tuple[Array, ...],
    hashes: Array,
    shares: Array,
    classes: tuple[str, ...],
) -> Array:
    """Splits of the free units that meet the shares together with all placed rows."""
    rows, labels, counts = table
    units, n_classes = len(where), len(classes)
    chosen = np.where(placed >= 0, placed, where[of_unit])
    lack = shares[:, None] * np.bincount(labels, counts, n_classes)
    taken = chosen[rows] >= 0
    np.subtract.at(lack, (chosen[rows[taken]], labels[taken]), counts[taken])
    sizes = np.bincount(of_unit, minlength=units)
    lack_rows = shares * len(of_unit) - np.bincount(chosen[chosen >= 0], minlength=len(shares))
    place = np.full(units, -1)
    place[free] = np.arange(len(free))
    unit = place[of_unit[rows]]
    inside = unit >= 0
    both, back = np.unique(unit[inside] * n_classes + labels[inside], return_inverse=True)
    at, of = np.divmod(both, n_classes)
    sums = np.bincount(back, counts[inside], len(both)).astype(np.int64)
    found = balanced(sizes[free], at, of, sums, hashes[free], lack, lack_rows)
    # rows count as one more class where units move again
    np.subtract.at(lack, (found[at], of), sums)
    lack_rows = lack_rows - np.bincount(found, sizes[free], len(shares))
    both = np.arange(len(free))
    return refined(
        found, np.concatenate([at, both]), np.concatenate([of, np.full(len(free), n_classes)]),
        np.concatenate([sums, sizes[free]]), np.column_stack([lack, lack_rows]),
        np.append(np.bincount(labels, counts, n_classes), len(of_unit)),
    )  # fmt: skip
