"""A sheet of images with their boxes, as one picture or one page."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared import output as outputs
from tamis.evaluation.kinds import read_masks
from tamis.plots import style
from tamis.reports.crops import View, library, pictures, webp
from tamis.reports.marks import COLORS, KEY, Mark, seen
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
    masks: Sequence[Any] | None = None,
    keypoints: Sequence[Any] | None = None,
    kinds: Sequence[Any] | None = None,
    captions: Sequence[str] | None = None,
    crop: bool = False,
    size: int = 176,
    columns: int | None = None,
    title: str = "Contact sheet",
) -> Any:
    """Images side by side with boxes, masks or keypoints on them.

    Parameters
    ----------
    paths : sequence of paths
        Image files. A missing or broken one becomes a grey tile with its name.
    output : path, optional
        A .png, .webp or .html file to write. Default: a Pillow image is returned.
    boxes : sequence of (n, 4) arrays or None, optional
        Of each image, xyxy in its pixels.
    masks : sequence of Masks, lists of RLE dicts, (n, h, w) arrays or None, optional
        Of each image, instead of `boxes`: of its size.
    keypoints : sequence of (n, k, 2) or (n, k, 3) arrays or None, optional
        Of each image, instead of `boxes`: x, y and visibility, without which all are drawn. Those
        of 17 points are joined as COCO's people are.
    kinds : sequence of sequences of str, optional
        Of each box, mask or object with keypoints: ``"box"`` (the default), ``"gt"``, ``"tp"``,
        ``"fp"`` or ``"fn"``, which have colours of their own.
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
    marks = _marks(name, len(files), kinds, boxes=boxes, masks=masks, keypoints=keypoints)
    views = [View(path, own, crop, size) for path, own in zip(files, marks, strict=True)]
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


def _marks(name: str, n: int, kinds: Any, **regions: Any) -> list[list[Mark]]:
    """Of each image its marks, from the one argument that is given."""
    given = [what for what, value in regions.items() if value is not None]
    if len(given) > 1:
        raise TypeError(f"{name}: {given[0]} and {given[1]} cannot be given together")
    if not given:
        if kinds is not None:
            raise TypeError(f"{name}: kinds need boxes, masks or keypoints")
        return [[] for _ in range(n)]
    what = given[0]
    read = {"boxes": _of_boxes, "masks": _of_masks, "keypoints": _of_keypoints}[what]
    own = [None] * n if kinds is None else _entries(name, "kinds", kinds, n)
    out = []
    for i, (one, its) in enumerate(zip(_entries(name, what, regions[what], n), own, strict=True)):
        found = [] if one is None else read(name, f"{what}[{i}]", one)
        words = ["box"] * len(found) if its is None else _entries(name, f"kinds[{i}]", its)
        if len(words) != len(found) or not all(isinstance(k, str) and k in COLORS for k in words):
            raise ValueError(
                f"{name}: kinds[{i}] must be {len(found)} of {', '.join(COLORS)}, got {words}"
            )
        out.append([Mark(box, k, region) for (box, region), k in zip(found, words, strict=True)])
    return out


def _finite(name: str, what: str, given: Any, shape: str, fits: Any) -> Any:
    """Numbers of a shape, within FARTHEST; none where they are empty."""
    try:
        rows = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: {what} must be {shape} numbers, got {given!r}") from None
    if rows.size == 0:
        return []
    if not fits(rows.shape) or not np.isfinite(rows).all():
        raise ValueError(f"{name}: {what} must be finite of shape {shape}, got {rows.shape}")
    if np.abs(rows).max() > FARTHEST:
        raise ValueError(f"{name}: {what} must be within {FARTHEST:g} pixels, got {given!r}")
    return rows


def _of_boxes(name: str, what: str, given: Any) -> list[tuple[Any, Any]]:
    rows = _finite(name, what, given, "(n, 4)", lambda shape: shape[1:] == (4,))
    return [(box, None) for box in rows]


def _of_masks(name: str, what: str, given: Any) -> list[tuple[Any, Any]]:
    masks = read_masks(name, what, given, None)
    boxes = masks.to_bbox()
    boxes[:, 2:] += boxes[:, :2]
    return [(box, masks[i : i + 1]) for i, box in enumerate(boxes)]


def _of_keypoints(name: str, what: str, given: Any) -> list[tuple[Any, Any]]:
    rows = _finite(
        name, what, given, "(n, k, 3)", lambda shape: len(shape) == 3 and shape[2] in (2, 3)
    )
    if len(rows) and rows.shape[2] == 2:
        rows = np.concatenate([rows, np.ones_like(rows[:, :, :1])], axis=2)
    out = []
    for points in seen(rows, all_else=True) if len(rows) else ():
        there = points[points[:, 2] > 0, :2]
        out.append((np.concatenate([there.min(0), there.max(0)]), points))
    return out


def _page(views: Sequence[View], made: Sequence[Any], words: Sequence[str], title: str) -> str:
    tiles = [
        Tile(None if image is None else webp(image), word)
        for image, word in zip(made, words, strict=True)
    ]
    drawn = {mark.kind for view in views for mark in view.marks}
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
