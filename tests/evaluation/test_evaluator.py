"""DetectionEvaluator: the numbers of pycocotools, whatever way the arrays come in."""

from __future__ import annotations

import pickle
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from coco_cases import random_problem
from coco_harness import run
from conftest import Library
from tamis import DetectionEvaluator, DetectionResult
from tamis import coco as ours

CASE = random_problem(11, n_images=12, n_cats=3, per_image=30)


def per_image(fmt: str = "xywh") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The case's boxes by image, as an evaluator takes them."""
    preds, targets = [], []
    for image in CASE.gt["images"]:
        dets = [d for d in CASE.dt if d["image_id"] == image["id"]]
        anns = [a for a in CASE.gt["annotations"] if a["image_id"] == image["id"]]
        preds.append(
            {
                "boxes": np.array([d["bbox"] for d in dets], float).reshape(-1, 4),
                "scores": np.array([d["score"] for d in dets], float),
                "labels": np.array([d["category_id"] for d in dets], int),
            }
        )
        targets.append(
            {
                "boxes": np.array([a["bbox"] for a in anns], float).reshape(-1, 4),
                "labels": np.array([a["category_id"] for a in anns], int),
                "iscrowd": np.array([a["iscrowd"] for a in anns], int),
                "area": np.array([a["area"] for a in anns], float),
            }
        )
    return preds, targets


def batch(images: list[dict[str, Any]]) -> dict[str, Any]:
    joined = {k: np.concatenate([i[k] for i in images]) for k in images[0]}
    return {**joined, "splits": np.cumsum([0] + [len(i["boxes"]) for i in images])}


@pytest.fixture(scope="module")
def want(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    class Theirs:
        pass

    Theirs.COCO, Theirs.COCOeval = COCO, COCOeval  # type: ignore[attr-defined]
    return run(Theirs, CASE, tmp_path_factory.getbasetemp())


def check(result: DetectionResult, want: dict[str, Any]) -> None:
    for key in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(result, key), want[key])
    assert list(result.stats.values()) == want["stats"].tolist()


def test_image_by_image(want: Any, library: Library) -> None:
    evaluator = DetectionEvaluator(fmt="xywh")
    for pred, target in zip(*per_image(), strict=True):
        evaluator.update(
            *({k: library.array(v) for k, v in side.items()} for side in (pred, target))
        )
    check(evaluator.compute(), want)


def test_lists_and_batches(want: Any) -> None:
    preds, targets = per_image()
    evaluator = DetectionEvaluator(fmt="xywh")
    evaluator.update(preds[:5], targets[:5])
    evaluator.update(batch(preds[5:]), batch(targets[5:]))
    check(evaluator.compute(), want)


@pytest.mark.parametrize("kind", ["alike", "dtypes", "empties", "some crowds", "mappings"])
def test_lists_of_any_kind(kind: str, want: Any, library: Library) -> None:
    """Joined where they are alike, image by image where they are not: the same answers."""
    preds, targets = per_image()
    sides = [[{k: library.array(v) for k, v in i.items()} for i in s] for s in (preds, targets)]
    none = library.array(np.empty(0, np.float32))
    assert any(len(item["labels"]) == 0 for item in targets)
    for side, given in zip(sides, (preds, targets), strict=True):
        for i, item in enumerate(side):
            if kind == "dtypes" and i % 2:
                item["labels"] = library.array(given[i]["labels"].astype(np.int16))
            if kind == "empties" and len(item["labels"]) == 0:
                side[i] = dict.fromkeys(item, none)
            if kind == "some crowds" and side is sides[1] and not targets[i]["iscrowd"].any():
                del item["iscrowd"]
            if kind == "mappings":
                side[i] = MappingProxyType(item)  # type: ignore[call-overload]
    evaluator = DetectionEvaluator(fmt="xywh")
    evaluator.update(*sides)
    check(evaluator.compute(), want)


