"""CVAT for images 1.1 XML, and the tracks of CVAT for video 1.1."""

from __future__ import annotations

import math
from typing import Any
from xml.parsers import expat

import numpy as np

from tamis.annotations.annotations import Annotations
from tamis.annotations.build import Builder
from tamis.annotations.files import read_text
from tamis.annotations.findings import Finding
from tamis.annotations.options import Options
from tamis.annotations.problems import fail
from tamis.regions.masks import Masks

SHAPES = {"box", "polygon", "ellipse", "mask"}
_OTHERS = {"polyline", "points", "cuboid", "skeleton"}
_KEPT = {"occluded", "z_order", "group_id", "source", "outside", "keyframe"}


def read_cvat(path: str, options: Options) -> Annotations:
    reader = _Reader(path, options)
    parser = expat.ParserCreate(encoding="utf-8")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text.append
    parser.EntityDeclHandler = reader.entity
    parser.SkippedEntityHandler = reader.entity
    reader.parser = parser
    try:
        parser.Parse(read_text(path).encode(), True)
    except expat.ExpatError as error:
        raise fail(path, f"expected XML: {expat.ErrorString(error.code)}", error.lineno) from None
    return reader.finish()


class _Reader:
    """Handlers of an XML parser: elements as they come, with their lines."""

    parser: Any

    def __init__(self, path: str, options: Options) -> None:
        self.path, self.build = path, Builder("cvat", options)
        self.build.file(path)
        self.open: list[str] = []
        self.text: list[str] = []
        self.labels: list[str] = []
        self.image, self.subset_names = -1, set[str]()
        self.track: dict[str, str] | None = None
        self.shape: dict[str, Any] | None = None
        self.attribute = ""
        self.video_size: dict[str, int] = {}
        self.left_out: dict[str, int] = {}

    def entity(self, name: str, *_: Any) -> None:
        raise fail(
            self.path, f"an entity that is not expanded: {name!r}", self.parser.CurrentLineNumber
        )

    def start(self, name: str, values: dict[str, str]) -> None:
        if not self.open and name != "annotations":
            raise fail(
                self.path,
                f"expected <annotations>, got <{name[:40]}>",
                self.parser.CurrentLineNumber,
            )
        if len(self.open) > 100:
            raise fail(self.path, "elements nested too deep", self.parser.CurrentLineNumber)
        self.open.append(name)
        self.text.clear()
        if name == "image" and len(self.open) == 2:
            self._image(values)
        elif name == "track" and len(self.open) == 2:
            self.track = values
        elif len(self.open) == 3 and self.open[1] in ("image", "track"):
            if name in SHAPES:
                self.shape = {
                    **values,
                    "kind": name,
                    "line": self.parser.CurrentLineNumber,
                    "more": {},
                }
            elif name in _OTHERS:
                self.left_out[name] = self.left_out.get(name, 0) + 1
        elif name == "attribute" and self.shape is not None:
            self.attribute = values.get("name", "")

    def end(self, name: str) -> None:
        self.open.pop()
        text = "".join(self.text).strip()
        self.text.clear()
        if name == "name" and self.open[-2:] == ["labels", "label"]:
            self.labels.append(text)
        elif name in ("width", "height") and self.open[-1:] == ["original_size"] and text.isdigit():
            self.video_size[name] = int(text)
        elif name == "attribute" and self.shape is not None:
            self.shape["more"][self.attribute] = text
        elif self.shape is not None and name == self.shape["kind"] and len(self.open) == 2:
            shape, self.shape = self.shape, None
            try:
                self._shape(shape)
            except (KeyError, ValueError) as error:
                what = f"no {error}" if isinstance(error, KeyError) else str(error)
                self.build.problem(shape["line"], f"expected a <{name}> with its numbers: {what}")
        elif name == "track" and len(self.open) == 1:
            self.track = None

    def _image(self, values: dict[str, str]) -> None:
        name = values.get("name", "")
        try:
            size: tuple[int, int] | None = int(values["height"]), int(values["width"])
        except (KeyError, ValueError):
            size = None
        if not name:
            self.build.problem(self.parser.CurrentLineNumber, "expected an <image> with a name")
        key = name
        if key in self.subset_names:  # two tasks of a project
            key = f"{values.get('subset') or values.get('task_id') or values.get('id')}/{name}"
        self.subset_names.add(key)
        self.image = self.build.image(key, name, size)

    def _shape(self, shape: dict[str, Any]) -> None:
        label, image = shape.get("label"), self.image
        if self.track is not None:
            if shape.get("outside") == "1":
                return
            frame = int(shape["frame"])
            label = label or self.track.get("label")
            size = (self.video_size.get("height", 0), self.video_size.get("width", 0))
            image = self.build.image(f"frame_{frame:06d}", f"frame_{frame:06d}", size)
            shape["more"] = {"track_id": int(self.track.get("id", -1)), **shape["more"]}
        if not label:
            raise ValueError("a label is missing")
        kept = {key: _number(shape[key]) for key in _KEPT if key in shape} | shape["more"]
        line, angle = shape["line"], _float(shape.get("rotation", "0"))
        add = self.build.row
        if shape["kind"] == "polygon":
            points = [_float(x) for pair in shape["points"].split(";") for x in pair.split(",")]
            if len(points) < 6 or len(points) % 2:
                raise ValueError(
                    f"points must be 3 or more pairs x,y, got {shape['points'][:40]!r}"
                )
            return add(image, label, line, polygons=[points], attributes=kept)
        if shape["kind"] == "mask":
            box, mask = _mask(shape, self.build.size(image))
            return add(image, label, line, box=box, mask=mask, attributes=kept)
        if shape["kind"] == "ellipse":
            cx, cy, rx, ry = (_float(shape[key]) for key in ("cx", "cy", "rx", "ry"))
            x0, y0, x1, y1 = cx - rx, cy - ry, cx + rx, cy + ry
            if angle:  # the box around an ellipse is not that around its rectangle
                cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
                w, h = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
                box = (cx - w, cy - h, 2 * w, 2 * h)
                return add(
                    image, label, line, box=box, oriented=(cx, cy, 2 * rx, 2 * ry, angle), **kept
                )
        else:
            x0, y0, x1, y1 = (_float(shape[key]) for key in ("xtl", "ytl", "xbr", "ybr"))
        if angle:
            oriented = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, angle)
            return add(image, label, line, oriented=oriented, attributes=kept)
        add(image, label, line, box=(x0, y0, x1 - x0, y1 - y0), attributes=kept)

    def finish(self) -> Annotations:
        for kind, count in self.left_out.items():
            self.build.remarks.append(left_out(count, kind))
        return self.build.finish(list(dict.fromkeys(self.labels)))


