"""Slices: bit for bit what evaluating the part anew gives."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import tamis
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_resampling import by_class, coco_files, evaluation, problem, repeated, result_of
from tamis import coco
from tamis.coco import cocoeval
from tamis.comparison import draws

OURS = (coco, cocoeval)


def values_of(slice_: tamis.Slice) -> list[float]:
    return [-1.0 if np.isnan(i.value) else i.value for i in slice_.stats.values()]


@examples(40)
@given(st.integers(0, 10**6), st.lists(st.booleans(), min_size=1, max_size=20))
def test_a_result_sliced_is_the_part_evaluated_anew(seed: int, mask: list[bool]) -> None:
    images = problem(seed, len(mask))
    part = result_of(images).slice(mask)
    anew = result_of(repeated(images, mask))
    assert part.stats == anew.stats
    rows = np.isin(part.classes, anew.classes)
    np.testing.assert_array_equal(part.precision[:, :, rows], anew.precision)
    np.testing.assert_array_equal(part.scores[:, :, rows], anew.scores)
    np.testing.assert_array_equal(part.recall[:, rows], anew.recall)
    assert (part.precision[:, :, ~rows] == -1).all()


def test_more_thresholds_than_a_word_has_bits() -> None:
    images, rng = problem(7, 25), np.random.default_rng(7)
    mask = rng.random(25) < 0.6
    how: dict[str, Any] = {
        "iou_thresholds": np.linspace(0.3, 0.95, 70), "max_detections": (1, 3, 4),
        "recall_thresholds": [0.0, 0.1, 0.9, 0.5, 1.0],
        "area_ranges": {"all": (0, 1e10), "small": (0, 900), "odd": (100, 2000)},
    }  # fmt: skip
    part, anew = (result_of(part, **how) for part in (images, repeated(images, mask)))
    part = part.slice(mask)
    assert part.stats == anew.stats and part.per_class() == [
        row for row in anew.per_class() if row["label"] in part.classes
    ]


def test_a_slice_keeps_the_mask_it_was_given() -> None:
    result, mask = result_of(problem(3, 12)), np.arange(12) % 3 == 0
    part, want = result.slice(mask), result.slice(np.flatnonzero(mask))
    mask[:] = True
    np.testing.assert_array_equal(part.precision, want.precision)
    assert part.matches() is not None and part.per_class() == want.per_class()


def test_a_slice_is_pickled_with_its_tables() -> None:
    result = result_of(problem(3, 12))
    part = result.slice([1, 4, 5])
    copy = pickle.loads(pickle.dumps(part))
    assert copy.stats == part.stats and copy.slice([4]).stats == result.slice([4]).stats
    np.testing.assert_array_equal(copy.precision, part.precision)


def test_what_a_slice_can_do_as_any_result() -> None:
    images = problem(2, 30)
    result = result_of(images)
    numbers = np.array([3, 4, 5, 17, 29])
    part, anew = result.slice(numbers), result_of([images[i] for i in numbers])
    assert part.errors().main == anew.errors().main
    assert part.errors().counts == anew.errors().counts
    np.testing.assert_array_equal(part.confusion_matrix().matrix, anew.confusion_matrix().matrix)
    np.testing.assert_array_equal(part.best_f1().f1, anew.best_f1().f1)
    np.testing.assert_array_equal(part.per_image()["ap"][numbers], anew.per_image()["ap"])
    assert part.per_image()["tp"].sum() == anew.per_image()["tp"].sum()
    assert part.per_class() == anew.per_class()
    assert part.slice(numbers[:2]).stats == result.slice(numbers[:2]).stats
    assert (part.matches().gt >= 0).sum() == (anew.matches().gt >= 0).sum()
    assert result.slice(np.empty(0, int)).stats["AP"] == -1
    assert result.slice(range(30)).stats == result.stats


def test_slices_of_images_are_pycocotools_with_fewer_images() -> None:
    pycoco = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    images = problem(4, 30)
    light = np.array(["day", "night", "dusk"])[np.arange(30) % 3]
    rain = np.arange(30) < 9
    for whole in (result_of(images), evaluation(OURS, images)):
        found = tamis.slices(whole, {"light": light, "rain": rain}, samples=20)
        assert list(found.parts) == ["light=day", "light=dusk", "light=night", "rain"]
        for name, mask in (("light=dusk", light == "dusk"), ("rain", rain)):
            theirs = evaluation(pycoco, repeated(images, mask)).stats
            assert values_of(found[name]) == theirs.tolist()
            rest = evaluation(pycoco, repeated(images, ~mask)).stats
            difference = [i.value for i in found[name].difference.values()]
            there = (theirs != -1) & (rest != -1)
            np.testing.assert_array_equal(np.array(difference)[there], (theirs - rest)[there])
            assert found[name].size == mask.sum()


def test_intervals_of_slices_are_those_of_samples_of_all_images() -> None:
    images = problem(7, 20)
    mask = np.arange(20) % 2 == 0
    found = tamis.slices(result_of(images), {"even": mask}, samples=30, seed=2)["even"]
    drawn = draws.bootstrap(2, np.arange(20))(0, 30)
    both = [
        [result_of(repeated(images, w * side)).stats["AP50"] for w in drawn]
        for side in (mask, ~mask)
    ]
    here = np.array(both[0])
    expected = np.quantile(here, [0.025, 0.975])
    interval = found.stats["AP50"]
    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-12)
    interval = found.difference["AP50"]
    expected = np.quantile(here - both[1], [0.025, 0.975])
    np.testing.assert_allclose([interval.low, interval.high], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", range(5))
def test_slices_of_objects_are_pycocotools_with_ignore_set_by_hand(seed: int) -> None:
    pycocotools = pytest.importorskip("pycocotools.cocoeval")
    images = problem(seed, 20)
    occluded = np.random.default_rng(seed).random(sum(len(i["gt"]) for i in images)) < 0.4

    class ByHand(pycocotools.COCOeval):  # type: ignore[misc, name-defined]
        def _prepare(self) -> None:
            super()._prepare()
            for gts in self._gts.values():
                for g in gts:
                    g["ignore"] = g["ignore"] or not occluded[g["id"] - 1]

    module = pytest.importorskip("pycocotools.coco"), pycocotools
    theirs = evaluation(module, images, ByHand)
    for whole in (result_of(images), evaluation(OURS, images)):
        found = tamis.slices(whole, {"occluded": occluded}, of="objects", samples=4)["occluded"]
        assert values_of(found) == theirs.stats.tolist()
        assert found.size == occluded.sum()
        assert found.stats["AP"].low <= found.stats["AP"].high
    assert not np.isnan(by_class(theirs)).all()


def test_attributes_by_id() -> None:
    """Whatever the order of the annotations, and the images that were looked at."""
    images = problem(3, 15)
    dataset, dets = coco_files(images)
    rng = np.random.default_rng(0)
    hard = {a["id"]: bool(rng.random() < 0.5) for a in dataset["annotations"]}
    night = {i["id"]: "night" if i["id"] % 2 else "day" for i in dataset["images"]}
    found = []
    for shuffle in (False, True):
        if shuffle:
            rng.shuffle(dataset["annotations"])
        truth = coco.COCO()
        truth.dataset = dataset
        truth.createIndex()
        e = cocoeval.COCOeval(truth, truth.loadRes([dict(d) for d in dets]), "bbox")
        e.params.imgIds = [9, 2, 3, 4, 7]
        e.evaluate()
        objects = tamis.slices(e, {"hard": hard}, of="objects", samples=0)["hard"]
        ids = tamis.detection_errors(e).target_id.tolist()
        array = np.array([hard[i] for i in ids])
        assert objects.size == array.sum() and set(ids) < set(hard)
        again = tamis.slices(e, {"hard": array}, of="objects", samples=0)["hard"]
        found += [values_of(x) for x in (objects, again)]
        assert tamis.slices(e, {"t": night}, samples=0)["t=night"].size == 3
    assert found[1:] == found[:-1] and found[0][0] > 0
    with pytest.raises(
        ValueError, match="must have a value for each of the images, got none for 2"
    ):
        tamis.slices(e, {"t": {9: 1}}, samples=0)


def test_texts() -> None:
    result = result_of(problem(1, 60))
    found = tamis.slices(result, {"camera": np.arange(60) % 30}, samples=5)
    assert len(str(found).splitlines()) <= 20 and "and 13 more" in str(found)
    assert "  parts: {'camera=0': Slice(...), 'camera=1': Slice(...)" in repr(found)
    json.loads(json.dumps(found.to_dict(), allow_nan=False))
    calls: list[tuple[int, int]] = []
    tamis.slices(result, {"a": np.arange(60) < 9}, samples=5, progress=lambda *a: calls.append(a))
    assert calls == [(5, 5)]


@pytest.mark.parametrize(
    ("by", "options", "error", "text"),
    [
        ([1], {}, TypeError, "by must be a dict of arrays, got list"),
        ({"a": [True]}, {}, ValueError, r"by\['a'\] must have shape \(60,\)"),
        ({"a": np.arange(60)}, {}, ValueError, "must have at most 50 values, got 60: bin them"),
        ({}, {"of": "boxes"}, ValueError, "of must be 'images' or 'objects', got 'boxes'"),
    ],
)
def test_bad_slices(by: Any, options: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match="slices: .*" + text):
        tamis.slices(result_of(problem(1, 60)), by, **options)


@pytest.mark.parametrize(
    ("images", "error", "text"),
    [
        ([True], ValueError, r"images must have shape \(5,\), got \(1,\)"),
        ([5], ValueError, "images must be 0 to 4, got 5"),
        ([-1], ValueError, "images must be 0 to 4, got -1"),
        ([0.5], TypeError, "images must be a mask or integers"),
    ],
)
def test_bad_images(images: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=r"DetectionResult.slice: " + text):
        result_of(problem(0, 5)).slice(images)
