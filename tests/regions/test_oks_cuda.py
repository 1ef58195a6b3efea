"""oks of CUDA arrays: the host's numbers, up to the last bits of an exponential."""

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
from tamis._shared import arrays
from test_oks import people, reference

pytestmark = pytest.mark.gpu


def close(library: Any, got: Any, want: np.ndarray) -> None:
    mine = library.numpy(got)
    assert mine.dtype == np.float64 and mine.shape == want.shape
    np.testing.assert_allclose(mine, want, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("k", [1, 7, 8, 17, 130, 133, 300, 2000])
def test_pairs(gpu_library, k, monkeypatch):
    """Of the host's own exponentials, where the device is emulated, the very bits."""
    n, m = (23, 11) if k < 200 else (5, 7)
    (det, _, _), (gt, areas, boxes) = people(n, k, 1), people(m, k, 2)
    sigmas, on = np.random.default_rng(k).uniform(0.02, 0.1, k), gpu_library.array
    got = tamis.oks(on(det), on(gt), on(areas), gt_boxes=on(boxes), sigmas=sigmas)
    close(gpu_library, got, tamis.oks(det, gt, areas, gt_boxes=boxes, sigmas=sigmas))
    without_scores = tamis.oks(on(det[..., :2]), on(gt), areas, gt_boxes=boxes, sigmas=on(sigmas))
    same_bits(gpu_library.numpy(without_scores), gpu_library.numpy(got))
    if gpu_library.emulated:
        monkeypatch.setattr(np, "exp", np.vectorize(math.exp))
        same_bits(gpu_library.numpy(got), reference(det, gt, areas, boxes, sigmas))


def test_batched(gpu_library):
    rng, on = np.random.default_rng(3), gpu_library.array
    splits, gt_splits = (np.cumsum([0, *rng.integers(0, 5, 20), n]) for n in (90, 0, 30)[::2])
    (det, _, _), (gt, areas, boxes) = people(splits[-1], 17, 1), people(gt_splits[-1], 17, 2)
    want, want_ends = tamis.oks_batched(det, splits, gt, gt_splits, areas, gt_boxes=boxes)
    for ends in ((splits, gt_splits), (on(splits), on(gt_splits))):
        got, starts = tamis.oks_batched(
            on(det), ends[0], on(gt), ends[1], on(areas), gt_boxes=on(boxes)
        )
        close(gpu_library, got, want)
        same_bits(gpu_library.numpy(starts), want_ends)
    images = zip(pairwise(splits), pairwise(gt_splits), pairwise(want_ends), strict=True)
    whole = gpu_library.numpy(tamis.oks(on(det), on(gt), on(areas), gt_boxes=on(boxes)))
    for (a, b), (c, d), (first, last) in images:
        same_bits(gpu_library.numpy(got)[first:last], whole[a:b, c:d].ravel())


@pytest.mark.parametrize("dtype", ["float16", "float32", "int64"])
def test_dtypes_and_layouts(gpu_library, dtype):
    (det, _, _), (gt, areas, boxes) = people(9, 17, 1), people(5, 17, 2)
    det, gt, areas, boxes = (x.astype(dtype) for x in (det, gt, areas, boxes))
    on = gpu_library.array
    want = tamis.oks(det, gt, areas, gt_boxes=boxes)
    close(gpu_library, tamis.oks(on(det), on(gt), on(areas), gt_boxes=on(boxes)), want)
    strided = on(np.repeat(det, 2, axis=0))[::2]
    close(gpu_library, tamis.oks(strided, on(gt), on(areas), gt_boxes=on(boxes)), want)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_nobody(gpu_library, n, m):
    (det, _, _), (gt, areas, boxes) = people(n, 17, 1), people(m, 17, 2)
    on = gpu_library.array
    assert tuple(tamis.oks(on(det), on(gt), on(areas), gt_boxes=on(boxes)).shape) == (n, m)


def test_what_is_not_finite_and_boxes_that_are_missing(gpu_library):
    (det, _, _), (gt, areas, boxes) = people(6, 17, 1), people(6, 17, 2)
    want, on = tamis.oks(det, gt, areas, gt_boxes=boxes), gpu_library.array
    got = gpu_library.numpy(tamis.oks(on(det), on(gt), on(areas)))
    assert np.isnan(got[:, [0, 5]]).all()  # none of their keypoints is visible
    np.testing.assert_allclose(got[:, 1:5], want[:, 1:5], rtol=1e-14, atol=1e-300)
    det[2, 3, 0], det[4, 3, 1] = np.nan, np.inf
    got = gpu_library.numpy(tamis.oks(on(det), on(gt), on(areas), gt_boxes=on(boxes)))
    assert np.isnan(got[2, [0, 5]]).all() and not np.isnan(got[[0, 1, 3, 4, 5]]).any()
    rows = [0, 1, 3, 5]
    np.testing.assert_allclose(got[rows], want[rows], rtol=1e-14, atol=1e-300)


def test_the_host_does_not_wait(gpu_library):
    (det, _, _), (gt, areas, boxes) = people(9, 17, 1), people(5, 17, 2)
    arrays = [gpu_library.array(x) for x in (det, gt, areas, boxes)]
    with gpu_library.not_waiting():
        tamis.oks(*arrays[:3], gt_boxes=arrays[3])


def test_runs_on_the_current_stream(gpu_library):
    (det, _, _), (gt, areas, boxes) = people(900, 17, 1), people(500, 17, 2)
    stream, current = gpu_library.new_stream()
    with current:
        arrays = [gpu_library.array(x) for x in (det, gt, areas, boxes)]
        got = tamis.oks(*arrays[:3], gt_boxes=arrays[3])
        stream.synchronize()
    close(gpu_library, got, tamis.oks(det, gt, areas, gt_boxes=boxes))


def test_errors(gpu_library, monkeypatch):
    (det, _, _), (gt, areas, boxes), on = people(3, 17, 1), people(2, 17, 2), gpu_library.array
    for text, call in {
        r"keypoints must have shape \(n, 17, 3\), got \(3, 17, 1\)": lambda: tamis.oks(
            on(det[..., :1]), on(gt), areas
        ),
        r"keypoints must have shape \(n, 17, 2 or 3\), got \(3, 51\)": lambda: tamis.oks(
            on(det.reshape(3, 51)), on(gt), areas
        ),
        r"gt_keypoints must have shape \(m, 17, 3\), got \(2, 16, 3\)": lambda: tamis.oks(
            on(det), on(gt[:, 1:]), areas
        ),
        r"gt_areas must have shape \(2,\), got \(1,\)": lambda: tamis.oks(
            on(det), on(gt), on(areas[:1])
        ),
        r"gt_keypoints must be on the device of keypoints \(cuda:0\), got cpu": lambda: tamis.oks(
            on(det), gt, areas
        ),
        "gt_boxes must hold numbers, got bool": lambda: tamis.oks(
            on(det), on(gt), areas, gt_boxes=on(boxes > 0)
        ),
    }.items():
        with pytest.raises((TypeError, ValueError), match=f"^oks: {text}"):
            call()

    def missing(function: str, where: str) -> Any:
        raise arrays.CudaUnavailable(function)

    monkeypatch.setattr(arrays, "backend", missing)
    with pytest.raises(arrays.CudaUnavailable, match="oks"):
        tamis.oks(on(det), on(gt), areas)


@examples(40, fixtures_kept=True)
@given(data=st.data())
def test_any_people(gpu_library, data):
    k, on = data.draw(st.integers(1, 12)), gpu_library.array
    numbers = st.integers(-5, 5) | st.floats(-1e4, 1e4, width=32)
    point = st.tuples(numbers, numbers, st.integers(0, 2))
    persons = st.lists(st.lists(point, min_size=k, max_size=k), min_size=1, max_size=4)
    det, gt = (np.array(data.draw(persons), float) for _ in range(2))
    areas = np.array([data.draw(st.floats(0, 1e5)) for _ in gt])
    boxes = np.array([data.draw(st.tuples(*[numbers] * 4)) for _ in gt], float)
    how = {"sigmas": np.linspace(0.05, 0.3, k)}
    want = tamis.oks(det, gt, areas, gt_boxes=boxes, **how)
    close(gpu_library, tamis.oks(on(det), on(gt), on(areas), gt_boxes=on(boxes), **how), want)
