"""mask_iou and Masks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import reference_masks as reference
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import same_bits
from tamis import Masks, _core
from tamis.regions.mask_iou import grouped_iou

L_SHAPE = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0]], bool)
CORNER = np.array([[0, 0, 0], [0, 1, 1], [0, 1, 1]], bool)


def blobs(n: int, h: int, w: int, seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """Discs, squares, empty and full masks, some with noise: many runs in a column."""
    rng = np.random.default_rng((seed, n))
    y, x = np.mgrid[:h, :w]
    masks = np.zeros((n, h, w), bool)
    for mask in masks:
        cy, cx, r = rng.uniform(0, h), rng.uniform(0, w), rng.uniform(0, max(h, w) / 2)
        kind = rng.integers(8)
        if kind == 0:
            mask[:] = rng.integers(2)
        elif kind < 5:
            mask[:] = (y - cy) ** 2 + (x - cx) ** 2 < r * r
        else:
            mask[:] = np.maximum(abs(y - cy), abs(x - cx) / 2) < r
        mask ^= rng.random((h, w)) < noise * rng.integers(2)
    return masks


# Hand cases and edges


def test_two_masks():
    a = Masks.encode(np.stack([L_SHAPE, CORNER]))
    assert a.counts() == [[0, 3, 2, 1, 3], [4, 2, 1, 2]]
    same_bits(tamis.mask_iou(a, a), np.array([[1, 1 / 7], [1 / 7, 1]]))
    same_bits(tamis.mask_iou(a, a, iscrowd=np.array([0, 1])), np.array([[1, 1 / 4], [1 / 7, 1]]))
    np.testing.assert_array_equal(a.area(), np.array([4, 4], np.uint32), strict=True)
    same_bits(a.to_bbox(), np.array([[0, 0, 2, 3], [1, 1, 2, 2.0]]))
    assert a.merge().counts() == [[0, 3, 1, 2, 1, 2]]
    assert a.merge(intersect=True).counts() == [[5, 1, 3]]
    assert a.merge(np.array([0, 1, 2])).to_coco() == a.to_coco()


def test_no_masks():
    none = Masks.encode(np.zeros((0, 4, 5), bool))
    assert len(none) == 0 and none.to_coco() == [] and none.counts() == []
    assert none.decode().shape[0] == 0 and none.area().shape == (0,)
    assert tamis.mask_iou(none, Masks.encode(L_SHAPE)).shape == (0, 1)
    assert tamis.mask_iou([], []).shape == (0, 0)
    assert len(Masks.from_polygons([], (4, 5))) == 0 and len(Masks.from_coco([])) == 0


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_tiny_images(shape):
    rle = Masks.encode(np.zeros(shape, bool))
    assert rle.to_coco() == [{"size": list(shape), "counts": b"%d" % (shape[0] * shape[1])}]
    assert rle.decode().shape == (1, *shape)
    same_bits(tamis.mask_iou(rle, rle), np.zeros((1, 1)))


def test_polygons_of_an_image_without_columns_end_somewhere():
    """pycocotools asks for memory for every column that they cross."""
    wide = np.array([0, 0, 1e8, 0, 1e8, 3, 0, 3.0])
    with pytest.raises(ValueError, match="width 0 must cross at most 1048576 columns"):
        tamis.Masks.from_polygons([[wide]], [(4, 0)])


def test_a_mask_without_polygons_is_empty():
    rle = Masks.from_polygons([[], [[0, 0, 2, 0, 2, 2, 0, 2]]], (4, 5))
    assert rle.counts() == [[20], [0, 2, 2, 2, 14]]


def test_from_boxes_and_index():
    rle = Masks.from_boxes(np.array([[1, 1, 2, 2], [0, 0, 9, 9], [9, 9, 1, 1]]), (3, 4))
    np.testing.assert_array_equal(rle.area(), [4, 12, 0])
    assert rle[-1] == {"size": [3, 4], "counts": b"<"}
    assert list(rle[np.array([2, 0])]) == [rle[2], rle[0]] and list(rle[1:]) == [rle[1], rle[2]]
    with pytest.raises(IndexError):
        rle[3]


def test_huge_counts():
    size = [65535, 65536]
    rle = Masks.from_coco([{"size": size, "counts": [1, 65535 * 65536 - 1]}])
    assert rle.area()[0] == 65535 * 65536 - 1
    same_bits(rle.to_bbox(), np.array([[0, 0, 65536, 65535.0]]))
    same_bits(tamis.mask_iou(rle, rle), np.ones((1, 1)))


# Every path equals the reference


@pytest.mark.parametrize("noise", [0, 0.01, 0.3])
@pytest.mark.parametrize("crowd", [False, True])
def test_pixels(isa, library, noise, crowd):
    a, b = blobs(40, 30, 40, 1, noise), blobs(30, 30, 40, 2, noise)
    x, y = (Masks.encode(library.array(m.astype(np.uint8) * 3)) for m in (a, b))
    flags = np.random.default_rng(0).integers(0, 2, 30) if crowd else None
    got = tamis.mask_iou(x, y, iscrowd=None if flags is None else library.array(flags))
    same_bits(got, reference.iou(list(a), list(b), flags))
    np.testing.assert_array_equal(x.decode(), a)
    np.testing.assert_array_equal(x.area(), a.sum((1, 2)))
    np.testing.assert_array_equal(x.to_bbox(), [reference.bbox(m) for m in a])
    assert x.counts() == [reference.runs_of(m) for m in a]
    assert [reference.counts_of(o["counts"]) for o in x] == x.counts()
    groups = np.array([0, 1, 7, 40])
    for intersect, join in ((False, np.any), (True, np.all)):
        merged = x.merge(groups, intersect=intersect).decode()
        want = [join(a[i:j], axis=0) for i, j in pairwise(groups)]
        np.testing.assert_array_equal(merged, want)


@pytest.mark.parametrize("kind", ["pixels", "blocks", "text"])
def test_every_instruction_set_reads_the_same(kind):
    """Texts that are not masks too: measured alike, or refused alike."""
    rng = np.random.default_rng(3)

    def outcome(rle):
        try:
            area, box = rle._measures()
            return area.tolist(), box.tolist(), rle.counts()
        except ValueError as error:
            return str(error)

    # every size with every share of pixels, twice
    for turn in range(150 if kind == "text" else 72):
        h, w = ((7, 9), (1, 90), (90, 1), (300, 200), (1400, 1000), (16, 16))[turn % 6]
        pixels = rng.random((2, h, w)) < (0.5, 0.02, 0.9, 0.001, 1, 0)[turn // 6 % 6]
        if kind == "blocks":  # whose runs go on from column to column
            pixels = pixels.repeat(4, 1).repeat(3, 2)[:, :h, :w]
        rle = Masks.encode(pixels)
        if kind == "text":
            some = rng.integers(48, 80 if turn % 2 else 112, rng.integers(1, 70)).astype(np.uint8)
            cut = turn % len(some)
            rle = Masks._of(some, np.array([0, cut, len(some)]), [[h, w]] * 2)
        before, found = _core.isa(), []
        for level in range(2, before + 1):
            _core.cap_isa(level)
            try:
                found.append([outcome(rle[i : i + 1]) for i in range(2)])
                if kind != "text":
                    found[-1].append(tamis.mask_iou(rle, rle).tolist())
            finally:
                _core.cap_isa(before)
        assert all(other == found[0] for other in found)


@pytest.mark.parametrize("threads", [1, 3])
def test_batched(threads):
    rng = np.random.default_rng(5)
    splits, other = (np.cumsum([0, *rng.integers(0, 9, 20), n]) for n in (600, 3))
    a, b = blobs(splits[-1], 20, 25, 1), blobs(other[-1], 20, 25, 2)
    crowd = rng.integers(0, 2, len(b))
    tamis.set_num_threads(threads)
    try:
        values, ends = tamis.mask_iou_batched(
            Masks.encode(a), splits, Masks.encode(b), other, iscrowd=crowd
        )
    finally:
        tamis.set_num_threads(0)
    np.testing.assert_array_equal(ends, np.cumsum([0, *np.diff(splits) * np.diff(other)]))
    for i in range(21):
        rows, columns = slice(*splits[i : i + 2]), slice(*other[i : i + 2])
        want = reference.iou(list(a[rows]), list(b[columns]), crowd[columns])
        same_bits(values[ends[i] : ends[i + 1]], want.ravel())


@pytest.mark.parametrize("least", [0.0, 0.3, 0.5, 0.9, 1.0, np.nan])
@pytest.mark.parametrize("by_boxes", [True, False])
def test_only_what_is_below_the_least_wanted_may_differ(isa, least, by_boxes):
    rng = np.random.default_rng(3)
    pixels = blobs(60, 30, 40, 3, noise=0.01)
    moved = np.stack([np.roll(m, rng.integers(-2, 3, 2), (0, 1)) for m in np.repeat(pixels, 5, 0)])
    a, b, splits = Masks.encode(moved), Masks.encode(pixels), np.arange(0, 61, 6)
    args = (a, 5 * splits, b, splits, 300 * 6)
    more = {"crowd": rng.integers(0, 2, 60).astype(np.uint8)}
    if by_boxes:
        more["a_boxes"] = a.to_bbox()
    want, got = grouped_iou(*args, **more), grouped_iou(*args, **more, least=least)
    counts = ~(want < least)
    same_bits(got[counts], want[counts])
    assert (got[~counts] < least).all()


def test_layouts_of_pixels():
    masks = blobs(5, 12, 15)
    want = Masks.encode(masks).to_coco()
    last = masks.transpose(1, 2, 0).copy().transpose(2, 0, 1)
    for same in (np.asfortranarray(masks), masks[:, ::-1][:, ::-1], last):
        assert Masks.encode(same).to_coco() == want


# Errors come before work


NUMBERS: Any = [[1, 2]]
ONE = {"size": [2, 3], "counts": b"123"}
ERRORS: dict[str, Any] = {
    "mask_iou: a must be Masks or a list of COCO RLE, got ndarray": lambda: tamis.mask_iou(
        np.zeros((2, 2)), []
    ),
    "Masks: object 0 must be a dict with size and counts, got list": lambda: Masks.from_coco(
        NUMBERS
    ),
    "Masks: the counts of mask 1 must be compressed RLE of 2 x 3 pixels, got b'12'": lambda: (
        Masks.from_coco([ONE, {"size": [2, 3], "counts": "12"}])
    ),
    "Masks: the counts of mask 0 must be compressed RLE of 2 x 3 pixels, got b'6P'": lambda: (
        Masks.from_coco([{"size": [2, 3], "counts": "6P"}])
    ),
    r"Masks: the counts of mask 0 must be .* got b'\\xc3\\xa9'": lambda: Masks.from_coco(
        [{"size": [2, 3], "counts": "é"}]
    ),
    "Masks: the counts of mask 0 must be compressed RLE of 2 x 3 pixels, got b''": lambda: (
        Masks.from_coco([{"size": [2, 3], "counts": []}])
    ),
    "Masks: the counts of mask 0 must be compressed RLE of -2 x -3 pixels": lambda: Masks.from_coco(
        [{"size": [-2, -3], "counts": [6]}]
    ),
    r"Masks: counts of object 0 must be in \[0, 2\*\*32\)": lambda: Masks.from_coco(
        [{"size": [2, 3], "counts": [7, -1]}]
    ),
    "Masks: counts of object 0 must be str, bytes or a list of integers": lambda: Masks.from_coco(
        [{"size": [2, 3], "counts": [6.0]}]
    ),
    "Masks.encode: masks must be bool or uint8, got float64": lambda: Masks.encode(
        np.zeros((2, 2))
    ),
    r"Masks.encode: masks must have shape \(n, h, w\), got \(2,\)": lambda: Masks.encode(
        np.zeros(2, bool)
    ),
    "Masks.from_polygons: polygons of mask 1 must be lists of x, y": lambda: Masks.from_polygons(
        [[[0, 0, 1, 1, 2, 2]], [[0, 0, 1, 1, 2, 2, 3]]], (4, 4)
    ),
    "Masks.from_polygons: polygons of mask 0 .* at least 3 points": lambda: Masks.from_polygons(
        [[[0, 0, 1, 1]]], (4, 4)
    ),
    r"Masks.from_polygons: polygon 0: coordinates must be numbers within 2\^27, got nan": lambda: (
        Masks.from_polygons([[[0, 0, 1, np.nan, 2, 2]]], (4, 4))
    ),
    "Masks.from_boxes: boxes as polygons, polygon 0: its image must have fewer than": lambda: (
        Masks.from_boxes(np.ones((1, 4)), (2**16, 2**16))
    ),
    "Masks.from_boxes: size must be": lambda: Masks.from_boxes(np.ones((1, 4)), (2.5, 3)),
    r"mask_iou: masks of an image must be of one size, got \[3, 3\] at row 0 of b": lambda: (
        tamis.mask_iou([ONE], Masks.encode(L_SHAPE))
    ),
    r"mask_iou: iscrowd must have shape \(1,\), got \(2,\)": lambda: tamis.mask_iou(
        [ONE], [ONE], iscrowd=np.zeros(2)
    ),
    "mask_iou_batched: a_splits must begin with 0 and end with 1": lambda: tamis.mask_iou_batched(
        [ONE], np.array([0, 2]), [ONE], np.array([0, 1])
    ),
    "Masks: size of object 0 must be two integers": lambda: Masks.from_coco(
        [{"size": [2.5, 3], "counts": [6]}]
    ),
    "Masks.from_polygons: polygons of mask 0 must hold numbers": lambda: Masks.from_polygons(
        [[["a"] * 6]], (2, 3)
    ),
    "Masks.decode: masks must be of one size": lambda: Masks.from_coco(
        [ONE, {"size": [1, 1], "counts": [1]}]
    ).decode(),
    "Masks.merge: groups must not be empty": lambda: Masks.from_coco([ONE]).merge(
        np.array([0, 0, 1])
    ),
    "Masks.merge: masks of a group must be of one size": lambda: Masks.from_coco(
        [ONE, {"size": [3, 2], "counts": [6]}]
    ).merge(),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text):
    with pytest.raises((TypeError, ValueError), match=f"^{text}"):
        ERRORS[text]()


@pytest.mark.parametrize(
    "index",
    [slice(None, None, -1), slice(1, None, 2), slice(5, 2), [3, 0, 3], [-1], [], np.arange(5) > 2],
    ids=str,
)
def test_parts(index):
    pixels = np.random.default_rng(0).random((5, 4, 6)) < 0.5
    masks = Masks.encode(pixels)
    again = Masks.from_coco([{**one, "counts": bytearray(one["counts"])} for one in masks[index]])
    assert [one.tolist() for one in again.decode()] == pixels[index].tolist()
    for wrong in (5, None, [[0, 1]], [9]):
        with pytest.raises(IndexError):
            masks[wrong]


# Properties


@examples(100)
@given(st.data())
def test_any_masks_equal_the_reference(data):
    h, w = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    bits = st.lists(st.booleans(), min_size=h * w, max_size=h * w)
    a, b = (
        np.array(data.draw(st.lists(bits, max_size=4)), bool).reshape(-1, h, w) for _ in range(2)
    )
    crowd = np.array(data.draw(st.lists(st.booleans(), min_size=len(b), max_size=len(b))), bool)
    x, y = Masks.encode(a), Masks.encode(b)
    same_bits(tamis.mask_iou(x, y, iscrowd=crowd), reference.iou(list(a), list(b), crowd))
    np.testing.assert_array_equal(x.decode() if len(a) else a, a)
    again = Masks.from_coco([{"size": [h, w], "counts": c} for c in x.counts()])
    assert again.to_coco() == x.to_coco()