def left_out(count: int, kind: str) -> Finding:
    """Shapes that have no box."""
    effect = f"Shapes of type {kind} have no box: they are not read."
    return Finding("shapes left out", "warning", count, count, f"{kind} shapes", effect)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"expected a number, got {text[:40]!r}") from None


def _number(text: str) -> Any:
    return int(text) if text.lstrip("-").isdigit() and len(text) < 19 else text


def _mask(
    shape: dict[str, Any], size: tuple[int, int]
) -> tuple[tuple[float, ...], dict[str, Any] | None]:
    """The box of a mask, and COCO's encoding of it where the image has a size."""
    left, top, width, height = (
        int(_float(shape[key])) for key in ("left", "top", "width", "height")
    )
    counts = [int(_float(x)) for x in shape["rle"].split(",")]
    if min(counts) < 0 or sum(counts) != width * height:
        raise ValueError(f"rle must cover {width} x {height} pixels, got {sum(counts)}")
    inside = left >= 0 and top >= 0 and left + width <= size[1] and top + height <= size[0]
    if not inside or size[0] * size[1] >= 2**28:
        return (left, top, width, height), None
    pixels = np.zeros(size, bool)
    runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    pixels[top : top + height, left : left + width] = runs.reshape(height, width)
    return (left, top, width, height), Masks.encode(pixels)[0]
