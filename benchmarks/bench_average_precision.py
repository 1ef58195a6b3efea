"""COCO evaluation from arrays to 12 numbers: DetectionEvaluator, and its two parts.

The rival is pycocotools on the same boxes, a part of the images; bars.py has the other peers.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from tamis import DetectionEvaluator

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import make_dataset, make_detections


def sides(dataset, rows):
    """The dataset and detections as one batch for `update`."""
    images = np.array(sorted(i["id"] for i in dataset["images"]))

    def batch(image, **columns):
        place = np.searchsorted(images, image)
        order = np.argsort(place, kind="stable")
        splits = np.searchsorted(place[order], np.arange(len(images) + 1))
        return {**{k: np.asarray(v)[order] for k, v in columns.items()}, "splits": splits}

    anns = dataset["annotations"]
    return (
        batch(rows[:, 0], boxes=rows[:, 1:5], scores=rows[:, 5], labels=rows[:, 6].astype(int)),
        batch(
            np.array([a["image_id"] for a in anns]),
            boxes=[a["bbox"] for a in anns],
            labels=[a["category_id"] for a in anns],
            iscrowd=[a["iscrowd"] for a in anns],
            area=[a["area"] for a in anns],
        ),
    )


def ours(preds, targets):
    evaluator = DetectionEvaluator(fmt="xywh")
    evaluator.update(preds, targets)
    return list(evaluator.compute().stats.values())


@pytest.fixture(scope="module")
def large():
    dataset = make_dataset(2000, 80, 14_000)
    return sides(dataset, make_detections(dataset, 100_000))


@pytest.mark.benchmark(group="100,000 detections, arrays to 12 numbers")
def test_evaluator(benchmark, large):
    benchmark(ours, *large)


@pytest.mark.parametrize("who", ["tamis", "pycocotools"])
@pytest.mark.benchmark(group="5,000 detections, to 12 numbers")
def test_against_pycocotools(benchmark, who):
    coco, cocoeval = (
        pytest.importorskip("pycocotools.coco"),
        pytest.importorskip("pycocotools.cocoeval"),
    )
    dataset = make_dataset(100, 80, 700)
    rows = make_detections(dataset, 5000)

    def theirs():
        with contextlib.redirect_stdout(io.StringIO()):
            gt = coco.COCO()
            gt.dataset = dataset
            gt.createIndex()
            e = cocoeval.COCOeval(gt, gt.loadRes(rows), "bbox")
            e.evaluate()
            e.accumulate()
            e.summarize()
        return list(e.stats)

    assert set(ours(*sides(dataset, rows))) <= {*theirs(), -1.0}
    assert ours(*sides(dataset, rows))[0] == theirs()[0]
    benchmark(lambda: ours(*sides(dataset, rows)) if who == "tamis" else theirs())
