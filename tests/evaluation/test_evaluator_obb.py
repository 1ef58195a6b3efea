"""DetectionEvaluator("obb") against pycocotools' COCOeval given the IoU of shapely's polygons."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from reference_rotated import polygons
from tamis import DetectionEvaluator, DetectionResult

IMAGES = 12


def problem(seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Detections are ground truths moved a little, and some of their own; one in ten is a crowd."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 15, IMAGES)
    m = int(counts.sum())
    place, size = rng.uniform(0, 300, (m, 2)), np.exp(rng.normal(3.8, 1, (m, 2)))
    gt = np.concatenate([place, size, rng.uniform(-180, 180, (m, 1))], axis=1)
    labels, crowd = rng.integers(1, 4, m), (rng.random(m) < 0.1).astype(int)
    dets, det_labels, splits = [], [], [0]
    for first, end in itertools.pairwise(np.cumsum([0, *counts])):
        rows = np.repeat(np.arange(first, end), 3)
        moved = gt[rows] * rng.normal(1, 0.04, (len(rows), 5))
        moved[:, 4] += rng.choice([0, 180], len(rows))
        other = np.concatenate([rng.uniform(0, 300, (4, 2)), rng.uniform(9, 99, (4, 3))], axis=1)
        dets += [moved, other]
        det_labels += [labels[rows], rng.integers(1, 5, 4)]
        splits.append(splits[-1] + len(rows) + 4)
    preds = {
        "boxes": np.concatenate(dets),
        "labels": np.concatenate(det_labels),
        "scores": np.round(rng.random(splits[-1]), 2),  # with ties
        "splits": np.array(splits),
    }
    ends = np.cumsum([0, *counts])
    return preds, {"boxes": gt, "labels": labels, "iscrowd": crowd, "splits": ends}


def rows(side: dict[str, Any]) -> list[dict[str, Any]]:
    """pycocotools' records."""
    image = np.repeat(np.arange(IMAGES), np.diff(side["splits"]))
    crowd = side.get("iscrowd", np.zeros(len(image), int))
    return [
        {"id": i + 1, "image_id": int(image[i]), "category_id": int(label), "bbox": box.tolist(),
         "area": box[2] * box[3], "iscrowd": int(crowd[i])}
        for i, (box, label) in enumerate(zip(side["boxes"], side["labels"], strict=True))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def case() -> tuple[dict[str, Any], dict[str, Any], Any]:
    """A problem and pycocotools' evaluation of it."""
    module, shapely = pytest.importorskip("pycocotools.cocoeval"), pytest.importorskip("shapely")
    from pycocotools.coco import COCO

    class Theirs(module.COCOeval):  # type: ignore[name-defined, misc]
        def computeIoU(self, image: int, category: int) -> Any:
            gts, dets = self._gts[image, category], self._dts[image, category]
            if len(gts) == 0 or len(dets) == 0:
                return []
            order = np.argsort([-d["score"] for d in dets], kind="mergesort")
            dets = [dets[i] for i in order[: self.params.maxDets[-1]]]
            p, q = (polygons(shapely, np.array([x["bbox"] for x in side])) for side in (dets, gts))
            common = shapely.area(shapely.intersection(p[:, None], q))
            crowd = np.array([g["iscrowd"] for g in gts]) != 0
            whole = shapely.area(p)[:, None] + np.where(crowd, 0, shapely.area(q) - common)
            return common / whole

    preds, targets = problem()
    gt, dt = COCO(), COCO()
    images = [{"id": i} for i in range(IMAGES)]
    categories = [{"id": i} for i in range(1, 5)]
    for coco, side in ((gt, targets), (dt, preds)):
        coco.dataset = {"images": images, "categories": categories, "annotations": rows(side)}
        coco.createIndex()
    for record, score in zip(dt.dataset["annotations"], preds["scores"], strict=True):
        record["score"] = float(score)
    theirs = Theirs(gt, dt, "bbox")
    theirs.evaluate()
    theirs.accumulate()
    theirs.summarize()
    return preds, targets, theirs


def evaluate(preds: Any, targets: Any) -> DetectionResult:
    evaluator = DetectionEvaluator("obb")
    evaluator.update(preds, targets)
    return evaluator.compute()


def test_numbers_and_curves(case: Any) -> None:
    preds, targets, theirs = case
    result = evaluate(preds, targets)
    for key in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(result, key), theirs.eval[key])
    assert list(result.stats.values()) == theirs.stats.tolist()
    assert 0.1 < result.stats["AP"] < 0.9


def test_matches_and_their_iou(case: Any) -> None:
    preds, targets, theirs = case
    found = evaluate(preds, targets).matches()
    want = np.zeros_like(found.gt)
    for record in theirs.evalImgs:
        if record is not None and record["aRng"] == [0, 1e10]:
            want[:, np.array(record["dtIds"]) - 1] = record["dtMatches"]
    np.testing.assert_array_equal(found.gt, want.astype(int) - 1)
    image = np.repeat(np.arange(IMAGES), np.diff(preds["splits"]))
    for t, d in itertools.product((0, 5), np.flatnonzero(found.gt[0] >= 0)):
        gt = found.gt[t, d]
        if gt < 0:
            continue
        ids = image[d], int(preds["labels"][d])
        dets = sorted(theirs._dts[ids], key=lambda r: -r["score"])
        place = (
            [r["id"] for r in dets].index(d + 1),
            [r["id"] for r in theirs._gts[ids]].index(gt + 1),
        )
        assert found.iou[t, d] == pytest.approx(theirs.ious[ids][place], rel=1e-9)


def test_a_closer_look_at_boxes_that_are_not_turned(case: Any) -> None:
    """The same as for plain boxes."""
    sides = [side | {"boxes": side["boxes"] * [1, 1, 1, 1, 0]} for side in case[:2]]
    plain = DetectionEvaluator(fmt="cxcywh")
    plain.update(*(side | {"boxes": side["boxes"][:, :4]} for side in sides))
    turned, straight = evaluate(*sides), plain.compute()
    assert turned.errors().main == pytest.approx(straight.errors().main)
    np.testing.assert_array_equal(
        turned.confusion_matrix().matrix, straight.confusion_matrix().matrix
    )
    np.testing.assert_allclose(turned.best_f1().f1, straight.best_f1().f1)
    np.testing.assert_allclose(turned.per_image()["ap"], straight.per_image()["ap"])


def test_merged_pickled_and_empty(case: Any) -> None:
    preds, targets, theirs = case
    parts = []
    for image in range(IMAGES):
        evaluator = DetectionEvaluator("obb")
        sides = []
        for side in (preds, targets):
            s = slice(*side["splits"][image : image + 2])
            sides.append({k: v[s] for k, v in side.items() if k != "splits"})
        evaluator.update(*sides)
        parts.append(pickle.loads(pickle.dumps(evaluator)))
    for other in parts[1:]:
        parts[0].merge(other)
    assert list(parts[0].compute().stats.values()) == theirs.stats.tolist()
    parts[0].reset()
    assert parts[0].compute().stats["AP"] == -1


def test_bad_boxes_and_other_types() -> None:
    box = {"boxes": np.zeros((1, 4)), "labels": np.ones(1, int)}
    with pytest.raises(ValueError, match=r"targets boxes must have shape \(N, 5\), got \(1, 4\)"):
        DetectionEvaluator("obb").update(
            {"boxes": np.zeros((1, 5)), "labels": np.ones(1, int), "scores": np.ones(1)}, box
        )
    with pytest.raises(ValueError, match="iou_type differ: bbox and obb"):
        DetectionEvaluator().merge(DetectionEvaluator("obb"))
