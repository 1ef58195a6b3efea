"""Results: short to print, safe to compare, plain for JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import tamis
from tamis._shared.results import MOST_LINES, Result

RESULTS = [x for x in vars(tamis).values() if isinstance(x, type) and issubclass(x, Result)]


def evaluated(n: int = 300) -> tamis.DetectionResult:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 100, (n, 2))
    boxes = np.concatenate([low, low + 20], 1)
    evaluator = tamis.DetectionEvaluator()
    labels = rng.integers(0, 90, n)
    evaluator.update(
        {"boxes": boxes, "scores": rng.random(n), "labels": labels},
        {"boxes": boxes + 1, "labels": np.where(labels == 7, 8, labels)},
    )
    return evaluator.compute()


def some_results() -> list[Any]:
    result = evaluated()
    x = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)
    x[500:] = x[:500]
    boxes = np.array([[0.0, 0, 9, 9], [0, 0, 9, 9], [5, 5, 9, 9]])
    return [
        result.best_f1(), result.confusion_matrix(), result.errors(), result.per_image(),
        result.matches(), tamis.near_duplicates(x, threshold=0.01),
        tamis.leaks(x, np.arange(1000) // 500, threshold=0.01),
        tamis.find_duplicate_boxes(boxes, np.array([0, 3])),
    ]  # fmt: skip


def test_every_exported_result_is_a_frozen_dataclass() -> None:
    assert len(RESULTS) >= 9
    for kind in RESULTS:
        assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen
        private = [f.name for f in dataclasses.fields(kind) if f.name.startswith("_") and f.init]
        assert private == []


def test_results_print_shortly_compare_whole_and_are_json() -> None:
    for first, again in zip(some_results(), some_results(), strict=True):
        text = repr(first)
        assert len(text.splitlines()) <= MOST_LINES
        assert text.startswith(f"{type(first).__name__}(")
        assert max(map(len, text.splitlines())) <= 96
        assert first == again
        assert first != 3 and first != "x"
        name = dataclasses.fields(first)[0].name
        value = getattr(first, name)
        other = value + 1
        assert first != dataclasses.replace(first, **{name: other})
        json.dumps(first.to_dict(), allow_nan=False)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(first, name, other)
        with pytest.raises(TypeError, match="unhashable"):
            hash(first)


def test_nan_equals_itself_and_is_none_in_json() -> None:
    best = evaluated().best_f1()
    assert np.isnan(best.confidence).any() and best == dataclasses.replace(best)
    assert None in best.to_dict()["confidence"]


def test_image_scores_are_a_mapping_too() -> None:
    scores = evaluated().per_image()
    assert list(scores) == ["image", "tp", "fp", "fn", "precision", "recall", "f1", "ap"]
    assert scores["ap"] is scores.ap and len(dict(scores)) == 8
    with pytest.raises(KeyError):
        scores["to_dict"]


def test_torch_fields() -> None:
    torch = pytest.importorskip("torch")
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9]])
    a, b = (tamis.find_duplicate_boxes(boxes, np.array([0, 2])) for _ in range(2))
    assert a == b and "int64 (1,)" in repr(a)
    assert a.to_dict()["duplicates"] == [1]
    assert a != tamis.find_duplicate_boxes(boxes + torch.tensor([[0.0], [50]]), np.array([0, 2]))
