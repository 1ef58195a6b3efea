"""A report as data, and as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import tamis._core as _core
from tamis.plots.svg import drawing
from tamis.reports import interactive
from tamis.reports.methods import METHODS


@dataclass(frozen=True)
class Cell:
    """What a table shows, what it is sorted by, and the length of a bar, 0 to 1."""

    text: str
    value: float | str | None = None
    bar: float | None = None
    tone: str = ""  # "good" or "bad"


@dataclass(frozen=True)
class Table:
    """Sortable by each column; numbers stand on the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: str = "table"

    @property
    def numeric(self) -> list[bool]:
        return [
            any(isinstance(row[i].value, float) for row in self.rows)
            for i in range(len(self.columns))
        ]


@dataclass(frozen=True)
class Figure:
    """A drawing, and what it shows in words."""

    svg: str
    alt: str
    caption: str
    wide: bool = False
    kind: str = "figure"


@dataclass(frozen=True)
class Tile:
    """One picture of a gallery; without `data` only its name is shown."""

    data: bytes | None
    title: str
    lines: Sequence[str] = ()
    group: str = ""

    @property
    def source(self) -> str:
        assert self.data is not None
        return "data:image/webp;base64," + base64.b64encode(self.data).decode()


@dataclass(frozen=True)
class Gallery:
    """Tiles, which buttons filter by group where there are several; and what boxes mean."""

    caption: str
    tiles: Sequence[Tile]
    key: Sequence[tuple[str, str]] = ()  # colour, what it is
    wide: bool = False
    kind: str = "gallery"

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(t.group for t in self.tiles if t.group))


@dataclass(frozen=True)
class Numbers:
    """A row of large numbers: what it is, the number, and what is said below."""

    items: Sequence[tuple[str, str, str]]
    kind: str = "numbers"


@dataclass(frozen=True)
class Text:
    lines: Sequence[str]
    kind: str = "text"


@dataclass(frozen=True)
class Finding:
    """One thing `Annotations.check` says."""

    severity: str
    head: str
    effect: str
    examples: Sequence[str]
    kind: str = "finding"


@dataclass
class Section:
    name: str  # its anchor
    title: str
    blocks: list[Any] = field(default_factory=list)
    how: tuple[str, ...] = ()  # keys of METHODS


def number(value: float, digits: int = 3, *, bar: bool = False, sign: str = "") -> Cell:
    """A number, a dash for NaN and for -1, which says there is no ground truth."""
    value = float(value)
    if math.isnan(value) or (value == -1 and not sign):
        return Cell("-", -1e300)
    return Cell(f"{value:{sign}.{digits}f}", value, min(max(value, 0), 1) if bar else None)


def count(value: int) -> Cell:
    return Cell(f"{int(value):,}", float(value))


def picture(
    name: str, draw: Callable[[Any], Any], alt: str, caption: str, *, width: float = 5.4,
    height: float = 3.7, wide: bool = False,
) -> Figure:  # fmt: skip
    return Figure(drawing(draw, name, width, height), alt, caption, wide)


def render(title: str, subtitle: str, sections: Sequence[Section], date: str | None) -> str:
    """The page; autoescape is on, as names of files and classes are anybody's."""
    try:
        import jinja2
        from markupsafe import Markup
    except ImportError:
        raise ImportError("report: jinja2 is missing: pip install tamis[report]") from None
    folder = importlib.resources.files("tamis.reports") / "templates"
    html, css, script = (
        (folder / name).read_text("utf-8") for name in ("report.html", "report.css", "report.js")
    )
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    used = dict.fromkeys(key for section in sections for key in section.how)
    scripts = [script]
    if any(block.kind == "interactive" for section in sections for block in section.blocks):
        scripts += [*interactive.scripts(), (folder / "map.js").read_text("utf-8")]
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    page: str = environment.from_string(html).render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        date=date,
        css=Markup(css),
        scripts=scripts,
        digests=[base64.b64encode(digest).decode() for digest in digests],
        version=_core.__version__,
        methods={key: METHODS[key] for key in used},
        svg=Markup,
    )
    return page  # fmt: skip
