"""CVAT for images 1.1 XML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations

_OWN = {"occluded": 0, "z_order": 0, "source": "manual", "group_id": None}
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_cvat(annotations: Annotations, file: IO[str]) -> None:
    a = annotations
    names = [
        a.label_name(label) for label in (a.classes or dict.fromkeys(np.unique(a.labels).tolist()))
    ]
    file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
    file.write("  <meta>\n    <task>\n      <labels>\n")
    for name in names:
        file.write(f"        <label>\n          <name>{_text(name)}</name>\n        </label>\n")
    file.write("      </labels>\n    </task>\n  </meta>\n")
    oriented = a.as_obb().boxes if a.fmt == "obb" or a.oriented is not None else None
    for image in range(a.n_images):
        height, width = a.image_sizes[image].tolist()
        tag = _tag("image", id=image, name=a.image_name(image), width=width, height=height)
        file.write(f"  {tag}>\n")
        for row in range(a.splits[image], a.splits[image + 1]):
            for line in _shapes(a, row, oriented):
                file.write(line)
        file.write("  </image>\n")
    file.write("</annotations>\n")


def _shapes(a: Annotations, row: int, oriented: Array | None) -> Iterator[str]:
    values: dict[str, Any] = {"label": a.label_name(int(a.labels[row]))}
    for key, default in _OWN.items():
        value = a.attributes[key][row] if key in a.attributes else default
        if value is not None and not (key == "group_id" and value in (-1, "")):
            values[key] = value
    polygons = a.shapes.polygons(row) if a.shapes is not None and a.fmt == "xywh" else []
    if len(polygons) > 1 and "group_id" not in values:
        values["group_id"] = row + 1
    inside = "".join(_attributes(a, row))
    if polygons:
        for polygon in polygons:
            points = ";".join(
                f"{x!r},{y!r}" for x, y in zip(polygon[0::2], polygon[1::2], strict=True)
            )
            yield _element("polygon", {**values, "points": points}, inside)
    elif a.shapes is not None and a.shapes.given[row]:
        yield _element("mask", {**values, **_mask(a, row)}, inside)
    elif oriented is not None and oriented[row, 4]:
        cx, cy, w, h, angle = oriented[row].tolist()
        corners = {"xtl": cx - w / 2, "ytl": cy - h / 2, "xbr": cx + w / 2, "ybr": cy + h / 2}
        yield _element("box", {**values, **corners, "rotation": angle % 360}, inside)
    else:
        x0, y0, x1, y1 = a.xyxy[row].tolist()
        yield _element("box", {**values, "xtl": x0, "ytl": y0, "xbr": x1, "ybr": y1}, inside)


def _attributes(a: Annotations, row: int) -> Iterator[str]:
    columns = {key: value for key, value in a.attributes.items() if key not in _OWN}
    if a.scores is not None:
        columns["score"] = a.scores
    for key, column in columns.items():
        if str(column[row]) not in ("", "nan"):
            yield f"      <attribute name={_quoted(key)}>{_text(column[row])}</attribute>\n"


def _mask(a: Annotations, row: int) -> dict[str, Any]:
    """Runs of the rows within the box around a run-length mask."""
    assert a.shapes is not None
    packed = a.shapes.take(np.array([row]))
    masks = packed.masks(packed.extent)
    x, y, w, h = masks.to_bbox()[0].astype(np.int64).tolist()
    pixels = masks.decode()[0][y : y + h, x : x + w].reshape(-1)
    ends = np.flatnonzero(np.diff(pixels)) + 1
    runs = np.diff(np.concatenate([[0], ends, [len(pixels)]])).tolist()
    if len(pixels) and pixels[0]:
        runs = [0, *runs]
    return {"rle": ", ".join(map(str, runs)), "left": x, "top": y, "width": w, "height": h}


def _element(name: str, values: dict[str, Any], inside: str) -> str:
    return f"    {_tag(name, **values)}>\n{inside}    </{name}>\n"


def _tag(tag: str, /, **values: Any) -> str:
    return f"<{tag} " + " ".join(f"{key}={_quoted(value)}" for key, value in values.items())


def _clean(value: Any) -> str:
    text = repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)
    return _FORBIDDEN.sub("?", text)


def _quoted(value: Any) -> str:
    return quoteattr(_clean(value))


def _text(value: Any) -> str:
    return escape(_clean(value))
