"""torchmetrics' MeanAveragePrecision, evaluated by tamis; nothing else imports torchmetrics."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed
from torchmetrics.detection import MeanAveragePrecision as _Replaced  # is there beside torchvision
from torchmetrics.detection.helpers import _input_validator, _warning_on_too_many_detections
from torchmetrics.utilities.distributed import gather_all_tensors

from tamis._shared.arrays import Array
from tamis._shared.locks import LockedMetric
from tamis._shared.ragged import distinct
from tamis.coco._columns import Columns, KnownIds
from tamis.coco._plain import Evaluation
from tamis.coco.params import Params
from tamis.evaluation import summary
from tamis.evaluation.matching_cuda import DeviceRows, evaluate
from tamis.regions.masks import Masks
from tamis.regions.masks_input import join_texts
from tamis.torchmetrics._boxes import to_xywh
from tamis.torchmetrics._columns import (
    device_sides,
    dtypes,
    joined,
    packed,
    stays_on_device,
    unpacked,
    zeros_like,
)

_INTEGERS = {torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool}
_REGIONS = {"bbox": "boxes", "segm": "masks"}
_FLOATS = {torch.float32, torch.float64, torch.float16, torch.bfloat16}

__all__ = ["MeanAveragePrecision"]


class MeanAveragePrecision(LockedMetric, _Replaced):  # type: ignore[misc]
    """torchmetrics 1.9's class: change the import and nothing else.

    A subclass, so that arguments, errors, states, synchronisation, `plot`, `tm_to_coco` and
    `coco_to_tm` are torchmetrics' own; `update` and `compute` are not.

    Parameters
    ----------
    box_format, iou_type, iou_thresholds, rec_thresholds, max_detection_thresholds, class_metrics,
    extended_summary, average, backend, **kwargs
        As torchmetrics documents them. tamis evaluates for every backend; the backend only decides
        the number of detections of `map`: 100 for ``"pycocotools"``, which gives -1 if that is not
        one of `max_detection_thresholds`, and the last of these for ``"faster_coco_eval"``.

    Notes
    -----
    Bit-identical to the pycocotools backend. Tensors stay on their device until `compute`, which
    concatenates those of all images there. Boxes alone, without the extended summary, are then
    evaluated on a CUDA device if tamis was built with CUDA, and only tables are copied to the host;
    else each state is copied to the host once. Masks are compressed by `update`, on a CUDA device
    if they are there, and only the ends of their runs are copied to the host. Memory: the states,
    and about 150 bytes per box while `compute` runs, 300 on a device.

    Threads may share a metric, and such a process may fork: `update`, `forward`, `compute`,
    `reset`, copies and pickles run one at a time.

    Examples
    --------
    >>> from torch import tensor
    >>> from tamis.torchmetrics import MeanAveragePrecision
    >>> box = tensor([[258.0, 41.0, 606.0, 285.0]])
    >>> metric = MeanAveragePrecision()
    >>> metric.update(
    ...     [{"boxes": box, "scores": tensor([0.5]), "labels": tensor([0])}],
    ...     [{"boxes": box, "labels": tensor([0])}],
    ... )
    >>> metric.compute()["map"]
    tensor(1.)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_computed", "_update_count"):  # set by each update: no parameters or modules
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def update(self, preds: Any, target: Any) -> None:
        """Add images: one dict of tensors per image, as torchmetrics documents them.

        Raises
        ------
        ValueError
            torchmetrics' own, before anything is added.
        """
        if not _plain(preds, target, self.iou_type):
            _input_validator(preds, target, iou_type=self.iou_type)
        n, items = len(preds), [*preds, *target]
        boxes: list[Tensor] = []
        masks: list[Any] = []
        if "bbox" in self.iou_type:
            boxes = to_xywh([item["boxes"] for item in items], self.box_format)
        if "segm" in self.iou_type:
            masks = [_compressed(item["masks"]) for item in items]
        crowds, areas = [], []
        for item in target:
            none = zeros_like(item["labels"])
            crowds.append(item.get("iscrowd", none))
            areas.append(item.get("area", none))
        if self.warn_on_many_detections:
            most = self.max_detection_thresholds[-1]
            for item in preds:
                if item["labels"].shape[0] > most:
                    _warning_on_too_many_detections(most)
        self.detection_box.extend(boxes[:n])
        self.detection_mask.extend(masks[:n])
        for item in preds:
            self.detection_labels.append(item["labels"])
            self.detection_scores.append(item["scores"])
        self.groundtruth_box.extend(boxes[n:])
        self.groundtruth_mask.extend(masks[n:])
        for item in target:
            self.groundtruth_labels.append(item["labels"])
        self.groundtruth_crowds.extend(crowds)
        self.groundtruth_area.extend(areas)

    def compute(self) -> dict[str, Any]:
        """All numbers, as torchmetrics names them."""
        counts = list(map(Tensor.numel, self.groundtruth_labels))
        _check_values(self.groundtruth_box, self.groundtruth_labels, [])
        _check_values(self.detection_box, self.detection_labels, self.detection_scores)
        if stays_on_device(self):
            return self._on_device(counts)
        gts, dts = self._columns("groundtruth"), self._columns("detection")
        gts.iscrowd = (joined(self.groundtruth_crowds, counts) != 0).view(np.uint8)
        given = joined(self.groundtruth_area, counts)
        measured = _areas(gts, "segm" if "segm" in self.iou_type else "bbox")
        gts.area = np.where(given > 0, given, measured)
        dts.score = joined(self.detection_scores).astype(np.float64, copy=False)
        classes = distinct(gts.category_id, dts.category_id)
        images, empty = np.arange(len(counts)), len(counts) == 0
        if "bbox" not in self.iou_type:  # torchmetrics leaves out images that have no masks
            images = np.flatnonzero(counts)
            empty = len(images) == 0 or len(dts.id) == 0
        result: dict[str, Any] = {}
        for place, kind in enumerate(self.iou_type):
            prefix = f"{kind}_" if len(self.iou_type) > 1 else ""
            if empty:
                result |= self._stats(prefix, [-1.0] * 12)
                continue
            dts.area = _areas(dts, kind)
            evaluate = partial(self._evaluate, kind, gts, dts, images, classes)
            result |= self._of_kind(prefix, place, evaluate)
        return result | _classes(classes)

    def _of_kind(self, prefix: str, place: int, evaluate: Any) -> dict[str, Any]:
        """The numbers of one kind of regions."""
        # per-class metrics leave the classes apart for the second kind, in torchmetrics too
        pooled = self.average == "micro" and not (place and self.class_metrics)
        apart = evaluate(pooled=False) if self.class_metrics or not pooled else None
        result = self._numbers(prefix, evaluate(pooled=True) if pooled else apart)
        return result | self._per_class(prefix, apart)

    def _on_device(self, counts: list[int]) -> dict[str, Any]:
        """`compute` of boxes where the states live; only tables come to the host."""
        gts, dts, classes = device_sides(self, counts)
        result = self._of_kind("", 0, partial(self._evaluate_rows, gts, dts, classes))
        return result | _classes(classes)

    def _evaluate_rows(
        self, gts: DeviceRows, dts: DeviceRows, classes: Array, *, pooled: bool
    ) -> tuple[Params, None, dict[str, Array]]:
        """`_evaluate` on a device."""
        if pooled:
            classes = np.array([0])
            gts, dts = (replace(x, category=torch.zeros_like(x.category)) for x in (gts, dts))
        p = self._params("bbox", range(len(gts.splits) - 1), classes)
        found = evaluate(
            dts, gts, n_categories=len(classes), thresholds=p.iouThrs, area_ranges=p.areaRng,
            recall_thresholds=p.recThrs, max_dets=p.maxDets,
        )  # fmt: skip
        arrays = {key: getattr(found, key) for key in ("precision", "recall", "scores")}
        return p, None, arrays

    def _columns(self, side: str) -> Columns:
        """Boxes, masks and labels of one side, all images in one; areas are still to come."""
        labels = getattr(self, f"{side}_labels")
        image = np.repeat(np.arange(len(labels)), list(map(Tensor.numel, labels)))
        category = joined(labels).astype(np.int64, copy=False)
        columns = Columns(np.arange(1, len(image) + 1), image, category, np.empty(0))
        if "bbox" in self.iou_type:
            boxes = joined(getattr(self, f"{side}_box"))
            columns.bbox = boxes.reshape(-1, 4).astype(np.float64, copy=False)
        if "segm" in self.iou_type:
            masks = [mask for image in getattr(self, f"{side}_mask") for mask in image]
            sizes = np.reshape([size for size, _ in masks], (-1, 2))
            columns.masks = Masks._of(*join_texts([text for _, text in masks]), sizes)
        return columns

    def _evaluate(
        self, kind: str, gts: Columns, dts: Columns, images: Array, classes: Array, *, pooled: bool
    ) -> tuple[Params, Evaluation, dict[str, Array]]:
        if pooled:
            gts, dts, classes = _pool(gts), _pool(dts), np.array([0])
        p = self._params(kind, images.tolist(), classes)
        evaluation = Evaluation(gts, dts, KnownIds(p.imgIds), KnownIds(p.catIds), p)
        names = ("precision", "recall", "scores")
        return p, evaluation, dict(zip(names, evaluation.accumulate(p), strict=True))

    def _params(self, kind: str, images: Sequence[int], classes: Array) -> Params:
        p = Params(kind)
        p.iouThrs = np.array(self.iou_thresholds, np.float64)
        p.recThrs = np.array(self.rec_thresholds, np.float64)
        p.maxDets = sorted(self.max_detection_thresholds)
        p.imgIds, p.catIds = list(images), classes.tolist()
        return p

    def _rows(self, p: Params) -> list[summary.Row]:
        pycocotools = self._coco_backend.backend == "pycocotools"
        return summary.detection_rows(p.maxDets, 100 if pycocotools else p.maxDets[-1])

    def _numbers(self, prefix: str, evaluated: Any) -> dict[str, Any]:
        p, evaluation, arrays = evaluated
        result = self._stats(prefix, [summary.mean(arrays, p, row) for row in self._rows(p)])
        if self.extended_summary:
            result[f"{prefix}ious"] = {
                key: torch.tensor(iou, dtype=torch.float32) if len(iou) else iou
                for key, iou in evaluation.ious().items()
            }
            result |= {f"{prefix}{name}": torch.tensor(values) for name, values in arrays.items()}
        return result

    def _per_class(self, prefix: str, evaluated: Any) -> dict[str, Tensor]:
        values = [[-1.0, -1.0]]
        if self.class_metrics:
            p, _, arrays = evaluated
            rows = self._rows(p)
            both = [rows[0], rows[8]]
            values = [summary.of_class(arrays, p, both, k) for k in range(len(p.catIds))]
        columns = np.reshape(values, (-1, 2)).T.tolist()
        names = ("map_per_class", f"mar_{self.max_detection_thresholds[-1]}_per_class")
        return {
            f"{prefix}{name}": torch.tensor(column, dtype=torch.float32)
            for name, column in zip(names, columns, strict=True)
        }

    def _sync_dist(self, dist_sync_fn: Any = None, process_group: Any = None) -> None:
        """Gather the images of all processes: the first of each, the second of each, and so on.

        In one exchange; torchmetrics takes nine per image, and the same number of images in each
        process. A function of the caller is called as torchmetrics calls it.
        """
        if dist_sync_fn not in (None, gather_all_tensors):
            super()._sync_dist(dist_sync_fn, process_group)
            return
        group = process_group or self.process_group
        everyone: list[Any] = [None] * distributed.get_world_size(group)
        mine = {name: packed(getattr(self, name)) for name in self._reductions}
        distributed.all_gather_object(everyone, mine, group=group)
        for name in self._reductions:
            states = [unpacked(theirs[name], self.device) for theirs in everyone]
            rows = itertools.zip_longest(*states)
            setattr(self, name, [part for row in rows for part in row if part is not None])

    def _stats(self, prefix: str, values: list[float]) -> dict[str, Any]:
        named: dict[str, Any] = self._coco_backend._coco_stats_to_tensor_dict(
            values, prefix, self.max_detection_thresholds
        )
        return named


