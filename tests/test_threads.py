"""Many Python threads at once, forks after use."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from tamis import coco


def boxes(n: int, seed: int = 0) -> Any:
    low = np.random.default_rng(seed).uniform(0, 100, (n, 2))
    return np.concatenate([low, low + 10], 1)


def work(seed: int) -> list[Any]:
    a, splits = boxes(400, seed), np.array([0, 100, 250, 400])
    rotated, masks = np.c_[a, a[:, 0]], tamis.Masks.from_boxes(a[:40], (120, 120))
    points = np.resize(a, (10, 17, 3))
    rows = np.random.default_rng(seed).standard_normal((500, 16), np.float32)
    evaluator = tamis.DetectionEvaluator()
    side = {"boxes": a, "labels": np.arange(400) % 3, "splits": splits}
    evaluator.update({**side, "scores": a[:, 0] / 100}, side)
    found = tamis.match_detections(a, a[:, 0], splits, a[::-1].copy(), splits)
    result = evaluator.compute()
    return [
        tamis.box_iou(a, a),
        tamis.max_iou(a, splits),
        found.gt,
        result.precision,
        result.errors().kind,
        result.confusion_matrix().matrix,
        result.per_image()["ap"],
        tamis.rotated_box_iou(rotated, rotated),
        tamis.find_duplicate_boxes(a, splits, threshold=0.3).of,
        tamis.find_duplicate_boxes(a, splits, threshold=0.3, method="groups").of,
        tamis.find_duplicate_boxes(rotated, splits, threshold=0.3).iou,
        tamis.mask_iou(masks, masks),
        tamis.mask_boundary(masks).area(),
        tamis.oks(points, points[::-1], np.full(10, 9e4)),
        *tamis.knn(rows, 5),
        tamis.uniqueness(rows),
        tamis.near_duplicates(rows, threshold=0.5).keep,
        tamis.zcore(rows, n_samples=2000, redundancy_nn=20),
    ]


def test_eight_threads_get_what_one_gets() -> None:
    want = [work(i) for i in range(4)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(work, [i % 4 for i in range(64)]))
    for i, results in enumerate(got):
        for a, b in zip(want[i % 4], results, strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_coco_object_in_many_threads() -> None:
    case = random_problem(9)
    ground_truth = coco.COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        ground_truth.dataset = case.gt
        ground_truth.createIndex()
        results = ground_truth.loadRes(case.dt)

        def evaluate(_: int) -> Any:
            e = coco.COCOeval(ground_truth, results, "bbox")
            e.evaluate()
            e.accumulate()
            return e.eval["precision"]

        with ThreadPoolExecutor(8) as pool:
            for got in pool.map(evaluate, range(16)):
                np.testing.assert_array_equal(got, evaluate(0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_works_on() -> None:
    want = work(1)
    child = os.fork()
    if child == 0:
        same = all(np.array_equal(a, b) for a, b in zip(want, work(1), strict=True))
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_thread_count() -> None:
    assert tamis.num_threads() >= 1
    tamis.set_num_threads(3)
    assert tamis.num_threads() == 3
    tamis.set_num_threads(0)
    assert tamis.num_threads() == len(os.sched_getaffinity(0))


def test_import_is_light() -> None:
    code = "import sys, tamis; print({'torch', 'cupy', 'pycocotools'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "set()\n"
