"""find_duplicate_boxes of rotated boxes and of masks: equal to all pairs and the same rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference_duplicates as reference
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import some_splits
from tamis.regions.duplicates import METHODS

THRESHOLDS = (-0.5, 0, 0.3, 0.8, 0.99)


def rotated(n: int, seed: int = 0, spread: float = 60) -> np.ndarray:
    """A third nearly repeat others, some exactly or turned by a quarter; some have no extent."""
    rng = np.random.default_rng((seed, n))
    x = np.concatenate(
        [rng.uniform(0, spread, (n, 2)), rng.uniform(5, 40, (n, 2)), rng.uniform(0, 360, (n, 1))], 1
    )
    again = x[rng.integers(0, max(1, n), n // 3)]
    quarter = again[:, [0, 1, 3, 2, 4]] + [0, 0, 0, 0, 90]
    x[: n // 3] = np.where(rng.random((n // 3, 1)) < 0.5, again, quarter)
    x[: n // 3] += rng.choice([0, 0.01, 1], (n // 3, 1)) * rng.normal(0, 1, (n // 3, 5))
    x[n // 2 : n // 2 + n // 20, 2] = 0
    return x


def masks(n: int, seed: int = 0, size: tuple[int, int] = (40, 50)) -> tamis.Masks:
    """Rectangles and discs with holes, some empty; a third repeat others but for a few pixels."""
    rng = np.random.default_rng((seed, n))
    y, x = np.mgrid[: size[0], : size[1]]
    cx, cy, r = rng.uniform(0, 50, n), rng.uniform(0, 40, n), rng.uniform(0, 16, n)
    dx, dy = np.abs(x - cx[:, None, None]), np.abs(y - cy[:, None, None])
    far = np.where(rng.random((n, 1, 1)) < 0.5, np.maximum(dx, dy), np.hypot(dx, dy))
    pixels = (far < r[:, None, None]) & (far > (r * rng.choice([-1, 0.4], n))[:, None, None])
    pixels[: n // 3] = pixels[rng.integers(0, max(1, n), n // 3)]
    pixels[: n // 5] ^= rng.random((n // 5, *size)) < 0.003
    return tamis.Masks.encode(pixels)


def rotated_matrix(x: np.ndarray, fmt: str = "", crowd: Any = None) -> np.ndarray:
    """Above the diagonal the IoU of the row's box, the earlier one, and the column's."""
    iou = tamis.rotated_box_iou(x, x)
    if crowd is not None:
        iou = np.where(crowd[:, None], tamis.rotated_box_iou(x, x, kind="iof").T, iou)
    return iou


def mask_matrix(x: tamis.Masks, fmt: str = "", crowd: Any = None) -> np.ndarray:
    return tamis.mask_iou(x, x, iscrowd=crowd).T


KINDS: dict[str, Any] = {"rotated": (rotated, rotated_matrix), "masks": (masks, mask_matrix)}


def check(kind: str, x: Any, splits: np.ndarray, threshold: float, method: str, **options) -> None:
    want = reference.find_duplicate_boxes(
        x, splits, threshold=threshold, method=method, matrix=KINDS[kind][1], **options
    )
    options["iscrowd"] = options.pop("crowd", None)
    reference.equal(
        tamis.find_duplicate_boxes(x, splits, threshold=threshold, method=method, **options), want
    )


# Hand cases and edges


def test_turned_boxes_are_not_the_same_as_their_bounding_boxes():
    x = np.array([[5, 5, 9, 1, 45], [5, 5, 9, 1, -45], [5, 5, 1, 9, 135], [5, 5, 9, 1, 225]], float)
    got = tamis.find_duplicate_boxes(x, np.array([0, 4]))
    assert got.duplicates.tolist() == [2, 3] and got.of.tolist() == [0, 0]
    assert got.iou.tolist() == [1, 1]


def test_a_crowd_mask_is_measured_by_the_later_one():
    pixels = np.zeros((2, 9, 9), bool)
    pixels[0], pixels[1, 2:4] = True, True
    x, ends = tamis.Masks.encode(pixels), np.array([0, 2])
    assert len(tamis.find_duplicate_boxes(x, ends, threshold=0.5).duplicates) == 0
    got = tamis.find_duplicate_boxes(x, ends, threshold=0.5, iscrowd=np.array([1, 0]))
    assert (got.duplicates.tolist(), got.of.tolist(), got.iou.tolist()) == ([1], [0], [1])


@pytest.mark.parametrize("method", METHODS)
def test_far_away_where_corners_are_lost(method):
    x = rotated(60)
    for offset in (1e9, 1e15, 1e17):
        moved = x + np.array([offset, 0, 0, 0, 0])
        for threshold in THRESHOLDS:
            check("rotated", moved, np.array([0, 60]), threshold, method)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("images", [0, 1, 3])
def test_none(kind, images):
    none = KINDS[kind][0](0)
    got = tamis.find_duplicate_boxes(none, np.zeros(images + 1, int))
    assert len(got.duplicates) == len(got.of) == len(got.iou) == 0


def test_masks_with_empty_runs():
    """Their walk may end early, so that neither areas nor boxes bound their IoU."""
    counts = [[10, 5, 0, 5, 80], [10, 10, 80], [10, 5, 85], [0, 0, 20, 10, 70], [10, 0, 5, 5, 80]]
    x = tamis.Masks.from_coco([{"size": [10, 10], "counts": c} for c in counts * 2])
    for threshold in (0, 0.4, 0.99):
        for method in METHODS:
            check("masks", x, np.array([0, 10]), threshold, method)


# Equal to the reference, bit by bit


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_many_images(kind, method, threshold):
    splits = np.append(some_splits(12, 30, seed=2), 0)
    splits[-1] = splits[-2] + 150
    x, rng = KINDS[kind][0](int(splits[-1])), np.random.default_rng(3)
    labels, scores = rng.integers(0, 4, len(x)), rng.integers(0, 9, len(x))
    crowd = rng.random(len(x)) < 0.2
    for options in ({}, {"labels": labels}, {"crowd": crowd}, {"labels": labels, "crowd": crowd}):
        if method == "groups":
            options = {**options, "scores": scores}
        check(kind, x, splits, threshold, method, **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_dtype_of_rotated_boxes(library, dtype, method):
    splits = some_splits(20, 40, seed=1)
    x = rotated(int(splits[-1])).astype(dtype)
    got = tamis.find_duplicate_boxes(
        library.array(x), library.array(splits), threshold=0.5, method=method
    )
    want = reference.find_duplicate_boxes(
        x.astype(np.float64), splits, threshold=0.5, method=method, matrix=rotated_matrix
    )
    reference.equal(
        tamis.DuplicateBoxes(*map(library.numpy, (got.duplicates, got.of, got.iou))), want
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", METHODS)
def test_threads_change_nothing(kind, method):
    """One image that all threads share, and small ones."""
    counts = [3, 8300, 0, 40]
    splits = np.cumsum([0, *counts])
    if kind == "rotated":
        x: Any = rotated(int(splits[-1]), spread=2000)
    else:
        x = masks(600)[np.arange(splits[-1]) * 7919 % 600]
    want = None
    try:
        for threads in (1, 3):
            tamis.set_num_threads(threads)
            got = tamis.find_duplicate_boxes(x, splits, threshold=0.9, method=method)
            want = want or got
            reference.equal(got, (want.duplicates, want.of, want.iou))
    finally:
        tamis.set_num_threads(0)
    assert want is not None and len(want.duplicates) > 500


# Errors


def test_errors():
    name = "find_duplicate_boxes: boxes"
    with pytest.raises(ValueError, match=rf"{name} must have shape \(N, 4\), got \(2, 6\)"):
        tamis.find_duplicate_boxes(np.zeros((2, 6)), np.array([0, 2]))
    bad = rotated(4)
    bad[2, 4] = np.nan
    with pytest.raises(ValueError, match=f"{name} has a NaN or infinite value in row 2"):
        tamis.find_duplicate_boxes(bad, np.array([0, 4]))
    x = tamis.Masks.from_boxes(np.ones((3, 4)), [[9, 9], [9, 9], [9, 8]])
    with pytest.raises(ValueError, match=r"masks of an image must be of one size, got \[9, 9\] at"):
        tamis.find_duplicate_boxes(x, np.array([0, 3]))
    tamis.find_duplicate_boxes(x, np.array([0, 2, 3]))
    with pytest.raises(ValueError, match="splits must begin with 0 and end with 3"):
        tamis.find_duplicate_boxes(x, np.array([0, 2]))


# Properties


@examples(100)
@given(st.data())
def test_any_rotated_boxes_equal_the_reference(data):
    counts = data.draw(st.lists(st.integers(0, 6) | st.just(20), max_size=3))
    n = sum(counts)
    centre, side = st.integers(0, 3) | st.floats(0, 5), st.integers(-1, 4) | st.floats(0, 5)
    angle = st.sampled_from([0, 90, 45, -30]) | st.floats(-360, 360)
    box = st.tuples(centre, centre, side, side, angle)
    x = np.array(data.draw(st.lists(box, min_size=n, max_size=n)), np.float64).reshape(n, 5)
    crowd = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n).map(np.array))
    threshold = data.draw(st.sampled_from([-1.0, 0.0, 0.25, 0.99]) | st.floats(-1, 1))
    for method in METHODS:
        options = {} if crowd is None else {"crowd": crowd.astype(bool)}
        check("rotated", x, np.cumsum([0, *counts]), threshold, method, **options)
