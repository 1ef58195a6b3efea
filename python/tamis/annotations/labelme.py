"""LabelMe JSON: one file an image."""

from __future__ import annotations

import math
import os
from typing import Any

from tamis.annotations.annotations import Annotations
from tamis.annotations.build import Builder
from tamis.annotations.cvat import left_out
from tamis.annotations.files import load_json, walk
from tamis.annotations.names import names_of
from tamis.annotations.options import Options, header_sizes
from tamis.annotations.problems import AnnotationError, fail
from tamis.annotations.shapes import outline

Json = dict[str, Any]
_NO_BOX = {"point", "points", "line", "linestrip"}


def read_labelme(path: str, options: Options) -> Annotations:
    """One file, or all below a folder."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    files = walk(path, {".json"}) if os.path.isdir(path) else [os.path.basename(path)]
    if not files:
        raise fail(path, "expected LabelMe files (.json), got none")
    build, dropped = Builder("labelme", options, "shape"), dict[str, int]()
    read: list[tuple[str, Json]] = []
    for name in files:
        try:
            read.append((name, _load(os.path.join(folder, name))))
        except AnnotationError as error:
            build.problems.found.extend(error.problems)
    written = [str(data.get("imagePath") or "") for _, data in read]
    ids, names, remarks = names_of([name for name, _ in read], written)
    build.remarks.extend(remarks)
    for (name, data), key, image_name in zip(read, ids, names, strict=True):
        build.file(os.path.join(folder, name))
        image = build.image(key, image_name, _size(data, build.paths[-1]))
        _shapes(build, image, data["shapes"], dropped)
    for kind, count in dropped.items():
        build.remarks.append(left_out(count, kind))
    return build.finish()


def _load(path: str) -> Json:
    data = load_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise fail(path, "expected LabelMe's object with a list 'shapes'")
    return data


def _size(data: Json, path: str) -> tuple[int, int] | None:
    size = data.get("imageHeight"), data.get("imageWidth")
    if all(isinstance(s, int) and s > 0 for s in size):
        return size  # type: ignore[return-value]
    beside = os.path.join(
        os.path.dirname(path), str(data.get("imagePath") or "").replace("\\", "/")
    )
    sizes, _ = header_sizes([beside])
    height, width = sizes[0].tolist()
    return (height, width) if height else None


def _shapes(build: Builder, image: int, shapes: list[Any], dropped: dict[str, int]) -> None:
    """Polygons of one label and group are one object, as LabelMe's own converters have it."""
    groups: dict[tuple[str, Any], Json] = {}
    for number, shape in enumerate(shapes, 1):
        try:
            kind = str(shape.get("shape_type") or "polygon")
            label, points = str(shape["label"]), [tuple(map(float, p)) for p in shape["points"]]
            if kind in _NO_BOX:
                dropped[kind] = dropped.get(kind, 0) + 1
                continue
            more = {
                "group_id": -1 if shape.get("group_id") is None else shape["group_id"],
                **_flags(shape),
            }
            key = (
                (label, shape["group_id"])
                if shape.get("group_id") is not None
                else (label, f"#{number}")
            )
            geometry = _geometry(kind, points)
            if "polygons" in geometry and key in groups:
                groups[key]["polygons"].extend(geometry["polygons"])
                continue
            row = {"label": label, "line": number, **geometry, "attributes": more}
            groups[key if "polygons" in geometry else (label, f"#{number}")] = row
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            build.problem(0, f"shape {number}: expected a label and points: {what}")
    for row in groups.values():
        build.row(image, **row)


def _flags(shape: Json) -> Json:
    flags = shape.get("flags")
    known = flags if isinstance(flags, dict) else {}
    return {
        str(k): int(v) for k, v in known.items() if isinstance(v, bool) and str(k).isidentifier()
    }


def _geometry(kind: str, points: list[tuple[float, ...]]) -> Json:
    if any(len(p) != 2 for p in points):
        raise ValueError("points must be pairs x, y")
    x, y = [p[0] for p in points], [p[1] for p in points]
    if kind == "circle":
        if len(points) != 2:
            raise ValueError(f"a circle has 2 points, got {len(points)}")
        radius = math.dist(*points)
        return {"box": (x[0] - radius, y[0] - radius, 2 * radius, 2 * radius)}
    if kind in ("rectangle", "mask"):
        if len(points) < 2:
            raise ValueError(f"a {kind} has 2 points, got {len(points)}")
        return {"box": outline([v for p in points for v in p])}
    if len(points) < 3:
        raise ValueError(f"a {kind} has 3 points or more, got {len(points)}")
    return {"polygons": [[v for p in points for v in p]]}