@pytest.mark.parametrize("iou_type", ["bbox", "obb"])
@pytest.mark.parametrize("images", [1, 3])
def test_what_is_given_may_change_after_update(iou_type: str, images: int) -> None:
    rng = np.random.default_rng(0)
    width = {"bbox": 4, "obb": 5}[iou_type]

    def side() -> dict[str, Any]:
        boxes = np.concatenate([rng.uniform(0, 9, (6, 2)), rng.uniform(10, 30, (6, width - 2))], 1)
        return {"boxes": boxes, "labels": rng.integers(0, 2, 6), "scores": rng.random(6)}

    preds = [side() for _ in range(images)]
    targets = [{**p, "iscrowd": np.zeros(6, int), "area": np.full(6, 50.0)} for p in preds]
    evaluator = DetectionEvaluator(iou_type)
    evaluator.update(preds, targets)
    assert evaluator.compute().stats["AP"] == 1
    for item in [*preds, *targets]:
        for values in item.values():
            values[...] = 1
    assert evaluator.compute().stats["AP"] == 1


def test_a_result_keeps_its_thresholds() -> None:
    evaluator = DetectionEvaluator()
    evaluator.update(*per_image())
    result = evaluator.compute()
    evaluator.iou_thresholds[:] = 0
    evaluator.area_ranges.clear()
    assert result.iou_thresholds[0] == 0.5
    assert list(result.area_ranges) == ["all", "small", "medium", "large"]


def test_merged_and_pickled(want: Any) -> None:
    preds, targets = per_image()
    parts = []
    for part in (slice(0, 4), slice(4, 12)):
        evaluator = DetectionEvaluator(fmt="xywh")
        evaluator.update(preds[part], targets[part])
        parts.append(pickle.loads(pickle.dumps(evaluator)))
    parts[0].merge(parts[1])
    check(parts[0].compute(), want)
    parts[0].reset()
    assert parts[0].compute().stats["AP"] == -1


def test_the_summary_is_pycocotools_table(want: Any) -> None:
    evaluator = DetectionEvaluator(fmt="xywh")
    evaluator.update(*per_image())
    assert str(evaluator.compute()) == "\n".join(want["printed"].splitlines()[-12:])


def test_matches_are_those_of_eval_imgs(tmp_path: Any) -> None:
    evaluator = DetectionEvaluator(fmt="xywh")
    preds, targets = per_image()
    evaluator.update(preds, targets)
    result = evaluator.compute()
    records = [r for r in run(ours, CASE, tmp_path)["evalImgs"] if r is not None]
    for a, area in enumerate(result.area_ranges):
        matches = result.matches(area)
        tp = np.zeros(10)
        for r in records:
            if tuple(r["aRng"]) == result.area_ranges[area]:
                tp += ((r["dtMatches"] != 0) & ~r["dtIgnore"]).sum(1)
        np.testing.assert_array_equal(((matches.gt >= 0) & ~matches.ignored).sum(1), tp, str(a))
        hit = matches.gt >= 0
        assert (matches.iou[hit] >= np.repeat(result.iou_thresholds, hit.sum(1)) - 1e-9).all()


def test_counts_per_image_and_class() -> None:
    evaluator = DetectionEvaluator()
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], float)
    target = {"boxes": boxes, "labels": np.array([3, 5])}
    empty = {"boxes": np.empty((0, 4)), "scores": np.empty(0), "labels": np.empty(0, int)}
    evaluator.update({"boxes": boxes[:1], "scores": np.ones(1), "labels": np.array([3])}, target)
    evaluator.update(empty, target)
    result = evaluator.compute()
    counts = result.per_image(0.5)
    assert [counts[k].tolist() for k in ("tp", "fp", "fn")] == [[1, 0], [0, 0], [1, 2]]
    table = result.per_class()
    assert [row["label"] for row in table] == [3, 5] and [row["targets"] for row in table] == [2, 2]
    assert table[1]["AP"] == 0 and 0 < table[0]["AP"] < 1
    with pytest.raises(ValueError, match="area must be one of"):
        result.matches("tiny")


