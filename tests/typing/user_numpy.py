"""A user's script on NumPy arrays: type checkers in strict mode accept it as it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import tamis
from numpy.typing import NDArray

boxes: NDArray[np.float32] = np.zeros((3, 4), np.float32)
x: NDArray[np.float32] = np.zeros((10, 4), np.float32)
splits = np.array([0, 3])

overlap: NDArray[Any] = tamis.box_iou(boxes, boxes, kind="giou")
values, ends = tamis.box_iou_batched(boxes, splits, boxes, splits)
offsets: NDArray[np.int64] = ends
largest: NDArray[Any] = tamis.max_iou(boxes, splits, labels=[1, 2, 2])
found_at: tamis.Matches = tamis.match_detections(boxes, x[:3, 0], splits, boxes, splits.tolist())

masks = tamis.Masks.from_boxes(boxes, (10, 10))
of_masks: NDArray[np.float64] = tamis.mask_iou(masks, masks.to_coco())
first: dict[str, Any] = masks[0]
some: tamis.Masks = tamis.mask_boundary(masks[1:])
twice: tamis.DuplicateBoxes = tamis.find_duplicate_boxes(masks, splits)

distances, rows = tamis.knn(x, 3)
neighbours: NDArray[np.int64] = rows
_, _, recall = tamis.knn(x, 3, method="Flat", recall_sample=5)
found: float = recall

scores: NDArray[np.float64] = tamis.uniqueness(x)
strange: NDArray[np.float64] = tamis.outliers(x, 3)
gains: NDArray[np.float32] = tamis.zcore(x, n_samples="auto", progress=True)
chosen: NDArray[np.int64] = tamis.select_coreset(gains, count=2)
parts: tamis.Split = tamis.split(pairs=tamis.near_duplicates(x), groups=["a"] * 10)
hard: NDArray[Any] = tamis.hardness(x)


def evaluate(preds: dict[str, Any], targets: dict[str, Any]) -> dict[str, float]:
    evaluator = tamis.DetectionEvaluator(iou_type="bbox", fmt="xywh")
    evaluator.update(preds, targets)
    result: tamis.DetectionResult = evaluator.compute()
    errors: tamis.DetectionErrors = result.errors(iou=0.5)
    plain: dict[str, Any] = errors.to_dict()
    columns: dict[str, NDArray[Any]] = result.per_image().table()
    best: tamis.BestF1 = tamis.best_f1(result, beta=0.5)
    found: tamis.Comparison = tamis.compare(result, result, groups=["day", "night"])
    print(best, found, result, plain, list(columns), tamis.intervals(result).stats["AP"].low)
    return result.stats


def leaking(labels: list[str]) -> int:
    leaks: tamis.Leaks = tamis.leaks(x, labels, threshold=0.1)
    with tamis.threads(2):
        kept = tamis.near_duplicates(x, threshold="auto").keep
    return len(leaks.rows) + len(kept) + tamis.num_threads()
