"""tamis.calibration: hand cases, a slow reference, and both kinds of evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_errors import evaluated, evaluator_of

ROWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)
CASE = random_problem(11, n_images=12, n_cats=3, per_image=30)


def of_scores(scores: Any, right: Any) -> tamis.DetectionResult:
    """One image and class; a detection that is right finds a box of its own."""
    scores, right = np.asarray(scores, float), np.asarray(right, bool)
    at = np.arange(len(scores))[:, None] * 20.0
    boxes = np.concatenate([at, at, at + 10, at + 10], 1)
    evaluator = tamis.DetectionEvaluator(max_detections=(1, 10, 1000))
    evaluator.update(
        {"boxes": boxes, "scores": scores, "labels": np.zeros(len(scores), int)},
        {"boxes": boxes[right], "labels": np.zeros(right.sum(), int)},
    )
    return evaluator.compute()


def test_by_hand() -> None:
    found = of_scores([0.1, 0.19, 0.2, 1.0], [True, False, False, True]).calibration(bins=5)
    assert found.count.tolist() == [[2, 1, 0, 0, 1]] * 2
    np.testing.assert_allclose(found.confidence[0], [0.145, 0.2, np.nan, np.nan, 1])
    np.testing.assert_array_equal(found.precision[0], [0.5, 0, np.nan, np.nan, 1])
    np.testing.assert_allclose(found.expected_error, (2 * 0.355 + 0.2) / 4)
    np.testing.assert_allclose(found.maximum_error, 0.355)


@examples(60)
@given(ROWS, st.integers(1, 30))
def test_the_definition(rows: list[tuple[float, bool]], bins: int) -> None:
    found = of_scores(*zip(*rows, strict=True)).calibration(bins=bins)
    total, worst = 0.0, 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = [(s, r) for s, r in rows if low <= s < high or (s == 1 and b == bins - 1)]
        assert found.count[0, b] == len(inside)
        if inside:
            apart = abs(np.mean([s for s, _ in inside]) - np.mean([r for _, r in inside]))
            total, worst = total + apart * len(inside), max(worst, apart)
    np.testing.assert_allclose(found.expected_error[-1], total / len(rows), atol=1e-12)
    np.testing.assert_allclose(found.maximum_error[-1], worst, atol=1e-12)


def test_a_cocoeval_gives_the_same(tmp_path: Any) -> None:
    """Crowds, many classes, detections that are ignored."""
    of_files = tamis.calibration(evaluated(CASE, tmp_path), iou=0.6)
    of_arrays = evaluator_of(CASE).compute().calibration(iou=0.6)
    np.testing.assert_array_equal(of_files.count, of_arrays.count)
    np.testing.assert_allclose(of_files.expected_error, of_arrays.expected_error, rtol=1e-12)
    best = evaluator_of(CASE).compute().best_f1(iou=0.6)
    assert of_files.count.shape == (len(best.classes) + 1, 10)
    assert (of_files.count[:-1].sum(0) == of_files.count[-1]).all()


def test_nothing_and_bad_numbers() -> None:
    empty = tamis.DetectionEvaluator().compute().calibration()
    assert empty.count.tolist() == [[0] * 10] and np.isnan(empty.expected_error).all()
    with pytest.raises(ValueError, match=r"calibration: confidences must be in \[0, 1\], got 2"):
        of_scores([2.0, 0.5], [True, True]).calibration()
    with pytest.raises(ValueError, match="bins must be"):
        of_scores([0.5], [True]).calibration(bins=0)
    with pytest.raises(TypeError, match="evaluated must be a DetectionResult"):
        tamis.calibration(3)
