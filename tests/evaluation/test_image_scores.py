"""image_scores: each image evaluated by itself."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from coco_harness import Case
from conftest import data_path
from generated import examples
from hypothesis import given
from hypothesis import strategies as st
from reference_errors import counts, evaluated, evaluated_files, evaluator_of, images_of

CASE = random_problem(11, n_images=12, n_cats=3, per_image=30)
BOX = np.array([[0.0, 0.0, 10.0, 10.0]])


def pycocotools_ap(case: Case, image: int, threshold: float) -> float:
    """COCO's AP of one image, over the classes it has ground truths of."""
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(case.gt)
        truth.createIndex()
        e = COCOeval(truth, truth.loadRes(copy.deepcopy(case.dt)), "bbox")
        e.params.imgIds, e.params.iouThrs = [image], np.array([threshold])
        e.evaluate()
        e.accumulate()
    values = e.eval["precision"][0, :, :, 0, 2]
    by_class = values[:, values[0] > -1].mean(0)
    return float(by_class.mean()) if by_class.size else np.nan


@pytest.mark.parametrize("iou", [0.5, 0.75, 0.42])
def test_ap_is_pycocotools_of_the_image_alone(isa: int, tmp_path: Any, iou: float) -> None:
    scores = tamis.image_scores(evaluated(CASE, tmp_path), iou=iou)
    want = [pycocotools_ap(CASE, image, iou) for image in scores["image"].tolist()]
    np.testing.assert_allclose(scores["ap"], want, rtol=1e-14)
    mine = evaluator_of(CASE).compute().per_image(iou)
    np.testing.assert_array_equal(mine["image"], np.arange(12))
    for key in set(mine) - {"image"}:
        np.testing.assert_array_equal(mine[key], scores[key])


def test_groups_in_parts(monkeypatch: Any) -> None:
    result = evaluator_of(CASE).compute()
    want = result.per_image()["ap"]
    monkeypatch.setattr(
        importlib.import_module("tamis.evaluation.image_scores"), "_GROUPS_AT_ONCE", 5
    )
    np.testing.assert_array_equal(result.per_image()["ap"], want)


def check(case: Case, scores: Any, k: int, iou: float, confidence: float) -> None:
    tp, fp, fn = counts(images_of(case), k, iou, confidence).sum(1).T
    for key, want in (("tp", tp), ("fp", fp), ("fn", fn)):
        np.testing.assert_array_equal(scores[key], want)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(scores["precision"], tp / (tp + fp))
        np.testing.assert_array_equal(scores["recall"], tp / (tp + fn))
        np.testing.assert_array_equal(scores["f1"], 2 * tp / (2 * tp + fp + fn))


@pytest.mark.parametrize("confidence", [None, 0.0, 0.45, 1.0])
def test_counts(confidence: float | None) -> None:
    scores = evaluator_of(CASE).compute().per_image(0.5, confidence=confidence)
    check(CASE, scores, 3, 0.5, -np.inf if confidence is None else confidence)


@examples(40)
@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.5, 1.0]), st.sampled_from([0.0, 0.5]))
def test_any_problem(seed: int, iou: float, confidence: float) -> None:
    case = random_problem(seed, n_images=4, n_cats=3, per_image=10)
    scores = evaluator_of(case).compute().per_image(iou, confidence=confidence)
    check(case, scores, 3, iou, confidence)


def test_images_without_ground_truths_or_boxes_are_nan() -> None:
    evaluator = tamis.DetectionEvaluator()
    none = np.empty(0, int)
    nothing = {"boxes": np.empty((0, 4)), "labels": none}
    one = {"boxes": BOX, "labels": np.array([1])}
    evaluator.update({**nothing, "scores": np.empty(0)}, nothing)
    evaluator.update({**one, "scores": np.ones(1)}, nothing)
    evaluator.update({**nothing, "scores": np.empty(0)}, one)
    scores = evaluator.compute().per_image()
    np.testing.assert_array_equal(scores["ap"], [np.nan, np.nan, 0])
    np.testing.assert_array_equal(scores["f1"], [np.nan, 0, 0])
    assert tamis.DetectionEvaluator().compute().per_image()["ap"].shape == (0,)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"iou": 0}, r"iou must be in \(0, 1\], got 0"),
        ({"confidence": np.nan}, r"confidence must be in \(-inf, inf\], got nan"),
    ],
)
def test_bad_numbers(options: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"^image_scores: {text}$"):
        evaluator_of(CASE).compute().per_image(**options)


@pytest.mark.parametrize("kind", ["segm", "keypoints"])
def test_masks_and_keypoints(kind: str) -> None:
    gt, dt = {
        "segm": ("instances_val2014_100", "instances"),
        "keypoints": ("person_keypoints_val2014_100_rebuilt", "person_keypoints"),
    }[kind]
    files = f"{gt}.json", f"{dt}_val2014_fake{kind}100_results.json"
    e = evaluated_files(*(data_path("cocoapi_val2014_100", f) for f in files), kind)
    with contextlib.redirect_stdout(io.StringIO()):
        e.accumulate()
    recall = e.eval["recall"][0, :, 0, -1]
    scores, best = tamis.image_scores(e), tamis.best_f1(e)
    assert e._plain is not None
    counted = e._plain.table.n_regular[:, 0]
    assert scores["tp"].sum() == round((recall * counted)[counted > 0].sum())
    assert scores["tp"].sum() + scores["fn"].sum() == counted.sum()
    assert best.recall[-1] <= scores["tp"].sum() / counted.sum() and best.f1[-1] > 0.3
    assert tamis.confusion_matrix(e).matrix[:-1].sum() == counted.sum()
    other = tamis.image_scores(e, iou=0.500001)  # matched anew
    assert np.abs(other["tp"] - scores["tp"]).sum() <= 1
