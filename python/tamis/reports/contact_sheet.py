"""A sheet of images with their boxes, as one picture or one page."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared import output as outputs
from tamis.plots import style
from tamis.reports.crops import COLORS, KEY, View, library, pictures, webp
from tamis.reports.page import Gallery, Section, Tile, render

LINE, GAP = 14, 10  # pixels of a line of text, and between tiles
GREY = "#c9ced4"
SUFFIXES = (".png", ".webp", ".html")
FARTHEST = 1e9  # pixels of a box


def contact_sheet(
    paths: Sequence[Any],
    output: str | os.PathLike[str] | None = None,
    *,
    boxes: Sequence[Any] | None = None,
    kinds: Sequence[Any] | None = None,
    captions: Sequence[str] | None = None,
    crop: bool = False,
    size: int = 176,
    columns: int | None = None,
    title: str = "Contact sheet",
) -> Any:
    """Images side by side with boxes on them.

    Parameters
    ----------
    paths : sequence of paths
        Image files. A missing or broken one becomes a grey tile with its name.
    output : path, optional
        A .png, .webp or .html file to write. Default: a Pillow image is returned.
    boxes : sequence of (n, 4) arrays or None, optional
        Of each image, xyxy in its pixels.
    kinds : sequence of sequences of str, optional
        Of each box: ``"box"`` (the default), ``"gt"``, ``"tp"``, ``"fp"`` or ``"fn"``, which have
        colours of their own.
    captions : sequence of str, optional
        Below each tile. Default: the name of the file.
    crop : bool, default False
        Only what is about the boxes.
    size : int, default 176
        Longer side of a tile, pixels.
    columns : int, optional
        Default: about as many as rows.
    title : str
        Of an .html file.

    Returns
    -------
    PIL.Image.Image, or None where a file was written

    Raises
    ------
    ImportError
        Without Pillow, or Jinja2 for .html.
    TypeError, ValueError
        For arguments that do not fit, before an image is read.

    Notes
    -----
    Images are read in parallel, by as many threads as tamis may use; JPEG files that are not
    cropped at a fraction of their size. Memory: one decoded image a thread, and the sheet.

    Examples
    --------
    >>> tamis.contact_sheet(["a.jpg", "b.jpg"], "sheet.png", boxes=[a, b])  # doctest: +SKIP
    """
    name = "contact_sheet"
    size = arrays.check_integer(name, "size", size, 16, 4096)
    crop = arrays.check_flag(name, "crop", crop)
    files = [arrays.path_of(name, "paths", path) for path in _entries(name, "paths", paths)]
    if columns is not None:
        columns = arrays.check_integer(name, "columns", columns, 1, max(1, len(files)))
    if not isinstance(title, str):
        raise TypeError(f"{name}: title must be a str, got {type(title).__name__}")
    views = [
        View(path, drawn, crop, size)
        for path, drawn in zip(files, _boxes(name, len(files), boxes, kinds), strict=True)
    ]
    words = [os.path.basename(path) for path in files]
    if captions is not None:
        words = [str(word) for word in _entries(name, "captions", captions, len(files))]
    suffix = None
    if output is not None:
        outputs.check(f"{name}: output", output, files)
        suffix = os.path.splitext(os.fspath(output))[1].lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"{name}: output must end in {', '.join(SUFFIXES)}, got {output!r}")
    made = pictures(views)
    if suffix == ".html":
        page = _page(views, made, words, title)
        outputs.write(f"{name}: output", output or "", lambda f: f.write(page.encode()))
        return None
    sheet = _sheet(made, words, size, columns)
    if output is None:
        return sheet
    kind = "PNG" if suffix == ".png" else "WEBP"
    outputs.write(f"{name}: output", output, lambda file: sheet.save(file, kind))
    return None


def _entries(name: str, what: str, given: Any, n: int | None = None) -> list[Any]:
    """A sequence as a list, of one entry a path."""
    if not isinstance(given, (list, tuple)) and not (
        isinstance(given, np.ndarray) and given.ndim > 0
    ):
        raise TypeError(f"{name}: {what} must be a sequence, got {type(given).__name__}")
    if n is not None and len(given) != n:
        raise ValueError(f"{name}: {what} must be {n}, one entry a path, got {len(given)}")
    return list(given)


def _boxes(name: str, n: int, boxes: Any, kinds: Any) -> list[list[tuple[Any, str]]]:
    """Of each image its boxes with their kinds."""
    if boxes is None:
        if kinds is not None:
            raise TypeError(f"{name}: kinds need boxes")
        return [[] for _ in range(n)]
    own = [None] * n if kinds is None else _entries(name, "kinds", kinds, n)
    return [
        _of_image(name, i, one, its)
        for i, (one, its) in enumerate(zip(_entries(name, "boxes", boxes, n), own, strict=True))
    ]


def _of_image(name: str, i: int, boxes: Any, kinds: Any) -> list[tuple[Any, str]]:
    try:
        rows = np.empty((0, 4)) if boxes is None else np.asarray(boxes, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: boxes[{i}] must be (n, 4) numbers, got {boxes!r}") from None
    if rows.size == 0:
        rows = rows.reshape(0, 4)
    if rows.ndim != 2 or rows.shape[1] != 4 or not np.isfinite(rows).all():
        raise ValueError(f"{name}: boxes[{i}] must be finite of shape (n, 4), got {rows.shape}")
    if np.abs(rows).max(initial=0) > FARTHEST:
        raise ValueError(f"{name}: boxes[{i}] must be within {FARTHEST:g} pixels, got {boxes!r}")
    own = ["box"] * len(rows) if kinds is None else _entries(name, f"kinds[{i}]", kinds)
    if len(own) != len(rows) or not all(isinstance(k, str) and k in COLORS for k in own):
        raise ValueError(
            f"{name}: kinds[{i}] must be {len(rows)} of {', '.join(COLORS)}, got {own}"
        )
    return list(zip(rows.tolist(), own, strict=True))


def _page(views: Sequence[View], made: Sequence[Any], words: Sequence[str], title: str) -> str:
    tiles = [
        Tile(None if image is None else webp(image), word)
        for image, word in zip(made, words, strict=True)
    ]
    drawn = {kind for view in views for _, kind in view.boxes}
    key = [(COLORS[kind], KEY[kind]) for kind in COLORS if kind in drawn]
    gallery = Gallery(f"{len(tiles):,} images", tiles, key, wide=max(v.size for v in views) > 220)
    return render(title, f"{len(tiles):,} images", [Section("sheet", "Images", [gallery])], None)


def _sheet(made: Sequence[Any], words: Sequence[str], size: int, columns: int | None) -> Any:
    PIL = library()
    n = max(1, len(made))
    across = columns or max(1, round(math.sqrt(n)))
    down = -(-n // across)
    cell = size + GAP
    sheet = PIL.Image.new("RGB", (across * cell + GAP, down * (cell + LINE) + GAP), "white")
    pen, font = PIL.ImageDraw.Draw(sheet), PIL.ImageFont.load_default(11)
    for i, (image, word) in enumerate(zip(made, words, strict=True)):
        left, top = GAP + i % across * cell, GAP + i // across * (cell + LINE)
        if image is None:
            image = PIL.Image.new("RGB", (size, size), GREY)
        width, height = image.size
        sheet.paste(image, (left + (size - width) // 2, top + (size - height) // 2))
        text = style.short(word, max(4, size // 6))
        pen.text((left, top + size + 2), text, fill=style.INK, font=font)
    return sheet


__all__ = ["contact_sheet"]
