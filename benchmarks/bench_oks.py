"""oks against pycocotools' computeOks, which is a loop over the pairs in NumPy.

pytest benchmarks/bench_oks.py
"""

import numpy as np
import pytest
import tamis

theirs = pytest.importorskip("pycocotools.cocoeval")


@pytest.mark.parametrize("who", ["tamis", "pycocotools"])
def test_images(benchmark, who):
    rng = np.random.default_rng(0)
    images, dets, gts = 100, 20, 5
    det = np.round(rng.uniform(0, 300, (images * dets, 17, 3)), 2)
    gt = np.round(rng.uniform(0, 300, (images * gts, 17, 3)))
    gt[..., 2] = rng.integers(0, 3, gt.shape[:2])
    areas, boxes = rng.uniform(100, 1e4, len(gt)), rng.uniform(0, 100, (len(gt), 4))
    splits, gt_splits = np.arange(images + 1) * dets, np.arange(images + 1) * gts
    e = theirs.COCOeval(iouType="keypoints")
    for i, d in enumerate(det):
        e._dts[i // dets, 1].append({"keypoints": d.ravel().tolist(), "score": -i})
    for i, (g, a, b) in enumerate(zip(gt, areas.tolist(), boxes.tolist(), strict=True)):
        e._gts[i // gts, 1].append({"keypoints": g.ravel().tolist(), "area": a, "bbox": b})
    run = {
        "tamis": lambda: tamis.oks_batched(det, splits, gt, gt_splits, areas, gt_boxes=boxes)[0],
        "pycocotools": lambda: np.concatenate([e.computeOks(i, 1).ravel() for i in range(images)]),
    }
    assert np.array_equal(run["tamis"](), run["pycocotools"]())
    benchmark.group = f"oks {images} images, {tamis.num_threads()} threads (pycocotools: 1)"
    benchmark.pedantic(run[who], rounds=5, warmup_rounds=1)
