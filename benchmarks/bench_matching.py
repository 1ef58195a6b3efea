"""match_detections: thresholds come nearly free, as they are bits of one word.

The rival is the reference of the tests, a loop in Python, on a part of the images.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tamis import match_detections

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reference"))
from reference_matching import match_image


def problem(images, dets=100, gts=8, seed=0):
    rng = np.random.default_rng(seed)
    low, size = rng.uniform(0, 500, (images * gts, 2)), rng.uniform(10, 200, (images * gts, 2))
    truth = np.concatenate([low, low + size], 1)
    near = truth.reshape(images, gts, 4)[:, rng.integers(0, gts, dets)].reshape(-1, 4)
    boxes = near + rng.normal(scale=8, size=near.shape)
    scores = rng.random(len(boxes))
    return boxes, scores, dets * np.arange(images + 1), truth, gts * np.arange(images + 1)


@pytest.mark.parametrize("thresholds", [[0.5], np.linspace(0.5, 0.95, 10).tolist()], ids=len)
@pytest.mark.benchmark(group="match 100 x 8 in 1,000 images")
def test_match_detections(benchmark, thresholds):
    arguments = problem(1000)
    benchmark(match_detections, *arguments, thresholds=thresholds)


@pytest.mark.benchmark(group="match 100 x 8 in 20 images")
@pytest.mark.parametrize("who", ["tamis", "python loop"])
def test_against_the_loop(benchmark, who):
    boxes, scores, splits, truth, gt_splits = problem(20)
    xywh = [np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1) for b in (boxes, truth)]
    none = np.zeros(8, bool)

    def loop():
        out = np.full(len(boxes), -1)
        for i in range(20):
            d, g = slice(*splits[i : i + 2]), slice(*gt_splits[i : i + 2])
            found = match_image(xywh[0][d], scores[d], xywh[1][g], none, none, 0.5, 100)
            for det, gt in found.items():
                out[splits[i] + det] = gt_splits[i] + gt
        return out

    def ours():
        return match_detections(boxes, scores, splits, truth, gt_splits).gt[0]

    np.testing.assert_array_equal(ours(), loop())
    benchmark(ours if who == "tamis" else loop)
