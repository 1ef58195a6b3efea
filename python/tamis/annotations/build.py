"""Columns out of rows that come one by one, for the formats that are read in Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations, Source, object_array
from tamis.annotations.findings import Finding
from tamis.annotations.options import Options
from tamis.annotations.problems import Problems
from tamis.annotations.shapes import Polygons, Shapes, around, outline

_LARGEST = 1e15  # a coordinate beyond it is a mistake, and squares of it overflow nothing


class Builder:
    """Images and rows in any order; `finish` makes the columns, or raises all problems."""

    def __init__(self, format: str, options: Options, unit: str = "line") -> None:
        self.format, self.options, self.unit = format, options, unit
        self.problems = Problems()
        self.remarks: list[Finding] = []
        self.paths: list[str] = []
        self._images: dict[Any, int] = {}
        self._names: list[str] = []
        self._sizes: list[tuple[int, int]] = []
        self._rows: list[dict[str, Any]] = []

    def file(self, path: str) -> None:
        """Rows and problems are of this file from now on."""
        self.paths.append(path)

    def problem(self, line: int, text: str) -> None:
        self.problems.add(self.paths[-1], line, text)

    def image(self, key: Any, name: str, size: tuple[int, int] | None) -> int:
        """The place of an image, new or known; `size` is height and width."""
        place = self._images.setdefault(key, len(self._images))
        if place == len(self._names):
            self._names.append(name)
            written = size if size and all(0 < side < 2**31 for side in size) else (0, 0)
            self._sizes.append(self.options.size_of(name, key) or written)
        return place

    def size(self, image: int) -> tuple[int, int]:
        return self._sizes[image]

    def row(
        self,
        image: int,
        label: str,
        line: int,
        *,
        box: Sequence[float] | None = None,
        oriented: Sequence[float] | None = None,
        polygons: Polygons | None = None,
        keypoints: Sequence[float] | None = None,
        mask: dict[str, Any] | None = None,
        score: float | None = None,
        crowd: bool = False,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """One object: a box x, y, w, h, or an oriented one, or polygons it lies around."""
        numbers = [*(box or ()), *(oriented or ()), *(x for part in polygons or () for x in part)]
        if not all(math.isfinite(x) and abs(x) < _LARGEST for x in numbers):
            return self.problem(line, f"expected finite coordinates, got {_shortest(numbers)}")
        if score is not None and not math.isfinite(score):
            return self.problem(line, f"expected a finite confidence, got {score}")
        if box is None and oriented is None:
            assert polygons
            box = outline([x for part in polygons for x in part])
        self._rows.append({
            "image": image, "label": label, "line": line, "file": len(self.paths) - 1, "box": box,
            "oriented": oriented, "polygons": polygons, "keypoints": keypoints, "mask": mask,
            "score": score, "crowd": crowd, "attributes": attributes or {},
        })  # fmt: skip

    def finish(self, classes: Sequence[str] = (), *, obb: bool = False) -> Annotations:
        """`classes`: names in the order of their numbers; others follow, sorted."""
        given = self.options.classes
        if given is not None:
            known = set(given.values())
            for row in self._rows:
                if row["label"] not in known:
                    self.problems.add(
                        self.paths[row["file"]],
                        row["line"],
                        f"class {row['label']!r} is not among classes=",
                    )
        self.problems.raise_if_any()
        self._rows.sort(key=lambda row: row["image"])
        of_names = given or number_names(classes, (row["label"] for row in self._rows))
        number = {name: label for label, name in of_names.items()}
        return Annotations(
            boxes=self._boxes(obb),
            labels=self._column("label", np.int64, number.__getitem__),
            splits=np.searchsorted(
                self._column("image", np.int64), np.arange(len(self._names) + 1)
            ).astype(np.int64),
            image_ids=object_array(list(self._images)),
            classes=of_names,
            scores=self._scores(),
            iscrowd=self._column("crowd", np.uint8),
            image_sizes=np.array(self._sizes, np.int64).reshape(-1, 2),
            image_names=tuple(self._names),
            keypoints=self._keypoints(),
            oriented=None if obb or not self._any("oriented") else self._oriented(),
            shapes=self._shapes(),
            attributes=self._attributes(),
            source=Source(
                tuple(self.paths),
                self._column("file", np.int64),
                self._column("line", np.int64),
                self.unit,
            ),
            format=self.format,
            fmt="obb" if obb else "xywh",
            remarks=tuple(self.remarks),
        )

    def _column(self, key: str, dtype: Any, convert: Any = lambda x: x) -> Array:
        return np.array([convert(row[key]) for row in self._rows], dtype)

    def _any(self, key: str) -> bool:
        return any(row[key] is not None for row in self._rows)

    def _oriented(self) -> Array:
        rows = []
        for row in self._rows:
            if row["oriented"] is not None:
                rows.append(row["oriented"])
                continue
            x, y, w, h = row["box"]
            rows.append((x + w / 2, y + h / 2, w, h, 0.0))
        return np.array(rows, np.float64).reshape(-1, 5)

    def _boxes(self, obb: bool) -> Array:
        if obb:
            return self._oriented()
        turned = [i for i, row in enumerate(self._rows) if row["box"] is None]
        boxes = [row["box"] or (0.0,) * 4 for row in self._rows]
        out = np.array(boxes, np.float64).reshape(-1, 4)
        if turned:
            out[turned] = around(self._oriented()[turned])
        return out

    def _scores(self) -> Array | None:
        if not self._any("score"):
            return None
        for row in self._rows:
            if row["score"] is None:
                self.problems.add(
                    self.paths[row["file"]],
                    row["line"],
                    "expected a confidence, as other rows have one",
                )
        self.problems.raise_if_any()
        return self._column("score", np.float64)

    def _keypoints(self) -> Array | None:
        if not self._any("keypoints"):
            return None
        k = max(len(row["keypoints"] or ()) for row in self._rows)
        out = np.full((len(self._rows), k), np.nan)
        for i, row in enumerate(self._rows):
            out[i, : len(row["keypoints"] or ())] = row["keypoints"] or ()
        return out.reshape(len(out), -1, 3)

    def _shapes(self) -> Shapes | None:
        if not self._any("polygons") and not self._any("mask"):
            return None
        shapes = Shapes.from_polygons([row["polygons"] for row in self._rows])
        return (
            shapes.with_masks([row["mask"] for row in self._rows]) if self._any("mask") else shapes
        )

    def _attributes(self) -> dict[str, Array]:
        columns: dict[str, Array] = {}
        for key in dict.fromkeys(key for row in self._rows for key in row["attributes"]):
            values = [row["attributes"].get(key) for row in self._rows]
            if all(v is None or isinstance(v, float) or _is_whole(v) for v in values):
                whole = not any(isinstance(v, float) for v in values)
                missing = np.nan if not whole else -1 if key.endswith("_id") else 0
                numbers = [missing if v is None else v for v in values]
                columns[key] = np.array(numbers, np.int64 if whole else np.float64)
            else:
                columns[key] = object_array(["" if v is None else v for v in values])
        return columns


def number_names(first: Sequence[str], names: Any) -> dict[int, str]:
    """Numbers for all names: `first` in their order, then the others, sorted."""
    rest = sorted(set(names) - set(first))
    return dict(enumerate([*dict.fromkeys(first), *rest]))


def class_table(classes: Any) -> dict[int, str]:
    """What ``classes=`` may be: names in order, or a mapping of number to name."""
    if isinstance(classes, str):
        raise TypeError(f"read: classes must be names or a dict of number to name, got {classes!r}")
    table = (
        dict(classes)
        if isinstance(classes, Mapping)
        else dict(enumerate(arrays.as_list("read", "classes", classes)))
    )
    for label, name in table.items():
        if not isinstance(label, (int, np.integer)) or not isinstance(name, str):
            raise TypeError(f"read: classes must map numbers to names, got {label!r}: {name!r}")
    if len(set(table.values())) != len(table):
        raise ValueError("read: classes must have distinct names")
    return {int(label): name for label, name in table.items()}


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 2**63


def _shortest(numbers: Sequence[float]) -> str:
    bad = [x for x in numbers if not (math.isfinite(x) and abs(x) < _LARGEST)]
    return repr(bad[0])
