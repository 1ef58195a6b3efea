"""fiftyone_match against FiftyOne's own matcher on label objects; no database is needed.

pytest benchmarks/bench_fiftyone_matching.py
"""

import numpy as np
import pytest
import tamis
from tamis import _core

fol = pytest.importorskip("fiftyone.core.labels")
coco = pytest.importorskip("fiftyone.utils.eval.coco")
IMAGES, GTS, DETS = 20, 8, 30


def images():
    rng = np.random.default_rng(0)
    n = IMAGES * (GTS + DETS)
    boxes = np.concatenate([rng.random((n, 2)) * 0.6, 0.1 + rng.random((n, 2)) * 0.3], axis=1)
    return boxes, rng.integers(0, 3, n).astype(np.int32), rng.random(n)


def ours(boxes, labels, scores):
    n, m = IMAGES * DETS, IMAGES * GTS
    d, g = slice(0, n), slice(n, n + m)
    return _core.fiftyone_match(
        rule=0, max_dets=n, thresholds=np.array([0.5]), det_splits=np.arange(IMAGES + 1) * DETS,
        det_boxes=boxes[d], det_labels=labels[d], det_groups=labels[d], confidence=scores[d],
        gt_splits=np.arange(IMAGES + 1) * GTS, gt_boxes=boxes[g], gt_labels=labels[g],
        gt_groups=labels[g], crowd=np.zeros(m, np.uint8), given=np.zeros(IMAGES, np.uint8),
        pair_splits=np.zeros(n + 1, np.int64), pair_gts=np.zeros(0, np.int32), pair_iou=np.zeros(0),
    )  # fmt: skip


def theirs(boxes, labels, scores):
    config = coco.COCOEvaluationConfig("p", "g", iou=0.5, classwise=True)
    rows = [
        fol.Detection(label=f"c{k}", bounding_box=b, confidence=s)
        for b, k, s in zip(boxes.tolist(), labels, scores.tolist(), strict=True)
    ]
    dets, gts = rows[: IMAGES * DETS], rows[IMAGES * DETS :]
    found = []
    for i in range(IMAGES):
        mine = fol.Detections(detections=dets[i * DETS : (i + 1) * DETS])
        others = fol.Detections(detections=gts[i * GTS : (i + 1) * GTS])
        found += coco._coco_evaluation_single_iou(others, mine, "ev", config)
    return sorted((match[5], match[2]) for match in found if match[5] and match[4]), rows


@pytest.mark.parametrize("who", ["tamis", "FiftyOne"])
def test_images(benchmark, who):
    data = images()
    (_, _, det_gt, det_iou, _, _), (want, rows) = ours(*data), theirs(*data)
    hit = np.flatnonzero(det_gt[0] >= 0)
    assert sorted((rows[d].id, det_iou[0, d]) for d in hit) == want
    benchmark.group = (
        f"fiftyone_match {IMAGES} images, {tamis.num_threads()} threads"
        " (FiftyOne: 1, with its label objects)"
    )
    run = {"tamis": ours, "FiftyOne": theirs}[who]
    benchmark.pedantic(run, args=data, rounds=3, warmup_rounds=1)