def _plain(preds: Any, target: Any, iou_type: Sequence[str]) -> bool:
    """Whether this is lists of dicts of plain tensors as long as their labels.

    torchmetrics' own check takes five times as long.
    """
    if not (type(preds) is type(target) is list and len(preds) == len(target)):
        return False
    try:
        for kind in iou_type:
            key = _REGIONS[kind]
            for pred, gt in zip(preds, target, strict=True):
                regions, scores, labels = pred[key], pred["scores"], pred["labels"]
                truth, classes = gt[key], gt["labels"]
                if not (
                    type(pred) is type(gt) is dict
                    and type(regions) is type(scores) is type(labels) is Tensor
                    and type(truth) is type(classes) is Tensor
                    and regions.shape[0] == scores.shape[0] == labels.shape[0]
                    and truth.shape[0] == classes.shape[0]
                ):
                    return False
    except (AttributeError, IndexError, KeyError, TypeError):
        return False
    return True


def _compressed(masks: Tensor) -> tuple[Any, ...]:
    """The masks of an image as torchmetrics keeps them: ((height, width), counts) each."""
    pixels = masks.detach()
    if len(pixels) == 0:
        return ()
    if pixels.dtype not in (torch.bool, torch.uint8):
        dtype = str(pixels.dtype).removeprefix("torch.")
        raise ValueError(f"Expected masks to be of type bool or uint8, but got {dtype}")
    packed = Masks._encode(pixels.transpose(1, 2))
    return tuple((tuple(one["size"]), one["counts"]) for one in packed.to_coco())


