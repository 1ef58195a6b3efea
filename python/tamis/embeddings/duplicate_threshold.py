"""A threshold for near-duplicates, from the distances to nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray
from tamis.embeddings import knn_cuda
from tamis.embeddings.distances import Metric, check_metric
from tamis.embeddings.knn_pairs import any_matrix, searched_rows
from tamis.embeddings.knn_search import nearest, nearest_cosine

FENCE = 3.0  # interquartile ranges below the lower quartile: Tukey's outer fence
TWO_HUMPS = 0.85  # of the variance, explained by two classes: 0.64 for a normal, 0.75 for a uniform
COPY = 1e-7  # cosine distances below are those of copies
STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, eq=False, repr=False)
class DuplicateThreshold(Result):
    """The outcome of `duplicate_threshold`.

    Attributes
    ----------
    threshold : float
    rule : str
    counts : dict of float to int
        Rows whose nearest neighbour is within a threshold, for a quarter to four times the proposed
        one.
    distances : (N,) float64
        Of each row to its nearest neighbour, ascending: the curve of all counts.
    metric : str
    """

    threshold: float
    rule: str
    counts: dict[float, int]
    distances: Array
    metric: str

    def _columns(self) -> dict[str, Any]:
        return {"threshold": list(self.counts), "count": list(self.counts.values())}

    def __str__(self) -> str:
        n = max(1, len(self.distances))
        lines = [f"threshold {self.threshold:.4g} ({self.metric}): {self.rule}"]
        lines.append(f"{'threshold':>10} {'rows with a neighbour within':>30}")
        for at, count in self.counts.items():
            mark = "  <- chosen" if at == self.threshold else ""
            lines.append(f"{at:>10.4g} {count:>22} {count / n:>7.2%}{mark}")
        return "\n".join(lines)


def duplicate_threshold(
    x: AnyArray, *, metric: Metric = "cosine", progress: Progress = None
) -> DuplicateThreshold:
    """The threshold of `near_duplicates(threshold="auto")`, and the counts at other thresholds.

    Parameters
    ----------
    x : (N, D) array
        Embeddings, as for `tamis.near_duplicates`; at least 8 rows.
    metric : {"cosine", "euclidean"}
        Default "cosine", about the mean of the rows.
    progress : bool or callable, optional
        ``f(done, total)``, or True for a bar.

    Returns
    -------
    DuplicateThreshold

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for NaN or infinity, naming the first such row.

    Notes
    -----
    Near-duplicates are outliers among the distances to the nearest neighbour, on the small side.
    The threshold is Tukey's lower outer fence of the logarithms, ``q1 - 3 (q3 - q1)`` (Exploratory
    Data Analysis, 1977), over all rows that have no copy; if the logarithms have two modes (Otsu's
    best cut explains at least 85 % of their variance), only over the upper one. It is a proposal:
    look at the counts, and at pairs near the threshold. Cost: `tamis.knn` with k = 1.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> x[1] = x[0]
    >>> tamis.duplicate_threshold(x).threshold >= 0
    True
    """
    name = "duplicate_threshold"
    check_metric(name, metric)
    given = any_matrix(name, "x", x, keep_float16=True)
    if len(given) < 8:
        raise ValueError(f"{name}: x must have at least 8 rows, got {len(given)}")
    rows = searched_rows(name, given, metric)
    how: dict[str, Any] = {"progress": progress, "title": name}
    if isinstance(rows, knn_cuda.DeviceRows):
        found = knn_cuda.nearest(rows, None, 1, output=knn_cuda.OUTPUT_OF[metric], **how)[0]
        far = arrays.host(name, "distances", found)[:, 0]
    elif metric == "cosine":
        far = nearest_cosine(rows, None, 1, **how)[0][:, 0]
    else:
        far = np.sqrt(nearest(rows, None, 1, dots=False, **how)[0][:, 0])
    return proposed(far, metric)


def proposed(far: Array, metric: str) -> DuplicateThreshold:
    """The threshold, from the distance of each row to its nearest."""
    far = np.sort(far)
    threshold, rule = _fence(far, COPY if metric == "cosine" else COPY * float(far[-1]))
    counts = {
        threshold * step: int(np.searchsorted(far, threshold * step, side="right"))
        for step in STEPS
    }
    return DuplicateThreshold(threshold, rule, counts, far, metric)


def _fence(far: Array, copy: float) -> tuple[float, str]:
    apart = far[far > copy]
    if len(apart) < 8:
        return copy, "nearly all rows are copies"
    logs = np.log(apart)
    cut, explained = _otsu(logs)
    rule = "Tukey's outer fence of the log distances to nearest neighbours"
    if explained >= TWO_HUMPS and len(logs) - cut >= 8:
        logs = logs[cut:]
        rule += ", of the upper of two humps"
    low, high = np.quantile(logs, [0.25, 0.75])
    return float(max(np.exp(low - FENCE * (high - low)), copy)), rule


def _otsu(ordered: Array) -> tuple[int, float]:
    """(values below the best cut in two, share of the variance that the two means explain)."""
    n = len(ordered)
    variance = ordered.var()
    if variance == 0:
        return 0, 0.0
    below = np.arange(1, n)
    sums = np.cumsum(ordered)[:-1]
    means = sums / below, (ordered.sum() - sums) / (n - below)
    between = below * (n - below) / n**2 * (means[1] - means[0]) ** 2
    cut = int(between.argmax())
    return cut + 1, float(between[cut] / variance)
