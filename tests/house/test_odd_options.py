"""Options and columns of a wrong kind are refused by name, as the fuzzer of the API found them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import ROOT
from tamis.selection.manifest import FORMAT

X = np.eye(6, dtype=np.float32)
TWO: Any = np.array([1, 2])  # compares elementwise, so that `in` has no answer
NO_NUMBER: Any = ""
NUMBERS: Any = [3.5]
KEYS = ["a", "b", "c"]
NAMES = {"boxes": np.array([[0.0, 0, 4, 4]]), "labels": np.array([0])}


def annotated() -> tamis.Annotations:
    return tamis.Annotations(
        np.array([[0.0, 0, 4, 4]]), np.array([1]), np.array([0, 1]), np.array([7]), {1: "a"}
    )


def evaluated() -> tamis.DetectionResult:
    evaluator = tamis.DetectionEvaluator()
    evaluator.update({**NAMES, "scores": np.array([0.9])}, NAMES)
    return evaluator.compute()


def curve() -> tamis.LearningCurve:
    return tamis.learning_curve([10, 20, 40, 80], [1.0, 2.0, 2.5, 2.8])


def parted() -> tamis.Split:
    return tamis.split(keys=KEYS)


CASES: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    # values beyond what can be computed
    (
        "learning_curve",
        lambda: tamis.learning_curve([1e-300, 1.0, 2.0], [1.0, 2.0, 3.0]),
        ValueError,
        "sizes must be within 1e-15 of the largest",
    ),
    (
        "Masks.from_boxes",
        lambda: tamis.Masks.from_boxes(np.array([[1e308, 0, 1e308, 1]]), (4, 4)),
        ValueError,
        "boxes",
    ),
    (
        "select_batch",
        lambda: tamis.select_batch(
            np.arange(6.0), X.astype(float), np.full((2, 6), 1e200), budget=2
        ),
        ValueError,
        "failures: row 0 is too large",
    ),
    # beside what makes them needless
    (
        "split",
        lambda: tamis.split(x=5, pairs=np.zeros((0, 2), int)),
        TypeError,
        "x must be an array",
    ),
    (
        "DetectionEvaluator.update",
        lambda: tamis.DetectionEvaluator().update(
            [{**NAMES, "scores": np.array([0.9])}] * 2, [NAMES] * 2, image_ids=[np.zeros(2), 1]
        ),
        TypeError,
        "image_ids must be integers or strings",
    ),
    (
        "intervals",
        lambda: tamis.intervals(evaluated(), groups=[[1]]),
        TypeError,
        "groups must hold numbers or strings, got list in row 0",
    ),
    (
        "slices",
        lambda: tamis.slices(evaluated(), {"night": 5}),
        TypeError,
        r"by\['night'\] must be an array",
    ),
    (
        "mask_boundary",
        lambda: tamis.mask_boundary(NUMBERS),
        TypeError,
        "masks: Masks: object 0 must be a dict with size and counts",
    ),
    (
        "exact_duplicates",
        lambda: tamis.exact_duplicates(np.array("a")),
        TypeError,
        "paths must be a sequence",
    ),
    (
        "verify_split",
        lambda: tamis.verify_split(
            {"format": FORMAT, "keys": [["a"]], "split": ["train"], "unit": ["a"]}, keys=["a"]
        ),
        TypeError,
        r"manifest\['keys'\] must hold strings",
    ),
    (
        "Annotations.of_classes",
        lambda: annotated().of_classes(np.array([None, [1]], object)),
        TypeError,
        "labels must be int8 to int64, got object",
    ),
    (
        "Masks",
        lambda: tamis.Masks.from_coco([{"size": [2**63 - 1, 1], "counts": b"1"}]),
        ValueError,
        "the counts of mask 0 must be compressed RLE",
    ),
    # an option that is an array
    ("uniqueness", lambda: tamis.uniqueness(X, k=TWO, compat="brain"), TypeError, "k"),
    ("uniqueness", lambda: tamis.uniqueness(X, metric=TWO), ValueError, "metric"),
    ("uniqueness", lambda: tamis.uniqueness(X, compat=TWO), ValueError, "compat"),
    ("near_duplicates", lambda: tamis.near_duplicates(X, metric=TWO), ValueError, "metric"),
    ("find_unique", lambda: tamis.find_unique(X, 2, metric=TWO), ValueError, "metric"),
    ("leaks", lambda: tamis.leaks(X, np.arange(6), compat=TWO), ValueError, "compat"),
    ("outliers", lambda: tamis.outliers(X, 2, metric=TWO), ValueError, "metric"),
    ("knn", lambda: tamis.knn(X, 2, metric=TWO), ValueError, "metric"),
    ("representativeness", lambda: tamis.representativeness(X, method=TWO), ValueError, "method"),
    ("representativeness", lambda: tamis.representativeness(X, compat=TWO), ValueError, "compat"),
    ("map2d", lambda: tamis.map2d(X, TWO), ValueError, "method"),
    ("drift", lambda: tamis.drift(X, X, tests=[TWO]), ValueError, "tests"),
    ("intervals", lambda: tamis.intervals(evaluated(), 2, method=TWO), ValueError, "method"),
    ("slices", lambda: tamis.slices(evaluated(), {"a": [True]}, of=TWO), ValueError, "of"),
    ("read", lambda: tamis.read(".", TWO), ValueError, "format"),
    ("read", lambda: tamis.read(".", task=TWO), ValueError, "task"),
    ("read", lambda: tamis.read(".", difficult=TWO), ValueError, "difficult"),
    ("write", lambda: tamis.write(annotated(), "x.json", TWO), ValueError, "format"),
    (
        "align",
        lambda: tamis.align(*[annotated()] * 2, unmatched=TWO),
        ValueError,
        "unmatched",
    ),
    ("Split.rows_of", lambda: parted().rows_of(TWO), ValueError, "name"),
    # numbers
    ("coverage", lambda: tamis.coverage(X, eps="x"), TypeError, "eps"),
    ("failures", lambda: tamis.failures(evaluated(), least_score="x"), TypeError, "least_score"),
    ("drift", lambda: tamis.drift(X, X, bandwidth=1e-300), ValueError, "bandwidth"),
    ("split", lambda: tamis.split(X, fractions={"a": NO_NUMBER, "b": 1}), TypeError, "fractions"),
    ("LearningCurve.labels_for", lambda: curve().labels_for("x"), TypeError, "gain"),
    ("LearningCurve.predict", lambda: curve().predict("x"), TypeError, "size"),
    ("LearningCurve.predict", lambda: curve().predict(np.array([1j])), TypeError, "size"),
    # columns, lists and dicts
    ("learning_curve", lambda: tamis.learning_curve(["x"] * 4, [1] * 4), TypeError, "sizes"),
    ("learning_curve", lambda: tamis.learning_curve([1, 2, 3], [1e200] * 3), ValueError, "scores"),
    ("drift", lambda: tamis.drift(X, X, tests=3), TypeError, "tests"),
    ("failures", lambda: tamis.failures(evaluated(), quota=3), TypeError, "quota"),
    ("Masks.from_coco", lambda: tamis.Masks.from_coco(1.5), TypeError, "objects"),
    ("Masks.from_polygons", lambda: tamis.Masks.from_polygons(None, (4, 4)), TypeError, "polygons"),
    (
        "Masks.from_polygons",
        lambda: tamis.Masks.from_polygons(NUMBERS, (4, 4)),
        TypeError,
        "polygons",
    ),
    (
        "Masks.from_polygons",
        lambda: tamis.Masks.from_polygons([[[0, 0, 2, 0, 2, 2.0**40]]], (4, 4)),
        ValueError,
        "polygon 0",
    ),
    (
        "Masks.from_boxes",
        lambda: tamis.Masks.from_boxes(np.full((1, 4), 2.0**40), (4, 4)),
        ValueError,
        "boxes",
    ),
    ("DetectionResult.slice", lambda: evaluated().slice(np.array(["x"])), TypeError, "images"),
    ("Annotations.take", lambda: annotated().take([5], [0, 1]), IndexError, "rows"),
    ("Annotations.take", lambda: annotated().take([0.5], [0, 1]), TypeError, "rows"),
    ("Annotations.select", lambda: annotated().select([9]), IndexError, "images"),
    ("Annotations.where", lambda: annotated().where(9), IndexError, "row"),
    ("Annotations.where", lambda: annotated().where("x"), IndexError, "row"),
    ("Annotations.image_name", lambda: annotated().image_name(9), IndexError, "image"),
    ("Annotations.label_name", lambda: annotated().label_name(None), TypeError, "label"),
    ("Annotations.check", lambda: annotated().check("x"), TypeError, "results"),
    ("zcore_finish", lambda: tamis.zcore_finish(np.array(["x"])), TypeError, "sums"),
    ("split", lambda: tamis.split(keys=3), TypeError, "keys"),
    ("split", lambda: tamis.split(keys=KEYS, previous=[[], [], []]), TypeError, "previous"),
    ("read", lambda: tamis.read(".", classes=3), TypeError, "classes"),
    ("read", lambda: tamis.read(".", layout=3), TypeError, "layout"),
    ("read", lambda: tamis.read(".", split=3), TypeError, "split"),
    # paths
    ("read", lambda: tamis.read(3), TypeError, "path"),
    ("read", lambda: tamis.read(".", images=3), TypeError, "images"),
    ("write", lambda: tamis.write(annotated(), 3), TypeError, "path"),
    ("save_split", lambda: tamis.save_split(3, "m.json", keys=KEYS), TypeError, "split"),
    ("save_split", lambda: tamis.save_split(parted(), 3, keys=KEYS), TypeError, "path"),
    ("save_split", lambda: tamis.save_split(parted(), "m.json", keys=3), TypeError, "keys"),
    (
        "save_split",
        lambda: tamis.save_split(parted(), "m.json", keys=KEYS, labels=[object()] * 3),
        TypeError,
        "labels",
    ),
    (
        "save_split",
        lambda: tamis.save_split(parted(), "m.json", keys=KEYS, root=3),
        TypeError,
        "root",
    ),
    ("verify_split", lambda: tamis.verify_split(3, keys=KEYS), TypeError, "manifest"),
]


@pytest.mark.parametrize(("function", "call", "error", "argument"), CASES)
def test_odd_options_are_refused_by_name(
    function: str,
    call: Callable[[], Any],
    error: type[Exception],
    argument: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=rf"^{function}: .*{argument}"):
        call()


def test_bins_of_any_integer_type() -> None:
    found = tamis.calibration(evaluated(), bins=np.uint64(3))
    assert np.array_equal(found.edges, tamis.calibration(evaluated(), bins=3).edges)


def test_the_fuzzer_has_values_for_every_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    fuzz_api = importlib.import_module("fuzz_api")
    every = fuzz_api.targets()
    given = {(name, p) for name in every for p in fuzz_api.parameters(name, every[name])}
    assert {(name, p) for name, p in given if not fuzz_api.Problem.knows(name, p)} == set()
