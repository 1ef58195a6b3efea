"""Detections and ground truths of a field pair, from plain columns or from FiftyOne's objects."""

from __future__ import annotations

from typing import Any

import fiftyone.core.labels as fol
import fiftyone.utils.eval.coco as foucoco
import numpy as np
from bson import ObjectId

from tamis._shared.arrays import Array
from tamis.fiftyone import _bson_columns
from tamis.fiftyone._bson_columns import Columns, LabelList
from tamis.fiftyone._matching import Pairs, Sides

BOX: Columns = (
    ("_id", "id"), ("label", "text"), ("bounding_box", "box"),
    ("attributes", "empty"), ("dimensions", "empty"),
)  # fmt: skip


def from_columns(samples: Any, config: Any) -> tuple[Array, Sides] | None:
    """Boxes as columns, or None if any label is not a plain box (FiftyOne handles those)."""
    if (
        not issubclass(samples._get_label_field_type(config.gt_field), fol.Detections)
        or config.use_masks
        or not str(config.iscrowd).isidentifier()
        or config.iscrowd in dict(BOX)
    ):
        return None
    paths = [_bson_columns.list_path(samples, f) for f in (config.pred_field, config.gt_field)]
    crowd: Columns = ((config.iscrowd, "flag"),)
    got = _bson_columns.read(
        samples, [(paths[0], (*BOX, ("confidence", "number"))), (paths[1], BOX + crowd)]
    )
    if got is None or not all(plain_boxes(side) for side in got.lists):
        return None
    dets, gts = got.lists
    return got.ids, Sides(
        dets, gts, dets.columns["label"], gts.columns["label"], dets.columns["confidence"],
        dets.columns["has_confidence"] != 0, gts.columns[config.iscrowd], got.texts,
    )  # fmt: skip


def plain_boxes(side: LabelList) -> bool:
    """Whether every label has a finite box whose sides are not negative."""
    boxes = side.columns["bounding_box"]
    return bool(
        side.columns["has_bounding_box"].all()
        and np.isfinite(boxes).all()
        and (boxes[:, 2:] >= 0).all()
    )


class Collector:
    """Gathers columns from FiftyOne's objects, sample by sample."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.counts: list[int] = []
        self.labels: list[Any] = []

    def add(self, labels: Any) -> list[Any]:
        found: list[Any] = [] if labels is None else labels[labels._LABEL_LIST_FIELD]
        self.counts.append(-1 if labels is None else len(found))
        self.labels += found
        return found

    def label_list(self) -> LabelList:
        ids = b"".join(ObjectId(label.id).binary for label in self.labels)
        table = np.frombuffer(ids, np.uint8).reshape(-1, 12)
        return LabelList(self.path, np.array(self.counts, np.int64), {"_id": table})


def from_objects(samples: Any, config: Any, progress: Any) -> tuple[Array, Sides]:
    """Masks, polygons, keypoints and odd boxes: their similarities are FiftyOne's own."""
    paths = [_bson_columns.list_path(samples, f) for f in (config.pred_field, config.gt_field)]
    dets, gts = Collector(paths[0]), Collector(paths[1])
    ids: list[bytes] = []
    candidates: list[list[tuple[int, float]]] = []
    view = samples.select_fields([config.gt_field, config.pred_field])
    for sample in view.iter_samples(progress=progress):
        ids.append(ObjectId(sample.id).binary)
        first = len(gts.labels)
        mine = dets.add(sample[config.pred_field])
        theirs = gts.add(sample[config.gt_field])
        row = {gt.id: first + i for i, gt in enumerate(theirs)}
        _, similar, _ = foucoco._coco_evaluation_setup(
            foucoco._copy_labels(sample[config.gt_field]),
            foucoco._copy_labels(sample[config.pred_field]),
            ["_id_key"], "_iou_key", config,
        )  # fmt: skip
        candidates += [[(row[gt], iou) for gt, iou in similar[det.id]] for det in mine]
    names = {
        label.label: None
        for side in (gts, dets)
        for label in side.labels
        if label.label is not None
    }
    code = {name: i for i, name in enumerate(names)} | {None: -1}
    confidence = [_confidence(det) for det in dets.labels]
    has = np.array([c is not None for c in confidence], bool)
    crowd = [bool(gt.get_attribute_value(config.iscrowd, False)) for gt in gts.labels]
    table = np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 12)
    return table, Sides(
        dets.label_list(), gts.label_list(),
        np.array([code[det.label] for det in dets.labels], np.int32),
        np.array([code[gt.label] for gt in gts.labels], np.int32),
        np.array([c or 0.0 for c in confidence], np.float64), has,
        np.array(crowd, np.uint8), list(names),
        Pairs.of(np.ones(len(ids), np.uint8), candidates),
    )  # fmt: skip


def _confidence(det: Any) -> float | None:
    if isinstance(det, fol.Keypoint):
        return float(np.nanmean(det.confidence)) if det.confidence else None
    value: float | None = det.confidence
    return value
