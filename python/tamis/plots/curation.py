"""Pictures of embeddings: distances, scores, maps, drift."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.plots import style

POINTS = 400  # of a curve: more are not seen
WIDE = 30  # times the least value, from which a scale is logarithmic


def curve(values: Any, ax: Any = None, *, what: str = "score", log: bool = False,
          mark: float | None = None, marked: str = "") -> Any:  # fmt: skip
    """Values in descending order against their rank; `mark` is a line across."""
    ax = style.axes(ax)
    ordered = np.sort(_values(values))[::-1]
    at = np.unique(np.linspace(0, max(len(ordered) - 1, 0), POINTS).astype(np.int64))
    if len(ordered):
        ax.plot(at + 1, ordered[at], color=style.BLUE, linewidth=1.8)
    if log and len(ordered) and ordered[0] > WIDE * ordered[-1] > 0:
        style.log(ax.yaxis)
    if mark is not None:
        ax.axhline(mark, color=style.RED, linewidth=1.2, linestyle="--", label=marked)
    style.label(ax, "rows, by rank", what)
    style.legend(ax)
    return ax


def histogram(values: Any, ax: Any = None, *, what: str = "score", bins: int = 60,
              mark: float | None = None, marked: str = "") -> Any:  # fmt: skip
    """How many rows have which value; `mark` is a line."""
    ax = style.axes(ax)
    counts, edges = np.histogram(_values(values), bins)
    ax.stairs(counts, edges, color=style.BLUE, fill=True, alpha=0.85)
    if mark is not None:
        ax.axvline(mark, color=style.RED, linewidth=1.2, linestyle="--", label=marked)
    style.label(ax, what, "rows", grid="y")
    style.legend(ax)
    return ax


def _values(values: Any) -> Array:
    found = arrays.host("plot", "values", arrays.column("plot", "values", values))
    found = found.astype(np.float64).ravel()
    return found[np.isfinite(found)]


def scatter(
    xy: Any, color: Any = None, ax: Any = None, *, by: str = "rank", what: str = "",
    highlight: Any = None, highlighted: str = "",
) -> Any:  # fmt: skip
    """A two-dimensional map, drawn as pixels.

    Parameters
    ----------
    xy : (N, 2) array
        Of `tamis.map2d`, for example.
    color : (N,) numbers, optional
    ax : matplotlib Axes, optional
    by : {"rank", "value"}
        Colours follow the rank of `color`: most scores are one shade by value.
    what : str
        What `color` is.
    highlight : (H,) integers, optional
        Rows that get a ring, `highlighted` in the legend.
    """
    points = np.asarray(arrays.host("scatter", "xy", arrays.as_array("scatter", "xy", xy)))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"scatter: xy must have shape (N, 2), got {points.shape}")
    if by not in ("rank", "value"):
        raise ValueError(f"scatter: by must be 'rank' or 'value', got {by!r}")
    ax = style.axes(ax, 6.4, 5.2)
    n = len(points)
    size = float(np.clip(24_000 / max(n, 1), 0.6, 22))
    shown: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": True}
    if size < 2:  # pixels: squares are drawn in half the time of circles
        shown["marker"] = "s"
    if color is None:
        ax.scatter(*points.T, color=style.BLUE, alpha=0.5, **shown)
    else:
        values = np.asarray(color, np.float64)
        if values.shape != (n,):
            raise ValueError(f"scatter: color must have shape ({n},), got {values.shape}")
        if by == "rank":
            rank = np.empty(n)
            rank[np.argsort(values, kind="stable")] = np.arange(n) / max(n - 1, 1)
            values = rank
        drawn = ax.scatter(*points.T, c=values, cmap="viridis", **shown)
        bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.7, pad=0.01)
        bar.outline.set_visible(False)
        bar.set_label(f"{what}, by rank" if by == "rank" else what)
    if highlight is not None and len(highlight):
        ax.scatter(
            *points[np.asarray(highlight)].T, s=max(14, size * 2), facecolors="none",
            edgecolors=style.RED, linewidths=0.8, label=highlighted,
            rasterized=len(highlight) > 500,
        )  # fmt: skip
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    style.legend(ax)
    return ax


def duplicate_threshold(found: Any, ax: Any = None) -> Any:
    """How many rows have a neighbour within each distance, and the threshold chosen."""
    ax = style.axes(ax)
    distances = found.distances
    positive = distances[distances > 0]
    if len(positive):
        low = max(float(positive[0]), float(positive[-1]) * 1e-7)
        at = np.geomspace(low, max(float(positive[-1]), low * 1.01), POINTS)
        ax.plot(at, np.searchsorted(distances, at, side="right"), color=style.BLUE, linewidth=1.8)
        style.log(ax.xaxis)
    ax.axvline(found.threshold, color=style.RED, linewidth=1.2, linestyle="--",
               label=f"threshold {found.threshold:.3g}")  # fmt: skip
    ax.set_ylim(bottom=0)
    style.label(ax, f"{found.metric} distance to the nearest row", "rows within")
    style.legend(ax)
    return ax


def near_duplicates(found: Any, ax: Any = None) -> Any:
    """Distances of near-duplicates to the row that is kept."""
    return histogram(found.keeper_distance, ax, what="distance to the row that is kept", bins=40)


def leaks(found: Any, ax: Any = None) -> Any:
    """Distances of the pairs that are in different splits."""
    return histogram(found.distances, ax, what="distance of a leaking pair", bins=40)


def coverage(found: Any, ax: Any = None) -> Any:
    """Distances to the nearest labelled row, the farthest first."""
    return curve(
        found.distance, ax, what="distance", mark=found.eps,
        marked=f"covered within {found.eps:.3g}: {found.share:.1%}",
    )  # fmt: skip


def diversity(found: Any, ax: Any = None) -> Any:
    """The share of all similarity that the first directions hold."""
    ax = style.axes(ax)
    total = np.cumsum(found.spectrum)
    ax.plot(np.arange(1, len(total) + 1), total, color=style.BLUE, linewidth=1.8)
    style.log(ax.xaxis)
    ax.set_ylim(0, 1.02)
    return style.label(ax, "directions", "share", f"Vendi score {found.vendi:.1f}")


def label_mistakes(found: Any, ax: Any = None) -> Any:
    """Mistakenness of the labels that a detection matched."""
    return histogram(found.mistakenness, ax, what="mistakenness", bins=40)


def drift(found: Any, ax: Any = None) -> Any:
    """How sure each check is: -log10 of q, beyond the line drift is found."""
    checks = [c for c in found.checks if np.isfinite(c.q)]
    ax = style.axes(ax, height=style.row_height(len(checks)))
    sure = [-np.log10(max(c.q, 1e-4)) for c in checks]
    colors = [style.RED if c.drifted else style.BLUE for c in checks]
    ax.barh(range(len(checks)), sure, 0.7, color=colors)
    for y, (x, c) in enumerate(zip(sure, checks, strict=True)):
        ax.text(x, y, f" {c.measure} {c.effect:.3g}", va="center", fontsize="small")
    ax.axvline(-np.log10(found.alpha), color=style.MUTED, linewidth=1, linestyle="--")
    style.rows(ax, [c.name for c in checks])
    ax.set_xlim(0, 1.6 * max([1.5, *sure]))
    return style.label(ax, "-log10 q, drift beyond the line", grid="x")


def learning_curve(found: Any, ax: Any = None, *, to: float | None = None) -> Any:
    """Scores of growing training sets, the curve through them and its interval."""
    ax = style.axes(ax)
    last = float(to if to is not None else 4 * found.sizes.max())
    at = np.geomspace(float(found.sizes.min()), last, 120)
    middle, low, high = found.predict(at)
    ax.fill_between(at, low, high, color=style.BLUE, alpha=0.18, linewidth=0)
    ax.plot(at, middle, color=style.BLUE, linewidth=1.8, label="fit")
    ax.plot(found.sizes, found.scores, "o", color=style.INK, markersize=4.5, label="measured")
    style.log(ax.xaxis)
    style.label(ax, "training images", "score")
    style.legend(ax)
    return ax


def zcore_stability(found: Any, ax: Any = None) -> Any:
    """What the two halves of the draws agree on, against the number of draws."""
    ax = style.axes(ax)
    ax.plot(list(found.history), list(found.history.values()), "o-", color=style.BLUE)
    ax.axhline(found.level, color=style.RED, linewidth=1.2, linestyle="--", label="level")
    style.log(ax.xaxis)
    ax.set_ylim(0, 1.02)
    style.label(ax, "draws", f"overlap of the first {found.count}")
    style.legend(ax)
    return ax
