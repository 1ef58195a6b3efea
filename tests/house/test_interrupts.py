"""Ctrl-C in a long call: KeyboardInterrupt, nothing half-changed, and the process works on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tamis
from tamis import DetectionEvaluator, Masks
from tamis._shared import json_text
from tamis._shared.progress import telling

HANG = 60  # seconds; an interrupt takes less than one, however loaded the machine a call takes more

# What is made before, and the call; most would run for longer than HANG if nothing asked.
LONG_CALLS = {
    "box_iou": ("a = np.ones((20000, 4))", "tamis.box_iou(a, a)"),
    "max_iou": ("a = np.ones((60000, 4)); a[:, :2] = 0", "tamis.max_iou(a, np.array([0, 60000]))"),
    "match": (
        "a = np.ones((30000, 4)); a[:, :2] = 0; s = np.array([0, 30000])",
        "tamis.match_detections(a, a[:, 0], s, a[:3000], np.array([0, 3000]),"
        " max_detections=30000)",
    ),
    "knn": ("x = r.standard_normal((60000, 256), np.float32)", "tamis.knn(x, 10)"),
    "KnnIndex": (
        "x = r.standard_normal((30000, 256), np.float32)",
        "tamis.KnnIndex(x, metric='cosine').self_search(50)",
    ),
    "near_duplicates, many pairs": (
        "x = np.repeat(r.standard_normal((1, 8)), 12000, 0)",
        "tamis.near_duplicates(x, threshold=0.5, metric='euclidean')",
    ),
    "zcore_draws": (
        "x = r.standard_normal((100, 20000), np.float32)",
        "tamis.zcore_draws(x, 2000, sample_dim=20000)",
    ),
    "zcore of many columns": (
        "x = r.standard_normal((20, 50000), np.float32)",
        "tamis.zcore(x, n_samples=10**7, sample_dim=20000)",
    ),
    "mask_iou": (
        "a = tamis.Masks.from_boxes(np.tile([9.0, 9, 400, 400], (20000, 1)), (480, 640))",
        "tamis.mask_iou(a, a)",
    ),
    "mask_iou, millions of runs": ("a = noise(100)", "tamis.mask_iou(a, a)"),
    "mask_boundary": ("a = noise(30)", "tamis.mask_boundary(a)"),
    "merge": (
        "a = tamis.Masks.from_coco(noise(1).to_coco()"
        " + [{'size': [2000, 2000], 'counts': [4000000]}] * 20000)",
        "a.merge()",
    ),
    "counts": ("a = noise(40)", "a.counts()"),
    "from_polygons": (
        "p = np.empty(40000); p[0::2] = np.tile([0, 5000], 10000)\n"
        "p[1::2] = np.linspace(0, 5000, 20000)",
        "tamis.Masks.from_polygons([[p]] * 20, (5000, 5000))",
    ),
    "from_polygons, crossings out of order": (
        "p = np.empty(40000); p[0::2] = np.tile([0, 5000], 10000)\n"
        "p[1::2] = r.uniform(0, 5000, 20000)",
        "tamis.Masks.from_polygons([[p]], (5000, 5000))",
    ),
    "from_polygons, wide": (
        "p = np.array([0, 0, 1e8, 0, 1e8, 1, 0, 1])",
        "tamis.Masks.from_polygons([[p] * 64], (1, 10**8))",
    ),
    "encode": ("a = np.zeros((40, 10000, 10000), bool)", "tamis.Masks.encode(a)"),
    "encode, strided": (
        "a = np.zeros((1, 20000, 20000), bool)[:, ::2, ::2]",
        "tamis.Masks.encode(a)",
    ),
    "decode": (
        "a = tamis.Masks.from_coco([{'size': [20000, 20000], 'counts': [0, 4 * 10**8]}])",
        "a.decode()",
    ),
    "duplicate masks": (
        "a = tamis.Masks.encode(r.random((5000, 64, 64)) < 0.5)",
        "tamis.find_duplicate_boxes(a, np.array([0, 5000]), threshold=0.9)",
    ),
    "match_fiftyone": (
        "from tamis.labels.fiftyone_matching import match_fiftyone\n"
        "b = np.tile([0.0, 0, 9, 9], (60000, 1)) + np.arange(60000)[:, None] * 1e-4\n"
        "n = np.array([0, 60000])",
        "match_fiftyone(b, b[:, 0], n, b, n, thresholds=0.999)",
    ),
    "rotated_box_iou": ("a = np.ones((6000, 5))", "tamis.rotated_box_iou(a, a)"),
    "oks, many keypoints": (
        "k = r.uniform(0, 100, (2000, 3000, 3))",
        "tamis.oks(k, k, np.ones(2000), sigmas=np.full(3000, 0.1))",
    ),
    "exact_duplicates": (
        "import os, tempfile; f = tempfile.NamedTemporaryFile(); os.truncate(f.name, 1 << 36)",
        "tamis.exact_duplicates([f.name] * 2)",
    ),
}

CHILD = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job starts with it ignored
import numpy as np, tamis
def noise(n):
    r = np.random.default_rng(0)
    return tamis.Masks.encode(r.random((1, 2000, 2000)) < 0.5)[np.zeros(n, int)]
for line in sys.stdin:
    setup, call = json.loads(line)
    names = {"np": np, "tamis": tamis, "r": np.random.default_rng(0), "noise": noise}
    exec(setup, names)
    call = compile(call, "call", "exec")
    try:
        print("ready", flush=True)
        while True:
            exec(call, names)
    except KeyboardInterrupt:
        names.clear()
    a = tamis.Masks.encode(np.eye(3, dtype=bool)[None])
    assert tamis.mask_iou(a, a).tolist() == [[1]] and a.merge().counts() == [[0, 1, 3, 1, 3, 1]]
    assert tamis.box_iou(np.ones((1, 4)), np.ones((1, 4))).shape == (1, 1)
    print("interrupted, and right", flush=True)
"""


