"""Pictures of intervals, of models beside each other, of parts, and of two versions of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tamis.plots import style

MOST_ROWS = 40


def intervals(found: Any, ax: Any = None) -> Any:
    """Every number of an evaluation with its interval."""
    names = [name for name, i in found.stats.items() if np.isfinite(i.low)]
    ax = style.axes(ax, height=style.row_height(len(names)))
    for y, name in enumerate(names):
        i = found.stats[name]
        _span(ax, y, i.low, i.value, i.high, style.BLUE)
    style.rows(ax, names)
    ax.set_xlim(0, 1)
    return style.label(ax, f"{100 * found.confidence:g} % intervals", grid="x")


def differences(found: Any, ax: Any = None) -> Any:
    """Each number of the other model minus that of the first, with its interval."""
    versus = found.against[0] if hasattr(found, "against") else found
    rows = [(name, d) for name, d in versus.stats.items() if np.isfinite(d.difference)]
    first = f" minus {style.short(found.first)}" if hasattr(found, "first") else ""
    return _forest(ax, rows, f"{style.short(versus.name)}{first}")


def class_differences(
    versus: Any, ax: Any = None, *, number: str | None = None,
    names: Mapping[Any, str] | None = None, most: int = 30,
) -> Any:  # fmt: skip
    """Classes that differ most; hollow where the difference may be chance (q of 5 % or more)."""
    versus = versus.against[0] if hasattr(versus, "against") else versus
    number = number or next(iter(versus.stats))
    rows = [
        ((names or {}).get(label, label), d[number])
        for label, d in versus.per_class.items()
        if np.isfinite(d[number].difference)
    ]
    rows.sort(key=lambda row: -abs(row[1].difference))
    rows = sorted(rows[:most], key=lambda row: row[1].difference)
    return _forest(ax, rows, f"difference of {number}", lambda d: d.q < 0.05)


def _forest(ax: Any, rows: list[Any], what: str, sure: Any = None) -> Any:
    ax = style.axes(ax, height=style.row_height(len(rows)))
    ax.axvline(0, color=style.MUTED, linewidth=0.9)
    for y, (_, d) in enumerate(rows):
        color = style.BLUE if d.difference >= 0 else style.RED
        beyond = d.low > 0 or d.high < 0 if sure is None else sure(d)
        _span(ax, y, d.low, d.difference, d.high, color, filled=bool(beyond))
    style.rows(ax, [name for name, _ in rows])
    style.label(ax, what, grid="x")
    style.plain([ax.xaxis.label])
    return ax


def _span(
    ax: Any, y: int, low: float, value: float, high: float, color: str, filled: bool = True
) -> None:
    if np.isfinite(low):
        ax.plot([low, high], [y, y], color=color, linewidth=2, alpha=0.45, solid_capstyle="round")
    inside = color if filled else style.PAPER
    ax.plot(value, y, "o", color=color, markerfacecolor=inside, markersize=5)


def slices(found: Any, ax: Any = None, *, number: str | None = None, most: int = MOST_ROWS) -> Any:
    """A number of each part with its interval, the worst on top; the line is that of the whole."""
    number = number or next(iter(found.stats))
    parts = [p for p in found.parts.values() if np.isfinite(p.stats[number].value)]
    parts = sorted(parts, key=lambda p: p.stats[number].value)[:most]
    ax = style.axes(ax, height=style.row_height(len(parts)))
    ax.axvline(found.stats[number], color=style.MUTED, linewidth=0.9, linestyle="--")
    for y, part in enumerate(parts):
        i = part.stats[number]
        _span(ax, y, i.low, i.value, i.high, style.BLUE)
    style.rows(ax, [f"{part.name} ({part.size:,})" for part in parts])
    return style.label(ax, number, grid="x")


def offsets(found: Any, ax: Any = None) -> Any:
    """How far each side of the second version lies outside the first: middle half and 5 to 95 %."""
    tightness = getattr(found, "tightness", found)
    ax = style.axes(ax, height=2.6)
    ax.axvline(0, color=style.MUTED, linewidth=0.9)
    sides = list(tightness.median)
    for y, column in enumerate(tightness.offsets.T):
        column = column[np.isfinite(column)]
        if len(column):
            low, a, middle, b, high = np.quantile(column, [0.05, 0.25, 0.5, 0.75, 0.95])
            ax.plot([low, high], [y, y], color=style.BLUE, linewidth=1.2)
            ax.plot([a, b], [y, y], color=style.BLUE, linewidth=7, alpha=0.35)
            ax.plot(middle, y, "o", color=style.BLUE, markersize=5)
    style.rows(ax, sides, size="medium")
    return style.label(ax, "share of the box, outwards", grid="x")
