"""COCO JSON record by record; problems are reported with their record."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations, object_array
from tamis.annotations.findings import Finding
from tamis.annotations.problems import Problems, fail
from tamis.annotations.shapes import Shapes, around, outline
from tamis.coco import mask
from tamis.regions.masks import Masks

Record = dict[str, Any]
_UNKNOWN = {"image_id": "image", "category_id": "category"}


class Records:
    """A ground truth (a dict), or results (a list, or a dict whose annotations have scores)."""

    def __init__(self, path: str, data: Any, format: str) -> None:
        self.path, self.format, self.problems = path, format, Problems()
        self.remarks: list[Finding] = []
        self.images: list[Record] = []
        self.categories: list[Record] = []
        if isinstance(data, dict):
            self.images = self._list(data, "images")
            self.categories = self._list(data, "categories") if "categories" in data else []
            self.records = self._list(data, "annotations")
        elif isinstance(data, list):
            self.records = data
        else:
            raise fail(path, f"expected a JSON object or list, got {type(data).__name__}")
        self.is_list = isinstance(data, list)

    def _list(self, data: Record, key: str) -> list[Any]:
        if not isinstance(data.get(key), list):
            raise fail(self.path, f"expected a list {key!r}, got {_kind(data.get(key))}")
        found: list[Any] = data[key]
        return found

    def _bad(self, where: str, text: str) -> None:
        self.problems.add(self.path, 0, f"{where}: {text}")

    def annotations(self) -> Annotations:
        from tamis.annotations.coco import grouped

        self.images = self._once(self._with_ids("images", self.images), "image")
        self.categories = self._once(self._with_ids("categories", self.categories), "category")
        image_ids, texts = self._image_ids()
        columns: dict[str, Any] = {
            "labels": self._labels(), "boxes": self._boxes(), "ids": self._ids(),
            "scores": self._scores(), "area": self._numbers("area"),
            "iscrowd": self._numbers("iscrowd"), "keypoints": self._keypoints(),
            "oriented": self._turned(),
        }  # fmt: skip
        self.problems.raise_if_any()
        if columns["iscrowd"] is not None:
            columns["iscrowd"] = (columns["iscrowd"] != 0).astype(np.uint8)
        if columns["area"] is not None and np.isnan(columns["area"]).any():
            sizes = columns["boxes"][:, 2] * columns["boxes"][:, 3]
            columns["area"] = np.where(np.isnan(columns["area"]), sizes, columns["area"])
        if self.is_list or columns["scores"] is not None:
            columns["area"] = columns["iscrowd"] = columns["ids"] = None
        if self.is_list and self.records and self.records[0].get("bbox"):  # as loadRes
            columns["area"] = columns["boxes"][:, 2] * columns["boxes"][:, 3]
        found = grouped(
            self.path, self.images, self.categories, image_ids, self.remarks, self.format,
            shapes=self._shapes(), **columns,
        )  # fmt: skip
        if texts is not None:
            ids = object_array([texts[i] for i in found.image_ids.tolist()])
            found = dataclasses.replace(found, image_ids=ids)
        names = self._file_names(found) if self.is_list else None
        return found if names is None else dataclasses.replace(found, image_names=names)

    def _file_names(self, found: Annotations) -> tuple[str, ...] | None:
        """Of results that carry them, as Ultralytics' do."""
        assert found.source is not None
        if not any("file_name" in r for r in self.records):
            return None
        first = found.source.line[np.minimum(found.splits[:-1], max(len(found) - 1, 0))]
        return tuple(str(self.records[i].get("file_name", "")) for i in first.tolist())

    def _with_ids(self, key: str, records: list[Any]) -> list[Record]:
        good = []
        for i, record in enumerate(records):
            if isinstance(record, dict) and isinstance(record.get("id"), (int, float, str)):
                good.append(record)
            else:
                self._bad(f"{key}[{i}]", f"expected an object with an id, got {_short(record)}")
        return good

    def _once(self, records: list[Record], what: str) -> list[Record]:
        last = {_plain(record["id"]): record for record in records}
        if len(last) < len(records):
            seen: set[Any] = set()
            twice = [r["id"] for r in records if r["id"] in seen or seen.add(r["id"])]  # type: ignore[func-returns-value]
            self.remarks.append(
                Finding(
                    f"{what} ids twice",
                    "error",
                    len(twice),
                    len(records),
                    f"{what} records",
                    "The last one with the id is used, as pycocotools does.",
                    tuple(f"{what} id {t!r}" for t in twice[:5]),
                )
            )
        return list(last.values())

    def _image_ids(self) -> tuple[Array, list[Any] | None]:
        """Ids of rows as int64; where some are texts, places in a list of ids."""
        rows = [self._value(i, r, "image_id") for i, r in enumerate(self.records)]
        ids = [record["id"] for record in self.images]
        self._mixed("image", ids, rows)
        every = [_plain(x) for x in [*ids, *rows]]
        if all(isinstance(x, int) and abs(x) < 2**63 for x in every):
            self.images = [{**r, "id": _plain(r["id"])} for r in self.images]
            return np.array(every[len(ids) :], np.int64), None
        texts = list(dict.fromkeys(str(x) for x in every))
        place = {text: i for i, text in enumerate(texts)}
        self.images = [{**r, "id": place[str(_plain(r["id"]))]} for r in self.images]
        return np.array([place[str(x)] for x in every[len(ids) :]], np.int64), texts

    def _labels(self) -> Array:
        rows = [self._value(i, r, "category_id") for i, r in enumerate(self.records)]
        ids = [record["id"] for record in self.categories]
        self._mixed("category", ids, rows)
        labels = [_plain(x) for x in rows]
        self.categories = [{**r, "id": _plain(r["id"])} for r in self.categories]
        for i, record in enumerate(self.categories):
            if not isinstance(record["id"], int) or abs(record["id"]) >= 2**63:
                self._bad(
                    f"categories[{i}]", f"expected a whole number as id, got {record['id']!r}"
                )
        for i, label in enumerate(labels):
            if not isinstance(label, int) or abs(label) >= 2**63:
                self._bad(f"annotations[{i}]", f"expected a whole category_id, got {_short(label)}")
                labels[i] = -1
        return np.array(labels, np.int64)

    def _mixed(self, what: str, ids: list[Any], rows: list[Any]) -> None:
        kinds = {type(x).__name__ for x in [*ids, *rows] if x is not None}
        if len(kinds) < 2:
            return
        main = type(ids[0] if ids else rows[0]).__name__
        odd = [x for x in [*ids, *rows] if type(x).__name__ != main]
        self.remarks.append(
            Finding(
                "mixed id types",
                "error",
                len(odd),
                len(ids) + len(rows),
                f"{what} ids",
                f"{' and '.join(sorted(kinds))}: pycocotools matches none of these; read as equal.",
                tuple(f"{what} id {x!r} beside ids of type {main}" for x in odd[:5]),
            )
        )

    def _value(self, i: int, record: Any, key: str) -> Any:
        if not isinstance(record, dict):
            self._bad(f"annotations[{i}]", f"expected an object, got {_short(record)}")
        elif isinstance(value := record.get(key), bool) or not isinstance(value, (int, float, str)):
            self._bad(f"annotations[{i}]", f"expected a number {key}, got {_short(value)}")
        elif isinstance(value, float) and not math.isfinite(value):
            self._bad(f"annotations[{i}]", f"expected a finite {key}, got {value}")
        else:
            return value
        return 0

    def _boxes(self) -> Array:
        out = np.zeros((len(self.records), 4))
        for i, record in enumerate(self.records):
            if not isinstance(record, dict):
                continue
            box = record.get("bbox")
            if box in (None, []):
                box = self._box_of_shape(record)
            if not _numbers(box, 4):
                self._bad(
                    f"annotations[{i}]", f"expected bbox [x, y, width, height], got {_short(box)}"
                )
                continue
            out[i] = box
        return out

    def _box_of_shape(self, record: Record) -> Any:
        shape, points = record.get("segmentation"), record.get("keypoints")
        try:
            if _numbers(record.get("rbox"), 5):  # Ultralytics' oriented boxes, in radians
                return around(_oriented([record["rbox"]]))[0].tolist()
            if isinstance(shape, list) and shape:
                return outline([x for part in shape for x in part])
            if isinstance(shape, dict):
                return Masks.from_coco([shape]).to_bbox()[0].tolist()
            if points:
                return outline([x for i, x in enumerate(points) if i % 3 < 2])
        except (TypeError, ValueError, IndexError):
            pass
        return record.get("bbox")

    def _scores(self) -> Array | None:
        has = ["score" in r for r in self.records if isinstance(r, dict)]
        if not self.is_list and not any(has):
            return None
        out = np.zeros(len(self.records))
        for i, record in enumerate(self.records):
            score = record.get("score") if isinstance(record, dict) else 0
            if isinstance(score, bool) or not _numbers([score], 1):
                self._bad(f"annotations[{i}]", f"expected a finite score, got {_short(score)}")
            else:
                out[i] = score
        return out

    def _numbers(self, key: str) -> Array | None:
        values = [r.get(key) for r in self.records if isinstance(r, dict)]
        if all(v is None for v in values):
            return None
        for i, value in enumerate(values):
            if value is not None and not _numbers([value], 1):
                self._bad(f"annotations[{i}]", f"expected a finite {key}, got {_short(value)}")
                values[i] = 0
        missing = np.nan if key == "area" else 0
        return np.array([missing if v is None else v for v in values], np.float64)

    def _ids(self) -> Array | None:
        ids = [_plain(r.get("id")) for r in self.records if isinstance(r, dict)]
        whole = all(isinstance(x, int) and not isinstance(x, bool) and abs(x) < 2**63 for x in ids)
        return np.array(ids, np.int64) if ids and whole else None

    def _keypoints(self) -> Array | None:
        points = [r.get("keypoints") for r in self.records if isinstance(r, dict)]
        lengths = {len(p) for p in points if isinstance(p, list) and p}
        if len(lengths) != 1 or (k := lengths.pop()) % 3:
            return None
        out = np.full((len(points), k), np.nan)
        for i, values in enumerate(points):
            if isinstance(values, list) and values and _numbers(values, k):
                out[i] = values
        return out.reshape(len(points), -1, 3)

    def _turned(self) -> Array | None:
        boxes = [r.get("rbox") for r in self.records if isinstance(r, dict)]
        return _oriented(boxes) if boxes and all(_numbers(b, 5) for b in boxes) else None

    def _shapes(self) -> Shapes | None:
        shapes = [r.get("segmentation") or None for r in self.records]
        if all(s is None for s in shapes):
            return None
        polygons: list[Any] = [s if _are_polygons(s) else None for s in shapes]
        packed: list[Any] = [None] * len(shapes)
        bad = []
        for i, shape in enumerate(shapes):
            try:
                if isinstance(shape, dict):
                    packed[i] = mask.compressed([shape])[0]
                    Masks.from_coco([packed[i]])
                elif shape is not None and polygons[i] is None:
                    bad.append(i)
            except (TypeError, ValueError, KeyError):
                packed[i] = None
                bad.append(i)
        if bad:
            self.remarks.append(
                Finding(
                    "unreadable masks",
                    "warning",
                    len(bad),
                    len(shapes),
                    "annotations",
                    "They have no mask: boxes are not touched by it.",
                    tuple(f"annotations[{i}]: segmentation {_short(shapes[i])}" for i in bad[:5]),
                )
            )
        found = Shapes.from_polygons(polygons)
        return found.with_masks(packed) if any(p is not None for p in packed) else found


def _are_polygons(shape: Any) -> bool:
    return isinstance(shape, list) and all(
        isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 and _numbers(p, len(p))
        for p in shape
    )


def _oriented(boxes: list[Any]) -> Array:
    out = np.array(boxes, np.float64)
    out[:, 4] = np.rad2deg(out[:, 4])
    return out


def _numbers(values: Any, n: int) -> bool:
    try:
        return len(values) == n and all(
            isinstance(v, (int, float)) and math.isfinite(v) for v in values
        )
    except (TypeError, OverflowError):
        return False


def _plain(value: Any) -> Any:
    """An id as a whole number where it is one, whatever its type."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if (
        isinstance(value, str)
        and len(value) < 19
        and value.isascii()
        and value.isdigit()
        and str(int(value)) == value
    ):
        return int(value)
    return value


def _kind(value: Any) -> str:
    return "none" if value is None else type(value).__name__


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
