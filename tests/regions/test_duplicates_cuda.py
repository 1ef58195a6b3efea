"""find_duplicate_boxes of CUDA arrays: what the host finds, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from conftest import Library
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import some_splits
from tamis._shared import arrays
from test_duplicates_shapes import THRESHOLDS, masks, rotated

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("fmt", ["xyxy", "xywh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gpu_equals_the_host(gpu_library, dtype, fmt):
    rng = np.random.default_rng(0)
    boxes = np.concatenate([rng.uniform(0, 3, (300, 2)), rng.uniform(3, 9, (300, 2))], 1)
    boxes = boxes.astype(dtype)
    splits = np.array([0, 100, 100, 101, 240, 300])
    labels, crowd = rng.integers(0, 2, 300), rng.random(300) < 0.2
    on = gpu_library.array
    for options in ({}, {"labels": labels}, {"labels": labels, "iscrowd": crowd}):
        for threshold in (0.6, -1.0, 1.0):
            how = {"threshold": threshold, "fmt": fmt}
            want = tamis.find_duplicate_boxes(boxes, splits, **options, **how)
            device = {name: on(x) for name, x in options.items()}
            for columns in (options, device):
                got = tamis.find_duplicate_boxes(on(boxes), splits, **columns, **how)
                for name in ("duplicates", "of", "iou"):
                    mine = gpu_library.numpy(getattr(got, name))
                    np.testing.assert_array_equal(mine, getattr(want, name))
    none = on(np.empty((0, 4), np.float32))
    assert gpu_library.numpy(tamis.find_duplicate_boxes(none, np.array([0])).of).shape == (0,)


def same_as_host(library: Library, x: Any, splits: np.ndarray, columns: Any, **how: Any) -> int:
    """How many are found."""
    on = library.array
    placed = x.to_device(on(np.zeros(1))) if isinstance(x, tamis.Masks) else on(x)
    want = tamis.find_duplicate_boxes(x, splits, **columns, **how)
    device = {name: on(column) for name, column in columns.items()}
    for ends, sides in ((splits, columns), (on(splits), device)):
        got = tamis.find_duplicate_boxes(placed, ends, **sides, **how)
        for name in ("duplicates", "of", "iou"):
            mine = library.numpy(getattr(got, name))
            np.testing.assert_array_equal(mine, getattr(want, name))
    return len(want.duplicates)


@pytest.mark.parametrize("make", [rotated, masks])
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_rotated_boxes_and_masks(gpu_library, make, threshold):
    splits = np.append(some_splits(9, 5, seed=2), 0)
    splits[-1] = splits[-2] + 130  # more than lanes
    rng = np.random.default_rng(3)
    x = make(int(splits[-1]))[rng.permutation(splits[-1])]
    labels, crowd = rng.integers(0, 3, len(x)), rng.random(len(x)) < 0.2
    for columns in ({}, {"labels": labels}, {"labels": labels, "iscrowd": crowd}):
        found = same_as_host(gpu_library, x, splits, columns, threshold=threshold)
        assert columns or found > 0


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_dtype_of_rotated_boxes(gpu_library, dtype):
    x, ends = rotated(60).astype(dtype), np.array([0, 20, 60])
    same_as_host(gpu_library, x, ends, {}, threshold=0.5)
    far = x.astype(np.float64) + np.array([1e15, 0, 0, 0, 0])
    same_as_host(gpu_library, far, ends, {}, threshold=0.5)


def test_masks_with_empty_runs_and_of_several_sizes(gpu_library):
    counts = [[10, 5, 0, 5, 80], [10, 10, 80], [10, 5, 85], [0, 0, 20, 10, 70], [10, 0, 5, 5, 80]]
    odd = [{"size": [10, 10], "counts": c} for c in counts * 2]
    odd += [{"size": [1, 12], "counts": c} for c in ([3, 9], [3, 8, 1], [12], [3, 9])]
    x = tamis.Masks.from_coco(odd)
    for threshold in (-1, 0, 0.4, 0.99):
        for crowd in (np.zeros(14, bool), np.arange(14) % 3 == 0):
            same_as_host(
                gpu_library, x, np.array([0, 10, 14]), {"iscrowd": crowd}, threshold=threshold
            )


@pytest.mark.parametrize("method", ["greedy", "groups"])
def test_other_methods_come_back_to_the_device(gpu_library, method):
    x, ends = rotated(40), np.array([0, 25, 40])
    assert same_as_host(gpu_library, x, ends, {}, threshold=0.3, method=method) > 0
    placed = masks(4).to_device(gpu_library.array(np.zeros(1)))
    text = f"find_duplicate_boxes: method must be 'simple' for masks on a device, got '{method}'"
    with pytest.raises(ValueError, match=text):
        tamis.find_duplicate_boxes(placed, np.array([0, 4]), method=method)


def test_no_shapes_and_those_that_do_not_fit(gpu_library):
    like = gpu_library.array(np.zeros(1))
    for none in (gpu_library.array(rotated(0)), masks(0).to_device(like)):
        got = tamis.find_duplicate_boxes(none, np.array([0, 0]))
        assert gpu_library.numpy(got.duplicates).shape == (0,)
    sizes = tamis.Masks.from_boxes(np.ones((3, 4)), [[9, 9], [9, 9], [9, 8]]).to_device(like)
    with pytest.raises(ValueError, match=r"masks of an image must be of one size, got \[9, 9\] at"):
        tamis.find_duplicate_boxes(sizes, np.array([0, 3]))
    with pytest.raises(ValueError, match=r"labels must have shape \(3,\), got \(2,\)"):
        tamis.find_duplicate_boxes(sizes, np.array([0, 2, 3]), labels=np.zeros(2, int))
    with pytest.raises(ValueError, match="splits must begin with 0 and end with 3"):
        tamis.find_duplicate_boxes(sizes, np.array([0, 2]))


def test_columns_of_another_device(gpu_library, monkeypatch):
    """As on a machine with two devices."""
    x, far = gpu_library.array(rotated(3)), gpu_library.array(np.array([1, 2, 3]))
    real = arrays.device

    def device(a):
        return "cuda:1" if real(a) == "cuda:0" and tuple(a.shape) == (3,) else real(a)

    monkeypatch.setattr(arrays, "device", device)
    for name in ("labels", "iscrowd"):
        text = rf"^find_duplicate_boxes: {name} must be on the device of boxes \(cuda:0\)"
        with pytest.raises(ValueError, match=text):
            tamis.find_duplicate_boxes(x, np.array([0, 3]), **{name: far})


SETTINGS = examples(40, fixtures_kept=True)


@SETTINGS
@given(data=st.data())
def test_any_rotated_boxes(gpu_library, data):
    counts = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
    centre, side = st.integers(0, 3) | st.floats(0, 5), st.integers(-1, 4) | st.floats(0, 5)
    angle = st.sampled_from([0, 90, 45, -30]) | st.floats(-360, 360)
    row, n = st.tuples(centre, centre, side, side, angle), sum(counts)
    x = np.array(data.draw(st.lists(row, min_size=n, max_size=n)), np.float64).reshape(n, 5)
    crowd = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    threshold = data.draw(st.sampled_from([-1.0, 0.0, 0.25, 0.99]) | st.floats(-1, 1))
    ends = np.cumsum([0, *counts])
    same_as_host(gpu_library, x, ends, {"iscrowd": crowd}, threshold=threshold)


@SETTINGS
@given(data=st.data())
def test_any_masks(gpu_library, data):
    """Of any run lengths, zero too."""
    h, w = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    cuts = st.lists(st.integers(0, h * w), max_size=20).map(sorted)
    ends = data.draw(st.lists(cuts, min_size=2, max_size=6))
    x = tamis.Masks.from_coco(
        [{"size": [h, w], "counts": np.diff([0, *e, h * w]).tolist()} for e in ends]
    )
    threshold = data.draw(st.sampled_from([-1.0, 0.0, 0.25, 0.99]) | st.floats(-1, 1))
    crowd = np.arange(len(x)) % 3 == 0
    splits = np.array([0, len(x)])
    same_as_host(gpu_library, x, splits, {"iscrowd": crowd}, threshold=threshold)
