"""What a report says of results against their ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis.annotations.align import align
from tamis.annotations.annotations import Annotations
from tamis.annotations.check import check
from tamis.comparison.compare import compare
from tamis.comparison.intervals import intervals
from tamis.comparison.slices import slices
from tamis.evaluation.best_f1 import best_f1
from tamis.evaluation.calibration import calibration
from tamis.evaluation.confusion_matrix import confusion_matrix
from tamis.evaluation.detection_errors import detection_errors
from tamis.evaluation.evaluator import DetectionEvaluator
from tamis.evaluation.image_scores import image_scores
from tamis.regions.oks import COCO_SIGMAS


@dataclass
class Model:
    """One set of results, beside its ground truth image by image and class by class."""

    name: str
    results: Annotations
    evaluated: Any
    best: Any
    errors: Any  # by type, None of keypoints
    honest: Any  # its calibration, None where scores are not probabilities


@dataclass
class Evaluation:
    gt: Annotations
    models: list[Model]
    findings: Any
    sure: Any  # intervals of the first model, None without samples
    compared: Any
    parts: Any  # slices
    images: Any  # scores of each image, of the first model
    confusion: Any  # None of keypoints of one class

    @property
    def kind(self) -> str:
        """What is compared."""
        return str(self.models[0].evaluated.iou_type)

    @property
    def measure(self) -> str:
        """What a match needs."""
        return "OKS" if self.kind == "keypoints" else "IoU"

    @property
    def scores(self) -> Array:
        """Of the first model's detections."""
        scores = self.models[0].results.scores
        assert scores is not None  # `evaluate` has seen to it
        return scores

    @property
    def confidence(self) -> float:
        """From which counts are: that of the best F1, 0.25 without one."""
        best = float(self.models[0].best.confidence[-1])
        return best if np.isfinite(best) else 0.25

    def name(self, label: Any) -> str:
        return self.gt.label_name(label)

    @property
    def names(self) -> dict[Any, str]:
        labels = np.asarray(self.models[0].evaluated.classes).tolist()
        return {label: self.name(label) for label in labels}


def evaluate(
    gt: Annotations, results: list[Annotations], names: list[str], *, by: Any, samples: int,
    seed: int, folder: str | None, iou_type: str, progress: Progress,
) -> Evaluation:  # fmt: skip
    """Everything the sections are made of."""
    models, truth = [], gt
    for name, dt in zip(names, results, strict=True):
        if dt.scores is None:
            raise ValueError(f"report: results must have scores, {name} has none")
        both = dt.as_obb() if gt.fmt == "obb" else dt.as_xywh()
        truth, found = align(gt, both, unmatched="ignore")
        models.append(_model(name, truth, found, iou_type))
    first = models[0].evaluated
    units = int(np.count_nonzero(truth.listed))
    sure = intervals(first, samples, seed=seed, progress=progress) if samples and units else None
    others = [m.evaluated for m in models[1:]]
    compared = None
    if others and units:
        compared = compare(
            first, *others, samples=samples, permutations=samples, seed=seed, names=names,
            slices=by, progress=progress,
        )  # fmt: skip
    parts = slices(first, by, samples=samples, seed=seed, progress=progress) if by else None
    out = Evaluation(
        truth, models, check(gt, results[0], folder), sure, compared, parts, None, None
    )
    known = np.isfinite(models[0].best.confidence[-1])
    out.images = image_scores(first, confidence=out.confidence if known else None)
    if iou_type != "keypoints" or len(first.classes) > 1:
        out.confusion = confusion_matrix(first, confidence=out.confidence)
    return out


def kind_of(iou_type: str, gt: Annotations, results: list[Annotations]) -> str:
    """What "auto" is: oriented boxes, COCO's keypoints or masks where all have them, else boxes."""
    if gt.fmt == "obb":
        if iou_type not in ("auto", "bbox", "obb"):
            raise ValueError(f"report: iou_type must be 'obb' for oriented boxes, got {iou_type!r}")
        return "obb"
    if iou_type != "auto":
        return iou_type
    sides = (gt, *results)
    if all(s.keypoints is not None and s.keypoints.shape[1] == len(COCO_SIGMAS) for s in sides):
        return "keypoints"
    return "segm" if all(side.shapes is not None for side in sides) else "bbox"


def _model(name: str, gt: Annotations, dt: Annotations, kind: str) -> Model:
    evaluator = DetectionEvaluator(
        kind, fmt="xyxy" if kind == "obb" else "xywh", classes=gt.classes or None
    )
    evaluator.update(dt.preds(kind), gt.targets(kind))
    result = evaluator.compute()
    scores = dt.preds()["scores"]
    probable = len(scores) == 0 or (scores.min() >= 0 and scores.max() <= 1)
    honest = calibration(result) if probable else None
    errors = None if kind == "keypoints" else detection_errors(result)
    return Model(name, dt, result, best_f1(result), errors, honest)


def numbers(e: Evaluation) -> dict[str, Any]:
    """All of it as plain Python, for JSON."""
    return {
        "check": e.findings.to_dict(),
        "models": [
            {
                "name": m.name,
                "stats": {k: None if v == -1 else v for k, v in m.evaluated.stats.items()},
                "classes": m.evaluated.per_class(),
                "best_f1": m.best.to_dict(),
                "errors": None if m.errors is None else {
                    "points": {**m.errors.main, **m.errors.special}, "counts": m.errors.counts,
                },
                "calibration": None if m.honest is None else m.honest.to_dict(),
            }
            for m in e.models
        ],
        "intervals": None if e.sure is None else e.sure.to_dict(),
        "comparison": None if e.compared is None else e.compared.to_dict(),
        "slices": None if e.parts is None else e.parts.to_dict(),
        "confusion": None if e.confusion is None else {
            "classes": e.confusion.classes.tolist(), "matrix": e.confusion.matrix.tolist(),
            "confidence": e.confusion.confidence, "iou": e.confusion.iou,
        },
        "images": [
            {"image": e.gt.image_name(i), "ap": None if np.isnan(ap) else float(ap), "tp": int(tp),
             "fp": int(fp), "fn": int(fn)}
            for i, (ap, tp, fp, fn) in enumerate(
                zip(e.images.ap, e.images.tp, e.images.fp, e.images.fn, strict=True)
            )
        ],
    }  # fmt: skip
