"""COCO detection evaluation from arrays: no JSON, no dicts per box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _summary
from tamis._evaluated import Evaluated
from tamis._evaluation import Detections, MatchTable, Similarity, Targets, curves, match
from tamis._updates import Columns, read_update
from tamis.best_f1 import BestF1, best_f1
from tamis.confusion_matrix import ConfusionMatrix, confusion_matrix
from tamis.detection_errors import DetectionErrors, detection_errors
from tamis.image_scores import image_scores
from tamis.matching import (
    Matches,
    box_matches,
    check_fmt,
    class_positions,
    pair_iou,
)
from tamis.rotated_iou import crowd_iou, grouped_iou

Array = NDArray[Any]

AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
SETTINGS = ("iou_type", "iou_thresholds", "recall_thresholds", "max_detections", "area_ranges")
STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")


@dataclass
class DetectionResult:
    """What `DetectionEvaluator.compute` gives.

    Attributes
    ----------
    stats : dict of str to float
        The 12 numbers of COCO, -1 where there is no ground truth: ``AP AP50 AP75 APs APm APl AR1
        AR10 AR100 ARs ARm ARl``; ``AR1 AR10 AR100`` are for the three caps, whatever they are.
    classes : (K,) int64
    precision, scores : (T, R, K, A, M) float64
        Interpolated precision, and the score at which each recall threshold is reached.
    recall : (T, K, A, M) float64
    iou_thresholds, recall_thresholds : arrays
    area_ranges : dict
        Name to closed range, square pixels.
    max_detections : tuple of int
    """

    stats: dict[str, float]
    classes: Array
    precision: Array
    recall: Array
    scores: Array
    iou_thresholds: Array
    recall_thresholds: Array
    area_ranges: dict[str, tuple[float, float]]
    max_detections: tuple[int, ...]
    _detections: Detections
    _targets: Targets
    _table: MatchTable
    _images: int

    def _names(self) -> SimpleNamespace:
        return SimpleNamespace(
            iouThrs=self.iou_thresholds, areaRngLbl=list(self.area_ranges),
            maxDets=list(self.max_detections), iouType="bbox",
        )  # fmt: skip

    def _rows(self) -> list[_summary.Row]:
        return _summary.detection_rows(self.max_detections, main=self.max_detections[2])

    def __str__(self) -> str:
        names = self._names()
        return "\n".join(
            _summary.line(names, row, value)
            for row, value in zip(self._rows(), self.stats.values(), strict=True)
        )

    def per_class(self) -> list[dict[str, float]]:
        """One dict a class: its label, number of ground truths, and the 12 numbers."""
        table = []
        names, arrays = self._names(), {"precision": self.precision, "recall": self.recall}
        for k, label in enumerate(self.classes.tolist()):
            stats = _summary.of_class(arrays, names, self._rows(), k)
            count = int(self._table.n_regular[k, 0])
            table.append({"label": label, "targets": count, **dict(zip(STATS, stats, strict=True))})
        return table

    def matches(self, area: str = "all") -> Matches:
        """Matches of every box at every IoU threshold, in the order the boxes were given."""
        if area not in self.area_ranges:
            raise ValueError(
                f"DetectionResult.matches: area must be one of {list(self.area_ranges)},"
                f" got {area!r}"
            )
        where = list(self.area_ranges).index(area)
        dets, gts = self._detections, self._targets
        iou_of = pair_iou if _similarity(dets, gts) is None else crowd_iou
        return box_matches(dets, gts, self._table, where, iou_of)

    def errors(self, **options: Any) -> DetectionErrors:
        """TIDE's error types and what each costs: see `tamis.detection_errors`."""
        return detection_errors(self, **options)

    def confusion_matrix(self, **options: Any) -> ConfusionMatrix:
        """Which classes are taken for which: see `tamis.confusion_matrix`."""
        return confusion_matrix(self, **options)

    def best_f1(self, **options: Any) -> BestF1:
        """The confidence of largest F1 by class: see `tamis.best_f1`."""
        return best_f1(self, **options)

    def per_image(self, iou: float = 0.5, **options: Any) -> dict[str, Array]:
        """Counts, F1 and AP of every image: see `tamis.image_scores`."""
        return image_scores(self, iou=iou, **options)

    def _evaluated(self) -> Evaluated:
        return Evaluated(
            "bbox", self._detections, self._targets, self._table, self.iou_thresholds, self.classes,
            np.arange(self._images), np.arange(len(self._detections.scores)),
            np.arange(len(self._targets.crowd)), self.max_detections[-1], self.area_ranges["all"],
            _similarity(self._detections, self._targets),
        )  # fmt: skip


