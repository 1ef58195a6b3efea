"""Open Images CSV: relative corners, one row a box."""

from __future__ import annotations

import csv
import os
from typing import Any

from tamis.annotations.annotations import Annotations
from tamis.annotations.build import Builder
from tamis.annotations.files import read_text, suffix, walk
from tamis.annotations.options import Options
from tamis.annotations.problems import fail

_NEEDED = ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax")
_FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
_SCORES = ("Score", "Conf")


def read_open_images(path: str, options: Options) -> Annotations:
    """Commas or semicolons between cells, points or commas within numbers. Groups are crowds."""
    if os.path.isdir(path):
        found = [p for p in walk(path, {".csv"}) if "class-descriptions" not in p]
        if len(found) != 1:
            raise fail(path, f"expected one .csv file, got {len(found)}")
        path = os.path.join(path, found[0])
    rows = _rows(path)
    descriptions = _descriptions(os.path.dirname(path) or ".")
    build = Builder("open_images", options)
    build.file(path)
    score = next((key for key in _SCORES if rows and key in rows[0][1]), None)
    if score is None and any(_confident(row) for _, row in rows):
        score = "Confidence"  # of results: annotations have 1, or nothing
    without: dict[str, int] = {}
    for line, row in rows:
        name = row["ImageID"]
        image = build.image(name, name if suffix(name) else f"{name}.jpg", None)
        if not any(row[key] for key in _NEEDED[1:]):
            continue  # an image without objects
        height, width = build.size(image)
        if not height:
            without.setdefault(name, line)
            continue
        try:
            x0, x1, y0, y1 = (_number(row[key]) for key in ("XMin", "XMax", "YMin", "YMax"))
            more: dict[str, Any] = {"score": _number(row[score])} if score else {}
        except ValueError as error:
            build.problem(line, str(error))
            continue
        box = (x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height)
        flags = {key: int(row[key]) for key in _FLAGS if row.get(key, "").lstrip("-").isdigit()}
        label = descriptions.get(row["LabelName"], row["LabelName"])
        build.row(
            image, label, line, box=box, crowd=flags.get("IsGroupOf") == 1, **more, attributes=flags
        )
    for name, line in without.items():
        build.problem(
            line, f"the size of image {name!r} is not known: give images=, image_sizes= or like="
        )
    return build.finish()


def _rows(path: str) -> list[tuple[int, dict[str, str]]]:
    text = read_text(path)
    head = text.partition("\n")[0]
    split = max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(), delimiter=split)
    try:
        names = [cell.strip() for cell in next(reader)]
    except (StopIteration, csv.Error):
        raise fail(
            path, "expected a header with ImageID, LabelName, XMin, ..., got an empty file"
        ) from None
    if missing := [key for key in _NEEDED if key not in names]:
        raise fail(
            path, f"expected the columns {', '.join(_NEEDED)}: there is no {', '.join(missing)}", 1
        )
    rows = []
    try:
        for cells in reader:
            if len(cells) != len(names) and cells:
                raise fail(path, f"expected {len(names)} cells, got {len(cells)}", reader.line_num)
            if cells:
                rows.append((reader.line_num, dict(zip(names, map(str.strip, cells), strict=True))))
    except csv.Error as error:
        raise fail(path, f"expected CSV: {error}", reader.line_num) from None
    return rows


def _confident(row: dict[str, Any]) -> bool:
    return row.get("Confidence", "").replace(",", ".") not in ("", "0", "1", "0.0", "1.0")


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ".", 1))
    except ValueError:
        raise ValueError(f"expected a number, got {text[:40]!r}") from None


def _descriptions(folder: str) -> dict[str, str]:
    """Names of the /m/... ids, if their file is in the same folder."""
    for name in sorted(os.listdir(folder)):
        if "class-descriptions" in name and suffix(name) == ".csv":
            lines = csv.reader(read_text(os.path.join(folder, name)).splitlines())
            return {row[0]: row[1] for row in lines if len(row) == 2}
    return {}
