"""Resampling the slow way: every sample is a data set of its own, evaluated anew."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import tamis

AREAS = ((0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10))


def boxes_near(rng: np.random.Generator, boxes: Any, wobble: float) -> Any:
    return np.maximum(boxes + rng.normal(0, wobble, boxes.shape) * boxes[:, [2, 3, 2, 3]], 1)


def problem(
    seed: int, images: int = 20, classes: int = 4, *, steps: int = 40, crowds: float = 0.1
) -> list[dict[str, Any]]:
    """Images with ground truths and detections, xywh. Of one image and class no scores are equal,
    between images many are."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(images):
        n = rng.integers(0, 7)
        side = np.exp(rng.uniform(np.log(8), np.log(250), n))
        boxes = np.column_stack([rng.uniform(0, 300, (n, 2)), side, side * rng.uniform(0.5, 2, n)])
        label = rng.integers(1, classes + 1, n)
        near = rng.integers(0, max(n, 1), 2 * n)
        found = boxes_near(rng, boxes[near], 0.12) if n else np.empty((0, 4))
        noise = np.column_stack([rng.uniform(0, 300, (4, 2)), rng.uniform(8, 200, (4, 2))])
        det = np.concatenate([found, noise])
        det_label = np.concatenate([label[near] if n else label, rng.integers(1, classes + 1, 4)])
        scores = np.empty(len(det))
        for k in range(1, classes + 1):
            rows = np.flatnonzero(det_label == k)
            scores[rows] = rng.choice(steps, len(rows), replace=False) / steps
        crowd = (rng.random(n) < crowds).astype(int)
        out.append(
            {"gt": boxes, "gt_label": label, "crowd": crowd, "det": det, "label": det_label,
             "scores": scores}
        )  # fmt: skip
    return out


def evaluator_of(images: list[dict[str, Any]], **options: Any) -> tamis.DetectionEvaluator:
    evaluator = tamis.DetectionEvaluator(fmt="xywh", **options)
    for i in images:
        labels = [np.asarray(i[k], np.int64) for k in ("label", "gt_label", "crowd")]
        evaluator.update(
            {"boxes": i["det"], "scores": np.asarray(i["scores"], float), "labels": labels[0]},
            {"boxes": i["gt"], "labels": labels[1], "iscrowd": labels[2]},
        )
    return evaluator


def result_of(images: list[dict[str, Any]], **options: Any) -> tamis.DetectionResult:
    return evaluator_of(images, **options).compute()


def repeated(images: list[dict[str, Any]], counts: Any) -> list[dict[str, Any]]:
    """Copies of an image next to each other."""
    return [image for image, n in zip(images, counts, strict=True) for _ in range(int(n))]


def coco_files(images: list[dict[str, Any]], classes: int = 4) -> tuple[Any, Any]:
    """A data set and results as `json.load` gives them; the images get new ids."""
    anns, dets = [], []
    for i, image in enumerate(images):
        columns = zip(image["gt"].tolist(), image["gt_label"], image["crowd"], strict=True)
        for box, label, crowd in columns:
            anns.append(
                {"id": len(anns) + 1, "image_id": i + 1, "category_id": int(label), "bbox": box,
                 "area": box[2] * box[3], "iscrowd": int(crowd)}
            )  # fmt: skip
        rows = zip(image["det"].tolist(), image["label"], image["scores"], strict=True)
        for box, label, score in rows:
            dets.append(
                {"image_id": i + 1, "category_id": int(label), "bbox": box, "score": float(score)}
            )
    dataset = {
        "images": [{"id": i + 1} for i in range(len(images))],
        "annotations": anns,
        "categories": [{"id": k + 1, "name": f"c{k + 1}"} for k in range(classes)],
    }
    return dataset, dets


def evaluation(module: Any, images: list[dict[str, Any]], prepare: Any = None) -> Any:
    """An evaluated `COCOeval` of pycocotools or tamis.coco: (coco, cocoeval) modules."""
    coco, cocoeval = module
    dataset, dets = coco_files(images)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = dataset
        truth.createIndex()
        e = (prepare or cocoeval.COCOeval)(truth, truth.loadRes(dets), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    return e


def by_class(e: Any) -> Any:
    """(K, 12) means of a `COCOeval`'s tables, NaN for none."""
    precision, recall = e.eval["precision"], e.eval["recall"]
    out = np.full((precision.shape[2], 12), np.nan)
    for k in range(len(out)):
        parts = [precision[:, :, k, 0, 2], precision[0, :, k, 0, 2], precision[5, :, k, 0, 2]]
        parts += [precision[:, :, k, a, 2] for a in (1, 2, 3)]
        parts += [recall[:, k, 0, m] for m in range(3)] + [recall[:, k, a, 2] for a in (1, 2, 3)]
        out[k] = [np.nan if part.min() == -1 else part.mean() for part in parts]
    return out


def weighted_curve(w: Any, right: Any, ignored: Any, targets: float, recalls: Any) -> Any:
    """Precision at each recall threshold, of detections by descending score, in plain NumPy."""
    tp, seen = np.cumsum(w * right), np.cumsum(w * ~ignored)
    precision = tp / (seen + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(tp / targets, recalls, side="left")
    return np.append(precision, 0.0)[at]