def _similarity(dets: Detections, gts: Targets) -> Similarity | None:
    """That of oriented boxes; None for boxes, which the matching compares itself."""
    if dets.boxes is None or gts.boxes is None or dets.boxes.shape[1] == 4:
        return None
    return partial(grouped_iou, dets.boxes, gts.boxes, gts.crowd)


class DetectionEvaluator:
    """Average precision and recall of detections, fed with arrays.

    Parameters
    ----------
    iou_type : {"bbox", "obb"}
        "obb": oriented boxes (n, 5), cx cy w h and the angle as in :func:`tamis.rotated_box_iou`,
        by the same rules; their area is w h.
    fmt : {"xyxy", "xywh", "cxcywh"}
        Of all boxes of type "bbox" given to `update`; pixels, as the area ranges are.
    iou_thresholds : (T,) floats, default 0.50, 0.55, ... 0.95
    recall_thresholds : (R,) floats, default 0.00, 0.01, ... 1.00
    max_detections : three ints, default (1, 10, 100)
        Detections that count per image and class, ascending.
    area_ranges : dict of str to (low, high), default COCO's all, small, medium, large
        Closed ranges in square pixels. One is called `all`, the range of `AP`; ``APs APm APl`` are
        those called `small`, `medium` and `large`, -1 where there is none.

    Notes
    -----
    Bit for bit the numbers of pycocotools 2.0.11 on the same boxes in xywh. Ties of score are
    broken by the order of `update`. The state is NumPy arrays on the host, 48 bytes a detection:
    it pickles, and evaluators of several processes `merge`.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": box, "scores": np.array([0.9]), "labels": np.array([1])},
    ...     {"boxes": box, "labels": np.array([1])},
    ... )
    >>> round(evaluator.compute().stats["AP"], 6)
    1.0
    """

    def __init__(
        self,
        iou_type: str = "bbox",
        *,
        fmt: str = "xyxy",
        iou_thresholds: Any = None,
        recall_thresholds: Any = None,
        max_detections: Sequence[int] = (1, 10, 100),
        area_ranges: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        name = "DetectionEvaluator"
        if iou_type not in ("bbox", "obb"):
            raise ValueError(f"{name}: iou_type must be 'bbox' or 'obb', got {iou_type!r}")
        check_fmt(name, fmt)
        self.iou_type, self.fmt = iou_type, fmt
        self.iou_thresholds = self._levels(
            "iou_thresholds", iou_thresholds, default=np.linspace(0.5, 0.95, 10)
        )
        self.recall_thresholds = self._levels(
            "recall_thresholds", recall_thresholds, default=np.linspace(0.0, 1.0, 101)
        )
        self.max_detections = self._caps(max_detections)
        self.area_ranges = self._ranges(AREA_RANGES if area_ranges is None else area_ranges)
        self.reset()

    @staticmethod
    def _levels(argument: str, values: Any, default: Array) -> Array:
        levels = default if values is None else np.asarray(values)
        if levels.dtype.kind in "iub":
            levels = levels.astype(np.float64)
        if (
            levels.dtype.kind != "f"
            or levels.ndim != 1
            or not len(levels)
            or np.isnan(levels).any()
        ):
            raise ValueError(
                f"DetectionEvaluator: {argument} must be numbers of shape (T,), T > 0, without NaN,"
                f" got {values!r}"
            )
        return levels.astype(np.float64)

    @staticmethod
    def _caps(values: Any) -> tuple[int, ...]:
        caps = np.asarray(values)
        if (
            caps.shape != (3,)
            or caps.dtype.kind not in "iu"
            or caps[0] < 0
            or (np.diff(caps) < 0).any()
        ):
            raise ValueError(
                f"DetectionEvaluator: max_detections must be three ascending counts, got {values!r}"
            )
        return tuple(caps.tolist())

    @staticmethod
    def _ranges(values: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
        """The ranges, `all` first: `AP` and the counts are taken from it."""
        ranges = {}
        for key, bounds in values.items():
            pair = np.asarray(bounds)
            if pair.shape != (2,) or pair.dtype.kind not in "iuf" or np.isnan(pair).any():
                raise ValueError(
                    f"DetectionEvaluator: area_ranges[{key!r}] must be (low, high), got {bounds!r}"
                )
            ranges[key] = (float(pair[0]), float(pair[1]))
        if "all" not in ranges:
            raise ValueError(
                f"DetectionEvaluator: area_ranges must name a range 'all', got {list(ranges)}"
            )
        return {"all": ranges.pop("all"), **ranges}

    def reset(self) -> None:
        """Forget all images."""
        self._preds: list[Columns] = []
        self._targets: list[Columns] = []

    def update(self, preds: Any, targets: Any) -> None:
        """Add images.

        Parameters
        ----------
        preds : dict of arrays, or a list of them, one an image
            ``boxes`` (n, 4), ``scores`` (n,), ``labels`` (n,) integers; "obb": ``boxes`` (n, 5).
        targets : dict of arrays, or a list of them
            ``boxes`` (m, 4), ``labels`` (m,), and if wanted ``iscrowd`` (m,) and ``area`` (m,),
            which defaults to the boxes' own.

        A dict with ``splits`` (images + 1,) offsets holds many images, one after the other.
        Arrays are NumPy, torch (CUDA too, copied to the host), CuPy or any other exporter.

        Raises
        ------
        KeyError, TypeError, ValueError
            Naming what is missing or wrong; nothing is added then.
        """
        fmt = "obb" if self.iou_type == "obb" else self.fmt
        read = read_update(preds, targets, fmt)
        self._preds += [found for found, _ in read]
        self._targets += [truth for _, truth in read]

    def merge(self, other: DetectionEvaluator) -> None:
        """Add the images of another evaluator of the same settings, after one's own.

        Raises
        ------
        TypeError, ValueError
            `other` is no evaluator, or its settings differ.
        """
        if not isinstance(other, DetectionEvaluator):
            raise TypeError(
                "DetectionEvaluator.merge: other must be a DetectionEvaluator,"
                f" got {type(other).__name__}"
            )
        for key in SETTINGS:
            mine, theirs = getattr(self, key), getattr(other, key)
            same = np.array_equal(mine, theirs) if isinstance(mine, np.ndarray) else mine == theirs
            if not same:
                raise ValueError(f"DetectionEvaluator.merge: {key} differ: {mine} and {theirs}")
        self._preds += other._preds
        self._targets += other._targets

    def compute(self) -> DetectionResult:
        """Evaluate all images added so far; more can be added after."""
        counts, label, boxes, scores = self._gather(self._preds, (int, np.int64, None, float))
        gt_counts, gt_label, gt_boxes, crowd, gt_area = self._gather(
            self._targets, (int, np.int64, None, np.uint8, float)
        )
        images = len(counts)
        image, gt_image = (
            np.repeat(np.arange(images, dtype=np.int32), n) for n in (counts, gt_counts)
        )
        classes, category, gt_category = class_positions(label, gt_label)
        dets = Detections(image, category, boxes, scores, boxes[:, 2] * boxes[:, 3])
        gts = Targets(gt_image, gt_category, gt_boxes, crowd, gt_area)
        table = match(
            dets, gts, n_images=images, n_categories=len(classes),
            thresholds=self.iou_thresholds.tolist(), area_ranges=list(self.area_ranges.values()),
            max_det=self.max_detections[-1], similarity=_similarity(dets, gts),
        )  # fmt: skip
        precision, recall, at = curves(
            table, scores, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections,
        )  # fmt: skip
        result = DetectionResult(
            {}, classes, precision, recall, at, self.iou_thresholds, self.recall_thresholds,
            self.area_ranges, self.max_detections, dets, gts, table, images,
        )  # fmt: skip
        names, part = result._names(), {"precision": precision, "recall": recall}
        values = (float(_summary.mean(part, names, row)) for row in result._rows())
        result.stats = dict(zip(STATS, values, strict=True))
        return result

    def _gather(self, parts: list[tuple[Array, ...]], dtypes: tuple[Any, ...]) -> list[Array]:
        if not parts:
            none = np.empty((0, 5 if self.iou_type == "obb" else 4))
            return [none if d is None else np.empty(0, d) for d in dtypes]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]
