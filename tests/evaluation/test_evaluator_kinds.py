"""DetectionEvaluator of masks, boundaries and keypoints against pycocotools and tamis.coco."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import warnings
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import tamis
from conftest import data_path
from tamis import DetectionEvaluator, Masks
from tamis.coco import COCO, COCOeval, mask

FILES = {
    "segm": (
        "cocoapi_val2014_100/instances_val2014_100.json",
        "cocoapi_val2014_100/instances_val2014_fakesegm100_results.json",
    ),
    "balloons": ("segm/balloon_val.gt.json", "segm/balloon_val.dt.json"),
    "motorcycles": ("segm/motorcycle_14cls.gt.json", "segm/motorcycle_14cls.dt.json"),
    "keypoints": (
        "cocoapi_val2014_100/person_keypoints_val2014_100_rebuilt.json",
        "cocoapi_val2014_100/person_keypoints_val2014_fakekeypoints100_results.json",
    ),
}


def sides(gt: Any, dt: list[Any], kind: str) -> tuple[list[Any], list[Any]]:
    """Both sides as lists of dicts, an image each, ascending by id."""
    sizes = {image["id"]: (image["height"], image["width"]) for image in gt["images"]}
    of_image: dict[int, Any] = defaultdict(lambda: ([], []))
    for ann in gt["annotations"]:
        of_image[ann["image_id"]][1].append(ann)
    for ann in dt:
        of_image[ann["image_id"]][0].append(ann)
    preds, targets = [], []
    for image in sorted(sizes):
        found, truth = of_image[image]
        pred = {"labels": [a["category_id"] for a in found], "scores": [a["score"] for a in found]}
        target = {
            "labels": [a["category_id"] for a in truth],
            "iscrowd": [a.get("iscrowd", 0) for a in truth],
            "area": [a["area"] for a in truth],
        }
        pred = {k: np.array(v, float if k == "scores" else int) for k, v in pred.items()}
        target = {k: np.array(v, float if k == "area" else int) for k, v in target.items()}
        if kind == "keypoints":
            pred["keypoints"] = np.array([a["keypoints"] for a in found]).reshape(-1, 17, 3)
            target["keypoints"] = np.array([a["keypoints"] for a in truth]).reshape(-1, 17, 3)
            target["boxes"] = np.array([a["bbox"] for a in truth]).reshape(-1, 4)
            target["num_keypoints"] = np.array([a["num_keypoints"] for a in truth], int)
        else:
            pred["masks"] = [a["segmentation"] for a in found]
            if "bbox" in dt[0]:  # pycocotools then takes the boxes' area
                pred["area"] = np.array([a["bbox"][2] * a["bbox"][3] for a in found], float)
            target["masks"] = [rle(a["segmentation"], *sizes[image]) for a in truth]
        preds.append(pred)
        targets.append(target)
    return preds, targets


def rle(segmentation: Any, height: int, width: int) -> Any:
    if isinstance(segmentation, dict):
        return segmentation
    return mask.merge(mask.frPyObjects(segmentation, height, width))


def evaluated(module: Any, name: str, iou_type: str) -> Any:
    gt, dt = (str(data_path(*file.split("/"))) for file in FILES[name])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = module[0](gt)
        e = module[1](truth, truth.loadRes(dt), iou_type)
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e


def problem(name: str, iou_type: str) -> tuple[list[Any], list[Any]]:
    gt, dt = (json.loads(data_path(*file.split("/")).read_text()) for file in FILES[name])
    return sides(gt, dt, iou_type)


CASES = [
    ("segm", "segm"), ("balloons", "segm"), ("motorcycles", "segm"), ("segm", "boundary"),
    ("motorcycles", "boundary"), ("keypoints", "keypoints"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "iou_type"), CASES)
@pytest.mark.parametrize("how", ["images", "whole", "merged"])
def test_real_files_to_the_bit(name: str, iou_type: str, how: str) -> None:
    want = evaluated((COCO, COCOeval), name, iou_type)
    preds, targets = problem(name, iou_type)
    evaluator = DetectionEvaluator(iou_type, fmt="xywh")
    if how == "images":
        evaluator.update(preds, targets)
    elif how == "whole":
        evaluator.update(whole(preds), whole(targets))
    else:
        evaluator.update(preds[:30], targets[:30])
        other = DetectionEvaluator(iou_type, fmt="xywh")
        other.update(preds[30:], targets[30:])
        evaluator.merge(pickle.loads(pickle.dumps(other)))
    result = evaluator.compute()
    assert list(result.stats.values()) == want.stats.tolist()
    classes = [want.params.catIds.index(k) for k in result.classes.tolist()]
    for key in ("precision", "recall", "scores"):
        theirs = want.eval[key]
        theirs = theirs[:, :, classes] if key != "recall" else theirs[:, classes]
        np.testing.assert_array_equal(getattr(result, key), theirs)


def whole(items: list[dict[str, Any]]) -> dict[str, Any]:
    counts = [len(item["labels"]) for item in items]
    joined = {
        key: [one for item in items for one in item[key]]
        if key == "masks"
        else np.concatenate([item[key] for item in items])
        for key in items[0]
    }
    return {**joined, "splits": np.cumsum([0, *counts])}


@pytest.mark.parametrize(("name", "iou_type"), [c for c in CASES if c[1] != "boundary"])
def test_pycocotools_itself(name: str, iou_type: str) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    want = evaluated((coco.COCO, cocoeval.COCOeval), name, iou_type)
    evaluator = DetectionEvaluator(iou_type, fmt="xywh")
    evaluator.update(*problem(name, iou_type))
    assert list(evaluator.compute().stats.values()) == want.stats.tolist()


def few_masks() -> tuple[Any, dict[str, Any], dict[str, Any]]:
    pixels = np.zeros((3, 20, 30), bool)
    pixels[0, 2:9, 3:12] = pixels[1, 10:18, 5:25] = pixels[2, 0:4, 20:29] = True
    preds = {"scores": np.array([0.9, 0.8, 0.3]), "labels": np.array([1, 1, 2])}
    return pixels, preds, {"labels": np.array([1, 1, 2])}


@pytest.mark.parametrize("iou_type", ["segm", "boundary"])
def test_masks_of_every_form(iou_type: str) -> None:
    pixels, preds, targets = few_masks()
    encoded = Masks.encode(pixels)
    forms: list[Any] = [pixels, pixels.astype(np.uint8), encoded, encoded.to_coco(), list(encoded)]
    with contextlib.suppress(ImportError):
        import torch

        forms.append(torch.from_numpy(pixels))
    results = []
    for form in forms:
        evaluator = DetectionEvaluator(iou_type)
        evaluator.update({**preds, "masks": form}, {**targets, "masks": encoded})
        results.append(evaluator.compute())
    assert all(r.stats == results[0].stats for r in results)
    assert results[0].stats["AP"] == pytest.approx(1)
    np.testing.assert_array_equal(results[0].matches().gt[0], [0, 1, 2])
    np.testing.assert_array_equal(results[0].matches().iou[0], [1, 1, 1])


def test_polygons_need_a_size() -> None:
    preds = {"scores": np.array([0.9]), "labels": np.array([1])}
    square = [[[2.0, 2.0, 12.0, 2.0, 12.0, 12.0, 2.0, 12.0]]]
    evaluator = DetectionEvaluator("segm")
    side = {"masks": square, "size": (20, 30)}
    evaluator.update({**preds, **side}, {"labels": np.array([1]), **side})
    assert evaluator.compute().stats["AP50"] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"preds masks: polygons need the size"):
        evaluator.update({**preds, "masks": square}, {"labels": np.array([1]), **side})
    assert evaluator.compute().per_image()["image"].tolist() == [0]


def test_analyses_of_masks_and_keypoints() -> None:
    pixels, preds, targets = few_masks()
    evaluator = DetectionEvaluator("segm")
    evaluator.update({**preds, "masks": pixels}, {**targets, "masks": pixels})
    result = evaluator.compute()
    assert result.errors().ap == 100 and result.best_f1().f1.tolist() == [1, 1, 1]
    assert result.confusion_matrix().matrix.sum() == 3
    points = np.random.default_rng(0).uniform(0, 50, (2, 17, 3))
    people = DetectionEvaluator("keypoints")
    people.update(
        {"keypoints": points[:, :, :2], "scores": np.ones(2), "labels": np.ones(2, int)},
        {"keypoints": points, "area": np.full(2, 2000.0), "labels": np.ones(2, int)},
    )
    found = people.compute()
    assert list(found.stats) == [
        "AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl"
    ]  # fmt: skip
    assert found.stats["AP"] == 1 and found.stats["APl"] == -1 and len(str(found).split("\n")) == 10
    assert found.per_class()[0]["AR75"] == 1
    with pytest.raises(ValueError, match="must be of boxes or masks, got keypoints"):
        found.errors()


def test_no_images() -> None:
    for kind in ("segm", "boundary", "keypoints"):
        assert set(DetectionEvaluator(kind).compute().stats.values()) == {-1.0}


@pytest.mark.parametrize(
    ("iou_type", "preds", "targets", "error", "text"),
    [
        ("segm", {}, {}, KeyError, "preds lacks 'masks'"),
        ("segm", {"masks": 3}, {}, TypeError, "preds masks: Masks.encode: masks must be an array"),
        ("segm", {"masks": [{"size": [2, 2]}]}, {}, TypeError, "preds masks: Masks: object 0"),
        ("keypoints", {"keypoints": np.ones((1, 5, 3))}, {}, ValueError, r"preds keypoints must"),
        (
            "keypoints", {"keypoints": np.full((1, 17, 3), np.nan)}, {}, ValueError,
            "preds keypoints has a NaN or infinite value in row 0",
        ),
        (
            "keypoints", {"keypoints": np.ones((1, 17, 3))}, {"keypoints": np.ones((1, 17, 2))},
            ValueError, "targets keypoints must have shape",
        ),
        (
            "keypoints", {"keypoints": np.ones((1, 17, 3))}, {"keypoints": np.ones((1, 17, 3))},
            KeyError, "targets lacks 'area' or 'boxes'",
        ),
    ],
)  # fmt: skip
def test_bad_input(iou_type: str, preds: Any, targets: Any, error: Any, text: str) -> None:
    evaluator = DetectionEvaluator(iou_type)
    one = np.ones(1, int)
    with pytest.raises(error, match=text):
        evaluator.update({"scores": np.ones(1), "labels": one, **preds}, {"labels": one, **targets})


def test_options() -> None:
    with pytest.raises(ValueError, match="max_detections must be one count, got"):
        DetectionEvaluator("keypoints", max_detections=(1, 10, 100))
    with pytest.raises(ValueError, match="angle must be 'degrees' or 'radians', got 'turns'"):
        DetectionEvaluator("obb", angle="turns")
    with pytest.raises(ValueError, match="sigmas must be positive"):
        DetectionEvaluator("keypoints", sigmas=[0.1, -1])
    a, b = DetectionEvaluator("keypoints"), DetectionEvaluator("keypoints", sigmas=np.ones(17))
    with pytest.raises(ValueError, match="sigmas differ"):
        a.merge(b)


def test_radians() -> None:
    rng = np.random.default_rng(0)
    boxes = np.c_[rng.uniform(20, 80, (40, 2)), rng.uniform(5, 30, (40, 2)), rng.uniform(-3, 3, 40)]
    other = boxes + rng.normal(0, 0.3, boxes.shape)
    turned = [np.c_[x[:, :4], x[:, 4] * (180 / np.pi)] for x in (boxes, other)]

    def stats(a: Any, b: Any, angle: str) -> dict[str, float]:
        evaluator = DetectionEvaluator("obb", angle=angle)
        zeros = np.zeros(40, int)
        evaluator.update(
            {"boxes": a, "scores": np.arange(40) / 40, "labels": zeros},
            {"boxes": b, "labels": zeros},
        )
        return evaluator.compute().stats

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        want = stats(*turned, "degrees")
        assert stats(boxes, other, "radians") == want
    with pytest.warns(UserWarning, match="pass angle='radians'"):
        stats(boxes, other, "degrees")
    assert tamis.rotated_box_iou(turned[0][:1], turned[1][:1])[0, 0] > 0.5
