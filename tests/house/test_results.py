"""Results: short to print, safe to compare, plain for JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import tamis
from tamis import Finding, ImageChange, Report
from tamis._shared.results import MOST_LINES, Result

RESULTS = [
    kind
    for kind in (getattr(tamis, name) for name in tamis.__all__)
    if isinstance(kind, type) and issubclass(kind, Result)
]
ROWS = {  # of each table
    tamis.Agreement: 2, tamis.BestF1: 31, tamis.Calibration: 310, tamis.Comparison: 372,
    tamis.Coverage: 1000, tamis.DetectionErrors: 6, tamis.DetectionResult: 30,
    tamis.Difference: 1, tamis.Diversity: 1, tamis.Drift: 4, tamis.DriftCheck: 1,
    tamis.DuplicateBoxes: 1, tamis.DuplicateThreshold: 5, tamis.FiftyoneMatches: 2,
    tamis.Finding: 1, tamis.ImageChange: 1, tamis.ImageScores: 1, tamis.Interval: 1,
    tamis.Intervals: 372, tamis.LabelMistakes: 1, tamis.LearningCurve: 4, tamis.Matches: 3000,
    tamis.NearDuplicates: 500, tamis.Slice: 12, tamis.Slices: 12, tamis.Split: 10,
    tamis.SplitCheck: 1, tamis.Tightness: 2, tamis.Versus: 372,
}  # fmt: skip


def evaluated(n: int = 300) -> tamis.DetectionResult:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 100, (n, 2))
    boxes = np.concatenate([low, low + 20], 1)
    evaluator = tamis.DetectionEvaluator()
    labels = np.concatenate([np.arange(30), rng.integers(0, 30, n - 30)])
    evaluator.update(
        {"boxes": boxes, "scores": rng.random(n), "labels": labels},
        {"boxes": boxes + 1, "labels": np.where(labels == 7, 8, labels)},
    )
    return evaluator.compute()


def of_evaluation() -> list[Any]:
    result = evaluated()
    interval = tamis.intervals(result, samples=20)
    slices = tamis.slices(result, {"all": np.ones(1, bool)}, samples=10)
    found = tamis.compare(result, result, samples=20, permutations=20)
    return [
        result, result.best_f1(), result.confusion_matrix(), result.errors(), result.per_image(),
        result.matches(), result.calibration(), tamis.failures(result), interval,
        result.olrp(), result.worst_images(), result.provenance(),
        interval.stats["AP"], slices, slices["all"], found, found.against[0], found.stats["AP"],
        ImageChange(3, 0.5, {"Miss -> right": 2}),
    ]  # fmt: skip


def of_labels() -> list[Any]:
    boxes = np.array([[0.0, 0, 9, 9], [0, 0, 9, 9], [5, 5, 9, 9]])
    one, ones = np.array([0, 1]), np.ones(1, int)
    old = {"boxes": boxes[1:], "labels": np.array([1, 2])}
    agreed = tamis.agreement(old, old | {"labels": np.array([1, 3])})
    report = Report((Finding("odd", "note", 1, 2, "boxes", "none", ("a", "b")),), 1, 2)
    return [
        tamis.find_duplicate_boxes(boxes, np.array([0, 3])), agreed, agreed.tightness,
        tamis.match_fiftyone(boxes[:2], np.ones(2), np.array([0, 2]), boxes[:1], one),
        tamis.label_mistakes(
            boxes[:1], np.array([0.9]), one, boxes[:1], one, labels=ones, gt_labels=ones
        ),
        report, report.findings[0],
    ]  # fmt: skip


def of_embeddings() -> list[Any]:
    x = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)
    x[500:] = x[:500]
    drift = tamis.drift(x[:100], x[100:200], permutations=10)
    split = tamis.split(groups=np.arange(10))
    return [
        tamis.near_duplicates(x, threshold=0.01),
        tamis.leaks(x, np.arange(1000) // 500, threshold=0.01),
        tamis.coverage(x, np.arange(10)), tamis.diversity(x), drift, drift.checks[0], split,
        tamis.duplicate_threshold(x), tamis.zcore_stability(x, n_samples=2000, count=500),
        tamis.learning_curve([100, 200, 400, 800], [30.0, 35.0, 38.5, 41.0]),
        tamis.SplitCheck(False, ("a",), (), (), (), (), (), {"names": 1}),
    ]  # fmt: skip


def some_results() -> list[Any]:
    return [*of_evaluation(), *of_labels(), *of_embeddings()]


@pytest.fixture(scope="module")
def results() -> list[Any]:
    return some_results()


def test_every_exported_result_is_a_frozen_dataclass(results: list[Any]) -> None:
    assert {type(result) for result in results} == set(RESULTS)
    for kind in RESULTS:
        assert dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen
        private = [f.name for f in dataclasses.fields(kind) if f.name.startswith("_") and f.init]
        assert private == []
        own = {"__repr__", "__eq__", "__hash__", "to_dict", "table"} & set(vars(kind))
        assert own <= {"__hash__"}, kind


def test_results_print_shortly_compare_whole_and_are_json(results: list[Any]) -> None:
    for first, again in zip(results, some_results(), strict=True):
        text = repr(first)
        assert len(text.splitlines()) <= MOST_LINES, text
        assert text.startswith(f"{type(first).__name__}(")
        assert max(map(len, text.splitlines())) <= 96
        assert first == again
        assert first != 3 and first != "x"
        given = [f.name for f in dataclasses.fields(first) if f.init]
        name = next(n for n in given if not isinstance(getattr(first, n), (dict, tuple, list)))
        value = getattr(first, name)
        other = value + "x" if isinstance(value, str) else value + 1
        assert first != dataclasses.replace(first, **{name: other})
        json.dumps(first.to_dict(), allow_nan=False)
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(first, name, other)
        with pytest.raises(TypeError, match="unhashable"):
            hash(first)


def test_tables_are_columns_of_one_length(results: list[Any]) -> None:
    for result in results:
        table = result.table()
        assert table and all(isinstance(name, str) for name in table)
        assert {type(column) for column in table.values()} == {np.ndarray}
        assert {column.ndim for column in table.values()} == {1}
        lengths = {len(column) for column in table.values()}
        assert len(lengths) == 1, type(result)
        if type(result) in ROWS:
            assert lengths == {ROWS[type(result)]}, type(result)


def test_pandas_takes_every_table(results: list[Any]) -> None:
    pandas = pytest.importorskip("pandas")
    for result in results:
        frame = pandas.DataFrame(result.table())
        assert list(frame.columns) == list(result.table())
    errors = evaluated().errors()
    frame = pandas.DataFrame(errors.table()).set_index("type")
    assert frame["count"].to_dict() == errors.counts and frame["ap"].to_dict() == errors.main


def test_a_result_without_matches_says_so() -> None:
    tables = dataclasses.replace(evaluated())
    with pytest.raises(ValueError, match="DetectionResult: this one holds settings only"):
        tables.errors()


def test_nan_within_lists_equals_itself() -> None:
    one, two = (ImageChange(1, float("nan"), {}) for _ in range(2))
    assert one == two and repr(one) == "ImageChange(image=1, difference=nan, errors={})"
    assert one.to_dict() == {"image": 1, "difference": None, "errors": {}}


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
