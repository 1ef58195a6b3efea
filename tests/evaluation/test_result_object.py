"""tamis.results, and what a result says of sizes, for loggers, and of where it comes from."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import tamis
from coco_cases import random_problem
from tamis.coco import COCO, COCOeval


def evaluation(kind: str = "bbox", seed: int = 4, **params: Any) -> Any:
    case = random_problem(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = case.gt
        truth.createIndex()
        e = COCOeval(truth, truth.loadRes(case.dt), kind)
        for key, value in params.items():
            setattr(e.params, key, value)
        e.evaluate()
        e.accumulate()
        if len(e.params.maxDets) == 3:
            e.summarize()
    return e


@pytest.mark.parametrize("seed", range(6))
def test_the_numbers_are_those_of_the_evaluation(seed: int) -> None:
    e = evaluation(seed=seed)
    result = tamis.results(e)
    assert list(result.stats.values()) == e.stats.tolist()
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(getattr(result, name), e.eval[name])
    assert result.classes.tolist() == list(e.params.catIds)
    assert result.image_ids.tolist() == list(e.params.imgIds)
    assert tamis.results(result) is result


def test_the_analyses_are_those_of_the_evaluation() -> None:
    e = evaluation()
    result = tamis.results(e)
    assert result.best_f1() == tamis.best_f1(e)
    assert result.errors() == tamis.detection_errors(e)  # annotation ids too
    assert result.per_image() == tamis.image_scores(e)


def test_annotation_id_0_is_never_matched_in_slices_either() -> None:
    e = evaluation()
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            **e.cocoGt.dataset,
            "annotations": [{**a, "id": i} for i, a in enumerate(e.cocoGt.dataset["annotations"])],
        }
        truth.createIndex()
        again = COCOeval(truth, truth.loadRes(random_problem(4).dt), "bbox")
        again.evaluate()
        again.accumulate()
        again.summarize()
    result = tamis.results(again)
    assert list(result.stats.values()) == again.stats.tolist()
    whole = result.slice(np.ones(len(result.image_ids), bool))
    assert whole.stats == result.stats


def test_what_has_not_run_or_is_something_else() -> None:
    with pytest.raises(TypeError, match="results: evaluated must be a DetectionResult"):
        tamis.results(3)
    with pytest.raises(ValueError, match="results: call evaluate"):
        tamis.results(COCOeval())
    with pytest.raises(ValueError, match=r"params.maxDets must have 3 numbers for bbox, got \[9\]"):
        tamis.results(evaluation(maxDets=[9]))
    with pytest.raises(ValueError, match="the first 'all'"):
        tamis.results(evaluation(areaRngLbl=["every", "small", "medium", "large"]))


def result_of(**settings: Any) -> tamis.DetectionResult:
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 60, 60], [0, 0, 200, 200]])
    evaluator = tamis.DetectionEvaluator(**settings)
    labels = np.array([1, 1, 2])
    evaluator.update(
        {"boxes": boxes, "labels": labels, "scores": np.array([0.9, 0.8, 0.7])},
        {"boxes": boxes[[0, 2]], "labels": labels[[0, 2]]},
    )
    return evaluator.compute()


def test_per_size() -> None:
    result = result_of()
    rows = {row["area"]: row for row in result.per_size()}
    assert list(rows) == ["all", "small", "medium", "large"]
    assert [row["targets"] for row in rows.values()] == [2, 1, 0, 1]
    assert rows["all"]["AP"] == result.stats["AP"] and rows["small"]["AP"] == result.stats["APs"]
    assert rows["medium"]["AP"] == -1 and rows["large"]["AR100"] == result.stats["ARl"]


def test_ranges_and_caps_of_ones_own_stand_in_the_table() -> None:
    areas = {"tiny": (0, 256), "all": (0, 1e9), "rest": (256, 1e9)}
    result = result_of(area_ranges=areas, max_detections=(1, 5, 300))
    text = str(result)
    assert len(text.splitlines()) == 3 + 2 + 3 + 2 and "-1" not in text
    assert "area=  tiny | maxDets=300" in text and "maxDets=  5" in text
    rows = result.per_size()
    assert {"AR1", "AR5", "AR300"} <= set(rows[0])
    tiny = next(row for row in rows if row["area"] == "tiny")
    alone = result_of(area_ranges={"all": (0, 1e9), "small": (0, 256)})
    assert tiny["AP"] == alone.stats["APs"]


def test_flat_names_for_loggers() -> None:
    result = result_of(classes={1: "cat", 2: "cat"})
    flat = result.flat(prefix="val/", per_class=True)
    assert flat["val/AP"] == result.stats["AP"] and "val/APm" not in flat
    assert {"val/AP/cat (1)", "val/AP/cat (2)"} <= set(flat)
    assert "AP/1" in result_of().flat(per_class=True)
    assert all(type(value) is float for value in flat.values())
    with pytest.raises(TypeError, match="flat: prefix must be a str, got 3"):
        result.flat(3)  # type: ignore[arg-type]


def test_provenance() -> None:
    usual = result_of().provenance()
    assert usual.comparable and usual.differences == () and "COCO's settings" in str(usual)
    assert usual.version == tamis.__version__
    changed = {
        "iou_thresholds": [0.5], "recall_thresholds": [0.0, 1.0], "max_detections": (1, 10, 300),
        "area_ranges": {"all": (0, 1e10)},
    }  # fmt: skip
    for name, value in changed.items():
        told = result_of(**{name: value}).provenance()
        assert not told.comparable and len(told.differences) == 1
        assert told.differences[0].startswith(f"{name}: ")
    part = result_of().slice(np.array([False])).provenance()
    assert part.differences == ("images: 1 of the ground truth left out",)
    pooled = tamis.results(evaluation(useCats=0)).provenance()
    assert pooled.differences == ("classes: all taken for one",)
    e = evaluation()
    some = tamis.results(evaluation(imgIds=e.params.imgIds[:2], catIds=e.params.catIds[:1]))
    assert [d.partition(":")[0] for d in some.provenance().differences] == ["images", "classes"]


def test_sigmas_belong_to_the_settings() -> None:
    points = np.full((1, 17, 3), 5.0)
    evaluator = tamis.DetectionEvaluator("keypoints", sigmas=np.full(17, 0.1))
    evaluator.update(
        {"keypoints": points, "labels": [1], "scores": [0.5]},
        {"keypoints": points, "labels": [1], "area": [2000.0]},
    )
    told = evaluator.compute().provenance()
    assert [d.partition(":")[0] for d in told.differences] == ["sigmas"]
