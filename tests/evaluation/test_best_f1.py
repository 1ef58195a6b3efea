"""best_f1: every threshold tried, one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from coco_harness import Case, dataset, found, truth
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_errors import counts, evaluated, evaluator_of, images_of
from test_result_object import evaluation

BOX, FAR = (0, 0, 10, 10), (50, 0, 10, 10)


def result_of(gts: Any, dts: Any) -> tamis.DetectionResult:
    """One image; ground truths (box, label), detections (box, label, score)."""
    anns = [truth(i + 1, 1, label, box) for i, (box, label) in enumerate(gts)]
    case = Case(dataset(anns, 1, (1, 2, 3)), [found(1, c, b, s) for b, c, s in dts])
    return evaluator_of(case).compute()


def f1(tp: Any, fp: Any, fn: Any) -> Any:
    return np.divide(2 * tp, 2 * tp + fp + fn, out=np.full(np.shape(tp), np.nan), where=tp + fn > 0)


def test_by_hand() -> None:
    best = result_of([(BOX, 1)], [(BOX, 1, 0.9), (FAR, 1, 0.4)]).best_f1()
    assert best.confidence.tolist() == [0.9, 0.9] and best.f1.tolist() == [1, 1]
    best = result_of([(BOX, 1), (FAR, 1)], [(BOX, 1, 0.5), (BOX, 1, 0.4), (FAR, 1, 0.3)]).best_f1()
    assert best.confidence[0] == 0.3 and best.tp[0] == 2 and best.fp[0] == 1
    assert best.precision[0] == 2 / 3 and best.recall[0] == 1 and best.f1[0] == 0.8


def test_beta_weighs_recall() -> None:
    dets = [(BOX, 1, 0.9), ((90, 90, 5, 5), 1, 0.8), ((70, 9, 5, 5), 1, 0.7), (FAR, 1, 0.6)]
    result = result_of([(BOX, 1), (FAR, 1)], dets)
    assert result.best_f1(beta=0.5).confidence[0] == 0.9  # 1.25 / (1 + .25 * 2) against 2.5 / 4.5
    recall = result.best_f1(beta=2)
    assert recall.confidence[0] == 0.6 and recall.f1[0] == 5 * 2 / (4 + 4 * 2) and recall.beta == 2
    with pytest.raises(ValueError, match="beta must be"):
        result.best_f1(beta=-1)


def test_at_a_confidence_of_ones_own() -> None:
    result = tamis.results(evaluation())
    best = result.best_f1()
    for at in (0.0, 0.3, float(best.confidence[-1])):
        found = result.best_f1(confidence=at)
        assert (found.confidence == at).all()
        images = result.per_image(0.5, confidence=at)
        assert [found.tp[-1], found.fp[-1], found.fn[-1]] == [
            images[name].sum() for name in ("tp", "fp", "fn")
        ]
        assert [x[:-1].sum() for x in (found.tp, found.fp, found.fn)] == [
            x[-1] for x in (found.tp, found.fp, found.fn)
        ]
    for name in ("precision", "recall", "f1"):
        assert getattr(found, name)[-1] == getattr(best, name)[-1]
    with pytest.raises(ValueError, match=r"best_f1: confidence must be 0 to 1, got 2"):
        result.best_f1(confidence=2)


def test_a_threshold_keeps_all_scores_equal_to_it() -> None:
    best = result_of([(BOX, 1)], [(BOX, 1, 0.5), (FAR, 1, 0.5)]).best_f1()
    assert (best.tp[0], best.fp[0], best.f1[0]) == (1, 1, 2 / 3)


def test_of_equal_f1_the_highest_threshold() -> None:
    dets = [(BOX, 1, 0.9), *((BOX, 1, s) for s in (0.8, 0.7)), (FAR, 1, 0.6)]
    best = result_of([(BOX, 1), (FAR, 1)], dets).best_f1()
    assert best.f1[0] == 2 / 3 and best.confidence[0] == 0.9


def test_nothing_right_and_nothing_there() -> None:
    best = result_of([(BOX, 1)], [(FAR, 1, 0.5), (BOX, 2, 0.9)]).best_f1()
    np.testing.assert_array_equal(best.f1, [0, np.nan, 0])
    np.testing.assert_array_equal(best.recall, [0, np.nan, 0])
    assert np.isnan(best.confidence).all() and np.isnan(best.precision).all()
    assert best.fn.tolist() == [1, 0, 1]
    empty = tamis.DetectionEvaluator().compute().best_f1()
    assert empty.classes.shape == (0,) and np.isnan(empty.f1).all() and empty.f1.shape == (1,)


@pytest.mark.parametrize("iou", [0, math.nan, 1.1])
def test_bad_iou(iou: float) -> None:
    with pytest.raises(ValueError, match=r"^best_f1: iou must be in \(0, 1\], got"):
        result_of([], [(BOX, 1, 0.5)]).best_f1(iou=iou)


def check(case: Case, best: tamis.BestF1, k: int) -> None:
    images = images_of(case)
    scores = sorted({d["score"] for d in case.dt}, reverse=True)
    table = np.array([counts(images, k, best.iou, s).sum(0) for s in scores])  # (scores, k, 3)
    table = np.concatenate([table, table.sum(1, keepdims=True)], axis=1)
    places = [*best.classes.tolist(), k]
    all_f1 = f1(*table[:, places].T).T  # (scores, classes)
    np.testing.assert_array_equal(best.f1, all_f1.max(0))
    for i, place in enumerate(places):
        if best.f1[i] > 0:
            at = int(np.argmax(all_f1[:, i]))  # scores descend: the first is the highest
            assert best.confidence[i] == scores[at]
            tp, fp, fn = table[at, place]
            assert (best.tp[i], best.fp[i], best.fn[i]) == (tp, fp, fn)
            assert best.precision[i] == tp / (tp + fp) and best.recall[i] == tp / (tp + fn)


@pytest.mark.parametrize("iou", [0.5, 0.95, 0.42])  # the last is not one of the evaluation's
def test_every_threshold(isa: int, tmp_path: Any, iou: float) -> None:
    case = random_problem(7, n_images=10, n_cats=3, per_image=30)
    mine = evaluator_of(case).compute().best_f1(iou=iou)
    check(case, mine, 3)
    theirs = tamis.best_f1(evaluated(case, tmp_path), iou=iou)
    np.testing.assert_array_equal(theirs.f1, mine.f1)
    np.testing.assert_array_equal(theirs.confidence, mine.confidence)


@examples(40)
@given(st.integers(0, 10_000))
def test_any_problem(seed: int) -> None:
    case = random_problem(seed, n_images=3, n_cats=2, per_image=10)
    check(case, evaluator_of(case).compute().best_f1(iou=0.5), 2)
