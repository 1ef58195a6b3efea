"""match_detections on CUDA arrays: bit-identical to the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Library
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from tamis import Matches, match_detections
from tamis._shared import arrays
from tamis.evaluation.matching_cuda import class_places
from test_matching import problem

pytestmark = pytest.mark.gpu


def same_as_host(library: Library, arguments: Any, **options: Any) -> Matches:
    dets, scores, splits, gts, gt_splits, crowd = arguments
    on = library.array
    want = match_detections(dets, scores, splits, gts, gt_splits, iscrowd=crowd, **options)
    device = {k: on(v) if "labels" in k else v for k, v in options.items()}
    got = match_detections(
        on(dets), on(scores), splits, on(gts), on(gt_splits), iscrowd=on(crowd), **device
    )
    for key in ("gt", "iou", "ignored", "det"):
        mine, theirs = library.numpy(getattr(got, key)), getattr(want, key)
        assert mine.dtype == theirs.dtype, key
        np.testing.assert_array_equal(mine, theirs, key)
    return got


@examples(25, fixtures_kept=True)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(0, 60),
    m=st.integers(0, 60),
    images=st.integers(1, 4),
    cap=st.integers(0, 20),
)
def test_random_problems(
    gpu_library: Library, seed: int, n: int, m: int, images: int, cap: int
) -> None:
    rng = np.random.default_rng(seed)
    arguments = problem(rng, n, m, images)
    options = {"thresholds": [0.0, 0.4, 0.5, 1.0], "max_detections": cap}
    same_as_host(gpu_library, arguments, **options)
    labels = {"labels": rng.integers(-2, 2, n) * 2**40, "gt_labels": rng.integers(-2, 2, m) * 2**40}
    same_as_host(gpu_library, arguments, **options, **labels)


def test_many_thresholds_take_more_than_one_word(gpu_library: Library) -> None:
    arguments = problem(np.random.default_rng(5), 60, 20, 2)
    same_as_host(gpu_library, arguments, thresholds=np.linspace(0.01, 0.99, 130))


def test_crowded_images(gpu_library: Library) -> None:
    """More ground truths than a warp has lanes, in reach of one detection."""
    arguments = problem(np.random.default_rng(6), 500, 200, 2, grid=6)
    same_as_host(gpu_library, arguments, thresholds=[0.1, 0.5, 0.9], max_detections=400)


@pytest.mark.parametrize("spread", [20, 90, 900])
def test_large_groups_batched(gpu_library: Library, spread: int) -> None:
    """Several in the ground truths of one block, small ones and images without either between."""
    counts = [(200, 70), (3, 66), (0, 65), (150, 3), (120, 130), (90, 0), (64, 64), (300, 300)]
    rng = np.random.default_rng(spread)
    n, m = np.sum(counts, 0)
    low = rng.integers(0, spread, (m, 2))
    gts = np.concatenate([low, low + rng.integers(5, 30, (m, 2))], 1).astype(float)
    ends, gt_ends = (np.concatenate([[0], np.cumsum(side)]) for side in np.transpose(counts))
    near = np.concatenate([rng.integers(a, max(b, a + 1), k) for a, b, (k, _) in
                           zip(gt_ends[:-1], gt_ends[1:], counts, strict=True)])  # fmt: skip
    dets = gts[near.clip(max=m - 1)] + rng.integers(-1, 2, (n, 4))
    arguments = dets, rng.integers(0, 50, n) / 50, ends, gts, gt_ends, rng.random(m) < 0.1
    for most in (100, 1000):
        got = same_as_host(gpu_library, arguments, thresholds=[0.1, 0.5, 0.9], max_detections=most)
    assert 0.1 < (gpu_library.numpy(got.gt) >= 0).mean() < 0.99


@pytest.mark.parametrize("fmt", ["xyxy", "xywh", "cxcywh"])
def test_layouts_and_formats(gpu_library: Library, fmt: str) -> None:
    dets, scores, splits, gts, gt_splits, crowd = problem(np.random.default_rng(7), 70, 30, 3)
    got = same_as_host(gpu_library, (dets, scores, splits, gts, gt_splits, crowd), fmt=fmt)
    columns = gpu_library.array(dets.T).T  # not contiguous
    again = match_detections(
        columns, scores, splits, gpu_library.array(gts), gt_splits, iscrowd=crowd, fmt=fmt
    )
    np.testing.assert_array_equal(gpu_library.numpy(again.gt), gpu_library.numpy(got.gt))


@pytest.mark.parametrize("others", [0, 70])
@pytest.mark.parametrize("box", [np.nan, np.inf, 0, 1e200])
def test_what_is_not_finite_matches_as_in_pycocotools(
    gpu_library: Library, box: float, others: int
) -> None:
    """NaN IoUs, of the boxes' own NaN or of overflow, against a loop that is pycocotools'."""
    dets = np.array([[0, 0, 9, 9], [0, 0, box, box], [1, 1, 8, 8], [1, 1, 7, 7]])
    gts = np.array([[0, 0, 9, 9], [0, 0, box, box], [1, 1, 9, 8], [1, 0, 7, 9], [8, 8, 9, 9]])
    gts = np.concatenate([gts, np.full((others, 4), 50)])
    m = len(gts)
    crowd = (np.arange(m) == 2).astype(int)
    scores, ends, gt_ends = np.array([0.5, np.nan, 0.5, 0.7]), np.array([0, 4]), np.array([0, m])
    on = gpu_library.array
    got = match_detections(
        on(dets), on(scores), ends, on(gts), gt_ends, iscrowd=on(crowd), fmt="xywh", thresholds=0.6
    )
    iou = np.empty((4, m))
    order, taken = [3, 0, 2, 1], set()
    want = np.full(4, -1)
    with np.errstate(all="ignore"):
        for d in range(4):
            for g in range(m):
                w, h = (
                    np.fmin(dets[d, i] + dets[d, i + 2], gts[g, i] + gts[g, i + 2])
                    - np.fmax(dets[d, i], gts[g, i])
                    for i in (0, 1)
                )
                area = dets[d, 2] * dets[d, 3]
                both = area if crowd[g] else area + gts[g, 2] * gts[g, 3] - w * h
                iou[d, g] = 0 if w <= 0 or h <= 0 else w * h / both
    for d in order:
        least, best = 0.6, -1
        for g in np.argsort(crowd, kind="stable"):
            if g in taken and not crowd[g]:
                continue
            if best >= 0 and not crowd[best] and crowd[g]:
                break
            if iou[d, g] < least:
                continue
            least, best = iou[d, g], g
        if best >= 0:
            taken.add(best)
        want[d] = best
    assert gpu_library.numpy(got.gt)[0].tolist() == want.tolist()


def test_the_host_does_not_wait(gpu_library: Library) -> None:
    dets, scores, splits, gts, gt_splits, crowd = problem(np.random.default_rng(8), 50, 30, 3)
    labels, gt_labels = scores > 0.5, crowd
    on = gpu_library.array
    arrays = [on(x) for x in (dets, scores, gts, crowd, labels.astype(int), gt_labels.astype(int))]
    with gpu_library.not_waiting():
        match_detections(
            arrays[0], arrays[1], splits, arrays[2], gt_splits, iscrowd=arrays[3],
            labels=arrays[4], gt_labels=arrays[5], thresholds=[0.5, 0.75],
        )  # fmt: skip


def test_places_of_classes(gpu_library: Library) -> None:
    for labels in (np.array([7, -3, 7, 2**60, -3]), np.empty(0, np.int64), np.array([5])):
        ordered, is_first, place = map(gpu_library.numpy, class_places(gpu_library.array(labels)))
        classes, want = np.unique(labels, return_inverse=True)
        assert ordered[is_first].tolist() == classes.tolist() and place.tolist() == want.tolist()


def test_errors(gpu_library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    on = gpu_library.array
    box, one, ends = on(np.ones((1, 4))), on(np.ones(1)), np.array([0, 1])
    with pytest.raises(ValueError, match=r"gt_boxes must be on the device of boxes \(cuda:0\)"):
        match_detections(box, one, ends, np.ones((1, 4)), ends)
    with pytest.raises(ValueError, match="splits must begin with 0 and end with 1"):
        match_detections(box, one, np.array([0, 2]), box, ends)
    with pytest.raises(TypeError, match="iscrowd must hold booleans or integers, got float64"):
        match_detections(box, one, ends, box, ends, iscrowd=one)

    def missing(function: str, where: str) -> Any:
        raise arrays.CudaUnavailable(function)

    monkeypatch.setattr(arrays, "backend", missing)
    with pytest.raises(arrays.CudaUnavailable, match="match_detections"):
        match_detections(box, one, ends, box, ends)
