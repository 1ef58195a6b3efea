"""The map as a figure of Bokeh: a lasso lists the rows that it holds, with their pictures."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.reports.crops import Folder, View, pictures, webp

MOST_PICTURES = 1000
SIZE = 112  # pixels of a picture


@dataclass(frozen=True)
class Interactive:
    """A figure as Bokeh's JSON, and the pictures of its rows as JSON."""

    figure: str
    pictures: str
    caption: str
    kind: str = "interactive"


def library() -> Any:
    try:
        import bokeh
    except ImportError:
        raise ImportError("report: Bokeh is missing: pip install tamis[interactive]") from None
    return bokeh


def scripts() -> list[str]:
    """Bokeh's own, to stand in the page."""
    library()
    from bokeh.resources import Resources

    found = [str(script) for script in Resources(mode="inline", components=["bokeh"]).js_raw]
    marker = "Bokeh.set_log_level("  # which it says in the console
    return [s.replace("</script", "<\\/script") for s in found if not s.startswith(marker)]


def interactive_map(
    xy: Array, score: Array, names: Sequence[str], first: Array, folder: Folder | None
) -> Interactive:
    """Points coloured by the rank of their score; the rows `first` have pictures in any case."""
    n = len(xy)
    said = "Draw around points with the lasso: their rows are listed below."
    shown: dict[str, str] = {}
    if folder is not None:
        rest = np.linspace(0, n - 1, min(n, MOST_PICTURES)).astype(np.int64)
        rows = list(dict.fromkeys([*first.tolist(), *rest.tolist()]))[:MOST_PICTURES]
        made = pictures([View(folder.find(names[i]), size=SIZE) for i in rows])
        for i, image in zip(rows, made, strict=True):
            if image is not None:
                data = base64.b64encode(webp(image)).decode()
                shown[str(i)] = f"data:image/webp;base64,{data}"
        said += f" {len(shown):,} of {n:,} rows have a picture in this file."
    return Interactive(_text(_numbered(_figure(xy, score, names))), _text(shown), said)


def _figure(xy: Array, score: Array, names: Sequence[str]) -> Any:
    library()
    from bokeh.embed import json_item
    from bokeh.models import ColumnDataSource
    from bokeh.palettes import Viridis256
    from bokeh.plotting import figure
    from bokeh.transform import linear_cmap

    n = len(xy)
    rank = np.empty(n, np.float32)
    rank[np.argsort(score, kind="stable")] = np.arange(n) / max(n - 1, 1)
    x, y = np.asarray(xy, np.float32).T.copy()
    data = {"x": x, "y": y, "rank": rank, "zcore": score.astype(np.float32), "row": list(names)}
    source = ColumnDataSource(data, name="rows")
    plot = figure(
        height=560, sizing_mode="stretch_width", toolbar_location="above",
        tools="lasso_select,box_select,pan,wheel_zoom,reset", active_drag="lasso_select",
        active_scroll=None,
        tooltips=[("row", "@row"), ("zcore", "@zcore")], background_fill_color=None,
        border_fill_color=None, outline_line_color=None,
    )  # fmt: skip
    plot.scatter(
        "x", "y", source=source, size=float(np.clip(600 / np.sqrt(n), 3, 9)), line_color=None,
        fill_color=linear_cmap("rank", Viridis256, 0, 1), fill_alpha=0.85,
        nonselection_fill_alpha=0.15,
    )  # fmt: skip
    plot.toolbar.logo = None
    plot.axis.visible = plot.grid.visible = False
    return json_item(plot)


def _numbered(item: Any) -> Any:
    """The same with models numbered in their order: Bokeh counts on from one figure to the next."""
    known: dict[str, str] = {}

    def number(part: Any) -> Any:
        if isinstance(part, dict):
            return {
                key: known.setdefault(value, f"m{len(known)}")
                if key in ("id", "root_id") and isinstance(value, str)
                else number(value)
                for key, value in part.items()
            }
        return [number(value) for value in part] if isinstance(part, list) else part

    return number(item)


def _text(value: Any) -> str:
    """JSON that can stand in a page: no name closes its element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
