"""Pictures as SVG to stand in a page: the same bytes each time, colours and letters the page's."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

from tamis.plots import style

RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9.0,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # matplotlib's own: widths are the same everywhere
    "axes.edgecolor": style.MUTED,
    "axes.labelcolor": style.INK,
    "axes.linewidth": 0.8,
    "text.color": style.INK,
    "text.parse_math": False,
    "xtick.color": style.INK,
    "ytick.color": style.INK,
    "axes.unicode_minus": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
NAMES = {  # variables of the page, with the colour where it has none
    style.INK: "ink", style.MUTED: "muted", style.GRID: "grid", style.PAPER: "paper",
    style.BLUE: "blue", style.RED: "red", style.GREEN: "green", style.PINK: "pink",
    style.AMBER: "amber", style.SKY: "sky",
}  # fmt: skip
_NUMBER = re.compile(r"(\d+\.\d{2})\d+")
_GEOMETRY = re.compile(r' (?:d|x|y|x1|y1|x2|y2|points|transform|width|height)="[^"]*"')
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_COLOR = re.compile("|".join(NAMES))


def drawing(draw: Callable[[Any], Any], name: str, width: float = 5.6, height: float = 3.5) -> str:
    """The `<svg>` of what `draw` does to Axes; `width` and `height` in inches."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    look: dict[Any, Any] = {**mpl.rcParamsDefault, **RC, "svg.hashsalt": f"tamis {name}"}
    with mpl.rc_context(look):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
        draw(figure.subplots())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # letters that the font lacks: the browser has them
            # `savefig` would draw all points twice, once for the layout
            canvas: Any = FigureCanvasSVG(figure)
            canvas.print_svg(out, metadata={"Date": None, "Creator": None})
    return tidy(out.getvalue(), name)


def tidy(svg: str, name: str) -> str:
    """One element without a fixed size, metadata, or ids that another picture may have."""
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.S)  # it would be the whole page's
    head, _, body = svg.partition(">")
    box = re.search(r'viewBox="([^"]*)"', head)
    assert box is not None
    prefix = re.sub(r"\W", "-", name)

    def tag(found: re.Match[str]) -> str:
        """Only tags are changed: what names say stays as it is."""
        text = found[0]
        if text.startswith("<g "):
            text = re.sub(r' id="[^"]*"', "", text)
        text = _GEOMETRY.sub(lambda m: _NUMBER.sub(r"\1", m[0]), text)
        text = _FONT.sub("", text)
        text = _COLOR.sub(lambda m: f"var(--{NAMES[m[0]]},{m[0]})", text)
        text = re.sub(r' id="', f' id="{prefix}-', text)
        return text.replace("url(#", f"url(#{prefix}-").replace('href="#', f'href="#{prefix}-')

    body = re.sub(r">\s+<", "><", re.sub(r"<[^>]+>", tag, body)).strip()
    return (
        f'<svg viewBox="{box[1]}" xmlns="http://www.w3.org/2000/svg"'
        f' xmlns:xlink="http://www.w3.org/1999/xlink" style="stroke-linejoin:round">{body}'
    )
