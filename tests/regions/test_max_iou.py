"""max_iou."""

from __future__ import annotations

import functools
import math
import signal

import numpy as np
import pytest
import reference
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import same_bits, some_splits
from tamis._shared.columns import FORMATS

SQUARES = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 2, 2], [9, 9, 10, 10]], np.float64)


def boxes(n: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Sides behind a corner; read as two corners some are inverted."""
    rng = np.random.default_rng((seed, n))
    return np.concatenate([rng.uniform(0, 20, (n, 2)), rng.uniform(8, 30, (n, 2))], 1).astype(dtype)


# Hand cases and edges


def test_one_image():
    np.testing.assert_array_equal(tamis.max_iou(SQUARES, np.array([0, 4])), [1, 1 / 7, 1, 0])


def test_images_do_not_mix_and_a_lone_box_has_none():
    np.testing.assert_array_equal(
        tamis.max_iou(SQUARES, np.array([0, 1, 1, 3, 4])), [0, 1 / 7, 1 / 7, 0]
    )


def test_labels():
    got = tamis.max_iou(SQUARES, np.array([0, 4]), labels=np.array([5, 7, 7, 5]))
    np.testing.assert_array_equal(got, [0, 1 / 7, 1 / 7, 0])


def test_second_set():
    splits, other_splits = np.array([0, 3, 4]), np.array([0, 1, 1])
    got = tamis.max_iou(SQUARES, splits, other=SQUARES[:1], other_splits=other_splits)
    np.testing.assert_array_equal(got, [1, 1 / 7, 1, 0])
    got = tamis.max_iou(SQUARES, splits, other=SQUARES, other_splits=splits)
    np.testing.assert_array_equal(got, [1, 1, 1, 1])  # the same array is still a second set
    got = tamis.max_iou(
        SQUARES,
        splits,
        labels=np.array([1, 1, 2, 3]),
        other=SQUARES[:1],
        other_splits=other_splits,
        other_labels=np.array([1]),
    )
    np.testing.assert_array_equal(got, [1, 1 / 7, 0, 0])


@pytest.mark.parametrize("images", [0, 1, 3])
def test_no_boxes(images, library):
    none, splits = library.array(np.empty((0, 4), np.float32)), np.zeros(images + 1, np.int64)
    labels = library.array(np.empty(0, np.int64))
    got = tamis.max_iou(none, splits, labels=labels)
    same_bits(library.numpy(got), np.empty(0, np.float32))


def test_rounding_never_exceeds_one():
    far = np.array([[1e8, 1e8, 3, 3], [1e8, 1e8, 3, 3]], np.float32)
    assert (tamis.max_iou(far, np.array([0, 2]), fmt="xywh") <= 1).all()


def test_labels_beyond_int32():
    labels = np.array([2**40, 2**40 + 2**32, 2**40, 0])
    got = tamis.max_iou(SQUARES, np.array([0, 4]), labels=labels)
    np.testing.assert_array_equal(got, [1, 0, 1, 0])


# Every path equals the reference, bit by bit


@functools.cache  # for every instruction set and library
def case_within(dtype, fmt, labelled):
    splits = np.append(some_splits(30, 40, seed=1), 0)
    splits[-1] = splits[-2] + 1100  # one image longer than a tile
    x = boxes(splits[-1], dtype)
    labels = np.random.default_rng(3).integers(0, 4, len(x)) if labelled else None
    return x, splits, labels, reference.max_iou(x, splits, labels, fmt=fmt)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("labelled", [False, True])
def test_within(isa, library, dtype, fmt, labelled):
    x, splits, labels, want = case_within(dtype, fmt, labelled)
    given_labels = library.array(labels) if labelled else None
    got = tamis.max_iou(library.array(x), library.array(splits), labels=given_labels, fmt=fmt)
    same_bits(library.numpy(got), want)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labelled", [False, True])
def test_between(isa, library, dtype, labelled):
    splits, other_splits = some_splits(40, 30, seed=1), some_splits(40, 30, seed=2)
    x, other = boxes(splits[-1], dtype), boxes(other_splits[-1], dtype, seed=1)
    rng = np.random.default_rng(3)
    labels = [rng.integers(0, 4, len(y)) if labelled else None for y in (x, other)]
    got = tamis.max_iou(
        library.array(x),
        splits,
        labels=labels[0],
        other=library.array(other),
        other_splits=other_splits,
        other_labels=labels[1],
    )
    want = reference.max_iou(x, splits, labels[0], other, other_splits, labels[1])
    same_bits(library.numpy(got), want)


def test_mixed_dtypes():
    splits = np.array([0, 9])
    x, other = boxes(9), boxes(9, "float64", seed=1)
    got = tamis.max_iou(x, splits, other=other, other_splits=splits)
    same_bits(got, reference.max_iou(x.astype(float), splits, None, other, splits))
    half = x.astype(np.float16)
    same_bits(tamis.max_iou(half, splits), reference.max_iou(half.astype(np.float32), splits))


# Errors come before work


SPLITS = np.array([0, 4])


VALUE_ERRORS = {
    r"max_iou: boxes must have shape \(N, 4\), got \(16,\)": lambda: tamis.max_iou(
        SQUARES.ravel(), SPLITS
    ),
    "max_iou: splits must begin with 0 and end with 4, got 0 and 3": lambda: tamis.max_iou(
        SQUARES, np.array([0, 3])
    ),
    r"max_iou: labels must have shape \(4,\), got \(3,\)": lambda: tamis.max_iou(
        SQUARES, SPLITS, labels=np.zeros(3, int)
    ),
    "max_iou: fmt must be one of xyxy, xywh, cxcywh, got 'xy'": lambda: tamis.max_iou(
        SQUARES, SPLITS, fmt="xy"
    ),
    "max_iou: other_splits must be given with other, got None": lambda: tamis.max_iou(
        SQUARES, SPLITS, other=SQUARES
    ),
    "max_iou: other must be given with other_splits, got None": lambda: tamis.max_iou(
        SQUARES, SPLITS, other_splits=SPLITS
    ),
    "max_iou: other_labels must be given with labels and other, got None": lambda: tamis.max_iou(
        SQUARES, SPLITS, labels=SPLITS, other=SQUARES, other_splits=SPLITS
    ),
    "max_iou: labels must be given with other_labels, got None": lambda: tamis.max_iou(
        SQUARES, SPLITS, other=SQUARES, other_splits=SPLITS, other_labels=SPLITS
    ),
    r"max_iou: other_splits must have shape \(2,\), got \(3,\)": lambda: tamis.max_iou(
        SQUARES, SPLITS, other=SQUARES, other_splits=np.array([0, 1, 4])
    ),
    "max_iou: boxes has a NaN or infinite coordinate in row 1": lambda: tamis.max_iou(
        np.where(SQUARES == 3, math.nan, SQUARES), SPLITS
    ),
}
TYPE_ERRORS = {
    "max_iou: labels must be int8 to int64, got float64": lambda: tamis.max_iou(
        SQUARES, SPLITS, labels=np.zeros(4)
    ),
    "max_iou: boxes must be float16, bfloat16, float32 or float64, got int64": lambda: (
        tamis.max_iou(SQUARES.astype(int), SPLITS)
    ),
}


@pytest.mark.parametrize("text", [*VALUE_ERRORS, *TYPE_ERRORS])
def test_errors(text):
    error = ValueError if text in VALUE_ERRORS else TypeError
    with pytest.raises(error, match=f"^{text}$"):
        (VALUE_ERRORS | TYPE_ERRORS)[text]()


def test_a_signal_stops_a_crowded_image():
    def stop(*_):
        raise KeyboardInterrupt

    x = boxes(200_000)  # half a minute on one thread
    before = signal.signal(signal.SIGALRM, stop)
    tamis.set_num_threads(1)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            tamis.max_iou(x, np.array([0, len(x)]))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        tamis.set_num_threads(0)


# Properties


@examples(100)
@given(st.data())
def test_any_images_equal_the_reference(data):
    counts = data.draw(st.lists(st.integers(0, 6), max_size=5))
    splits = np.cumsum([0, *counts])
    n = int(splits[-1])
    coordinates = st.floats(-50, 50, width=32) | st.sampled_from([0.0, 1.0, 2.0])
    x = data.draw(arrays(np.float32, (n, 4), elements=coordinates))
    labels = data.draw(st.none() | arrays(np.int64, n, elements=st.integers(0, 2)))
    same_bits(tamis.max_iou(x, splits, labels=labels), reference.max_iou(x, splits, labels))


# Parity with fiftyone.utils.iou.compute_max_ious


def fiftyone_iou(a, b):
    """Its box IoU on Python floats, relative [x, y, w, h]."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    union = a[2] * a[3] + b[2] * b[3] - inter
    return min(inter / union, 1) if union else 0.0


def test_fiftyone_parity():
    rng = np.random.default_rng(7)
    x = np.concatenate([rng.uniform(0, 0.7, (60, 2)), rng.uniform(0, 0.3, (60, 2))], axis=1)
    x[20:30] = x[:10]
    rows = x.tolist()
    want = [
        max(fiftyone_iou(a, b) for j, b in enumerate(rows) if j != i) for i, a in enumerate(rows)
    ]
    np.testing.assert_array_equal(tamis.max_iou(x, np.array([0, 60]), fmt="xywh"), want)


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("at", range(4))
def test_gpu_nan_counts_for_nothing(gpu_library, fmt, at):
    x = np.tile(np.array([[1, 1, 4, 4]], np.float32), (3, 1))
    x[1, at] = math.nan
    got = tamis.max_iou(gpu_library.array(x), np.array([0, 3]), fmt=fmt)
    assert gpu_library.numpy(got).tolist() == [1, 0, 1]
    found = tamis.find_duplicate_boxes(gpu_library.array(x), np.array([0, 3]), fmt=fmt)
    assert gpu_library.numpy(found.duplicates).tolist() == [2]
    assert gpu_library.numpy(found.of).tolist() == [0]


@pytest.mark.gpu
def test_gpu_arrays_come_back(gpu_library):
    x, splits = boxes(300), np.array([0, 100, 300])
    got = tamis.max_iou(gpu_library.array(x), gpu_library.array(splits))
    same_bits(gpu_library.numpy(got), reference.max_iou(x, splits))


# On a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fmt", FORMATS)
def test_gpu_equals_the_host(gpu_library, dtype, fmt):
    on = gpu_library.array
    splits, other_splits = some_splits(12, 40, seed=1), some_splits(12, 9, seed=2)
    a, b = boxes(splits[-1], dtype), boxes(other_splits[-1], dtype, seed=1)
    rng = np.random.default_rng(0)
    labels, other_labels = (rng.integers(0, 3, len(x)) << 40 for x in (a, b))
    same_bits(
        gpu_library.numpy(tamis.max_iou(on(a), splits, fmt=fmt)),
        tamis.max_iou(a, splits, fmt=fmt),
    )
    same_bits(
        gpu_library.numpy(tamis.max_iou(on(a), on(splits), labels=on(labels), fmt=fmt)),
        tamis.max_iou(a, splits, labels=labels, fmt=fmt),
    )
    second = {"other_splits": other_splits, "other_labels": other_labels, "fmt": fmt}
    got = tamis.max_iou(on(a), splits, labels=labels, other=on(b), **second)
    same_bits(gpu_library.numpy(got), tamis.max_iou(a, splits, labels=labels, other=b, **second))


@pytest.mark.gpu
def test_gpu_without_boxes(gpu_library):
    none = gpu_library.array(np.empty((0, 4), np.float32))
    assert gpu_library.numpy(tamis.max_iou(none, np.array([0, 0]))).shape == (0,)
