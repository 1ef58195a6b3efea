"""Samples of one split that have near-duplicates in another."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamis._shared import arrays, row_columns
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.embeddings import knn_cuda
from tamis.embeddings.knn_pairs import (
    MOST_PAIRS,
    all_pairs,
    any_matrix,
    check_search,
    keep_mask,
    searched_rows,
)
from tamis.embeddings.knn_search import (
    TooManyPairs,
    between_cosine,
    centred_rows,
    make_rows,
    nearest,
    within,
)


@dataclass(frozen=True, eq=False, repr=False)
class Leaks(Result):
    """The outcome of `leaks`.

    Attributes
    ----------
    pairs : (P, 2) int64
        Row pairs from different splits within the threshold, in ascending order. With `other`,
        rows of `x` and rows of `other`.
    distances : (P,) float64
    rows : (L,) int64
        Rows of `x` in any pair, ascending.
    """

    pairs: Array
    distances: Array
    rows: Array

    def _columns(self) -> dict[str, Any]:
        return {
            "first": self.pairs[:, 0],
            "second": self.pairs[:, 1],
            "distance": self.distances,
        }


def leaks(
    x: AnyArray,
    groups: AnyColumn | None = None,
    *,
    other: AnyArray | None = None,
    threshold: float = 0.2,
    metric: Literal["cosine", "euclidean"] = "cosine",
    compat: Literal["brain"] | None = None,
    max_pairs: int = MOST_PAIRS,
    progress: Progress = None,
    splits: AnyColumn | None = None,
) -> Leaks:
    """All pairs of rows within the threshold whose groups, such as train and test, differ.

    Parameters
    ----------
    x : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, DLPack
        or buffer.
    groups : (N,) array or list
        The split of each row, such as "train": any values that can be compared, numbers or
        strings. All missing values (NaN, None) are one group.
    other : (M, D) array, optional
        Instead of `groups`: the rows of `x` are one group, these the other.
    threshold : float
        Largest distance of a leak, included. Default 0.2.
    metric : {"cosine", "euclidean"}
        Default "cosine": one minus the cosine of the rows minus their common mean.
    compat : "brain", optional
        FiftyOne Brain 0.25's leaks: only pairs of a kept row and its duplicates (as it assigns
        them) count.
    max_pairs : int
        More pairs within the threshold than this raise. Default 100,000,000.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.
    splits : (N,) array or list, optional
        Deprecated name of `groups`; it goes in version 0.3.

    Returns
    -------
    Leaks

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, more than `max_pairs` pairs, and for NaN or infinity, naming
        the first such row.

    Notes
    -----
    Exact and complete. Time and memory as `tamis.near_duplicates`. Source: `compute_leaky_splits`
    of fiftyone-brain 0.25.0, which misses pairs that do not go through a kept row.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.001]], np.float32)
    >>> tamis.leaks(x, np.array(["train", "train", "test"]), threshold=0.01).rows
    array([0, 2])
    """
    if splits is not None:
        warnings.warn(
            "leaks: splits is now called groups; the old name goes in version 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        if groups is not None:
            raise TypeError("leaks: give groups only, not splits too")
        groups = splits
    if (groups is None) == (other is None):
        raise TypeError("leaks: give either groups or other")
    if compat is not None and not arrays.one_of(compat, ("brain",)):
        raise ValueError(f"leaks: compat must be 'brain' or None, got {compat!r}")
    if compat == "brain" and (groups is None or metric != "cosine"):
        raise ValueError("leaks: compat='brain' needs groups and metric 'cosine'")
    check_search("leaks", threshold, metric, max_pairs)
    try:
        if other is not None:
            return _against(x, other, threshold, metric, max_pairs, progress)
        given = any_matrix("leaks", "x", x, keep_float16=compat is None)
        split = row_columns.codes("leaks", "groups", groups, len(given))
        if compat == "brain" and arrays.device(given) != "cpu":
            raise ValueError("leaks: compat must be None for CUDA arrays")
        rows = searched_rows("leaks", given, metric)
        pairs, distances = all_pairs("leaks", rows, threshold, metric, max_pairs, progress)
    except TooManyPairs:
        raise ValueError(
            f"leaks: more than {max_pairs} pairs (max_pairs) are within threshold {threshold}"
        ) from None
    if compat == "brain":
        if threshold < 1:  # to Brain rows at the mean are at 1 from their copies
            apart = ~np.isin(pairs, rows.zeros).all(axis=1)
            pairs, distances = np.ascontiguousarray(pairs[apart]), distances[apart]
        pairs, distances = _through_keepers(rows.x, pairs, distances)
    return of_pairs(pairs, distances, split)


def of_pairs(pairs: Array, distances: Array, split: Array) -> Leaks:
    """Those of all pairs whose rows are in different splits."""
    differ = split[pairs[:, 0]] != split[pairs[:, 1]]
    return Leaks(pairs[differ], distances[differ], np.unique(pairs[differ]))


def _against(
    x: Any, other: Any, threshold: float, metric: str, most: int, progress: Progress
) -> Leaks:
    cosine = metric == "cosine"
    ours, theirs = any_matrix("leaks", "x", x), any_matrix("leaks", "other", other)
    where = arrays.one_device("leaks", x=ours, other=theirs)
    wanted, got = arrays.dtype_name(ours), arrays.dtype_name(theirs)
    if theirs.shape[1] != ours.shape[1] or got != wanted:
        raise ValueError(
            f"leaks: other must be {wanted} of shape (M, {ours.shape[1]}),"
            f" got {got} {tuple(theirs.shape)}"
        )
    if where != "cpu":
        return _on_device(ours, theirs, threshold, cosine, most, progress)
    how: dict[str, Any] = {"progress": progress, "title": "leaks", "most_pairs": most}
    if cosine:
        mine, rest = centred_rows("leaks", x=ours, other=theirs)
        pairs, distances = between_cosine(rest, mine, threshold, **how)
    else:
        mine = make_rows("leaks", "x", ours, cosine=False)
        rest = make_rows("leaks", "other", theirs, cosine=False)
        pairs, keys = within(rest, mine, float(threshold) ** 2, **how)
        distances = np.sqrt(keys)
    return Leaks(pairs, distances, np.unique(pairs[:, 0]))


def _on_device(
    ours: Any, theirs: Any, threshold: float, cosine: bool, most: int, progress: Progress
) -> Leaks:
    """`_against` of checked CUDA arrays."""
    theirs = arrays.same_library(ours, theirs)
    if cosine:
        mine, rest = knn_cuda.centred_rows("leaks", x=ours, other=theirs)
    else:
        mine = knn_cuda.make_rows("leaks", "x", ours, cosine=False)
        rest = knn_cuda.make_rows("leaks", "other", theirs, cosine=False)
    radius = 2 * threshold if cosine else float(threshold) ** 2
    pairs, keys = knn_cuda.within(
        rest, mine, radius, progress=progress, title="leaks", most_pairs=most
    )
    return Leaks(pairs, keys / 2 if cosine else np.sqrt(keys), np.unique(pairs[:, 0]))


def _through_keepers(x: Array, pairs: Array, distances: Array) -> tuple[Array, Array]:
    """(keeper, duplicate) pairs as Brain has them: the keepers centred once more."""
    kept = keep_mask(pairs, len(x))
    keep, duplicates = np.flatnonzero(kept), np.flatnonzero(~kept)
    if len(duplicates) == 0:
        return np.empty((0, 2), np.int64), np.empty(0)
    centred = x - x.mean(0)
    keepers = centred[keep] - centred[keep].mean(0)
    norms = np.linalg.norm(keepers, axis=1, keepdims=True)
    unit = np.ascontiguousarray(keepers / np.where(norms == 0, 1, norms))
    refs = make_rows("leaks", "x", unit, cosine=False)
    asked = make_rows("leaks", "x", np.ascontiguousarray(centred[duplicates]), cosine=False)
    keys, nearest_keeper = nearest(refs, asked, 1, dots=False, progress=None, title="leaks")
    return np.stack([keep[nearest_keeper[:, 0]], duplicates], axis=1), np.sqrt(keys[:, 0])
