"""mask_iou and the rasteriser against pycocotools.mask.

pytest benchmarks/bench_mask_iou.py
"""

from __future__ import annotations

import numpy as np
import pytest
import tamis
from tamis.coco import mask as ours

theirs = pytest.importorskip("pycocotools.mask")


def polygons(n, seed):
    """Wobbly ellipses of COCO-like sizes, some of them partly outside of 640 x 480."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        k = rng.integers(12, 40)
        turn = np.arange(k) * 2 * np.pi / k
        radius = np.exp(rng.normal(np.log(60), 0.8)) * rng.uniform(0.6, 1, k)
        x = rng.uniform(0, 640) + radius * np.cos(turn)
        y = rng.uniform(0, 480) + radius * np.sin(turn)
        out.append(np.stack([x, y], 1).ravel().tolist())
    return out


def name(what):
    return f"{what}, {tamis.num_threads()} threads (pycocotools: 1)"


@pytest.mark.parametrize("who", ["tamis.regions.mask_iou", "tamis.coco.mask", "pycocotools"])
def test_iou_1000_by_1000(benchmark, who):
    a, b = (theirs.frPyObjects(polygons(1000, seed), 480, 640) for seed in (1, 2))
    crowd = [0] * 1000
    x, y = tamis.Masks.from_coco(a), tamis.Masks.from_coco(b)
    want = theirs.iou(a, b, crowd)
    assert np.array_equal(tamis.mask_iou(x, y), want)
    assert np.array_equal(ours.iou(a, b, crowd), want)
    benchmark.group = name("mask IoU 1,000 x 1,000")
    run = {
        "tamis.regions.mask_iou": lambda: tamis.mask_iou(x, y),
        "tamis.coco.mask": lambda: ours.iou(a, b, crowd),
        "pycocotools": lambda: theirs.iou(a, b, crowd),
    }[who]
    benchmark.pedantic(run, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("who", ["tamis", "pycocotools"])
def test_polygons(benchmark, who):
    drawn = polygons(2000, 3)
    assert ours.frPyObjects(drawn, 480, 640) == theirs.frPyObjects(drawn, 480, 640)
    benchmark.group = name("2,000 polygons to RLE")
    run = {"tamis": ours, "pycocotools": theirs}[who].frPyObjects
    benchmark.pedantic(run, args=(drawn, 480, 640), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("who", ["tamis", "pycocotools"])
@pytest.mark.parametrize("what", ["encode", "decode"])
def test_pixels(benchmark, who, what):
    rle = theirs.frPyObjects(polygons(200, 4), 480, 640)
    pixels = theirs.decode(rle)
    assert ours.encode(pixels) == theirs.encode(pixels)
    assert np.array_equal(ours.decode(rle), pixels)
    benchmark.group = name(f"{what} 200 masks")
    run = getattr({"tamis": ours, "pycocotools": theirs}[who], what)
    benchmark.pedantic(run, args=(pixels if what == "encode" else rle,), rounds=5, warmup_rounds=1)


def opencv_boundaries(objects):
    """As boundary-iou-api does it: to pixels, eroded by OpenCV, and back, a mask at a time."""
    cv2 = pytest.importorskip("cv2")
    out = []
    for obj in objects:
        mask = theirs.decode(obj)
        n = max(1, round(0.02 * np.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
        padded = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=n)[1:-1, 1:-1]
        out.append(theirs.encode(np.asfortranarray(mask - eroded)))
    return out


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("who", ["tamis", "OpenCV"])
def test_boundaries(benchmark, who):
    rle = theirs.frPyObjects(polygons(1000, 5), 480, 640)
    masks = tamis.Masks.from_coco(rle)
    assert tamis.mask_boundary(masks).to_coco() == opencv_boundaries(rle)
    benchmark.group = name("boundaries of 1,000 masks")
    run, given = {
        "tamis": (tamis.mask_boundary, masks),
        "OpenCV": (opencv_boundaries, rle),
    }[who]
    benchmark.pedantic(run, args=(given,), rounds=5, warmup_rounds=1)