BOX = np.array([[0.0, 0.0, 1.0, 1.0]])
PRED = {"boxes": BOX, "scores": np.ones(1), "labels": np.ones(1, int)}
TARGET = {"boxes": BOX, "labels": np.ones(1, int)}
TWO = [TARGET, TARGET]


@pytest.mark.parametrize(
    ("preds", "targets", "error", "text"),
    [
        ({**PRED, "boxes": np.zeros((3, 5))}, TARGET, ValueError, r"preds boxes must have shape"),
        ({**PRED, "scores": np.array([np.nan])}, TARGET, ValueError, "preds scores has a NaN"),
        ({**PRED, "labels": np.array([0.5])}, TARGET, TypeError, "labels must hold integers"),
        ({"boxes": BOX}, TARGET, KeyError, "preds lacks 'labels'"),
        (PRED, {"boxes": BOX}, KeyError, "targets lacks 'labels'"),
        ([PRED], [TARGET, TARGET], ValueError, "of one length, got 1 and 2"),
        ([PRED, [1]], [TARGET, TARGET], TypeError, r"preds\[1\] must be a dict, got list"),
        (
            [PRED, {**PRED, "boxes": BOX * np.nan}],
            [TARGET] * 2,
            ValueError,
            r"preds\[1\] boxes has a",
        ),
        (
            [PRED, {**PRED, "scores": np.ones(2)}],
            [TARGET] * 2,
            ValueError,
            r"preds\[1\] scores must",
        ),
        (
            [PRED, {**PRED, "labels": BOX[0, :1]}],
            [TARGET] * 2,
            TypeError,
            r"preds\[1\] labels must",
        ),
        ([PRED] * 2, [TARGET, {"boxes": BOX}], KeyError, r"targets\[1\] lacks 'labels'"),
        ([PRED] * 2, [TARGET, {**TARGET, "area": BOX}], ValueError, r"targets\[1\] area must have"),
        (PRED, [TARGET], TypeError, "both be dicts or both lists"),
        ({**PRED, "splits": np.array([0, 0, 1])}, TARGET, ValueError, "hold as many images"),
        ({**PRED, "boxes": [[1, 2, 3, 4]]}, TARGET, TypeError, "boxes must be an array"),
    ],
)
def test_bad_input_adds_nothing(preds: Any, targets: Any, error: type, text: str) -> None:
    evaluator = DetectionEvaluator()
    evaluator.update(PRED, TARGET)
    before = pickle.dumps(evaluator)
    with pytest.raises(error, match=text):
        evaluator.update(preds, targets)
    assert pickle.dumps(evaluator) == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"iou_type": "mask"}, r"iou_type must be one of \['bbox', .*\], got 'mask'"),
        ({"fmt": "yxyx"}, "fmt must be"),
        ({"max_detections": (10, 1, 100)}, "three ascending counts"),
        ({"max_detections": 100}, "three ascending counts, got 100"),
        ({"max_detections": (1.9, 10, 100)}, "three ascending counts"),
        ({"area_ranges": {"all": (0,)}}, r"area_ranges\['all'\] must be"),
        ({"area_ranges": {"whole": (0, 9)}}, "must contain the key 'all'"),
        ({"iou_thresholds": "abc"}, "iou_thresholds must be numbers"),
        ({"iou_thresholds": []}, "iou_thresholds must be numbers"),
        ({"recall_thresholds": [np.nan]}, "recall_thresholds must be numbers"),
        ({"area_ranges": {}}, "must contain the key 'all', got"),
    ],
)
def test_bad_settings(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DetectionEvaluator(**options)


def test_merging_other_settings_or_things() -> None:
    with pytest.raises(ValueError, match="iou_thresholds differ"):
        DetectionEvaluator().merge(DetectionEvaluator(iou_thresholds=[0.5]))
    with pytest.raises(TypeError, match="must be a DetectionEvaluator, got dict"):
        DetectionEvaluator().merge({})  # type: ignore[arg-type]
