"""YOLO label files: boxes, polygons, keypoints and oriented boxes, with and without confidences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations, Source, object_array
from tamis.annotations.files import encoded, text_of
from tamis.annotations.findings import Finding
from tamis.annotations.options import Options
from tamis.annotations.problems import Problems, fail
from tamis.annotations.shapes import Shapes, outlines, smallest_rectangles
from tamis.annotations.yolo_dataset import list_dataset
from tamis.annotations.yolo_layout import Layout, find_layout
from tamis.annotations.yolo_listing import Listing

_FARTHEST = 10.0  # of a relative coordinate: farther out it is not one


@dataclass
class Rows:
    """The rows of the compiled reader; `counts` are the numbers per row without the class."""

    labels: Array
    values: Array
    starts: Array
    counts: Array
    lines: Array
    image: Array

    @cached_property
    def whole(self) -> Array | None:
        """(n, numbers of a row), None where not all rows have as many."""
        even = len(self.counts) > 0 and (self.counts == self.counts[0]).all()
        return self.values.reshape(len(self.counts), -1) if even else None

    def table(self, width: int) -> Array:
        """(n, width) the first numbers of all rows."""
        if self.whole is not None and self.whole.shape[1] >= width:
            return self.whole[:, :width]
        return self.values[self.starts[:, None] + np.arange(width)]


def read_yolo(path: str, options: Options) -> Annotations:
    """A data.yaml, a Darknet .data file, a folder, a list of images, or one label file."""
    problems = Problems()
    listing = list_dataset(path, options, problems)
    found = _core.read_yolo_files(encoded(listing.labels))
    for file, line, text in found["problems"]:
        problems.add(listing.labels[file], line, text.decode(errors="replace"))
    splits = found["value_splits"]
    counts = np.diff(splits)
    rows = Rows(
        found["labels"], found["values"], splits[:-1], counts, found["lines"],
        np.repeat(np.arange(len(listing.labels)), np.diff(found["row_splits"])),
    )  # fmt: skip
    classes = _classes(rows, [text_of(t) for t in found["texts"]], listing, options, problems)
    layout = find_layout(rows, listing, options, problems)
    problems.raise_if_any()
    columns = _columns(rows, layout, listing.sizes[rows.image], problems, listing)
    problems.raise_if_any()
    if len(rows.labels) == 0 and options.like is not None:
        columns["scores"] = np.empty(0)  # results of a detector that found nothing
    missing = int(found["missing"].sum())
    remarks = list(listing.remarks)
    if missing == len(listing.labels) > 0:
        raise fail(path, f"expected label files such as {listing.labels[0]}, but there is none")
    if missing:
        names = [listing.names[i] for i in np.flatnonzero(found["missing"])[:5]]
        remarks.append(
            Finding(
                "images without label file",
                "note",
                missing,
                len(listing.labels),
                "images",
                "They count as images without objects.",
                tuple(names),
            )
        )
    return Annotations(
        labels=rows.labels, splits=found["row_splits"], image_ids=object_array(listing.ids),
        image_sizes=listing.sizes, image_names=tuple(listing.names), format="yolo",
        source=Source(tuple(listing.labels), rows.image, rows.lines), remarks=tuple(remarks),
        classes=classes, **columns,
    )  # fmt: skip


def _classes(
    rows: Rows, texts: list[str], listing: Listing, options: Options, problems: Problems
) -> dict[int, str]:
    """Names of class numbers; words of the files become numbers, in place."""
    given = options.classes or listing.classes
    if not given and options.like is not None:
        names = (
            options.like.classes
        )  # counted from 0 as these are, or it is for align() to find out
        given = names if texts or (names and min(names) == 0) else {}
    if texts:
        known = {name: label for label, name in (given or dict(enumerate(sorted(texts)))).items()}
        wanted = np.array([known.get(text, -1) for text in texts])
        words = rows.labels < 0
        if (given and (wanted < 0).any()) or not words.all():
            for row in np.flatnonzero(words):
                text = texts[-1 - rows.labels[row]]
                if text not in known or not given:
                    problems.add(
                        listing.labels[rows.image[row]], int(rows.lines[row]),
                        f"expected a class number or a known name, got {text[:40]!r}",
                    )  # fmt: skip
        rows.labels = np.where(words, wanted[np.where(words, -1 - rows.labels, 0)], rows.labels)
        given = given or {label: name for name, label in known.items()}
    if given and not problems.found:
        last = max(given)
        wrong = np.flatnonzero(~np.isin(rows.labels, list(given)))
        for row in wrong:
            problems.add(
                listing.labels[rows.image[row]], int(rows.lines[row]),
                f"expected a class of 0 to {last}, got {rows.labels[row]}",
            )  # fmt: skip
    return dict(given)


def _columns(
    rows: Rows, layout: Layout, sizes: Array, problems: Problems, listing: Listing
) -> dict[str, Any]:
    """Boxes in pixels and what the task adds. `sizes`: (n, 2) height and width of each row."""
    w, h = sizes[:, 1].astype(np.float64), sizes[:, 0].astype(np.float64)
    out: dict[str, Any] = {}
    if layout.score is not None:
        at = rows.starts + np.where(layout.score < 0, rows.counts, 0) + layout.score
        out["scores"] = rows.values[at]
    if layout.relative:
        _check_relative(rows, layout, problems, listing)
    if layout.task in ("segment", "obb"):
        return {**out, **_of_polygons(rows, layout, w, h)}
    first = 0 if layout.score != 0 else 1
    numbers = rows.table(first + 4)[:, first:]
    if layout.relative:
        numbers = numbers * np.stack([w, h, w, h], axis=1)
    a, b, c, d = numbers.T
    if layout.box == "x0 y0 x1 y1":
        c, d = c - a, d - b
    elif layout.box == "cx cy w h":
        a, b = a - c / 2, b - d / 2
    out["boxes"] = np.ascontiguousarray(np.stack([a, b, c, d], axis=1))
    if layout.task == "pose":
        k, dims = layout.keypoints
        points = rows.table(4 + k * dims)[:, 4:].reshape(-1, k, dims)
        seen = points[..., 2] if dims == 3 else np.where((points != 0).any(axis=2), 2.0, 0.0)
        out["keypoints"] = np.stack(
            [points[..., 0] * w[:, None], points[..., 1] * h[:, None], seen], axis=2
        )
    return out


def _check_relative(rows: Rows, layout: Layout, problems: Problems, listing: Listing) -> None:
    if layout.score is not None or layout.task == "pose":
        return  # other columns have ranges of their own; boxes outside are a matter of check()
    for place in np.flatnonzero(np.abs(rows.values) > _FARTHEST):
        row = int(np.searchsorted(rows.starts, place, side="right")) - 1
        problems.add(
            listing.labels[rows.image[row]], int(rows.lines[row]),
            f"expected coordinates relative to the image, in [0, 1], got {rows.values[place]:g}",
        )  # fmt: skip


def _of_polygons(rows: Rows, layout: Layout, w: Array, h: Array) -> dict[str, Any]:
    """Rows of x, y, x, y, ...; among polygons a row of four numbers is a box."""
    n = len(rows.labels)
    counts = rows.counts - (layout.score is not None)
    is_box = counts == 4
    numbers = rows.values
    if layout.score is not None:
        keep = np.ones(len(numbers), bool)
        keep[rows.starts + rows.counts - 1] = False
        numbers = numbers[keep]
    ends = np.concatenate([[0], np.cumsum(counts)])
    row_of = np.repeat(np.arange(n), counts)
    odd = (np.arange(len(numbers)) - ends[row_of]) % 2 == 1
    pixels = np.where(odd, h[row_of], w[row_of]) * numbers if layout.relative else numbers
    if layout.task == "obb":
        points = pixels.reshape(n, 4, 2)
        return {
            "boxes": smallest_rectangles(points).reshape(-1, 5), "fmt": "obb",
            "shapes": _polygon_shapes(pixels, counts, np.zeros(n, bool)),
        }  # fmt: skip
    shapes = _polygon_shapes(pixels[~is_box[row_of]], counts, is_box)
    boxes = outlines(shapes)
    if is_box.any():
        cx, cy, bw, bh = pixels[is_box[row_of]].reshape(-1, 4).T
        boxes[is_box] = np.stack([cx - bw / 2, cy - bh / 2, bw, bh], axis=1)
    return {"boxes": boxes, "shapes": shapes}


def _polygon_shapes(numbers: Array, counts: Array, is_box: Array) -> Shapes:
    n = len(counts)
    return Shapes(
        numbers,
        np.concatenate([[0], np.cumsum(counts[~is_box])]),
        np.concatenate([[0], np.cumsum(~is_box)]),
        np.empty(0, np.uint8),
        np.zeros(n + 1, np.int64),
        np.zeros((n, 2), np.int64),
    )
