"""What the COCO JSON readers promise, written with Python's json."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tamis import _core

CHUNKS = (1, 16, 50, 64, 100, 1000, 1 << 20)
INT64 = range(-(2**63), 2**63)


def is_integer(value: Any) -> bool:
    return type(value) is int and value in INT64


def is_number(value: Any, largest: int = 2**31) -> bool:
    return type(value) is float or (type(value) is int and abs(value) <= largest)


def is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_number, value))


def is_whole(value: Any) -> bool:
    """Whether it is an integer spelled 1.0."""
    return type(value) is float and abs(value) <= 2**53 and value == int(value)


def is_iscrowd(value: Any) -> bool:
    whole = type(value) is int or is_whole(value)
    return isinstance(value, bool) or (whole and 0 <= value <= 255)


def is_id(value: Any) -> bool:
    return is_integer(value) or is_whole(value) or type(value) is str


IDS = {"id": (is_id, np.int64)}
RESULTS = {
    "image_id": (is_id, np.int64),
    "category_id": (is_id, np.int64),
    "bbox": (is_box, np.float64),
    "score": (is_number, np.float64),
}
ANNOTATIONS = {
    "id": (is_id, np.int64),
    "image_id": (is_id, np.int64),
    "category_id": (is_id, np.int64),
    "bbox": (is_box, np.float64),
    "area": (lambda v: is_number(v, 2**53), np.float64),
    "iscrowd": (is_iscrowd, np.uint8),
}


NAMES = {"id": "id_names", "image_id": "image_names", "category_id": "category_names"}


class Irregular(Exception):
    pass


def columns(records: Any, fields: dict) -> dict[str, Any]:
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise Irregular
    if not all(key in r and good(r[key]) for r in records for key, (good, _) in fields.items()):
        raise Irregular
    names: dict[str, list[str]] = {}
    values = {key: [r[key] for r in records] for key in fields}
    for key, name in NAMES.items():
        texts = [type(v) is str for v in values.get(key, ())]
        if any(texts):
            names[name] = list(dict.fromkeys(values[key])) if all(texts) else []
            values[key] = [names[name].index(v) for v in values[key]] if all(texts) else []
    if [] in names.values():
        raise Irregular
    out: dict[str, Any] = {key: np.array(values[key], dtype) for key, (_, dtype) in fields.items()}
    if "bbox" in out:
        out["bbox"] = out["bbox"].reshape(-1, 4)
    if "id" in fields and any(type(r["id"]) is float for r in records):
        out["float_ids"] = True
    return out | names


def reference_results(document: Any) -> dict[str, Any]:
    if not isinstance(document, list) or not document:
        raise Irregular
    out = columns(document, RESULTS)
    if "caption" in document[0]:
        raise Irregular
    return out


def reference_dataset(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Irregular
    tables = {"images": IDS, "annotations": ANNOTATIONS, "categories": IDS}
    out: dict[str, Any] = {
        key: columns(document[key], fields) if key in document else None
        for key, fields in tables.items()
    }
    for key, table in out.items():
        kinds = {type(r["id"]) for r in document.get(key, ())}
        if key == "annotations" and str in kinds:
            raise Irregular
        if key != "annotations" and table and len(kinds) > 1:
            raise Irregular
    for flag, key in (
        ("unique_images", "images"),
        ("unique_ids", "annotations"),
        ("unique_categories", "categories"),
    ):
        ids = out[key]["id"].tolist() if out[key] else []
        out[flag] = len(set(ids)) == len(ids)
    return out


READERS = [
    pytest.param(_core.read_coco_results, reference_results, id="results"),
    pytest.param(_core.read_coco_dataset, reference_dataset, id="dataset"),
]


def expected(reference: Any, data: bytes) -> dict[str, Any] | None:
    try:
        return reference(json.loads(data.decode()))
    except (ValueError, RecursionError, Irregular):
        return None


def assert_same(got: Any, want: Any) -> None:
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert got.keys() == want.keys()
        for key in want:
            assert_same(got[key], want[key])
    elif isinstance(want, np.ndarray):
        assert got.dtype == want.dtype
        assert got.shape == want.shape
        assert got.tobytes() == want.tobytes()
    else:
        assert got == want


def check(
    reader: Any, reference: Any, text: str | bytes, chunks=CHUNKS, regular: bool | None = None
) -> None:
    """None or the reference's answer; `regular` says which, where the case knows."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    want = expected(reference, data)
    answers = [reader(data, chunk_bytes=chunk) for chunk in chunks]
    assert len({answer is None for answer in answers}) == 1, "the cut decides"
    if regular is not None:
        assert (answers[0] is not None) == regular
    for answer in answers:
        if answer is not None:
            assert_same(answer, want)
