"""find_duplicate_boxes."""

from __future__ import annotations

import math
import signal

import numpy as np
import pytest
import reference_duplicates as reference
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference import same_bits, some_splits
from tamis._shared.columns import FORMATS
from tamis.regions.duplicates import METHODS

# 0, 1 and 4 are alike, 2 and 3 are a little off each other
BOXES = np.array(
    [[0, 0, 8, 8], [0, 0, 8, 8], [9, 9, 17, 17], [9, 9, 17, 18], [0, 0, 8, 8]], np.float64
)
ONE = np.array([0, 5])
CHAIN = np.array([[0, 0, 10, 1], [2, 0, 12, 1], [4, 0, 14, 1]], np.float64)  # IoU 2/3, 2/3, 3/7


def boxes(n: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Corners behind a corner, or sides; a third of them nearly repeat others, some exactly."""
    rng = np.random.default_rng((seed, n))
    x = np.concatenate([rng.uniform(0, 20, (n, 2)), rng.uniform(8, 40, (n, 2))], axis=1)
    again = rng.integers(0, max(1, n), n // 3)
    x[: n // 3] = x[again] + rng.choice([0, 0.01, 1], (n // 3, 1)) * rng.normal(0, 1, (n // 3, 4))
    return x.astype(dtype)


def found(x, splits=None, **options):
    splits = np.array([0, len(x)]) if splits is None else splits
    got = tamis.find_duplicate_boxes(np.asarray(x, np.float64), splits, **options)
    return got.duplicates.tolist(), got.of.tolist()


# Hand cases and edges


def test_simple_marks_the_later_box_and_greedy_the_first_of_equals():
    assert found(BOXES) == ([1, 4], [0, 0])
    assert found(BOXES, method="greedy") == ([0, 1], [4, 4])
    assert found(BOXES, method="groups") == ([1, 4], [0, 0])


def test_the_threshold_is_strict():
    iou = 64 / 72
    assert found(BOXES, threshold=iou) == ([1, 4], [0, 0])
    assert found(BOXES, threshold=np.nextafter(iou, 0)) == ([1, 3, 4], [0, 2, 0])
    assert found(BOXES, threshold=1) == ([], [])


def test_a_chain():
    assert found(CHAIN, threshold=0.5) == ([1, 2], [0, 1])  # the last one repeats a duplicate
    assert found(CHAIN, threshold=0.5, method="greedy") == ([1], [0])
    got = tamis.find_duplicate_boxes(CHAIN, np.array([0, 3]), threshold=0.5, method="groups")
    assert got.of.tolist() == [0, 0] and got.iou.tolist() == [8 / 12, 6 / 14]


def test_the_box_of_highest_score_stays_in_a_group():
    scores = np.array([0.1, 0.9, 0.9])
    assert found(CHAIN, threshold=0.5, method="groups", scores=scores) == ([0, 2], [1, 1])


def test_a_duplicate_names_a_box_that_stays_before_one_that_does_not():
    x = [[0, 0, 10, 1], [3, 0, 13, 1], [-3, 0, 7, 1], [1, 0, 11, 1]]
    assert found(x, threshold=0.6) == ([3], [0])
    assert found(x[1:] + x[:1], threshold=0.6) == ([2, 3], [0, 2])


def test_images_and_labels_do_not_mix():
    assert found(BOXES, np.array([0, 1, 4, 5])) == ([], [])
    assert found(BOXES, labels=np.array([3, 3, 0, 0, -5]), threshold=0.5) == ([1, 3], [0, 2])
    assert found(BOXES, np.array([0, 0, 2, 2, 5]), threshold=0.5) == ([1, 3], [0, 2])


def test_a_crowd_is_measured_by_the_later_box():
    x = [[0, 0, 100, 100], [10, 10, 20, 20]]
    assert found(x, iscrowd=np.array([True, False])) == ([1], [0])
    assert found(x, iscrowd=np.array([False, True])) == ([], [])
    assert found(x[::-1], iscrowd=np.array([0, 1])) == ([], [])


def test_boxes_without_extent_and_inverted_ones_repeat_nothing():
    x = [[1, 1, 1, 1], [1, 1, 1, 1], [5, 5, 2, 2], [5, 5, 2, 2], [0, 5, 9, 5], [0, 5, 9, 5]]
    for method in METHODS:
        assert found(x, threshold=0, method=method) == ([], [])


def test_a_negative_threshold_joins_all_boxes_of_an_image():
    x = [[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 8, 8]]
    assert found(x, threshold=-1) == ([1, 2], [0, 0])
    assert found(x, threshold=-0.5, method="greedy") == ([0, 1], [2, 2])
    assert found(x, threshold=-math.inf, method="groups") == ([1, 2], [0, 0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("images", [0, 1, 3])
def test_no_boxes(images, method, library):
    none, splits = library.array(np.empty((0, 4), np.float32)), np.zeros(images + 1, np.int64)
    got = tamis.find_duplicate_boxes(none, splits, method=method)
    reference.equal(
        tamis.DuplicateBoxes(*map(library.numpy, (got.duplicates, got.of, got.iou))),
        (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)),
    )


# Equal to the reference, bit by bit


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_every_format_and_dtype(library, dtype, fmt, method):
    splits = some_splits(30, 60, seed=1)
    x = boxes(int(splits[-1]), dtype)
    for threshold in (0.2, 0.9):
        got = tamis.find_duplicate_boxes(
            library.array(x), library.array(splits), threshold=threshold, method=method, fmt=fmt
        )
        if library.name == "torch":
            got = tamis.DuplicateBoxes(*map(library.numpy, (got.duplicates, got.of, got.iou)))
        want = reference.find_duplicate_boxes(
            x.astype(np.float64), splits, threshold=threshold, method=method, fmt=fmt
        )
        reference.equal(got, want)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threshold", [-0.5, 0, 1e-3, 0.5, 0.99])
def test_labels_and_crowds(method, threshold):
    splits = np.append(some_splits(20, 80, seed=2), 0)
    splits[-1] = splits[-2] + 300
    x = boxes(int(splits[-1]))
    rng = np.random.default_rng(3)
    labels, scores = rng.integers(0, 4, len(x)), rng.integers(0, 9, len(x))
    crowd = rng.random(len(x)) < 0.2
    for options in ({}, {"labels": labels}, {"crowd": crowd}, {"labels": labels, "crowd": crowd}):
        if method == "groups":
            options = {**options, "scores": scores}
        want = reference.find_duplicate_boxes(
            x, splits, threshold=threshold, method=method, **options
        )
        options["iscrowd"] = options.pop("crowd", None)
        got = tamis.find_duplicate_boxes(x, splits, threshold=threshold, method=method, **options)
        reference.equal(got, want)


@pytest.mark.parametrize("method", METHODS)
def test_sides_lost_beside_a_large_offset(method):
    """Corners then span another area than the sides, and an IoU may be anything up to 1."""
    rng = np.random.default_rng(0)
    for offset in (1e12, 1e15, 1e17):
        x = np.concatenate([offset + rng.uniform(0, 9, (200, 2)), rng.uniform(1, 9, (200, 2))], 1)
        for threshold in (0, 0.5, 0.9):
            want = reference.find_duplicate_boxes(
                x, np.array([0, 200]), threshold=threshold, method=method, fmt="xywh"
            )
            got = tamis.find_duplicate_boxes(
                x, np.array([0, 200]), threshold=threshold, method=method, fmt="xywh"
            )
            reference.equal(got, want)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-170, 1e-160, 1e150, 1e153])
def test_areas_beyond_the_range_of_numbers(method, scale):
    x, splits = boxes(300) * scale, np.array([0, 300])
    for threshold in (-1, 0, 0.5):
        want = reference.find_duplicate_boxes(x, splits, threshold=threshold, method=method)
        reference.equal(
            tamis.find_duplicate_boxes(x, splits, threshold=threshold, method=method), want
        )


# Many boxes in one image: what the tree may skip, and how the threads share it


def crowds(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    step, place = np.arange(n)[:, None] * 0.5, rng.uniform(0, 300, (n, 2))
    same = np.repeat([[10.0, 10, 50, 50]], n, axis=0)
    flat = np.where(rng.random((n, 1)) < 0.5, [[300.0, 1]], [[1.0, 300]])
    return {
        "one place": same,
        "nearly one place": same + rng.normal(0, 0.01, (n, 4)),
        "around one place": same + rng.normal(0, 1, (n, 4)),
        "one size": np.concatenate([place, place + 20], axis=1),
        "long and thin": np.concatenate([place, place + flat], axis=1),
        "a chain": np.concatenate([step, step * 0, step + 10, step * 0 + 10], axis=1),
        "one over all": np.concatenate([np.array([[-9.0, -9, 400, 400]]), boxes(n - 1)]),
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", crowds(2))
def test_crowded_images_equal_the_reference(method, kind):
    x, splits = crowds(250)[kind], np.array([0, 250])
    for threshold in (-0.1, 0, 0.5, 0.9, 0.99):
        for crowd in (None, np.arange(250) % 7 == 0):
            want = reference.find_duplicate_boxes(
                x, splits, crowd=crowd, threshold=threshold, method=method
            )
            got = tamis.find_duplicate_boxes(
                x, splits, iscrowd=crowd, threshold=threshold, method=method
            )
            reference.equal(got, want)


@pytest.mark.parametrize("method", METHODS)
def test_threads_change_nothing(method):
    counts = np.array([3, 8500, 0, 40, 8300, 1])  # two that all threads work on
    splits = np.concatenate([[0], np.cumsum(counts)])
    x = np.concatenate([boxes(n, seed=7) * max(1, n / 100) for n in counts])
    want = None
    try:
        for threads in (1, 2, 5):
            tamis.set_num_threads(threads)
            got = tamis.find_duplicate_boxes(x, splits, threshold=0.7, method=method)
            want = want or got
            reference.equal(got, (want.duplicates, want.of, want.iou))
    finally:
        tamis.set_num_threads(0)
    assert want is not None
    middle = slice(splits[1], splits[2])  # and every image alone gives the same
    alone = tamis.find_duplicate_boxes(
        x[middle], np.array([0, counts[1]]), threshold=0.7, method=method
    )
    assert np.isin(alone.duplicates + 3, want.duplicates).all() and len(alone.duplicates) > 1000


@pytest.mark.parametrize("method", METHODS)
def test_a_hundred_thousand_boxes_in_one_place(method):
    """5 * 10^9 pairs over the threshold: far too many to look at."""
    n = 100_000
    x = np.repeat([[10.0, 10, 50, 50]], n, axis=0)
    got = tamis.find_duplicate_boxes(x, np.array([0, n]), method=method)
    last = np.arange(n - 1) if method == "greedy" else np.arange(1, n)
    np.testing.assert_array_equal(got.duplicates, last)
    assert (got.of == (n - 1 if method == "greedy" else 0)).all() and (got.iou == 1).all()


def test_a_signal_stops_a_crowded_image():
    def stop(*_):
        raise KeyboardInterrupt

    x = boxes(200_000)  # half a minute on one thread
    before = signal.signal(signal.SIGALRM, stop)
    tamis.set_num_threads(1)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            tamis.find_duplicate_boxes(x, np.array([0, len(x)]), threshold=0.3, method="greedy")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        tamis.set_num_threads(0)


# Errors come before work


def call(**changed):
    arguments = {"boxes": BOXES, "splits": ONE} | changed
    return tamis.find_duplicate_boxes(arguments.pop("boxes"), arguments.pop("splits"), **arguments)


ERRORS = [
    ({"boxes": BOXES.ravel()}, ValueError, r"boxes must have shape \(N, 4\), got \(20,\)"),
    ({"boxes": BOXES.astype(int)}, TypeError, "boxes must be float16, .* got int64"),
    ({"boxes": np.where(BOXES == 18, math.nan, BOXES)}, ValueError, "boxes has a NaN .* in row 3"),
    ({"boxes": np.where(BOXES == 18, math.inf, BOXES)}, ValueError, "boxes has a .* in row 3"),
    ({"splits": np.array([0, 4])}, ValueError, "splits must begin with 0 and end with 5, got"),
    ({"splits": np.array([0, 4, 3, 5])}, ValueError, "splits must not decrease, got 3 after 4"),
    ({"labels": np.zeros(5)}, TypeError, "labels must hold integers, got float64"),
    ({"labels": np.zeros(4, int)}, ValueError, r"labels must have shape \(5,\), got \(4,\)"),
    ({"iscrowd": np.zeros(5)}, TypeError, "iscrowd must hold booleans or integers, got float64"),
    ({"scores": np.zeros(5)}, ValueError, "scores may only be given with method='groups'"),
    (
        {"scores": np.array([0, 0, math.nan, 0, 0]), "method": "groups"},
        ValueError,
        "scores has a NaN in row 2",
    ),
    ({"threshold": math.nan}, ValueError, "threshold must be a number, got nan"),
    ({"threshold": "0.5"}, TypeError, "threshold must be a number, got '0.5'"),
    ({"method": "all"}, ValueError, "method must be one of simple, greedy, groups, got 'all'"),
    ({"fmt": "xy"}, ValueError, "fmt must be one of xyxy, xywh, cxcywh, got 'xy'"),
]


@pytest.mark.parametrize(("changed", "error", "text"), ERRORS)
def test_errors(changed, error, text):
    with pytest.raises(error, match=f"^find_duplicate_boxes: {text}"):
        call(**changed)


# Properties


@examples(150)
@given(st.data())
def test_any_images_equal_the_reference(data):
    counts = data.draw(st.lists(st.integers(0, 6) | st.just(40), max_size=4))
    splits = np.cumsum([0, *counts])
    n = int(splits[-1])
    number = st.floats(-50, 50, width=32) | st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0])
    x = data.draw(arrays(np.float64, (n, 4), elements=number, fill=number))
    labels = data.draw(st.none() | arrays(np.int64, n, elements=st.integers(0, 2)))
    crowd = data.draw(st.none() | arrays(np.bool_, n))
    threshold = data.draw(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 0.99]) | st.floats(-1, 1))
    for method in METHODS:
        want = reference.find_duplicate_boxes(x, splits, labels, None, crowd, threshold, method)
        got = tamis.find_duplicate_boxes(
            x, splits, labels=labels, iscrowd=crowd, threshold=threshold, method=method
        )
        reference.equal(got, want)


# Parity with fiftyone.utils.iou


@pytest.mark.parametrize("method", ["simple", "greedy"])
@pytest.mark.parametrize("classwise", [False, True])
@pytest.mark.parametrize("crowds", [False, True])
def test_fiftyone_parity(method, classwise, crowds):
    """Box for box, and the IoU of each in every bit."""
    fo = pytest.importorskip("fiftyone")
    iou = pytest.importorskip("fiftyone.utils.iou")
    rng = np.random.default_rng(7)
    n = 150
    x = np.concatenate([rng.uniform(0, 0.7, (n, 2)), rng.uniform(0, 0.3, (n, 2))], axis=1)
    x[40:80] = x[:40] + rng.choice([0, 1e-4, 1e-2], (40, 1))
    labels, crowd = rng.integers(0, 3, n), rng.random(n) < 0.3
    objects = [
        fo.Detection(label=str(label), bounding_box=box.tolist(), iscrowd=bool(is_crowd))
        for box, label, is_crowd in zip(x, labels, crowd, strict=True)
    ]
    kwargs = {"classwise": classwise}
    if crowds:
        kwargs["iscrowd"] = lambda label: label["iscrowd"]
    matrix = iou.compute_ious(objects, objects, **kwargs)
    rule = {"simple": iou._find_duplicates_simple, "greedy": iou._find_duplicates_greedy}[method]
    for threshold in (0, 0.3, 0.9, 0.999):
        got = tamis.find_duplicate_boxes(
            x,
            np.array([0, n]),
            labels=labels if classwise else None,
            iscrowd=crowd if crowds else None,
            threshold=threshold,
            method=method,
            fmt="xywh",
        )
        assert got.duplicates.tolist() == [int(i) for i in rule(matrix, threshold)]
        same_bits(got.iou, matrix[got.duplicates, got.of])


def test_fiftyone_rules_without_fiftyone():
    """Its greedy rule as it is written there, on a matrix of pairs."""
    rng = np.random.default_rng(1)
    for n in (2, 5, 30):
        over = np.triu(rng.random((n, n)) < 0.3, 1)
        left, taken = over.copy(), []
        while left.any():
            k = int(np.argmax(np.bincount(np.concatenate(np.nonzero(left)))))
            taken.append(k)
            left[k] = left[:, k] = False
        assert reference.greedy(over | over.T).tolist() == sorted(taken)


# On a GPU


@pytest.mark.gpu
def test_gpu_arrays_come_back(gpu_library):
    x, splits = boxes(300), np.array([0, 100, 300])
    got = tamis.find_duplicate_boxes(gpu_library.array(x), gpu_library.array(splits), threshold=0.5)
    want = reference.find_duplicate_boxes(x, splits, threshold=0.5)
    reference.equal(
        tamis.DuplicateBoxes(*map(gpu_library.numpy, (got.duplicates, got.of, got.iou))), want
    )
