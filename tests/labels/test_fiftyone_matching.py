"""FiftyOne's matchers against loops over dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_fiftyone import match
from tamis import _core
from tamis.labels.fiftyone_matching import match_fiftyone

RULES = ("coco", "open-images")
MANY = np.iinfo(np.int64).max


def columns(images: list[list[dict[str, Any]]], classwise: bool) -> tuple[Any, ...]:
    flat = [label for image in images for label in image]
    labels = np.array([-1 if d["label"] is None else d["label"] for d in flat], np.int32)
    return (
        np.concatenate([[0], np.cumsum([len(image) for image in images])]).astype(np.int64),
        np.array([d["box"] for d in flat], np.float64).reshape(-1, 4),
        labels,
        labels if classwise else np.zeros_like(labels),
    )


def run(
    dets: Any, gts: Any, thresholds: list[float], rule: int = 0, classwise: bool = True,
    max_dets: int = MANY, pairs: Any = None,
) -> Any:  # fmt: skip
    scores = [-1 if d["confidence"] is None else d["confidence"] for image in dets for d in image]
    crowd = np.array([gt["crowd"] for image in gts for gt in image], np.uint8)
    n = len(scores)
    none = (
        np.zeros(len(dets), np.uint8),
        np.zeros(n + 1, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0),
    )
    names = "splits", "boxes", "labels", "groups"
    sides = {
        f"{side}_{name}": x
        for side, rows in (("det", dets), ("gt", gts))
        for name, x in zip(names, columns(rows, classwise), strict=True)
    }
    given = zip(("given", "pair_splits", "pair_gts", "pair_iou"), pairs or none, strict=True)
    return _core.fiftyone_match(
        rule=rule, max_dets=max_dets, thresholds=np.array(thresholds), **sides, crowd=crowd,
        confidence=np.array(scores, float), **dict(given),
    )  # fmt: skip


def det(box: Any, confidence: float | None = 0.5, label: int | None = 0) -> dict[str, Any]:
    return {"box": box, "confidence": confidence, "label": label}


def gt(box: Any, crowd: bool = False, label: int | None = 0) -> dict[str, Any]:
    return {"box": box, "crowd": crowd, "label": label}


UNIT = (0.0, 0.0, 1.0, 1.0)


def test_the_last_of_equal_ious() -> None:
    order, _, det_gt, det_iou, gt_det, _ = run(
        [[det(UNIT), det(UNIT)]], [[gt(UNIT), gt(UNIT)]], [0.5]
    )
    assert det_gt.tolist() == [[1, 0]]
    assert gt_det.tolist() == [[1, 0]]
    assert det_iou.tolist() == [[1, 1]]
    assert order.tolist() == [0, 1, -1, -2]


def test_no_confidence_is_like_zero() -> None:
    order = run([[det(UNIT, 0.0), det(UNIT, None), det(UNIT, 0.1), det(UNIT, -2)]], [[]], [0.5])[0]
    assert order.tolist() == [2, 0, 1, 3]


def test_touching_boxes_match_at_zero() -> None:
    beside, apart = (1.0, 0.0, 1.0, 1.0), (1.5, 0.0, 1.0, 1.0)
    assert run([[det(beside)]], [[gt(UNIT)]], [0.0])[2].tolist() == [[0]]
    assert run([[det(apart)]], [[gt(UNIT)]], [0.0])[2].tolist() == [[-1]]


def test_a_crowd_takes_many_and_remembers_the_first() -> None:
    dets = [[det(UNIT, 0.1), det(UNIT, 0.9)]]
    _, _, det_gt, _, gt_det, _ = run(dets, [[gt(UNIT, True)]], [0.5])
    assert det_gt.tolist() == [[0, 0]]
    assert gt_det.tolist() == [[1]]


def test_a_crowd_of_another_label_takes_none() -> None:
    found = run([[det(UNIT, label=1)]], [[gt(UNIT, True)]], [0.5], classwise=False)
    assert found[2].tolist() == [[-1]]


def test_open_images_has_no_second_choice() -> None:
    second = (0.0, 0.0, 1.0, 0.75)
    dets, gts = [[det(UNIT, 0.9), det(UNIT, 0.8)]], [[gt(UNIT), gt(second)]]
    assert run(dets, gts, [0.5], rule=0)[2].tolist() == [[0, 1]]
    assert run(dets, gts, [0.5], rule=1)[2].tolist() == [[0, -1]]


def test_given_pairs_in_their_order() -> None:
    given_pairs = (
        np.ones(1, np.uint8), np.array([0, 2], np.int64), np.array([1, 0], np.int32),
        np.array([0.7, 0.7]),
    )  # fmt: skip
    found = run([[det(UNIT)]], [[gt(UNIT), gt(UNIT)]], [0.5], pairs=given_pairs)
    assert found[2].tolist() == [[0]]
    assert found[3].tolist() == [[0.7]]


def test_a_crowd_below_the_threshold_ends_the_search() -> None:
    pairs = (
        np.ones(1, np.uint8), np.array([0, 3], np.int64), np.array([0, 1, 2], np.int32),
        np.array([0.6, 0.1, 0.9]),
    )  # fmt: skip
    gts = [[gt(UNIT), gt(UNIT, True), gt(UNIT)]]
    assert run([[det(UNIT)]], gts, [0.5], pairs=pairs)[2].tolist() == [[0]]


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="wrong shapes"):
        run([[det(UNIT)]], [[gt(UNIT)], []], [0.5])
    with pytest.raises(ValueError, match="wrong shapes"):
        run([[det(UNIT)]], [[gt(UNIT)]], [])


SIDE = st.integers(0, 3).map(lambda v: v / 4)
BOX = st.tuples(SIDE, SIDE, SIDE, SIDE)
LABEL = st.none() | st.integers(0, 2)
DET = st.builds(det, BOX, st.none() | st.integers(0, 4).map(lambda v: v / 4), LABEL)
GT = st.builds(gt, BOX, st.sampled_from([False, False, True]), LABEL)
IMAGE = st.tuples(st.lists(DET, max_size=7), st.lists(GT, max_size=7))


@examples(100)
@given(
    st.lists(IMAGE, max_size=4), st.sampled_from([0, 1]), st.booleans(),
    st.sampled_from([1, 3, MANY]),
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9]), min_size=1, max_size=3),
)  # fmt: skip
def test_as_a_loop(
    images: Any, rule: int, classwise: bool, most: int, thresholds: list[float]
) -> None:
    dets, gts = [d for d, _ in images], [g for _, g in images]
    order, kept, det_gt, det_iou, gt_det, gt_iou = run(dets, gts, thresholds, rule, classwise, most)
    want_order, first_det, first_gt = [], 0, 0
    for mine, theirs in images:
        preds = [(d["box"], d["label"], d["confidence"] or -1) for d in mine]
        objects = [(g["box"], g["label"], g["crowd"]) for g in theirs]
        rows = slice(first_det, first_det + len(mine)), slice(first_gt, first_gt + len(theirs))
        for t, threshold in enumerate(thresholds):
            gt_of, iou_of, det_of, listed = match(
                objects, preds, threshold, RULES[rule], classwise, most
            )
            assert det_gt[t, rows[0]].tolist() == [first_gt + g if g >= 0 else -1 for g in gt_of]
            assert det_iou[t, rows[0]].tolist() == [iou or 0.0 for iou in iou_of]
            assert gt_det[t, rows[1]].tolist() == [first_det + d if d >= 0 else -1 for d in det_of]
            first_iou = [iou_of[d] if d >= 0 else 0.0 for d in det_of]
            assert gt_iou[t, rows[1]].tolist() == first_iou
        want_order += [d + first_det for d in listed]
        first_det, first_gt = first_det + len(mine), first_gt + len(theirs)
    assert [i for i in order.tolist() if i >= 0 and kept[i]] == want_order
    assert sorted(~order[order < 0]) == list(range(first_gt))


def test_threads_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    dets = [
        [det(tuple(rng.random(4)), float(rng.random()), int(rng.integers(2))) for _ in range(9)]
        for _ in range(100)
    ]
    gts = [[gt(d["box"], d["confidence"] > 0.9, d["label"]) for d in image] for image in dets[::-1]]
    before = _core.num_threads()
    found = []
    for threads in (1, 3):
        _core.set_num_threads(threads)
        found.append([column.tobytes() for column in run(dets, gts, [0.5, 0.1])])
    _core.set_num_threads(before)
    assert found[0] == found[1]


def test_match_fiftyone() -> None:
    rng = np.random.default_rng(4)
    boxes, gts = rng.random((9, 4)), rng.random((6, 4))
    labels, gt_labels = rng.integers(5, 7, 9), rng.integers(5, 7, 6)
    scores, splits, gt_splits = rng.random(9), np.array([0, 5, 9]), np.array([0, 4, 6])
    options = {"labels": labels, "gt_labels": gt_labels, "thresholds": [0.1, 0.3]}
    found = match_fiftyone(boxes, scores, splits, gts, gt_splits, max_detections=1, **options)
    every, most = (
        match_fiftyone(boxes, scores, splits, gts, gt_splits, max_detections=n, **options)
        for n in (None, 10**20)
    )
    assert np.array_equal(every.gt, most.gt)
    assert found.gt.shape == found.iou.shape == (2, 9)
    assert found.det.shape == (2, 6)
    t, d = np.nonzero(found.gt >= 0)
    assert len(d)
    assert np.array_equal(found.det[t, found.gt[t, d]], d)
    assert np.isnan(found.iou[found.gt < 0]).all()
    assert len(found.order) == len(np.unique(labels[:5])) + len(np.unique(labels[5:]))
    corners = [np.concatenate([b[:, :2], b[:, :2] + b[:, 2:]], axis=1) for b in (boxes, gts)]
    same = match_fiftyone(
        corners[0], scores, splits, corners[1], gt_splits, max_detections=1, fmt="xyxy", **options
    )
    assert np.array_equal(same.gt, found.gt)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rule": "voc"}, "rule must be one of coco, open-images, got 'voc'"),
        ({"labels": [1]}, "labels and gt_labels must be given together"),
        ({"boxes": [[0.0, 0, 1]]}, r"boxes must have shape \(N, 4\)"),
        ({"scores": [float("nan")]}, "scores has a NaN or infinite value in row 0"),
        ({"max_detections": -1}, "max_detections must be at least 0, got -1"),
        ({"fmt": "polar"}, "fmt must be"),
    ],
)
def test_match_fiftyone_refuses(change: dict[str, Any], text: str) -> None:
    arguments: dict[str, Any] = {
        "boxes": [UNIT], "scores": [0.5], "splits": [0, 1], "gt_boxes": [UNIT], "gt_splits": [0, 1],
    }  # fmt: skip
    arguments |= change
    for name in ("boxes", "gt_boxes", "scores", "splits", "gt_splits", "labels"):
        if name in arguments:
            arguments[name] = np.array(arguments[name])
    with pytest.raises((ValueError, TypeError), match=text):
        match_fiftyone(**arguments)
