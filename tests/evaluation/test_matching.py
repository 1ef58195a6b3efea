"""The greedy matcher: hand cases, every path against the reference, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Library
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_matching import match_image
from tamis import Matches, _core, match_detections, set_num_threads
from tamis.evaluation.match_table import outside_ranges

BOX = np.array([[0.0, 0.0, 10.0, 10.0]])
FAR = BOX + 100
ONE = np.array([0, 1])


def match(dets: Any, scores: Any, gts: Any, **options: Any) -> Matches:
    """One image."""
    dets, gts = np.reshape(dets, (-1, 4)).astype(float), np.reshape(gts, (-1, 4)).astype(float)
    return match_detections(
        dets, np.array(scores, float), [0, len(dets)] @ np.eye(2, dtype=int), gts,
        np.array([0, len(gts)]), **options,
    )  # fmt: skip


def test_best_score_goes_first() -> None:
    got = match([BOX, BOX], [0.1, 0.9], BOX)
    assert got.gt.tolist() == [[-1, 0]] and got.det.tolist() == [[1]]
    assert got.iou.tolist() == [[0.0, 1.0]] and not got.ignored.any()


def test_equal_scores_keep_their_order() -> None:
    assert match([BOX, BOX], [0.5, 0.5], BOX).gt.tolist() == [[0, -1]]


def test_equal_iou_takes_the_last_ground_truth() -> None:
    assert match([BOX, BOX], [0.9, 0.8], [BOX, BOX]).gt.tolist() == [[1, 0]]


def test_a_crowd_takes_many_and_only_if_nothing_else_will_do() -> None:
    got = match([BOX] * 3, [0.9, 0.8, 0.7], [BOX, BOX], iscrowd=np.array([1, 0]))
    assert got.gt.tolist() == [[1, 0, 0]]
    assert got.ignored.tolist() == [[False, True, True]] and got.det.tolist() == [[2, 0]]


def test_iou_at_the_threshold_matches() -> None:
    half = np.array([[0.0, 0.0, 10.0, 5.0]])
    got = match(half, [1.0], BOX, thresholds=[0.5, 0.50001])
    assert got.gt.tolist() == [[0], [-1]] and got.iou[0, 0] == 0.5


def test_labels_and_images_keep_boxes_apart() -> None:
    boxes = np.concatenate([BOX, BOX, BOX])
    got = match_detections(
        boxes, np.array([0.9, 0.8, 0.7]), np.array([0, 2, 3]), boxes[:2], np.array([0, 1, 2]),
        labels=np.array([7, 8, 8]), gt_labels=np.array([8, 8]),
    )  # fmt: skip
    assert got.gt.tolist() == [[-1, 0, 1]]


def test_the_cap_leaves_out_the_rest() -> None:
    got = match([BOX, FAR], [0.1, 0.9], [BOX, FAR], max_detections=1)
    assert got.gt.tolist() == [[-1, 1]] and got.ignored.tolist() == [[True, False]]


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 1), (1, 0)])
def test_empty_sides(n: int, m: int) -> None:
    got = match(np.repeat(BOX, n, 0), np.ones(n), np.repeat(BOX, m, 0), thresholds=[0.5, 0.9])
    assert got.gt.shape == (2, n) and got.det.shape == (2, m) and (got.gt == -1).all()


def problem(rng: np.random.Generator, n: int, m: int, images: int, grid: int = 12) -> Any:
    def boxes(count: int) -> Any:
        low = rng.integers(0, grid, (count, 2))
        return np.concatenate([low, low + rng.integers(1, grid // 2, (count, 2))], 1).astype(float)

    splits = [np.sort(np.r_[0, rng.integers(0, c + 1, images - 1), c]) for c in (n, m)]
    return boxes(n), rng.integers(0, 6, n) / 5, splits[0], boxes(m), splits[1], rng.random(m) < 0.2


def check(arguments: Any, thresholds: Any, cap: int, transform: Any = lambda x: x) -> None:
    dets, scores, splits, gts, gt_splits, crowd = arguments
    arrays = [transform(x) for x in (dets, scores, splits, gts, gt_splits)]
    got = match_detections(
        *arrays, iscrowd=transform(crowd), thresholds=thresholds, max_detections=cap
    )
    xywh = [np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1) for b in (dets, gts)]
    for t, threshold in enumerate(thresholds):
        for i in range(len(splits) - 1):
            d, g = slice(*splits[i : i + 2]), slice(*gt_splits[i : i + 2])
            want = match_image(
                xywh[0][d], scores[d], xywh[1][g], crowd[g], crowd[g], threshold, cap
            )
            found = {
                k - splits[i]: int(got.gt[t, k]) - gt_splits[i]
                for k in range(*splits[i : i + 2])
                if got.gt[t, k] >= 0
            }
            assert found == want


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_isa_and_library_equals_the_reference(isa: int, library: Library, dtype: Any) -> None:
    rng = np.random.default_rng(isa)

    def transform(x: Any) -> Any:
        return library.array(x.astype(dtype) if x.dtype == np.float64 else x)

    for _ in range(10):
        arguments = problem(rng, 80, 30, 4)
        scores = arguments[1].astype(dtype).astype(float)
        check((arguments[0], scores, *arguments[2:]), [0.3, 0.5, 0.75], 100, transform)


@examples(60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 60),
    m=st.integers(0, 25),
    images=st.integers(1, 4),
    cap=st.integers(0, 20),
)
def test_random_problems(seed: int, n: int, m: int, images: int, cap: int) -> None:
    check(problem(np.random.default_rng(seed), n, m, images), [0.0, 0.4, 0.5, 1.0], cap)


def test_many_thresholds_take_more_than_one_word() -> None:
    check(problem(np.random.default_rng(5), 60, 20, 2), np.linspace(0.01, 0.99, 130).tolist(), 100)


def test_threads_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    dets, scores, splits, gts, gt_splits, crowd = problem(rng, 40000, 9000, 300)
    results = []
    for threads in (1, 3):
        set_num_threads(threads)
        results.append(match_detections(dets, scores, splits, gts, gt_splits, iscrowd=crowd))
    set_num_threads(0)
    for name in ("gt", "iou", "ignored", "det"):
        np.testing.assert_array_equal(getattr(results[0], name), getattr(results[1], name))


NAN = np.array([[0.0, 0.0, np.nan, 1.0]])


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"boxes": np.zeros((3, 5))}, ValueError, r"boxes must have shape \(N, 4\), got \(3, 5\)"),
        ({"boxes": NAN}, ValueError, "boxes has a NaN or infinite value in row 0"),
        ({"boxes": [[0, 0, 1, 1]]}, TypeError, "boxes must be an array .*, got list"),
        ({"boxes": np.array([list("abcd")])}, TypeError, "boxes must hold numbers, got <U1"),
        ({"scores": np.ones(2)}, ValueError, r"scores must have shape \(1,\), got \(2,\)"),
        ({"scores": np.array([np.nan])}, ValueError, "scores has a NaN"),
        ({"splits": np.array([0, 2])}, ValueError, "splits must begin with 0 and end with 1"),
        ({"splits": np.array([0.0, 1.0])}, TypeError, "splits must be int8 to int64, got float64"),
        (
            {"splits": np.array([0, 1, 0, 1])},
            ValueError,
            "splits must not decrease, got 0 after 1",
        ),
        (
            {"gt_splits": np.array([0, 1, 1])},
            ValueError,
            r"gt_splits must have shape \(2,\), got \(3,\)",
        ),
        ({"labels": np.array([1])}, ValueError, "labels and gt_labels must be given together"),
        ({"iscrowd": np.array([0.5])}, TypeError, "iscrowd must hold booleans or integers"),
        ({"thresholds": np.array([np.nan])}, ValueError, "thresholds must be"),
        ({"max_detections": 1.5}, TypeError, "max_detections must be an integer, got 1.5"),
        ({"max_detections": -1}, ValueError, r"max_detections must be in \[0, 2\*\*31\), got -1"),
        ({"max_detections": 2**64}, ValueError, "max_detections must be in"),
        ({"thresholds": "x"}, ValueError, "thresholds must be a number .*, got 'x'"),
        (
            {"labels": np.array([2**63], np.uint64), "gt_labels": ONE[:1]},
            ValueError,
            "labels must fit",
        ),
        ({"fmt": "xxyy"}, ValueError, "fmt must be 'xyxy', 'xywh' or 'cxcywh', got 'xxyy'"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type, text: str) -> None:
    good = {"boxes": BOX, "scores": np.ones(1), "splits": ONE, "gt_boxes": BOX, "gt_splits": ONE}
    with pytest.raises(error, match="match_detections: " + text):
        match_detections(**{**good, **change})


@pytest.mark.parametrize("n", [0, 5, 2_000, 60_000])  # sorted by comparing, by two digits, by three
@pytest.mark.parametrize("kind", ["spread", "alike", "equal"])
def test_the_order_of_detections(n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    score = rng.random(n)
    if kind == "alike":  # told apart by their last bits alone, but for a few far from all
        score = 0.5 + rng.integers(0, 900, n) * 2.0**-53
        score[::7] = rng.choice(
            [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, -1e-300], len(score[::7])
        )
    elif kind == "equal":
        score = rng.integers(0, 3, n) / 2
    image, category = (rng.integers(-1, m, n).astype(np.int32) for m in (9, 2))
    for images in (image, np.sort(image)):
        index, rank, splits = _core.order_detections(category, images, score, 2, 9, 100_000)
        want = np.lexsort((images, -score + 0.0, category))
        want = want[(images[want] >= 0) & (category[want] >= 0)]
        assert np.array_equal(index, want)
        assert splits.tolist() == np.searchsorted(category[want], range(3)).tolist()
        for group in {*zip(category[want], images[want], strict=True)}:
            own = (category[want] == group[0]) & (images[want] == group[1])
            assert np.array_equal(rank[own], np.arange(own.sum()))


def test_areas_out_of_their_ranges() -> None:
    area = np.array([np.nan, -1.0, 0.0, 5.0, 5.0000001, np.inf])
    ranges, index = [(0, 5), (5.0, np.inf), (np.nan, 1)], np.array([5, 4, 3, 2, 1, 0, 0])
    for areas in (area, area[::-1], np.stack([area] * 2, 1)[:, 0]):
        want = np.array([[(x < low) | (x > high) for x in areas] for low, high in ranges])
        assert np.array_equal(outside_ranges(areas, ranges), want)
        assert np.array_equal(outside_ranges(areas, ranges, index), want[:, index])
    narrow = area.astype(np.float32)  # compared in its own precision
    assert outside_ranges(narrow, [(0, 0.1)])[0].tolist() == [0, 1, 0, 1, 1, 1]
    assert outside_ranges(np.float32([0.1]), [(0.1, 1)]).tolist() == [[0]]
