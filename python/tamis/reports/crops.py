"""Frames and crops of images with marks on them, read in parallel."""

from __future__ import annotations

import io
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamis._shared.threads import num_threads
from tamis.reports.marks import Mark, Part, draw

MARGIN = 0.35  # of a crop about its boxes
QUALITY = 72
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class View:
    """One tile: a file, the marks on it, and whether to crop about them."""

    path: str | None
    marks: Sequence[Mark] = ()
    crop: bool = False
    size: int = 176


def library() -> Any:
    try:
        import PIL.Image
        import PIL.ImageChops
        import PIL.ImageDraw
        import PIL.ImageFilter
        import PIL.ImageFont
    except ImportError:
        raise ImportError("report: Pillow is missing: pip install tamis[report]") from None
    return PIL


def pictures(views: Sequence[View]) -> list[Any]:
    """A Pillow image of each; None where the file is missing or cannot be read."""
    library()
    at = defaultdict(list)
    for i, view in enumerate(views):
        if view.path is not None:
            at[view.path].append(i)
    out: list[Any] = [None] * len(views)

    def read(path: str) -> None:
        for i, made in zip(at[path], _of_file(path, [views[i] for i in at[path]]), strict=True):
            out[i] = made

    with ThreadPoolExecutor(max(1, num_threads())) as pool:
        list(pool.map(read, at))
    return out


def webp(image: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def _of_file(path: str, views: list[View]) -> list[Any]:
    PIL = library()
    try:
        with PIL.Image.open(path) as opened:
            width = opened.size[0]
            if not any(view.crop for view in views):  # JPEG decodes at a fraction of its size
                most = max(view.size for view in views)
                opened.draft("RGB", (most, most))
            image = opened.convert("RGB")
    except Exception:  # whatever a broken file does to a decoder
        return [None] * len(views)
    return [_tile(PIL, image, image.size[0] / width, view) for view in views]


def _tile(PIL: Any, image: Any, scale: float, view: View) -> Any:
    left, top, right, bottom = 0.0, 0.0, *map(float, image.size)
    if view.crop and view.marks:
        left, top, right, bottom = _around([mark.box for mark in view.marks], image.size)
    window = image.crop((int(left), int(top), int(right), int(bottom)))
    zoom = view.size / max(window.size)
    size = tuple(max(1, round(side * zoom)) for side in window.size)
    window = window.resize(size, PIL.Image.Resampling.BILINEAR)
    part = Part(int(left) / scale, int(top) / scale, zoom * scale)
    for mark in view.marks:
        draw(PIL, window, mark, part)
    return window


def _around(boxes: Sequence[Any], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A window about the boxes with a margin, at least 24 pixels, within the image."""
    low = [min(float(box[i]) for box in boxes) for i in (0, 1)]
    high = [max(float(box[i]) for box in boxes) for i in (2, 3)]
    side = max(24.0, (1 + 2 * MARGIN) * max(high[0] - low[0], high[1] - low[1]))
    edges = []
    for i in (0, 1):
        middle = (low[i] + high[i]) / 2
        begin = min(max(middle - side / 2, 0), max(size[i] - side, 0))
        edges.append((begin, max(begin + 1, min(begin + side, size[i]))))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


class Folder:
    """Image files by the names that label files use; nothing outside the folder is opened."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(os.path.abspath(root))
        if not self.root.is_dir():
            raise ValueError(f"report: images must be a folder, got {os.fspath(root)!r}")
        self._by_stem: dict[str, str] | None = None

    def find(self, name: str) -> str | None:
        """The file of that name, else the only one with its stem; None without one."""
        try:
            for candidate in (self.root / name, self.root / Path(name).name):
                path = os.path.normpath(candidate)  # links within are the owner's own
                if Path(path).is_relative_to(self.root) and os.path.isfile(path):
                    return path
        except (OSError, ValueError):  # names that no file can have
            return None
        if self._by_stem is None:
            files = sorted(p for p in self.root.rglob("*") if p.suffix.lower() in SUFFIXES)
            self._by_stem = {}
            for file in files:
                self._by_stem.setdefault(file.stem, str(file))
        return self._by_stem.get(Path(name).stem)
