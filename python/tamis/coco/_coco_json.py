"""COCO files and result arrays, read into columns."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.coco._columns import Columns
from tamis.coco._faults import load_json
from tamis.coco._plain_records import PlainRecords
from tamis.coco._sources import Base, DatasetFile, Results
from tamis.regions.mask_tables import keypoints_of, masks_of


def _read(path: Any) -> Array:
    """The bytes of a file. NumPy's large arrays use large pages, `bytes` do not."""
    with open(path, "rb", buffering=0) as f:
        text = np.empty(os.fstat(f.fileno()).st_size, np.uint8)
        if _core.read_file(f.fileno(), text):
            return text
        got, part = 0, 1  # no plain file, or one that is being cut short
        while got < len(text) and part:
            part = f.readinto(text[got:].data) or 0
            got += part
    return text[:got]


def read_dataset(path: Any) -> tuple[DatasetFile | None, Any]:
    """A source, or what Python's json makes of a file that is not plain enough for one.

    A pipe is left to json: it can be read only once.
    """
    if isinstance(path, (str, os.PathLike)) and os.path.isfile(path):
        text = _read(path)
        tables = _core.read_coco_dataset(text)
        needed = ("images", "annotations", "categories")
        if tables is not None and tables["unique_ids"] and all(tables[k] for k in needed):
            return DatasetFile(text, tables), None
        del text
    return None, load_json(path)


def read_results(path: str, base: Base) -> Results | None:
    """Results of a file, or None where Python's json must look at it."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb", buffering=0) as f:
        table = _core.read_plain_file(f.fileno(), os.fstat(f.fileno()).st_size)
    origin: Array | PlainRecords
    if table is not None:
        origin = PlainRecords(table["keys"], table["size_first"], table["integers"])
    else:
        origin = _read(path)
        table = _core.read_coco_results(origin)
    if table is None:
        return None
    keys = ("image_id", "category_id", "score", "bbox", "image_names", "category_names")
    common = {key: table[key] for key in keys if key in table}
    bbox = table["bbox"]
    area = table["area"] if "area" in table else bbox[:, 2] * bbox[:, 3]
    columns = Columns(id=np.arange(1, len(bbox) + 1), area=area, **common)
    if "text_splits" in table:
        columns.masks, columns.mask_boxes = masks_of(table), bbox
    elif "numbers" in table or "keypoints" in table:
        columns.keypoints = keypoints_of(table)
        if columns.keypoints is None:
            return None
    return Results(base, columns, origin)


def results_from_array(data: Array, base: Base) -> Results | None:
    """Box results of an (N, 7) array, or None where a row by row look is needed."""
    if data.dtype.type not in (np.float32, np.float64) or data.ndim != 2 or len(data) == 0:
        return None
    table = _core.split_coco_rows(np.require(data, data.dtype.type, ["C", "A"]))
    return None if table is None else Results(base, Columns(**table))
