"""Dicts of plain results, rebuilt from their columns, because the text is not kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.coco._columns import Annotation, Columns


@dataclass
class PlainRecords:
    """How the records of a file were spelled."""

    keys: list[str]  # in order
    size_first: bool  # of masks
    integers: Array  # (n, bytes) uint8, bit i: number i of a row is an integer, the last its score

    def take(self, index: Array) -> PlainRecords:
        return replace(self, integers=self.integers[index])

    def annotations(self, c: Columns) -> list[Annotation]:
        """The records as Python's json reads them."""
        assert c.score is not None
        shape = next(key for key in self.keys if key in ("bbox", "segmentation", "keypoints"))
        numbers = np.empty((len(c.id), 0))
        if shape != "segmentation":
            values = c.bbox if shape == "bbox" else c.keypoints
            assert values is not None
            numbers = values.reshape(len(values), -1)
        n = numbers.shape[1]
        integer = np.unpackbits(self.integers, axis=1, count=n + 1, bitorder="little") != 0
        parts: dict[str, list[Any]] = {
            "image_id": c.image_id.tolist(),
            "category_id": c.category_id.tolist(),
            "score": _spelled(c.score, integer[:, n]),
            shape: self._masks(c) if n == 0 else _spelled(numbers, integer[:, :n]),
        }
        rows = zip(*(parts[key] for key in self.keys), strict=True)
        return [dict(zip(self.keys, row, strict=True)) for row in rows]

    def _masks(self, c: Columns) -> list[Any]:
        assert c.masks is not None
        masks = ((mask["size"], mask["counts"].decode()) for mask in c.masks)
        if self.size_first:
            return [{"size": size, "counts": counts} for size, counts in masks]
        return [{"counts": counts, "size": size} for size, counts in masks]


def _spelled(values: Array, integer: Array) -> list[Any]:
    if integer.any():
        numbers = values.astype(object)
        numbers[integer] = values[integer].astype(np.int64).astype(object)
        return list(numbers.tolist())
    return list(values.tolist())
