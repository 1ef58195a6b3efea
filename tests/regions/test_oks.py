"""oks."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference import same_bits
from tamis.regions.oks import grouped_oks


def people(n: int, k: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints, areas and boxes; every fifth without a visible keypoint, one of area 0."""
    rng = np.random.default_rng((seed, n, k))
    points = np.round(rng.normal(size=(n, k, 3)) * 30 + 100, 2)
    points[..., 2] = rng.integers(0, 3, (n, k))
    points[::5, :, 2] = 0
    areas = rng.uniform(0, 5000, n)
    areas[1:2] = 0
    return points, areas, rng.uniform(0, 100, (n, 4))


def reference(det: Any, gt: Any, areas: Any, boxes: Any, sigmas: Any) -> np.ndarray:
    out = np.zeros((len(det), len(gt)))
    for i, d in enumerate(det):
        for j, g in enumerate(gt):
            seen = g[:, 2] > 0
            far = d[:, :2] - g[:, :2]
            if not seen.any():
                low, high = boxes[j, :2] - boxes[j, 2:], boxes[j, :2] + boxes[j, 2:] * 2
                far = np.maximum(0, low - d[:, :2]) + np.maximum(0, d[:, :2] - high)
                seen[:] = True
            e = (far**2).sum(axis=1) / (sigmas * 2) ** 2 / (areas[j] + np.spacing(1)) / 2
            out[i, j] = np.sum(np.exp(-e[seen])) / seen.sum()
    return out


# Hand cases and edges


def test_one_keypoint():
    gt = np.array([[[10, 10, 2]], [[10, 10, 0.0]]])
    det = np.array([[[10, 10]], [[13, 14.0]], [[40, 10.0]]])
    boxes = np.array([[0, 0, 20, 20.0]] * 2)
    got = tamis.oks(det, gt, np.array([100, 100.0]), gt_boxes=boxes, sigmas=[0.1])
    far = math.exp(-25 / 0.04 / 100 / 2)
    np.testing.assert_allclose(got, [[1, 1], [far, 1], [math.exp(-112.5), 1]], rtol=1e-12)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_nobody(n, m):
    (det, _, _), (gt, areas, boxes) = people(n, 17, 1), people(m, 17, 2)
    assert tamis.oks(det, gt, areas, gt_boxes=boxes).shape == (n, m)


def test_default_sigmas_are_cocos():
    (det, _, _), (gt, areas, boxes) = people(5, 17, 1), people(4, 17, 2)
    hundredths = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    sigmas = np.array([h / 100 for h in hundredths])
    want = tamis.oks(det, gt, areas, gt_boxes=boxes, sigmas=sigmas / 10)
    same_bits(tamis.oks(det, gt, areas, gt_boxes=boxes), want)


# Every path equals the reference, bit by bit


@pytest.mark.parametrize("k", [1, 7, 8, 9, 17, 130, 300])
def test_pairs(isa, library, k):
    (det, _, _), (gt, areas, boxes) = people(23, k, 1), people(11, k, 2)
    sigmas = np.random.default_rng(k).uniform(0.02, 0.1, k)
    got = tamis.oks(
        library.array(det), library.array(gt), library.array(areas),
        gt_boxes=library.array(boxes), sigmas=sigmas,
    )  # fmt: skip
    same_bits(got, reference(det, gt, areas, boxes, sigmas))


@pytest.mark.parametrize("threads", [1, 3])
def test_batched(threads):
    rng = np.random.default_rng(3)
    splits, gt_splits = (np.cumsum([0, *rng.integers(0, 7, 30), n]) for n in (900, 50))
    (det, _, _), (gt, areas, boxes) = people(splits[-1], 17, 1), people(gt_splits[-1], 17, 2)
    tamis.set_num_threads(threads)
    try:  # the last image alone is more than one chunk
        values, ends = tamis.oks_batched(det, splits, gt, gt_splits, areas, gt_boxes=boxes)
    finally:
        tamis.set_num_threads(0)
    images = zip(pairwise(splits), pairwise(gt_splits), pairwise(ends), strict=True)
    for (a, b), (c, d), (first, last) in images:
        want = tamis.oks(det[a:b], gt[c:d], areas[c:d], gt_boxes=boxes[c:d])
        same_bits(values[first:last], want.ravel())


