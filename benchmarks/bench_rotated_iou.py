"""rotated_box_iou against OpenCV's rotatedRectangleIntersection and shapely, both on one thread.

pytest benchmarks/bench_rotated_iou.py

OpenCV has no call for many pairs: the loop over them is Python's, and takes the most time where few
boxes overlap, so it is given only those pairs whose bounding boxes do. Shapely's is vectorised and
has its own look at the bounding boxes.
"""

from typing import Any

import numpy as np
import pytest
import tamis

THREADS = 1
SPREADS = {"few overlap": 1500, "half overlap": 60, "all overlap": 10}  # of the centres, in pixels


@pytest.fixture(autouse=True)
def one_thread():
    tamis.set_num_threads(THREADS)
    yield
    tamis.set_num_threads(0)


def boxes(n, spread, seed):
    rng = np.random.default_rng(seed)
    parts = rng.uniform(0, spread, (n, 2)), rng.uniform(10, 60, (n, 2)), rng.uniform(0, 180, (n, 1))
    return np.concatenate(parts, axis=1)


def corners(x):
    turn = np.deg2rad(x[:, 4])
    u = np.stack([np.cos(turn), np.sin(turn)], 1) * x[:, 2:3] / 2
    v = np.stack([-np.sin(turn), np.cos(turn)], 1) * x[:, 3:4] / 2
    return np.stack([x[:, :2] + i * u + j * v for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))], 1)


def with_shapely(a, b):
    shapely = pytest.importorskip("shapely")
    p, q = (shapely.polygons(corners(x)) for x in (a, b))
    common = shapely.area(shapely.intersection(p[:, None], q))
    return common / (shapely.area(p)[:, None] + shapely.area(q) - common)


def with_opencv(a, b):
    cv2 = pytest.importorskip("cv2")
    low, high = zip(*((c.min(1), c.max(1)) for c in map(corners, (a, b))), strict=True)
    near = ((low[0][:, None] < high[1]) & (low[1] < high[0][:, None])).all(axis=2)
    p, q = ([((x, y), (w, h), t) for x, y, w, h, t in boxes.tolist()] for boxes in (a, b))
    areas = [x[:, 2] * x[:, 3] for x in (a, b)]
    out = np.zeros(near.shape)
    for i, j in np.argwhere(near).tolist():
        found, points = cv2.rotatedRectangleIntersection(p[i], q[j])
        if found:
            common = cv2.contourArea(cv2.convexHull(points))
            out[i, j] = common / (areas[0][i] + areas[1][j] - common)
    return out


@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize("who", ["tamis", "opencv", "shapely"])
def test_all_pairs(benchmark, spread, who):
    a, b = (boxes(300, SPREADS[spread], seed) for seed in (0, 1))
    ways: dict[str, Any] = {
        "tamis": tamis.rotated_box_iou, "opencv": with_opencv, "shapely": with_shapely
    }  # fmt: skip
    run = ways[who]
    # OpenCV computes in float32
    np.testing.assert_allclose(tamis.rotated_box_iou(a, b), run(a, b), atol=1e-3, rtol=1e-6)
    benchmark.group = f"rotated_box_iou 300 x 300 float64, {spread}, {THREADS} thread"
    benchmark.pedantic(run, args=(a, b), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("spread", SPREADS)
def test_large(benchmark, spread, threads):
    tamis.set_num_threads(threads)
    a, b = (boxes(5000, SPREADS[spread], seed).astype(np.float32) for seed in (0, 1))
    benchmark.group = f"rotated_box_iou 5,000 x 5,000 float32, {spread}"
    benchmark.pedantic(tamis.rotated_box_iou, args=(a, b), rounds=5, warmup_rounds=1)
