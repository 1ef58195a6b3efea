"""Records of datasets that are read without simdjson: what they hold, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from coco_json_reference import CHUNKS, check, reference_dataset
from tamis import _core

RING = [12.25, 3, 40.5, 3.125, 40, 33.0625, -7.5, 31, 0, 0.5]
LONG = ", ".join(f"{x / 8}" for x in range(400))
SPELLINGS = [  # of a segmentation: all are JSON
    "[[1.5, 2, 3, 4, 5, 6]]",
    "[[1.5,2,3,4,5,6],[7.25,8,9,1e1,11,12]]",
    f"[{RING}]",
    f"[[{LONG}], {RING}, [{LONG}]]",
    "[ [ 1 , 2 , 3 , 4 , 5 , 6 ] ]",
    "[[\n1,\t2,\r3,  4, 5, 6\n]]",
    "[[0, -0, 0.0, -0.0, 0.5, -0.5, 1e2, 1E-2, 1.5e+1]]",
    "[[123456789012345.25, 0.1234567890123456, 0.30000000000000004, 100000000000000, 5, 6]]",
    "[[9007199254740993.5, 1234567890123456789, -1234567890123456789.0, 1, 2, 3]]",
    "[]",
    "[[]]",
    "[[1, 2], []]",
    "[[[[[[1, 2]]]]], 3, [4]]",
    '{"size": [480, 640], "counts": [0, 5, 307195]}',
    '{"counts": [307200], "size": [480, 640]}',
    '{"size": [480, 640], "counts": "PPYo1"}',
    '{"size": [480, 640], "counts": "\\\\\\\\"}',
    '{"size": [1, 1], "counts": "1", "more": {"a": [true, false, null, {}, "b"]}}',
    '"text"',
    "null",
    "-12.5",
]
FAULTS = [  # no JSON
    "[[1, 2, 3, 4, 5, 06]]",
    "[[1, 2, 3, 4, 5, -]]",
    "[[1, 2, 3, 4, 5, .5]]",
    "[[1, 2, 3, 4, 5, 5.]]",
    "[[1.2.3, 2, 3, 4, 5, 6]]",
    "[[1, 2, 3, 4, 5, 6-7]]",
    "[[1, 2, 3, 4, 5, --6]]",
    "[[1, 2, 3 4, 5, 6]]",
    "[[1, 2, 3,, 4, 5, 6]]",
    "[[1, 2, 3, 4, 5, 6,]]",
    "[[1, 2, 3, 4, 5, 6], ]",
    "[, [1, 2, 3, 4, 5, 6]]",
    "[[1, 2, 3, 4, 5, 6][1, 2, 3, 4, 5, 6]]",
    "[[1, 2, 3, 4, 5, 6]1]",
    "[1[2, 3, 4, 5, 6, 7]]",
    "[[1, 2, 3, 4, 5, 6]",
    "[[1, 2, 3, 4, 5, 6]]]",
    "[[1, 2, 3, 4, 5, +6]]",
    "[[1, 2, 3, 4, 5, 6e]]",
    "[[1, 2, 3, 4, 5, 0x6]]",
    "[[1, 2, 3, 4, 5, -01]]",
    "[[1, 2, 3, 4, 5, 1.-5]]",
    "[[-.5, 2, 3, 4, 5, 6]]",
    '{"size": [480, 640], "counts": [1 2]}',
    '{"size": [480, 640] "counts": [1]}',
    "nul",
    '"a',
]


def dataset(segmentation: str, before: str = "") -> str:
    """Five annotations with this segmentation, of which the middle ones are read in chunks."""
    rows = ", ".join(
        f'{{{before}"segmentation": {segmentation}, "area": {i + 0.5}, "iscrowd": {i % 2},'
        f' "image_id": 7, "bbox": [{i}, 2.25, -0.0, 1e2], "category_id": -3, "id": {i}, "u": ","}}'
        for i in range(1, 6)
    )
    images = ", ".join(f'{{"id": {i}, "height": 480, "width": 640, "u": "/a"}}' for i in (7, 8, 9))
    return f'{{"images": [{images}], "annotations": [{rows}], "categories": [{{"id": -3}}]}}'


@pytest.mark.parametrize("before", ["", '"x": 1, '])
@pytest.mark.parametrize("segmentation", SPELLINGS)
def test_shapes_that_are_not_asked_for(segmentation: str, before: str) -> None:
    check(_core.read_coco_dataset, reference_dataset, dataset(segmentation, before), regular=True)


@pytest.mark.parametrize("segmentation", FAULTS)
@pytest.mark.parametrize("blanks", [0, 57])
def test_faults_are_found_where_nothing_is_asked_for(segmentation: str, blanks: int) -> None:
    ring = ", ".join(str(x) for x in range(10, 10 + blanks))  # faults anywhere in a register
    text = dataset(segmentation.replace("[[", f"[[{ring}], [", 1) if blanks else segmentation)
    with pytest.raises(ValueError, match="line 1"):
        json.loads(text)
    check(_core.read_coco_dataset, reference_dataset, text, regular=False)
    assert _core.read_dataset_masks(text.encode(), chunk_bytes=64) is None


@pytest.mark.parametrize("digits", range(14, 24))
def test_integers_beyond_64_bits_are_left_to_json(digits: int) -> None:
    text = dataset(f"[[1, 2, 3, 4, 5, {'9' * digits}]]")
    check(_core.read_coco_dataset, reference_dataset, text, regular=digits < 20)


@pytest.mark.parametrize("segmentation", SPELLINGS)
def test_masks(segmentation: str) -> None:
    tables: list[Any] = [
        _core.read_dataset_masks(dataset(segmentation).encode(), chunk_bytes=chunk)
        for chunk in CHUNKS
    ]
    assert len({table is None for table in tables}) == 1
    shape = json.loads(segmentation)
    polygons = isinstance(shape, list) and shape != []
    if polygons and all(isinstance(ring, list) and len(ring) > 4 for ring in shape):
        integers = [x for ring in shape for x in ring if isinstance(x, int)]
        assert (tables[0] is None) == any(abs(x) > 2**53 for x in integers)
    if tables[0] is None:
        return
    for _, table in tables:
        for key, column in tables[0][1].items():
            assert table[key].tobytes() == column.tobytes(), key
    if polygons:
        want = np.array([x for ring in shape for x in ring] * 5, np.float64)
        assert tables[0][1]["numbers"].tobytes() == want.tobytes()
        assert np.diff(tables[0][1]["part_splits"]).tolist() == [len(r) for r in shape] * 5
    assert tables[0][0]["bbox"][:, :2].tolist() == [[480, 640]] * 3


@pytest.mark.parametrize(
    "points",
    [
        "[1, 2, 2, 3, 4, 1]",
        "[1.5,2,2]",
        "[1, 2, 2.0, -0, 0, 0]",
        "[1, 2]",
        "[]",
        "[16777217, 1, 2]",
    ],
)
def test_keypoints(points: str) -> None:
    rows = dataset("[]", f'"num_keypoints": 1, "keypoints": {points}, ').encode()
    tables = [_core.read_coco_dataset(rows, chunk_bytes=chunk) for chunk in CHUNKS]
    have = {"numbers" in table["annotations"] for table in tables}
    values = json.loads(points)
    assert have == {len(values) % 3 == 0 and values != [] and abs(values[0]) <= 2**24}
    for table in tables:
        if have == {True}:
            want = np.array(values * 5, np.float64)
            assert table["annotations"]["numbers"].tobytes() == want.tobytes()
        assert table["annotations"]["bbox"][:, 0].tolist() == [1, 2, 3, 4, 5]
