"""Many Python threads at once, forks after use."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from tamis import coco
from tamis._shared import blas
from tamis.coco import _lazy


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
        got = list(pool.map(work, [i % 4 for i in range(32)]))
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


def side(n: int = 50) -> tuple[dict[str, Any], dict[str, Any]]:
    target = {"boxes": boxes(n), "labels": np.zeros(n, int)}
    return {**target, "scores": np.linspace(0, 1, n)}, target


def together(*functions: Any) -> None:
    with ThreadPoolExecutor(len(functions)) as pool:
        for result in [pool.submit(function) for function in functions]:
            result.result(timeout=60)


def test_threads_add_whole_images_to_one_evaluator() -> None:
    evaluator, (pred, target) = tamis.DetectionEvaluator(), side()
    images = [
        ({**pred, "splits": np.array([0, 20, 50])}, {**target, "splits": np.array([0, 9, 50])})
    ]

    def add() -> None:
        for _ in range(60):
            evaluator.update(*images[0])

    def look() -> None:
        for _ in range(10):
            result = evaluator.compute()
            assert len(result.per_image()["image"]) % 2 == 0
            assert pickle.loads(pickle.dumps(evaluator)).compute().scores.shape

    together(add, add, add, look, look)
    result = evaluator.compute()
    assert len(result.per_image()["image"]) == 360
    assert result.matches().gt.shape[1] == 360 * 25

    def forget() -> None:
        for _ in range(60):
            evaluator.reset()

    together(add, add, forget, look)


def test_evaluators_that_merge_each_other_do_not_wait_for_ever() -> None:
    a, b = tamis.DetectionEvaluator(), tamis.DetectionEvaluator()
    a.update(*side(3))
    b.update(*side(4))
    together(*[lambda: a.merge(b), lambda: b.merge(a)] * 2)
    a.merge(a)


def child_ends(work_of_child: Any) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        os._exit(0 if work_of_child() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def held(lock: Any) -> Any:
    """Another thread that holds a lock until the event that is given back is set."""
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            inside.set()
            leave.wait(60)

    threading.Thread(target=hold, daemon=True).start()
    assert inside.wait(60)
    return leave


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_fork_while_another_thread_holds_a_lock() -> None:
    evaluator, (pred, target) = tamis.DetectionEvaluator(), side()

    def add() -> bool:
        evaluator.update(pred, target)
        return bool(evaluator.compute().stats["AP"] > 0.9)

    for lock, use in ((evaluator._lock, add), (_lazy._TOUCHING, lambda: coco.COCO().anns == {})):
        leave = held(lock)
        try:
            assert child_ends(use)
        finally:
            leave.set()
    with evaluator._lock:  # of the thread that forks, which goes on in the child
        assert child_ends(add)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_fork_waits_for_products_of_other_threads() -> None:
    x = np.random.default_rng(0).normal(size=(700, 16)).astype(np.float32)
    with blas._one_thread():  # as in the child: products of several round otherwise
        want = tamis.uniqueness(x, compat="brain")
    leave, order = held(blas.products()), []

    def fork() -> None:
        same = child_ends(lambda: np.array_equal(tamis.uniqueness(x, compat="brain"), want))
        order.append("forked" if same else "failed")

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join(0.2)
    order.append("left")
    leave.set()
    thread.join(60)
    assert order == ["left", "forked"]
    with blas.products():
        assert child_ends(lambda: True)  # its own section does not keep a thread from forking


RACES = {
    "knn": lambda x, splits: tamis.knn(x, 3),
    "knn by products": lambda x, splits: tamis.knn(x, 3, metric="inner_product"),
    "near_duplicates": lambda x, splits: tamis.near_duplicates(x, threshold=0.3),
    "zcore": lambda x, splits: tamis.zcore(x, n_samples=300, redundancy_nn=9),
    "box_iou_batched": lambda x, splits: tamis.box_iou_batched(x[:, :4], splits, x[:, :4], splits),
    "max_iou": lambda x, splits: tamis.max_iou(x[:, :4].copy(), splits, labels=splits[:-1]),
    "match": lambda x, splits: tamis.match_detections(
        x[:, :4], x[:, 0], splits, x[:, :4], splits, labels=splits[:-1], gt_labels=splits[:-1]
    ),
    "duplicates": lambda x, splits: tamis.find_duplicate_boxes(
        x[:, :4], splits, labels=splits[:-1], threshold=0.3, method="greedy"
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", RACES)
def test_arrays_that_another_thread_writes_into(name: str) -> None:
    """Any answer or error, but no crash and no end of the process."""
    x = np.random.default_rng(0).normal(size=(2000, 16)).astype(np.float32)
    splits, done = np.arange(2001), threading.Event()
    good, good_splits = x.copy(), splits.copy()

    def write() -> None:
        rng = np.random.default_rng(1)
        while not done.is_set():
            x.flat[rng.integers(0, x.size, 50)] = rng.choice([np.nan, np.inf, -1e38, 1e-40])
            splits[rng.integers(0, len(splits), 5)] = rng.choice([2**40, -(2**40), -1, 127])
            time.sleep(0.0003)
            x[:], splits[:] = good, good_splits
            time.sleep(0.0003)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(30):
            with contextlib.suppress(ValueError, IndexError):
                RACES[name](x, splits)
    finally:
        done.set()
        thread.join()


@pytest.mark.skipif(
    sys.platform != "linux" or "san" in os.environ.get("LD_PRELOAD", ""),
    reason="RLIMIT_AS; sanitizers take more than there is",
)
def test_little_memory_is_a_memory_error() -> None:
    code = """
        import os, resource, numpy as np, tamis
        x, knn = np.random.default_rng(0).normal(size=(8000, 64)).astype(np.float32), tamis.knn
        used = int(open("/proc/self/statm").read().split()[0]) * 4096
        codes, enough = set(), 0
        for more in range(0, 100 << 20, 3 << 20):
            child = os.fork()
            if child == 0:
                resource.setrlimit(resource.RLIMIT_AS, (used + more,) * 2)
                try:
                    knn(x, 20)
                except MemoryError:
                    os._exit(3)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            codes.add(code)
            enough = enough + 1 if code == 0 else 0
            if enough == 4:
                break
        print(sorted(codes))
    """
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.stdout.strip() in ("[0, 3]", "[3]", "[0]"), done.stdout + done.stderr


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
