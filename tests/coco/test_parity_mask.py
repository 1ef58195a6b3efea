"""tamis.coco.mask against pycocotools.mask: every form, number and exception."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from conftest import data_path, not_on_arm
from generated import examples, share
from hypothesis import given
from hypothesis import strategies as st
from tamis.coco import mask as ours

theirs = pytest.importorskip("pycocotools.mask")


def one(counts: Any, size: Any = (2, 3)) -> dict[str, Any]:
    return {"size": list(size), "counts": counts}


A, B = one("123"), one("033")


def outcome(f: Any) -> tuple[str, Any]:
    try:
        got = f()
    except Exception as error:
        return type(error).__name__, str(error).replace("'long'", "'int64'")
    return type(got).__name__, got


def same(x: Any, y: Any) -> bool:
    if isinstance(x, (np.ndarray, np.generic)):
        return x.dtype == y.dtype and x.shape == y.shape and bool((x == y).all())
    return bool(x == y)


F3 = np.zeros((2, 3, 2), np.uint8, order="F")
CASES: dict[str, Any] = {
    f"{name}{args!r}": (name, args)
    for name, args in [
        *[("decode", (one(c),)) for c in ("6", b"6", "7", "132", [6], None, bytearray(b"6"))],
        *[("decode", (one("6", s),)) for s in ((2.0, 3.7), (-2, 3), (2,))],
        ("decode", ({"size": [2, 3]},)),
        ("decode", ({"counts": "6"},)),
        ("decode", ([one("6"), one("8", (2, 4))],)),
        ("decode", ([A, B],)),
        ("decode", ("abc",)),
        ("decode", (None,)),
        ("encode", (F3,)),
        ("encode", (F3[:, :, 0],)),
        ("encode", (np.asfortranarray(np.array([[1, 2], [0, 3]], np.uint8)),)),
        ("encode", (np.zeros((2, 3), np.uint8),)),
        ("encode", (F3 != 0,)),
        ("encode", (np.zeros((2, 3), np.int64, order="F"),)),
        ("encode", (np.zeros((3, 0, 2), np.uint8, order="F"),)),
        ("encode", (np.zeros((3, 3, 0), np.uint8, order="F"),)),
        ("encode", (np.zeros(3, np.uint8),)),
        ("encode", ([[1]],)),
        *[("area", (x,)) for x in (A, [A, B], [], one("1"), one(""), one([1, 2]), one("\x00123"))],
        ("area", ([[1, 2, 3]],)),
        ("area", (one("~~1z00é1"),)),
        *[("toBbox", (one(c),)) for c in ("123", "", "006", "0015", "505", "3F", "33333")],
        ("toBbox", (one("500523", (4, 3)),)),
        ("toBbox", (one("00", (0, 3)),)),
        ("toBbox", ([A, B],)),
        ("toBbox", ([],)),
        *[("merge", (x,)) for x in ([], [A], [A, B], [A, one("036", (3, 3))], A)],
        ("merge", ([A, B], 1)),
        ("merge", ([A, B], True)),
        *[("iou", ([A], [B], c)) for c in ([0], [1], [], [0, 0], [300], [2.5], None)],
        ("iou", ([A], [B], np.array([True]))),
        ("iou", ([], [], [])),
        ("iou", ([A], [], [])),
        ("iou", ([], [A], [0])),
        ("iou", ([A], [one("036", (3, 3))], [0])),
        ("iou", ([A] * 2, [B] * 3, [0] * 3)),
        ("iou", (A, [B], [0])),
        ("iou", ([one("")], [B], [0])),
        ("iou", ([one([1, 2, 3])], [B], [0])),
        ("iou", ([one("10203")], [one("0123")], [0])),
        *[
            ("iou", (d, [[0, 0, 2, 1]], [0]))
            for d in (
                [[0, 0, 1, 1]], [[0, 0, 1]], [(0, 0, 1, 1)], [np.array([0, 0, 1, 1])],
                ((0, 0, 1, 1),), np.array([[0, 0, 1, 1]]), np.array([0, 0, 1, 1]), np.zeros((2, 5)),
                np.zeros((0, 4)), np.zeros((1, 4), np.float32), [A], [A, [0, 0, 1, 1]],
            )
        ],
        *[
            ("frPyObjects", (x, 2, 3))
            for x in (
                [], [[]], [[1, 2, 3]], [[1, 2, 3, 4]], np.array([[0, 0, 1, 1.0]]),
                np.array([[0, 0, 1, 1]]), np.array([0, 0, 1, 1.0]), np.zeros((0, 4)),
                np.zeros((1, 5)), [0, 0, 1, 1], [0, 0, 1, 1, 2, 2], [[0, 0, 1, 1, 2]],
                [[0, 0, 1, 1, 2, 2], [0, 0, 1]], [[0, 0, 1, 1, 2, 2], [0, 0, 3, 0, 3, 2, 0, 2]],
                [np.array([0, 0, 1, 1, 2, 2])], [(0, 0, 1, 1, 2, 2)], [[[0, 0], [1, 1], [2, 2]]],
                [[[0, 0]] * 5], [["0"] * 6], one([1, 2, 3]), [one([1, 2, 3])], one([1, 2]),
                one([]), one([1, -2]), one([1, 2**32]), one([1, 2.7]), one([2**32 - 1]),
                one("123"), one(b"123"), {"size": [2, 3]}, ((0, 0, 1, 1),), "abc", None, [5, 5],
                [{"a": 1}], [{"a": 1, "b": 2, "c": 3, "d": 4}], [one([1, 2, 3]), one("x")],
                one([0, 2**32 - 1, 5, 7, 2**31, 4000000000]), [[0] * 6], [[0, 0, 1, 1, 1e6, 2]],
            )
        ],
        *[
            ("frPyObjects", ([[0, 0, 1, 1, 2, 2]], h, w))
            for h, w in ((2.5, 3), (-2, 3), (0, 3), (2, 0), (np.int64(2), 3))
        ],
        ("frPyObjects", (one([1, 2, 3]), 9, 9)),
    ]
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs
@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    name, args = CASES[case]
    want, got = (
        outcome(lambda: getattr(theirs, name)(*args)),
        outcome(lambda: getattr(ours, name)(*args)),
    )
    assert want[0] == got[0] and same(want[1], got[1]), (want, got)


@pytest.mark.parametrize(
    ("call", "text"),
    [  # pycocotools hangs, crashes or reads beyond the text
        (lambda: ours.iou([one("12")], [B], [0]), "do not end together"),
        (lambda: ours.merge([one("12"), B]), "do not end together"),
        (lambda: ours.merge([one(""), B]), "do not end together"),
        (lambda: ours.area(one("00P")), "ends within a number"),
        (lambda: ours.area(one("0" + "o" * 14 + "1")), "over 64 bits"),
        (lambda: ours.frPyObjects([[0, 0, 1, 1, np.nan, 2]], 2, 3), "got nan"),
        (lambda: ours.frPyObjects([[0, 0, 1, 1, np.inf, 2]], 2, 3), "got inf"),
        (lambda: ours.frPyObjects(np.array([[0, np.nan, 1, 1]]), 2, 3), "got nan"),
        (lambda: ours.frPyObjects(np.zeros((2, 3)), 2, 3), r"must have shape \(N, 4\)"),
    ],
)
def test_errors_where_pycocotools_has_no_answer(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


def agree(objects: list[dict[str, Any]], crowd: Any) -> None:
    np.testing.assert_array_equal(theirs.area(objects), ours.area(objects), strict=True)
    np.testing.assert_array_equal(theirs.toBbox(objects), ours.toBbox(objects), strict=True)
    np.testing.assert_array_equal(
        theirs.iou(objects, objects, crowd), ours.iou(objects, objects, crowd), strict=True
    )
    assert theirs.merge(objects) == ours.merge(objects)
    assert theirs.merge(objects, 1) == ours.merge(objects, 1)


def random_polygon(rng: np.random.Generator, h: int, w: int) -> list[float]:
    """Inside, outside, on the grid, on fifths, self-crossing, with repeated points."""
    k = int(rng.integers(3, 12))
    xy = rng.normal(size=2 * k) * rng.choice([1, 10, h + w, 1000]) + rng.choice([0, w / 2, w])
    kind = rng.integers(4)
    if kind == 0:
        xy = np.round(xy)
    elif kind == 1:
        xy = np.round(xy * 5) / 5 + rng.choice([0, 0.1])
    elif kind == 2:
        xy[2:4] = xy[:2]
    return list(map(float, xy))


@not_on_arm
@pytest.mark.parametrize("seed", range(4))
def test_random_polygons_and_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for i in range(share(250)):
        h, w = (int(v) for v in rng.integers(1, 400 if i % 3 == 0 else 40, 2))
        polygons = [random_polygon(rng, h, w) for _ in range(rng.integers(1, 4))]
        drawn = theirs.frPyObjects(polygons, h, w)
        assert ours.frPyObjects(polygons, h, w) == drawn
        boxes = rng.normal(size=(3, 4)) * 20
        assert theirs.frPyObjects(boxes, h, w) == ours.frPyObjects(boxes, h, w)
        pixels = np.asfortranarray(rng.random((h, w, 2)) < rng.choice([0.01, 0.5, 0.99]))
        encoded = theirs.encode(pixels.view(np.uint8))
        assert ours.encode(pixels.view(np.uint8)) == encoded
        np.testing.assert_array_equal(ours.decode(encoded), pixels)
        objects = drawn + encoded
        agree(objects, rng.integers(0, 2, len(objects)))


def triangles(n: int) -> list[list[float]]:
    """Of all slopes, with corners near the middles of pixels."""
    rng = np.random.default_rng(8)
    corners = (rng.integers(-40, 240, 6) / 5 for _ in range(n))
    return [list(xy + rng.choice([0, 0.1, -1e-9, 1e-9], 6)) for xy in corners]


@not_on_arm
def test_edges_are_drawn_to_the_last_bit() -> None:
    for xy in triangles(share(4000)):
        assert theirs.frPyObjects([xy], 40, 40) == ours.frPyObjects([xy], 40, 40)


def test_edges_are_drawn_alike_on_every_processor() -> None:
    drawn = ours.frPyObjects(triangles(2000), 40, 40)
    counts = b" ".join(mask["counts"] for mask in drawn)
    assert (
        hashlib.sha256(counts).hexdigest()
        == "f418438f4620cc6996df502bcb8111223cac1a64df91b3c64c62a6cdd3120052"
    )  # of pycocotools on x86-64


@examples(200)
@given(st.data())
def test_runs_of_length_zero(data: Any) -> None:
    """They end pycocotools' walk early where both masks have one at the same place."""
    objects = []
    for _ in range(3):
        ends = sorted(data.draw(st.lists(st.integers(0, 24), max_size=8)))
        counts = np.diff([0, *ends, 24]).tolist()
        objects.append({"size": [4, 6], "counts": counts})
    packed = theirs.frPyObjects(objects, 4, 6)
    assert packed == ours.frPyObjects(objects, 4, 6)
    np.testing.assert_array_equal(theirs.area(packed), ours.area(packed))
    np.testing.assert_array_equal(theirs.toBbox(packed), ours.toBbox(packed))
    try:
        got = ours.iou(packed, packed, [0, 1, 0])
    except ValueError:
        return  # one mask ended alone: pycocotools would never return
    np.testing.assert_array_equal(theirs.iou(packed, packed, [0, 1, 0]), got)


@pytest.mark.parametrize(
    "file",
    [
        "coco_val2017/instances_val2017_exact_subset_segm.json",
        "cocoapi_val2014_100/instances_val2014_100.json",
        "gt_only/taco_annotations.json",
        "gt_only/lvis_val_100.json",
    ],
)
def test_real_masks(file: str) -> None:
    content = json.loads(data_path(*file.split("/")).read_text())
    sizes = {i["id"]: (i["height"], i["width"]) for i in content["images"]}
    by_image: dict[Any, list[Any]] = {}
    for ann in content["annotations"][: share(3000)]:
        by_image.setdefault(ann["image_id"], []).append(ann["segmentation"])
    for image, masks in by_image.items():
        drawn = [theirs.frPyObjects(m, *sizes[image]) for m in masks]
        assert [ours.frPyObjects(m, *sizes[image]) for m in masks] == drawn
        merged = [theirs.merge(m) if isinstance(m, list) else m for m in drawn]
        agree(merged, [int(isinstance(m, dict)) for m in drawn])
