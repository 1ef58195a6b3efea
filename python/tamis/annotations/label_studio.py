"""Label Studio's JSON and JSON-MIN: percents of the image, turned about the upper left corner."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tamis.annotations.annotations import Annotations
from tamis.annotations.build import Builder
from tamis.annotations.cvat import left_out
from tamis.annotations.files import IMAGES, load_json, suffix
from tamis.annotations.findings import Finding
from tamis.annotations.options import Options
from tamis.annotations.problems import fail

Json = dict[str, Any]
_LABELS = (
    "rectanglelabels",
    "polygonlabels",
    "ellipselabels",
    "labels",
    "brushlabels",
    "keypointlabels",
)


def read_label_studio(path: str, options: Options) -> Annotations:
    """What annotators drew; predictions where no task has an annotation."""
    return _read(path, options, None)


def read_label_studio_predictions(path: str, options: Options) -> Annotations:
    """What models proposed, with their scores."""
    return _read(path, options, "predictions")


def _read(path: str, options: Options, side: str | None) -> Annotations:
    tasks = load_json(path)
    if isinstance(tasks, dict):
        tasks = [tasks]
    if not isinstance(tasks, list) or not all(isinstance(t, dict) for t in tasks):
        raise fail(path, "expected a list of Label Studio's tasks")
    if side is None:
        drawn = any(_chosen(task.get("annotations")) for task in tasks)
        proposed = any(task.get("predictions") for task in tasks)
        side = "annotations" if drawn or not proposed else "predictions"
    reader = _Reader(path, options, side)
    for number, task in enumerate(tasks):
        try:
            reader.task(number, task)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            reader.build.problem(
                0, f"task {task.get('id', number)}: expected Label Studio's values: {what}"
            )
    return reader.finish()


def _chosen(versions: Any) -> Json | None:
    """Of several annotations, the one marked as ground truth, else the first not cancelled."""
    kept = [v for v in versions or () if isinstance(v, dict) and not v.get("was_cancelled")]
    return next((v for v in kept if v.get("ground_truth")), kept[0] if kept else None)


class _Reader:
    def __init__(self, path: str, options: Options, side: str) -> None:
        self.build, self.side = Builder("label_studio", options, "task"), side
        self.build.file(path)
        self.several: list[str] = []
        self.left_out: dict[str, int] = {}

    def task(self, number: int, task: Json) -> None:
        name = self._name(number, task)
        results, version = self._results(task)
        sizes = [(r.get("original_height"), r.get("original_width")) for r in results]
        good = (s for s in sizes if all(isinstance(side, int) and side > 0 for side in s))
        size: Any = next(good, None)
        image = self.build.image(task.get("id", number), name, size)
        labels = {r["id"]: found for r in results if "id" in r and (found := _labels_of(r))}
        for result in results:
            self._result(image, number + 1, result, labels, version)

    def _results(self, task: Json) -> tuple[list[Json], Json]:
        if "annotations" not in task and "predictions" not in task:  # JSON-MIN
            lists = [v for v in task.values() if isinstance(v, list)]
            shapes = [
                s for v in lists for s in v if isinstance(s, dict) and ("x" in s or "points" in s)
            ]
            return [{"value": s, **s} for s in shapes], {"completed_by": task.get("annotator")}
        versions = task.get(self.side) or []
        kept = [v for v in versions if not v.get("was_cancelled")]
        if len(kept) > 1:
            self.several.append(f"task {task.get('id')}: {len(kept)}")
        version = _chosen(versions) or {}
        return list(version.get("result") or []), version

    def _result(
        self, image: int, number: int, result: Json, labels: dict[str, list[str]], version: Json
    ) -> None:
        value = result.get("value") or {}
        names = _labels_of(result) or labels.get(str(result.get("id")), [])
        shaped = ("width" in value and "x" in value) or "points" in value or "radiusX" in value
        kind = str(result.get("type", ""))
        if not shaped or kind.startswith(("keypoint", "choices", "textarea")):
            if "rle" in value or kind.startswith(("keypoint", "brush")):
                self.left_out[kind] = self.left_out.get(kind, 0) + 1
            return
        if kind == "labels" and any(k in result for k in ("parentID",)) and not names:
            return
        if not names:
            raise ValueError(f"a label is missing in result {result.get('id')!r}")
        width, height = result.get("original_width"), result.get("original_height")
        size = self.build.size(image)
        w, h = (size[1], size[0]) if all(size) else (width, height)
        if not w or not h:
            raise ValueError(
                f"original_width and original_height must be there, got {width}, {height}"
            )
        more: Json = {}
        if self.side == "predictions":
            score = result.get("score", version.get("score"))
            more["score"] = 1.0 if score is None else float(score)
        elif version.get("completed_by") is not None:
            by = version["completed_by"]
            name = by.get("email") or by.get("id") if isinstance(by, dict) else by
            more["attributes"] = {"annotator": str(name)}
        for name in names[:1]:
            self.build.row(image, name, number, **_geometry(value, w / 100, h / 100), **more)

    def _name(self, number: int, task: Json) -> str:
        data = task.get("data") if isinstance(task.get("data"), dict) else task
        texts = [v for k, v in data.items() if isinstance(v, str)]  # type: ignore[union-attr]
        for text in sorted(texts, key=lambda t: suffix(urlsplit(t).path) not in IMAGES):
            if suffix(urlsplit(text).path) in IMAGES or "?d=" in text:
                return file_name(text)
        return str(task.get("file_upload") or task.get("id", number))

    def finish(self) -> Annotations:
        for kind, count in self.left_out.items():
            self.build.remarks.append(left_out(count, kind))
        if self.several:
            self.build.remarks.append(
                Finding(
                    "several annotators",
                    "warning",
                    len(self.several),
                    len(self.build.paths),
                    "tasks",
                    "One version a task is read: that marked as ground truth, else the first.",
                    tuple(self.several[:5]),
                )
            )
        return self.build.finish()


def file_name(url: str) -> str:
    """The file of an image's address; the prefix of an upload goes."""
    parts = urlsplit(url)
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0].replace("\\", "/")
    leaf = path.rpartition("/")[2]
    return re.sub(r"^[0-9a-f]{8}-", "", leaf) if "/upload/" in path else leaf


def _labels_of(result: Json) -> list[str]:
    value = result.get("value") or {}
    found: Any = next((value[key] for key in _LABELS if value.get(key)), [])
    return [str(name) for name in found] if isinstance(found, list) else []


def _geometry(value: Json, w: float, h: float) -> Json:
    """In pixels; `w` and `h` are those of a percent."""
    if "points" in value:
        points = [
            x * side for point in value["points"] for x, side in zip(point, (w, h), strict=True)
        ]
        if len(points) < 6:
            raise ValueError(f"a polygon must have 3 points or more, got {len(points) // 2}")
        return {"polygons": [points]}
    angle = float(value.get("rotation") or 0)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    if "radiusX" in value:
        cx, cy, rx, ry = value["x"] * w, value["y"] * h, value["radiusX"] * w, value["radiusY"] * h
        bw, bh = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
        return {"box": (cx - bw, cy - bh, 2 * bw, 2 * bh)}
    x, y, bw, bh = value["x"] * w, value["y"] * h, value["width"] * w, value["height"] * h
    if not angle % 360:
        return {"box": (x, y, bw, bh)}
    cx, cy = x + (bw * cos - bh * sin) / 2, y + (bw * sin + bh * cos) / 2
    return {"oriented": (cx, cy, bw, bh, angle)}
