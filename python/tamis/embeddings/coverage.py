"""How well labelled samples cover a pool: distances, holes, and precision to coverage (PRDC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.embeddings.distances import (
    Metric,
    check_metric,
    groups_of,
    hosted,
    neighbours,
    two_matrices,
)
from tamis.embeddings.knn_pairs import any_matrix, take
from tamis.embeddings.prdc import prdc

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
LINKS = 10  # neighbours by which uncovered rows are joined to holes


@dataclass(frozen=True, eq=False, repr=False)
class Coverage(Result):
    """The outcome of `coverage`, of N rows of the pool.

    Attributes
    ----------
    radius : float
        The largest distance, k-centre's radius.
    quantiles : dict of float to float
        Of the distances.
    eps : float
        Rows within this distance are covered.
    share : float
        Share of the rows that are covered.
    distance : (N,) float64
        To the nearest labelled row, or without labelled rows to the k-th neighbour in the pool.
    nearest : (N,) int64
        That row of `labelled` (of the pool where row numbers were given).
    hole : (N,) int64
        Number of the hole a row is in, counted from the largest; -1 for covered rows.
    hole_rows, hole_sizes : (H,) int64
        The most central row of each hole (nearest to its mean), and its number of rows.
    precision, recall, density, coverage : float
        PRDC of the labelled rows (as the generated ones) against the pool (the real ones); NaN
        without labelled rows, or with k or fewer.
    """

    radius: float
    quantiles: dict[float, float]
    eps: float
    share: float
    distance: Array
    nearest: Array
    hole: Array
    hole_rows: Array
    hole_sizes: Array
    precision: float
    recall: float
    density: float
    coverage: float

    def _columns(self) -> dict[str, Any]:
        return {"distance": self.distance, "nearest": self.nearest, "hole": self.hole}

    def __str__(self) -> str:
        lines = [
            f"{self.share:.1%} of {len(self.distance)} rows are covered, within {self.eps:.4g};"
            f" the farthest is at {self.radius:.4g}",
            "quantiles  " + "  ".join(f"{q:.0%} {v:.4g}" for q, v in self.quantiles.items()),
        ]
        if np.isfinite(self.recall):
            lines.append(
                f"precision {self.precision:.3f}  recall {self.recall:.3f}"
                f"  density {self.density:.3f}  coverage {self.coverage:.3f}"
            )
        lines.append(
            f"{len(self.hole_rows)} holes" + (", the largest:" if self.hole.max() >= 0 else "")
        )
        for row, size in list(zip(self.hole_rows, self.hole_sizes, strict=True))[:8]:
            lines.append(f"  {size} rows about row {row}")
        return "\n".join(lines)


def coverage(
    pool: AnyArray,
    labelled: AnyColumn | None = None,
    *,
    eps: float | None = None,
    k: int = 5,
    percent: float = 0.01,
    metric: Metric = "euclidean",
    progress: Progress = None,
) -> Coverage:
    """Distances of the rows of a pool to the labelled ones, and the holes in between.

    Parameters
    ----------
    pool : (N, D) array
        float16, bfloat16, float32 or float64 embeddings; NumPy (also `np.memmap`), PyTorch, CuPy,
        DLPack or buffer.
    labelled : (L,) array of integers or (M, D) array, optional
        Rows of the pool, or embeddings of samples elsewhere. Default: none; the distance is then
        that to the k-th neighbour within the pool.
    eps : float, optional
        Rows within this distance are covered. Default: the median of the labelled rows' distances
        to their own k-th neighbour; without labelled rows DataEval's adaptive radius, which
        separates the `percent` largest distances from the rest.
    k : int
        Neighbours of these radii and of PRDC, 1 to 128. Default 5.
    percent : float
        Of the adaptive radius, 0 to 1. Default 0.01.
    metric : {"euclidean", "cosine"}
        Default "euclidean".
    progress : bool or callable, optional
        ``f(done, total)`` of each search, or True for a bar.

    Returns
    -------
    Coverage

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    Holes are the connected groups of uncovered rows. Two are connected if one is among the 10
    nearest uncovered rows of the other and within `eps`, or within the median distance of uncovered
    rows to their k-th such row if that is larger. PRDC: Kynkaanniemi et al. 2019, Naeem et al.
    2020, the formulas of the package `prdc`; exact. Cost: one `tamis.knn` of both sets together; of
    row numbers one of the pool, one of the labelled rows, and their distances to the rows without
    one among their k neighbours; then one of the uncovered rows, and searches of the few rows for
    which their lists are too short. Memory: ``32 * k * N`` bytes more than `knn`, twice that for
    embeddings elsewhere.
    DataEval's radii and rows are those of its `coverage_adaptive`.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> pool = np.array([[0.0], [1.0], [2.0], [9.0], [9.5]])
    >>> found = tamis.coverage(pool, np.array([0, 1, 2]), eps=1.0, k=1)
    >>> found.share, found.hole_rows.tolist(), found.hole_sizes.tolist()
    (0.6, [3], [2])
    """
    name = "coverage"
    _check(name, eps, k, percent, metric)
    how: dict[str, Any] = {"metric": metric, "progress": progress}
    if labelled is None:
        rows = any_matrix(name, "pool", pool)
        if len(rows) == 0:
            raise ValueError(f"{name}: pool must have at least one row, got {tuple(rows.shape)}")
        far, near = neighbours(name, rows, k, names=("pool", ""), **how)
        distance, nearest = far[:, -1], near[:, -1]
        given = _adaptive(distance, percent)
        scores = dict.fromkeys(("precision", "recall", "density", "coverage"), float("nan"))
    else:
        rows, ours, numbers = _sides(name, pool, labelled)
        distance, nearest, radii, scores = prdc(name, rows, ours, k, numbers=numbers, **how)
        given = float(np.median(radii)) if len(radii) else float(distance.max())
        nearest = nearest if numbers is None else numbers[nearest]
    limit = given if eps is None else float(eps)
    hole, centres, sizes = _holes(name, rows, distance > limit, limit, k, metric)
    return Coverage(
        float(distance.max()),
        dict(zip(QUANTILES, np.quantile(distance, QUANTILES).tolist(), strict=True)),
        limit, float((distance <= limit).mean()), distance, nearest, hole, centres, sizes, **scores,
    )  # fmt: skip


def _check(name: str, eps: float | None, k: int, percent: float, metric: str) -> None:
    check_metric(name, metric)
    k = arrays.check_integer(name, "k", k, 1, 128)
    percent = arrays.check_number(name, "percent", percent, 0, 1)
    if eps is not None and not 0 <= arrays.check_real(name, "eps", eps) < np.inf:
        raise ValueError(f"{name}: eps must be a finite number of 0 or more, got {eps!r}")


def _sides(name: str, pool: Any, labelled: Any) -> tuple[Any, Any, Array | None]:
    """(pool, labelled rows, their numbers in the pool or None)."""
    if isinstance(labelled, list):
        labelled = np.asarray(labelled, np.int64)
    given = arrays.as_array(name, "labelled", labelled)
    numbers = None
    if len(given.shape) == 1:
        rows = any_matrix(name, "pool", pool)
        numbers = arrays.host(name, "labelled", arrays.integers(name, "labelled", given))
        numbers = np.unique(numbers.astype(np.int64))
        if len(numbers) and not 0 <= numbers[0] <= numbers[-1] < len(rows):
            bad = numbers[0] if numbers[0] < 0 else numbers[-1]
            raise ValueError(f"{name}: labelled must be 0 to {len(rows) - 1}, got {bad}")
        ours = take(rows, numbers)
    else:
        rows, ours = two_matrices(name, pool=pool, labelled=given)
    if len(rows) == 0 or len(ours) == 0:
        raise ValueError(
            f"{name}: pool and labelled must have at least one row, got {len(rows)} and {len(ours)}"
        )
    return rows, ours, numbers


def _adaptive(distance: Array, percent: float) -> float:
    """DataEval's coverage radius."""
    chosen = int(max(len(distance) * percent, 1))
    return float(np.mean(np.sort(distance)[::-1][chosen - 1 : chosen + 1]))