class Child:
    """A process that repeats one call after another until it is interrupted."""

    process: subprocess.Popen[str] | None = None

    def interrupted(self, setup: str, call: str) -> str:
        """What it prints, interrupted a third of a second into the calls; a new one if it died."""
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                text=True,
            )  # fmt: skip
        child = self.process
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(json.dumps([setup, call]) + "\n")
        child.stdin.flush()
        if child.stdout.readline() != "ready\n":
            return "not ready"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.3)  # it is in the call by now
        child.send_signal(signal.SIGINT)
        hangs = threading.Timer(HANG, child.kill)
        hangs.start()
        try:
            return child.stdout.readline()
        finally:
            hangs.cancel()

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    made = Child()
    yield made
    made.end()


@pytest.mark.parametrize("name", LONG_CALLS)
def test_ctrl_c_stops_a_long_call(name: str, child: Child) -> None:
    assert child.interrupted(*LONG_CALLS[name]) == "interrupted, and right\n"


# Nothing half-changed


def interrupted_at_each_line(make: Callable[[], Any], change: Callable[[Any], Any]) -> list[Any]:
    """What `change` leaves of objects made anew, broken off at its first line, its second, ..."""
    left = []
    for stop in range(10000):
        made, seen = make(), 0

        def trace(frame: Any, event: str, _: Any, stop: int = stop) -> Any:
            nonlocal seen
            if event == "line" and "tamis" in frame.f_code.co_filename:
                seen += 1
                if seen == stop + 1:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            change(made)
        except KeyboardInterrupt:
            left.append(made)
        else:
            return left
        finally:
            sys.settrace(before)
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("how", ["update", "merge"])
def test_an_interrupt_adds_all_images_or_none(how: str) -> None:
    boxes = np.array([[0.0, 0, 9, 9], [1, 1, 8, 8]])
    side = {"boxes": boxes, "labels": np.array([0, 1]), "splits": np.array([0, 1, 2])}
    preds = {**side, "scores": np.array([0.5, 0.25])}

    def make() -> DetectionEvaluator:
        evaluator = DetectionEvaluator()
        evaluator.update(preds, side)
        return evaluator

    other = make()
    change = {"update": lambda e: e.update(preds, side), "merge": lambda e: e.merge(other)}[how]
    left = interrupted_at_each_line(make, change)
    assert len(left) > 5
    for evaluator in left:
        images = sum(len(part[0][0]) for part in evaluator._parts)
        assert (images, len(evaluator._parts)) in {(2, 1), (4, 2)}
        assert evaluator.compute().stats["AP"] == pytest.approx(1)


def test_an_interrupt_leaves_masks_as_they_were() -> None:
    masks = Masks.encode(np.eye(5, dtype=bool)[None].repeat(3, 0))
    want = masks.to_coco()
    calls: list[Callable[[Masks], Any]] = [
        lambda m: m.merge(), lambda m: m[::-1], lambda m: m.decode(), lambda m: m.counts(),
        lambda m: tamis.mask_iou(m, m), tamis.mask_boundary,
    ]  # fmt: skip
    for call in calls:
        left = interrupted_at_each_line(lambda: masks, call)
        assert left and all(m.to_coco() == want for m in left)


def test_a_signal_is_heard_within_a_long_json() -> None:
    text = "[" + ", ".join(['{"a": 1}'] * (json_text.LONG // 10 + 1)) + "]"
    heard: list[str] = []

    def stop(number: int, frame: Any) -> None:
        heard.append(frame.f_code.co_name)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGVTALRM, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.05)
            json_text.loads(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert heard == ["_unchanged"]  # not when the parser was through


def test_long_loops_tell_how_far_they_are() -> None:
    boxes = np.random.default_rng(0).uniform(5, 40, (2000, 5)).astype(np.float32)
    said: list[tuple[int, int]] = []
    with tamis.threads(1), telling(lambda done, total: said.append((done, total))):
        while not said:
            tamis.rotated_box_iou(boxes, boxes)
    total = said[0][1]
    assert all(0 <= done <= total == last for done, last in said)

    def fails(done: int, total: int) -> None:
        raise ZeroDivisionError

    with tamis.threads(1), telling(fails), pytest.raises(ZeroDivisionError):
        while True:
            tamis.rotated_box_iou(boxes, boxes)
    assert tamis.rotated_box_iou(boxes[:1], boxes[:1]).shape == (1, 1)
