"""One look for all pictures: colours that colour-blind readers tell apart, few lines, real text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Okabe and Ito's: distinct for any colour vision
BLUE, RED, GREEN, PINK, AMBER, SKY = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
)  # fmt: skip
SERIES = (BLUE, RED, GREEN, PINK, AMBER, SKY)
INK, MUTED, GRID, PAPER = "#1b1f24", "#5b6570", "#d9dee3", "#ffffff"
ON_BLUE = "#fefefe"  # stays so in the dark
LONGEST_NAME = 24


def axes(ax: Any, width: float = 6.4, height: float = 4.0) -> Any:
    """The Axes given, or those of a new figure of pyplot's, so that notebooks show it."""
    if ax is None:
        plt = _library("matplotlib.pyplot")
        _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    elif not hasattr(ax, "plot") or not hasattr(ax, "set_xlabel"):
        raise TypeError(f"plot: ax must be matplotlib Axes or None, got {type(ax).__name__}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_axisbelow(True)
    return ax


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name not in (name, "matplotlib"):
            raise
        raise ImportError("plot: matplotlib is missing: pip install tamis[plots]") from None


def label(ax: Any, x: str = "", y: str = "", title: str = "", *, grid: str = "both") -> Any:
    """Names of the axes, and a faint grid."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if title:
        ax.set_title(title, loc="left", fontsize="medium")
    if grid:
        ax.grid(axis=grid, color=GRID, linewidth=0.6)
    return ax


def log(axis: Any) -> None:
    """A logarithmic axis whose numbers are plain text."""
    from matplotlib.ticker import FuncFormatter, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_locator(NullLocator())


def shades() -> Any:
    """Colours from none to blue: what is empty is the page."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", [f"{BLUE}00", BLUE])


def legend(ax: Any, **where: Any) -> None:
    """Below the drawing, so that it hides nothing."""
    handles, names = ax.get_legend_handles_labels()
    if not handles:
        return
    names = [short(name, 40) for name in names]
    columns = 1 if max(map(len, names)) > 24 else min(len(names), 3)
    found = ax.legend(
        handles, names, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=columns,
        frameon=False, borderaxespad=0.2, **where,
    )  # fmt: skip
    plain(found.get_texts())


def short(name: Any, most: int = LONGEST_NAME) -> str:
    """A name on one line, cut in the middle: numbered names differ at the end."""
    text = " ".join(str(name).split())
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def plain(texts: Sequence[Any]) -> None:
    """Draw names as they are: a dollar sign does not start a formula."""
    for text in texts:
        text.set_parse_math(False)


def rows(ax: Any, names: Sequence[Any], *, size: Any = "small") -> None:
    """Names down the left side, the first on top."""
    ax.set_yticks(range(len(names)), [short(name) for name in names], fontsize=size)
    plain(ax.get_yticklabels())
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)


def row_height(n: int) -> float:
    """Inches of a figure whose n rows of text do not touch."""
    return 0.9 + 0.19 * max(n, 3)
