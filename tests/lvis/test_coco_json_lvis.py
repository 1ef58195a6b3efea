"""LVIS files: the reader answers None or what Python's json gives, wherever the text is cut."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tamis
from coco_json_reference import ANNOTATIONS, IDS, Irregular, check, columns
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import _core

LISTS = ("neg_category_ids", "not_exhaustive_category_ids")
FIELDS = {key: rule for key, rule in ANNOTATIONS.items() if key != "iscrowd"}


@pytest.fixture(autouse=True)
def _restore_threads() -> Any:
    yield
    tamis.set_num_threads(0)


def reference(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise Irregular
    images, anns, categories = (document[k] for k in ("images", "annotations", "categories"))
    out = {"annotations": columns(anns, FIELDS)}
    ids = [columns(t, IDS)["id"].tolist() for t in (images, categories, anns)]
    if any(len(set(one)) != len(one) for one in ids) or any("ignore" in ann for ann in anns):
        raise Irregular
    for img in images:
        if not all(isinstance(img[key], list) for key in LISTS):
            raise Irregular
        if not all(type(i) is int and abs(i) <= 2**53 for key in LISTS for i in img[key]):
            raise Irregular
    if not all(type(cat["frequency"]) is str for cat in categories):
        raise Irregular
    lists = [[list(map(float, img[key])) for key in LISTS] for img in images]
    out["images"] = list(zip(ids[0], lists, strict=True))
    out["categories"] = list(zip(ids[1], (c["frequency"] for c in categories), strict=True))
    return out


def read(data: bytes, chunk_bytes: int) -> dict[str, Any] | None:
    tables = _core.read_lvis_dataset(data, chunk_bytes=chunk_bytes)
    if tables is None or not all(tables.values()):
        return None
    images, categories = tables["images"], tables["categories"]
    parts = [p.tolist() for p in np.split(images["numbers"], images["part_splits"][1:-1])]
    if len(images["part_splits"]) == 1:
        parts = []
    text, ends = categories["text"].tobytes(), categories["text_splits"]
    names = [text[a:b].decode() for a, b in pairwise(ends)]
    pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
    return {
        "annotations": tables["annotations"],
        "images": list(zip(images["id"].tolist(), pairs, strict=True)),
        "categories": list(zip(categories["id"].tolist(), names, strict=True)),
    }


ids = st.integers(-5, 40)
numbers = st.floats(-1e6, 1e6) | st.integers(-50, 50)
lists = st.lists(ids, max_size=4)
images = st.fixed_dictionaries({"id": ids, **dict.fromkeys(LISTS, lists)}, optional={"x": lists})
annotations = st.fixed_dictionaries(
    {
        "id": ids, "image_id": ids, "category_id": ids, "area": numbers,
        "bbox": st.lists(numbers, min_size=4, max_size=4),
    },
    optional={"segmentation": st.just([[1.5, 2, 3, 4, 5, 6]]), "iscrowd": st.just(0)},
)  # fmt: skip
categories = st.fixed_dictionaries({"id": ids, "frequency": st.text(max_size=2)})
odd = st.sampled_from([
    {"ignore": 1}, {"neg_category_ids": [1.0]}, {"frequency": 3}, {"bbox": [1, 2, 3]}, {"id": "1"},
    {"not_exhaustive_category_ids": None}, {"area": None},
])  # fmt: skip


def tables(records: Any) -> Any:
    return st.lists(records, max_size=6, unique_by=lambda r: r["id"])


documents = st.fixed_dictionaries(
    {"images": tables(images), "annotations": tables(annotations), "categories": tables(categories)}
)


@examples(150)
@given(document=documents, threads=st.integers(1, 3))
def test_any_regular_file(document: Any, threads: int) -> None:
    tamis.set_num_threads(threads)
    text = json.dumps(document, ensure_ascii=False)
    check(read, reference, text, chunks=(16, 60, 150, 1 << 20), regular=True)


@examples(150)
@given(document=documents, change=odd, data=st.data())
def test_any_irregular_file(document: Any, change: Any, data: Any) -> None:
    rows = [row for table in document.values() for row in table]
    if rows:
        data.draw(st.sampled_from(rows)).update(change)
    check(read, reference, json.dumps(document), chunks=(16, 60, 1 << 20))


def test_a_file_without_a_table_is_left_to_json() -> None:
    assert _core.read_lvis_dataset(b'{"images": [], "annotations": []}')["categories"] is None
    assert _core.read_lvis_dataset(b"[]") is None
