"""COCO detection evaluation from arrays: no JSON, no dicts per box."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tamis import _arrays
from tamis._evaluation import Detections, Sides, Targets, curves, image_of, match
from tamis._evaluation_cuda import DeviceRows, classes_of, evaluate, host_sides
from tamis._locks import Lock
from tamis._updates import Part, common_device, joined, nothing, on_host, read_update
from tamis.detection_result import DetectionResult, similarity_of
from tamis.matching import check_fmt, class_positions

Array = NDArray[Any]

AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
CHECKED = ("preds boxes", "preds scores", "targets boxes", "targets area")  # late, on a device
SETTINGS = ("iou_type", "iou_thresholds", "recall_thresholds", "max_detections", "area_ranges")


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
    broken by the order of `update`. The state is 48 bytes a detection; it pickles as NumPy arrays,
    and evaluators of several processes `merge`.

    Threads may share an evaluator, and a process that does may fork: each `update` and `merge` adds
    its images whole, in the order in which the threads come by; `compute`, `merge(other)`, copies
    and pickles see the images of whole calls.

    Boxes that come on a CUDA device stay there, with their other columns, where tamis has its CUDA
    part: `update` copies nothing to the host and does not wait (but for `splits` that live on the
    device), and `compute` runs there, the same bits. Only its tables come to the host; the analyses
    of the result copy and match on the host when first asked for. NaN and infinity are then found
    by `compute`. Memory there: about 300 bytes a box with the default settings, 60 of which the
    result keeps until it goes.

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
        if not _arrays.one_of(iou_type, ("bbox", "obb")):
            raise ValueError(f"{name}: iou_type must be 'bbox' or 'obb', got {iou_type!r}")
        check_fmt(name, fmt)
        self.iou_type, self.fmt = iou_type, fmt
        self._lock = Lock()
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
        if not isinstance(values, Mapping):
            raise TypeError(
                f"DetectionEvaluator: area_ranges must be a dict of (low, high), got {values!r}"
            )
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
        with self._lock:
            self._device = "cpu"  # or that of the columns that do not live on the host
            self._parts: list[tuple[Part, Part]] = []  # detections and ground truths

    def _snapshot(self) -> tuple[str, list[tuple[Part, Part]]]:
        with self._lock:
            return self._device, list(self._parts)

    def _add(self, function: str, parts: list[tuple[Part, Part]]) -> None:
        with self._lock:
            self._device = common_device(
                function, self._device, [x for both in parts for x in both]
            )
            self._parts += parts

    def __getstate__(self) -> dict[str, Any]:
        parts = [(on_host(found), on_host(truth)) for found, truth in self._snapshot()[1]]
        return {**vars(self), "_parts": parts, "_device": "cpu", "_lock": Lock()}

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
        Arrays are NumPy, torch, CuPy or any other exporter; the other columns are brought to where
        the boxes live. What is given may change afterwards.

        Raises
        ------
        KeyError, TypeError, ValueError
            Naming what is missing or wrong; nothing is added then.
        """
        name = "DetectionEvaluator.update"
        read = read_update(preds, targets, "obb" if self.iou_type == "obb" else self.fmt)
        self._add(name, read)

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
        self._add("DetectionEvaluator.merge", other._snapshot()[1])  # one lock at a time

    def compute(self) -> DetectionResult:
        """Evaluate all images added so far; more can be added after.

        Raises
        ------
        ValueError
            A NaN or infinity among boxes, scores or areas that came on a CUDA device.
        """
        device, parts = self._snapshot()
        if device != "cpu":
            return self._on_device(parts)
        none = nothing(5 if self.iou_type == "obb" else 4)
        preds, targets = zip(*(parts or [none]), strict=True)
        splits, (label, boxes, scores) = joined(preds, none[0][1])
        gt_splits, columns = joined(targets, none[0][1])
        gt_label, gt_boxes, crowd, gt_area = columns
        classes, category, gt_category = class_positions(label, gt_label)
        dets = Detections(image_of(splits), category, boxes, scores, boxes[:, 2] * boxes[:, 3])
        gts = Targets(image_of(gt_splits), gt_category, gt_boxes, crowd, gt_area)
        table = match(
            dets, gts, n_images=len(splits) - 1, n_categories=len(classes),
            thresholds=self.iou_thresholds.tolist(), area_ranges=list(self.area_ranges.values()),
            max_det=self.max_detections[-1], similarity=similarity_of(dets, gts),
        )  # fmt: skip
        tables = curves(
            table, scores, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections,
        )  # fmt: skip
        sides = Sides(dets, gts, table)
        return self._result(classes, tables, table.n_regular, sides, len(splits) - 1)

    def _on_device(self, parts: list[tuple[Part, Part]]) -> DetectionResult:
        """`compute` of boxes where they live."""
        every = itertools.chain.from_iterable(parts)
        like = next(part[2] for part in every if _arrays.device(part[2]) != "cpu")
        preds, targets = zip(*parts, strict=True)
        splits, (label, boxes, scores) = joined(preds, like)
        gt_splits, (gt_label, gt_boxes, crowd, gt_area) = joined(targets, like)
        classes, place = classes_of(_arrays.concatenate([label, gt_label]))
        n = len(boxes)
        dets = DeviceRows(splits, place[:n], boxes, boxes[:, 2] * boxes[:, 3], scores=scores)
        gts = DeviceRows(gt_splits, place[n:], gt_boxes, gt_area, crowd=crowd)
        settings: dict[str, Any] = {
            "n_categories": len(classes),
            "thresholds": self.iou_thresholds.tolist(),
            "area_ranges": list(self.area_ranges.values()),
        }
        found = evaluate(
            dets, gts, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections, **settings,
        )  # fmt: skip
        for column, row in zip(CHECKED, found.bad, strict=True):
            if row is not None:
                raise ValueError(
                    f"DetectionEvaluator.compute: {column} has a NaN or infinite value in row {row}"
                    " of all images"
                )
        tables = found.precision, found.recall, found.scores
        settings |= {"max_det": self.max_detections[-1], "similarity_of": similarity_of}
        sides = partial(host_sides, dets, gts, **settings)
        return self._result(classes, tables, found.n_regular, sides, len(splits) - 1)

    def _result(
        self, classes: Any, tables: Any, n_regular: Any, sides: Any, images: int
    ) -> DetectionResult:
        precision, recall, scores = tables
        return DetectionResult(
            classes, precision, recall, scores, self.iou_thresholds.copy(),
            self.recall_thresholds.copy(), dict(self.area_ranges), self.max_detections,
            n_regular[:, 0], sides, images,
        )  # fmt: skip
