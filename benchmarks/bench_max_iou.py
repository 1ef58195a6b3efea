"""max_iou against a loop over the images in NumPy, which is what its callers write.

pytest benchmarks/bench_max_iou.py
"""

import itertools

import numpy as np
import pytest
import tamis


def boxes(n):
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 600, (n, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 200, (n, 2))], axis=1)


def numpy_loop(x, splits):
    out = np.zeros(len(x))
    for i, j in itertools.pairwise(splits):
        p = x[i:j]
        area = (p[:, 2] - p[:, 0]) * (p[:, 3] - p[:, 1])
        low = np.maximum(p[:, None, :2], p[:, :2])
        high = np.minimum(p[:, None, 2:], p[:, 2:])
        sides = np.clip(high - low, 0, None)
        inter = sides[..., 0] * sides[..., 1]
        iou = inter / (area[:, None] + area - inter)
        np.fill_diagonal(iou, 0)
        out[i:j] = iou.max(axis=1)
    return out


@pytest.mark.parametrize("who", ["tamis", "numpy loop"])
@pytest.mark.parametrize(("images", "each"), [(5_000, 7), (5_000, 100)])
def test_images(benchmark, who, images, each):
    x, splits = boxes(images * each), np.arange(images + 1) * each
    assert np.array_equal(tamis.max_iou(x, splits), numpy_loop(x, splits))
    benchmark.group = f"max_iou {images} images of {each}, {tamis.num_threads()} threads (NumPy: 1)"
    run = {"tamis": tamis.max_iou, "numpy loop": numpy_loop}[who]
    benchmark.pedantic(run, args=(x, splits), rounds=5, warmup_rounds=1)


def test_one_crowded_image(benchmark):
    x, splits = boxes(20_000).astype(np.float32), np.array([0, 20_000])
    benchmark.group = f"max_iou one image of 20,000 float32, {tamis.num_threads()} threads"
    benchmark.pedantic(tamis.max_iou, args=(x, splits), rounds=5, warmup_rounds=1)