def _check_values(boxes: list[Tensor], labels: list[Tensor], scores: list[Tensor]) -> None:
    """Raise torchmetrics' errors for values of a wrong shape or type."""
    if (
        {shape[1:] for shape in set(map(attrgetter("shape"), boxes))} <= {(4,)}
        and set(map(Tensor.dim, [*labels, *scores])) <= {1}
        and dtypes(labels) <= _INTEGERS
        and dtypes(scores) <= _FLOATS
    ):
        return
    for i, part in enumerate(labels):
        if part.size(0) == 0:
            continue
        where = f"of sample {i}, element 0"
        if boxes and (boxes[i].ndim != 2 or boxes[i].size(1) != 4):
            raise ValueError(
                f"Invalid input box {where} (expected 4 values, got {len(boxes[i][0])})"
            )
        if part.ndim != 1 or part.is_floating_point() or part.is_complex():
            got = type(part.tolist()[0])
            raise ValueError(
                f"Invalid input class {where} (expected value of type integer, got type {got})"
            )
        if scores and (scores[i].ndim != 1 or not scores[i].is_floating_point()):
            got = type(scores[i].tolist()[0])
            raise ValueError(
                f"Invalid input score {where} (expected value of type float, got type {got})"
            )


def _classes(classes: Array) -> dict[str, Tensor]:
    return {"classes": torch.tensor(classes.tolist(), dtype=torch.int32)}


def _areas(columns: Columns, kind: str) -> Array:
    if kind == "bbox":
        assert columns.bbox is not None
        areas: Array = columns.bbox[:, 2] * columns.bbox[:, 3]
        return areas
    assert columns.masks is not None
    areas, columns.mask_boxes = columns.masks._measures()
    return areas


def _pool(columns: Columns) -> Columns:
    """All classes as one."""
    parts = {**vars(columns), "category_id": np.zeros_like(columns.category_id)}
    return Columns(**parts)