@pytest.mark.parametrize("least", [0.0, 0.05, 0.5, 0.95, 1.0, np.nan])
@pytest.mark.parametrize("k", [1, 8, 17])
def test_only_what_is_below_the_least_wanted_may_differ(isa, least, k):
    (gt, areas, boxes), rng = people(40, k, 2), np.random.default_rng(k)
    det = np.repeat(gt, 20, axis=0)
    det[..., :2] += rng.normal(size=(800, k, 2)) * rng.choice([0.1, 1, 5, 30], (800, 1, 1))
    det[::50, 0, 0] = np.nan
    det[::60, 0, 1] = np.inf
    areas[::7] = -50.0
    areas[3::7] = np.nan
    splits, sigmas = [np.arange(0, n + 1, n // 8) for n in (800, 40)], np.full(k, 0.05)
    args = (det, splits[0], gt, boxes, areas, splits[1], sigmas)
    want, got = grouped_oks(*args), grouped_oks(*args, least=least)
    counts = ~(want < least)
    same_bits(got[counts], want[counts])
    assert (got[~counts] < least).all()
    assert k == 1 or not 0.05 < least < 1 or (got != want).mean() > 0.3


# Errors come before work


DET, (GT, AREAS, BOXES) = people(3, 17, 1)[0], people(2, 17, 2)
ERRORS: dict[str, Any] = {
    r"oks: keypoints must have shape \(n, 17, 2 or 3\), got \(3, 51\)": lambda: tamis.oks(
        DET.reshape(3, 51), GT, AREAS
    ),
    r"oks: keypoints must have shape \(n, 17, 3\), got \(3, 17, 1\)": lambda: tamis.oks(
        DET[..., :1], GT, AREAS
    ),
    r"oks: gt_keypoints must have shape \(m, 17, 3\), got \(2, 16, 3\)": lambda: tamis.oks(
        DET, GT[:, 1:], AREAS
    ),
    r"oks: gt_areas must have shape \(2,\), got \(1,\)": lambda: tamis.oks(DET, GT, AREAS[:1]),
    "oks: gt_boxes must be given, as row 0 has no visible keypoint": lambda: tamis.oks(
        DET, GT, AREAS
    ),
    "oks: keypoints has a NaN or infinite value in row 1": lambda: tamis.oks(
        np.where(np.arange(3)[:, None, None] == 1, np.nan, DET), GT, AREAS, gt_boxes=BOXES
    ),
    "oks: keypoints must hold numbers, got <U": lambda: tamis.oks(DET.astype(str), GT, AREAS),
    "oks: sigmas must be positive": lambda: tamis.oks(DET, GT, AREAS, sigmas=[0.1] * 16 + [0.0]),
    "oks_batched: gt_splits must begin with 0 and end with 2": lambda: tamis.oks_batched(
        DET, np.array([0, 3]), GT, np.array([0, 3]), AREAS, gt_boxes=BOXES
    ),
}


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text):
    with pytest.raises((TypeError, ValueError), match=f"^{text}"):
        ERRORS[text]()


# Properties


@examples(100)
@given(st.data())
def test_any_people_equal_the_reference(data):
    k = data.draw(st.integers(1, 4))
    numbers = st.integers(-5, 5) | st.floats(-1e4, 1e4, width=32)
    point = st.tuples(numbers, numbers, st.integers(0, 2))
    persons = st.lists(st.lists(point, min_size=k, max_size=k), min_size=1, max_size=3)
    det, gt = (np.array(data.draw(persons), float) for _ in range(2))
    areas = np.array([data.draw(st.floats(0, 1e5)) for _ in gt])
    boxes = np.array([data.draw(st.tuples(*[numbers] * 4)) for _ in gt], float)
    sigmas = np.array([0.05, 0.1, 0.2, 0.3][:k])
    with np.errstate(all="ignore"):
        want = reference(det, gt, areas, boxes, sigmas)
    same_bits(tamis.oks(det, gt, areas, gt_boxes=boxes, sigmas=sigmas), want)


# Parity with pycocotools


def test_compute_oks_of_pycocotools():
    module = pytest.importorskip("pycocotools.cocoeval")
    (det, _, _), (gt, areas, boxes) = people(40, 17, 1), people(30, 17, 2)
    e = module.COCOeval(iouType="keypoints")
    e.params.maxDets = [100]
    e._gts[1, 1] = [
        {"keypoints": g.ravel().tolist(), "area": a, "bbox": b.tolist()}
        for g, a, b in zip(gt, areas.tolist(), boxes, strict=True)
    ]
    e._dts[1, 1] = [{"keypoints": d.ravel().tolist(), "score": -i} for i, d in enumerate(det)]
    same_bits(tamis.oks(det, gt, areas, gt_boxes=boxes), e.computeOks(1, 1))


@pytest.mark.parametrize("sigma", [1e-200, 5e-324, 1e-160, 1e200, np.inf])
def test_sigmas_whose_squares_float64_cannot_hold(sigma):
    points = np.zeros((1, 2, 3))
    points[..., 2] = 2
    moved, sigmas, area = points + np.array([1.0, 0, 0]), np.full(2, sigma), np.ones(1)
    assert tamis.oks(points, points, area, sigmas=sigmas).tolist() == [[1]]
    far = tamis.oks(moved, points, area, sigmas=sigmas)
    assert far.tolist() == [[0 if sigma < 1 else 1]]


@pytest.mark.gpu
@pytest.mark.parametrize("sigma", [1e-200, 1e200])
def test_such_sigmas_on_a_device(gpu_library, sigma):
    points = np.zeros((1, 2, 3))
    points[..., 2] = 2
    on = gpu_library.array(points)
    got = tamis.oks(on, on, np.ones(1), sigmas=np.full(2, sigma))
    assert gpu_library.numpy(got).tolist() == [[1]]
