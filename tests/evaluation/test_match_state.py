"""state="matches": the same bits from a third of the state; processes that reduce."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from test_worst_images import problem
from two_processes import both_run


def crowded(seed: int, images: int = 8) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """With crowds, areas of their own, and more detections than count."""
    rng = np.random.default_rng(seed)
    out = []
    for preds, targets in problem(seed, images):
        m, n = len(targets["labels"]), len(preds["scores"])
        more = {"iscrowd": rng.random(m) < 0.2, "area": rng.choice([100.0, 2000.0, 20000.0], m)}
        twice = rng.integers(0, max(n, 1), 3 * n)
        out.append(({k: v[twice] for k, v in preds.items()}, {**targets, **more}))
    return out


def both(images: Any, **settings: Any) -> tuple[tamis.DetectionResult, tamis.DetectionResult]:
    found = []
    for state in ("boxes", "matches"):
        evaluator = tamis.DetectionEvaluator(state=state, **settings)
        for preds, targets in images:
            evaluator.update(preds, targets)
        found.append(evaluator.compute())
    return found[0], found[1]


def assert_equal(a: tamis.DetectionResult, b: tamis.DetectionResult) -> None:
    assert a.stats == b.stats and a.per_class() == b.per_class() and a.per_size() == b.per_size()
    for name in ("classes", "precision", "recall", "scores", "image_ids"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("seed", range(10))
def test_the_same_bits(seed: int) -> None:
    assert_equal(*both(crowded(seed)))
    assert_equal(*both(crowded(seed), max_detections=(1, 2, 3), iou_thresholds=[0.3, 0.5, 0.99]))


def test_more_thresholds_than_a_word_holds_and_many_areas() -> None:
    areas = {"all": (0, 1e10), **{f"a{i}": (i * 90, i * 90 + 900) for i in range(9)}}
    levels = np.linspace(0.1, 0.99, 70)
    assert_equal(*both(crowded(1), iou_thresholds=levels, area_ranges=areas))


@examples(20)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_any_split_over_processes(seed: int, ranks: int) -> None:
    images = crowded(seed, images=9)
    ids = np.random.default_rng(seed).permutation(9)
    whole = tamis.DetectionEvaluator()
    parts = [tamis.DetectionEvaluator(state="matches") for _ in range(ranks)]
    for i in np.argsort(ids):
        whole.update([images[i][0]], [images[i][1]], image_ids=[int(ids[i])])
    for turn, i in enumerate([*range(9), *range(ranks)]):  # the sampler pads with repeats
        part = parts[turn % ranks]
        part.update([images[i][0]], [images[i][1]], image_ids=[int(ids[i])])
    merged = tamis.DetectionEvaluator(state="matches")
    for part in reversed(parts):
        merged.merge(pickle.loads(pickle.dumps(part)))
    assert_equal(whole.compute(), merged.compute())


def test_24_bytes_a_detection() -> None:
    rng = np.random.default_rng(0)
    n, images = 60_000, 1_500
    low = rng.uniform(0, 600, (n, 2))
    boxes = np.concatenate([low, low + rng.uniform(4, 90, (n, 2))], 1)
    preds = {
        "boxes": boxes, "scores": rng.random(n), "labels": rng.integers(0, 1203, n),
        "splits": np.linspace(0, n, images + 1).astype(int),
    }  # fmt: skip
    targets = {
        "boxes": boxes[::6] + 1, "labels": preds["labels"][::6],
        "splits": np.linspace(0, len(boxes[::6]), images + 1).astype(int),
    }  # fmt: skip
    evaluator = tamis.DetectionEvaluator(state="matches")
    evaluator.update(preds, targets)
    assert len(pickle.dumps(evaluator, 5)) <= 24 * n
    full = tamis.DetectionEvaluator()
    full.update(preds, targets)
    assert_equal(full.compute(), evaluator.compute())


@pytest.mark.parametrize("kind", ["segm", "boundary", "keypoints", "obb"])
def test_other_kinds(kind: str) -> None:
    rng = np.random.default_rng(3)
    evaluators = [tamis.DetectionEvaluator(kind, state=s) for s in ("boxes", "matches")]
    preds: dict[str, Any]
    targets: dict[str, Any]
    for _ in range(4):
        m = int(rng.integers(1, 5))
        labels = rng.integers(0, 2, m)
        if kind in ("segm", "boundary"):
            pixels = rng.random((m, 40, 40)) < 0.5
            pixels[:, :20] = True
            near = pixels ^ (rng.random(pixels.shape) < 0.1)
            preds, targets = {"masks": near}, {"masks": pixels}
        elif kind == "keypoints":
            points = np.concatenate([rng.uniform(0, 99, (m, 17, 2)), np.full((m, 17, 1), 2.0)], 2)
            preds = {"keypoints": points + rng.normal(0, 2, points.shape)}
            targets = {"keypoints": points, "area": np.full(m, 3000.0)}
        else:
            boxes = np.concatenate([rng.uniform(0, 99, (m, 2)), np.full((m, 3), 30.0)], 1)
            preds, targets = {"boxes": boxes + rng.normal(0, 2, boxes.shape)}, {"boxes": boxes}
        for evaluator in evaluators:
            evaluator.update(
                {**preds, "labels": labels, "scores": np.linspace(0, 1, m)},
                {**targets, "labels": labels},
            )
    assert_equal(*(evaluator.compute() for evaluator in evaluators))


def test_labels_of_any_size_and_nothing() -> None:
    box = np.array([[0.0, 0, 9, 9]])
    for label in (-5, 40_000, 2**40):
        images = [({"boxes": box, "scores": [0.5], "labels": [label]},
                   {"boxes": box, "labels": [label]})]  # fmt: skip
        result = both(images)[1]
        assert result.classes.tolist() == [label] and result.stats["AP"] == pytest.approx(1)
    assert_equal(*both([]))
    empty = {"boxes": np.empty((0, 4)), "labels": np.empty(0, int)}
    assert_equal(*both([({**empty, "scores": np.empty(0)}, empty)]))


def test_analyses_say_what_they_need() -> None:
    result = both(crowded(1))[1]
    assert pickle.loads(pickle.dumps(result)).stats == result.stats
    for analysis in (result.errors, result.best_f1, result.matches, result.per_image):
        with pytest.raises(ValueError, match="analyses need state='boxes'"):
            analysis()
    with pytest.raises(ValueError, match="state must be 'boxes' or 'matches', got 'numbers'"):
        tamis.DetectionEvaluator(state="numbers")
    with pytest.raises(ValueError, match="merge: state differ"):
        tamis.DetectionEvaluator().merge(tamis.DetectionEvaluator(state="matches"))


def test_real_results() -> None:
    folder = data_path("coco128")
    gt = tamis.read(folder / "instances_coco128.json")
    gt, dt = tamis.align(gt, tamis.read(folder / "dt_yolov5s.bbox.json", like=gt))
    found = []
    for state in ("boxes", "matches"):
        evaluator = tamis.DetectionEvaluator(fmt="xywh", state=state)
        evaluator.update(dt.preds(), gt.targets())
        found.append(evaluator.compute())
    assert_equal(*found)
    assert round(found[1].stats["AP"], 3) == 0.478


def test_one_process_reduces_nothing() -> None:
    evaluator = tamis.DetectionEvaluator()
    evaluator.update(*crowded(2)[0])
    before = evaluator.compute().stats
    evaluator.all_reduce()
    assert evaluator.compute().stats == before


IMPORTS = """
import json, tamis
from test_match_state import crowded
"""
WORK = """
images = crowded(7, images=7)
even = [*range(rank, 7, 2), rank]  # one image comes twice, as a sampler that pads gives it
for state, mine in (("matches", even), ("boxes", range(7 * rank))):
    evaluator = tamis.DetectionEvaluator(state=state)
    for i in mine:
        evaluator.update([images[i][0]], [images[i][1]], image_ids=[i])
    evaluator.all_reduce()
    say(json.dumps(evaluator.compute().stats))
    other = tamis.DetectionEvaluator(state=state, max_detections=(1, 10, 100 + rank))
    try:
        other.all_reduce()
    except ValueError as error:
        say(error)
"""


def test_two_processes_of_gloo(tmp_path: Path) -> None:
    pytest.importorskip("torch.distributed")
    whole = tamis.DetectionEvaluator()
    for preds, targets in crowded(7, images=7):
        whole.update(preds, targets)
    for lines in both_run(IMPORTS, WORK, tmp_path):
        assert len(lines) == 4
        for stats, error in (lines[:2], lines[2:]):
            assert json.loads(stats) == whole.compute().stats
            assert "all_reduce: max_detections differ" in error and "on rank 1" in error
