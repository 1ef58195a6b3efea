"""Many Python threads at once, forks after use, Ctrl-C in a long call."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import textwrap
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
        np.nan_to_num(tamis.intervals(result, 40).low),  # NaN: sizes that are not there
        result.slice([0, 2]).precision,
        tamis.agreement(side, {**side, "boxes": a + 1}, iou=0.3).pairs,
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


LONG_CALLS = {
    "max_iou": "a = np.ones((60000, 4)); a[:, :2] = 0\n"
    "while True: tamis.max_iou(a, np.array([0, 60000]))",
    "match": "a = np.ones((30000, 4)); a[:, :2] = 0; s = np.array([0, 30000])\n"
    "while True: tamis.match_detections(a, a[:, 0], s, a[:3000], np.array([0, 3000]),"
    " max_detections=30000)",
    "knn": "x = np.random.default_rng(0).standard_normal((60000, 256), np.float32)\n"
    "while True: tamis.knn(x, 10)",
    "mask_iou": "a = tamis.Masks.from_boxes(np.tile([9.0, 9, 400, 400], (20000, 1)), (480, 640))\n"
    "while True: tamis.mask_iou(a, a)",
    "masks of millions of runs": "a = np.random.default_rng(0).random((1, 2000, 2000)) < 0.5\n"
    "a = tamis.Masks.encode(a)[np.zeros(100, int)]\nwhile True: tamis.mask_iou(a, a)",
    "mask_boundary": "a = np.random.default_rng(0).random((1, 2000, 2000)) < 0.5\n"
    "a = tamis.Masks.encode(a)[np.zeros(30, int)]\nwhile True: tamis.mask_boundary(a)",
    "match_fiftyone": "from tamis.fiftyone_matching import match_fiftyone\n"
    "b, n = np.tile([0.0, 0, 9, 9], (60000, 1)) + np.arange(60000)[:, None] * 1e-4, [0, 60000]\n"
    "match_fiftyone(b, b[:, 0], np.array(n), b, np.array(n), thresholds=0.999)",
    "intervals": "a = np.tile([0.0, 0, 9, 9], (200000, 1)); n = np.arange(0, 200001, 100)\n"
    "side = {'boxes': a + np.arange(200000)[:, None] % 100 * 9, 'splits': n}\n"
    "side['labels'] = side['scores'] = np.ones(200000, int)\n"
    "e = tamis.DetectionEvaluator(); e.update(side, side); tamis.intervals(e.compute(), 10**6)",
    "rotated_box_iou": "a = np.ones((6000, 5))\nwhile True: tamis.rotated_box_iou(a, a)",
}


@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c_stops_a_long_call(name: str) -> None:
    code = (  # a background job starts with SIGINT ignored
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import numpy as np, tamis\nprint('ready', flush=True)\n" + LONG_CALLS[name]
    )
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)  # it is in the call by now
    child.send_signal(signal.SIGINT)
    try:
        _, err = child.communicate(timeout=5)
    finally:
        child.kill()
    assert "KeyboardInterrupt" in err


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
