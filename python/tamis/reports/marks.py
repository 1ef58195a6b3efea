"""What is drawn on a picture for an object: its box, oriented box, mask or keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations
from tamis.plots import style
from tamis.regions.masks import Masks

YELLOW = "#f0e442"  # the seventh of Okabe and Ito: bright on any image
COLORS = {"gt": style.SKY, "tp": style.SKY, "fp": style.RED, "fn": YELLOW, "box": style.SKY}
KEY = {
    "gt": "ground truth", "tp": "found", "fp": "wrong detection", "fn": "missed", "box": "box",
}  # fmt: skip
EDGE = "#00000090"  # about lines, so that they are seen on any image
FILL = 80  # of 255
PEOPLE = (  # COCO's skeleton of 17 points, from 0
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6),
)  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """One object, in pixels of its image file."""

    box: Sequence[float]  # xyxy: what a crop is about, and what is drawn without a region
    kind: str = "box"  # key of COLORS
    region: Any = None  # `Masks` of one, (k, 2) corners, or (k, 3) keypoints with visibilities


class Marker:
    """Makes the marks of rows, with the regions that an evaluation compares."""

    def __init__(self, rows: Annotations, iou_type: str) -> None:
        self.boxes = rows.xyxy
        self.masks = rows.masks if iou_type in ("segm", "boundary") else None
        self.corners = rows.corners() if iou_type == "obb" else None
        points = rows.keypoints if iou_type == "keypoints" else None
        self.points = None if points is None else seen(points, all_else=rows.scores is not None)

    def __call__(self, row: int, kind: str) -> Mark:
        region: Any = None
        if self.masks is not None:
            region = self.masks[row : row + 1]
        elif self.corners is not None:
            region = self.corners[row]
        elif self.points is not None:
            region = self.points[row]
        return Mark(self.boxes[row], kind, region)


def seen(points: Array, *, all_else: bool) -> Array:
    """Keypoints without NaN; with `all_else` all are visible of a row where none is."""
    out = np.nan_to_num(points, nan=0.0)
    if all_else:
        out[(out[:, :, 2] <= 0).all(axis=1), :, 2] = 1
    return out


@dataclass(frozen=True)
class Part:
    """The part of an image file that a picture shows, in pixels of the file."""

    left: float
    top: float
    zoom: float  # pixels of the picture for one of the file

    def place(self, x: float, y: float) -> tuple[float, float]:
        return (x - self.left) * self.zoom, (y - self.top) * self.zoom


def draw(PIL: Any, picture: Any, mark: Mark, part: Part) -> None:
    """Draw a mark on a picture."""
    color, region = COLORS[mark.kind], mark.region
    if isinstance(region, Masks):
        _mask(PIL, picture, region, part, color)
        return
    pen = PIL.ImageDraw.Draw(picture, "RGBA")  # blends the dark edge
    if region is None or (region.shape[1] == 3 and not (region[:, 2] > 0).any()):
        _box(pen, mark.box, part, color)
    elif region.shape[1] == 2:
        around = [part.place(x, y) for x, y in region.tolist()]
        _lines(
            pen, [list(pair) for pair in zip(around, around[1:] + around[:1], strict=True)], color
        )
    else:
        _keypoints(pen, region, part, color)


def _box(pen: Any, box: Sequence[float], part: Part, color: str) -> None:
    (x0, y0), (x1, y1) = part.place(*map(float, box[:2])), part.place(*map(float, box[2:]))
    x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    pen.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=EDGE)
    pen.rectangle((x0, y0, x1, y1), outline=color, width=2)


def _lines(pen: Any, lines: Sequence[Any], color: str) -> None:
    for width, ink in ((4, EDGE), (2, color)):
        for line in lines:
            pen.line(line, fill=ink, width=width)


def _keypoints(pen: Any, points: Array, part: Part, color: str) -> None:
    """Points that are visible, and the bones between them of COCO's people."""
    at = [part.place(x, y) for x, y in points[:, :2].tolist()]
    there = points[:, 2] > 0
    bones = PEOPLE if len(points) == 17 else ()
    _lines(pen, [[at[a], at[b]] for a, b in bones if there[a] and there[b]], color)
    for i in np.flatnonzero(there).tolist():
        x, y = at[i]
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=color, outline=EDGE)


def _mask(PIL: Any, picture: Any, mask: Masks, part: Part, color: str) -> None:
    """A faint fill, and the outline within the mask."""
    whole = PIL.Image.fromarray(mask.decode()[0] * np.uint8(255))
    wide, high = (side / part.zoom for side in picture.size)
    left, top = min(part.left, whole.width), min(part.top, whole.height)
    right, bottom = min(left + wide, whole.width), min(top + high, whole.height)
    if right <= left or bottom <= top:
        return
    size = tuple(max(1, round(side * part.zoom)) for side in (right - left, bottom - top))
    shown = whole.resize(size, PIL.Image.Resampling.BILINEAR, (left, top, right, bottom))
    least = min(128, shown.getextrema()[1])  # what is smaller than a pixel is seen too
    if least == 0:
        return
    layer = PIL.Image.new("L", picture.size)
    layer.paste(shown.point([255 * (v >= least) for v in range(256)]))
    outside = layer.filter(PIL.ImageFilter.MaxFilter(3))
    inside = layer.filter(PIL.ImageFilter.MinFilter(5))
    subtract = PIL.ImageChops.subtract
    picture.paste(color, mask=layer.point([FILL * (v > 0) for v in range(256)]))
    picture.paste(
        "black", mask=subtract(outside, layer).point([v * 0x90 // 255 for v in range(256)])
    )
    picture.paste(color, mask=subtract(layer, inside))