def _holes(
    name: str, x: Any, bare: Array, eps: float, k: int, metric: str
) -> tuple[Array, Array, Array]:
    """(hole of every row or -1, the most central row of each hole, their sizes)."""
    hole = np.full(len(bare), -1)
    rows = np.flatnonzero(bare)
    if len(rows) == 0:
        return hole, np.empty(0, np.int64), np.empty(0, np.int64)
    some = take(x, rows)
    pairs = np.empty((0, 2), np.int64)
    if len(rows) > 1:
        far, near = neighbours(name, some, min(LINKS, len(rows) - 1), metric=metric)
        left = np.broadcast_to(np.arange(len(rows))[:, None], near.shape)
        reach = max(eps, float(np.median(far[:, : min(k, far.shape[1])][:, -1])))
        pairs = np.stack([left, near], axis=-1)[far <= reach]
    _, group, counts = np.unique(
        groups_of(pairs, len(rows)), return_inverse=True, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    group = place[group]
    hole[rows] = group
    return hole, rows[_central(hosted(some), group, metric)], counts[order]


def _central(x: Array, group: Array, metric: str) -> Array:
    """Of each group the row nearest to its mean (of unit rows for cosine)."""
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(group.max() + 2))
    central = np.empty(len(bounds) - 1, np.int64)
    for i in range(len(central)):
        members = order[bounds[i] : bounds[i + 1]]
        rows = np.asarray(x[members], np.float64)
        if metric == "cosine":
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            rows = rows / np.where(norms == 0, 1, norms)
        central[i] = members[((rows - rows.mean(0)) ** 2).sum(1).argmin()]
    return central
