"""FiftyOne's matchers on columns: which detection takes which ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import fiftyone.core.labels as fol
import fiftyone.utils.iou as foui
import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.fiftyone._bson_columns import LabelList

Rule = Literal["coco", "open-images"]
RTREE_LEAF = 100  # an R-tree of so many boxes is one leaf and finds them in insertion order


@dataclass
class Sides:
    """Detections and ground truths of all samples, as the matcher wants them.

    Attributes
    ----------
    dets, gts : LabelList
    det_label, gt_label : (n,) and (m,) int32
        Positions among `texts`, -1 for none.
    confidence, has_confidence : (n,) float64 and bool
    crowd : (m,) uint8
    texts : list of str
    pairs : Pairs, optional
        Given similarities; None: boxes are compared.
    parts : (Part, Part), optional
        Which of the stored detections and ground truths these are; None: all of them.
    """

    dets: LabelList
    gts: LabelList
    det_label: Array
    gt_label: Array
    confidence: Array
    has_confidence: Array
    crowd: Array
    texts: list[str]
    pairs: Pairs | None = None
    parts: tuple[Part, Part] | None = None


@dataclass
class Part:
    """Labels that are evaluated: some of a list, some of them under several names."""

    whole: LabelList
    row: Array  # (n,) in `whole`
    own: Array  # (n,) bool: under its own name, and so written


@dataclass
class Pairs:
    """Candidates of each detection, in the order in which they are tried."""

    given: Array  # (samples,) uint8
    splits: Array  # (n + 1,)
    gts: Array  # int32
    iou: Array

    @classmethod
    def of(cls, given: Array, candidates: list[list[tuple[int, float]]]) -> Pairs:
        flat = [pair for found in candidates for pair in found]
        lengths = np.fromiter(map(len, candidates), np.int64, len(candidates))
        return cls(
            given,
            np.concatenate([[0], np.cumsum(lengths)]),
            np.array([g for g, _ in flat], np.int32),
            np.array([iou for _, iou in flat], np.float64),
        )


@dataclass
class Matched:
    """For T thresholds, n detections and m ground truths; -1 for no partner, IoU 0 there."""

    order: Array  # (n + m,) d for a detection, ~g for a ground truth, as FiftyOne lists them
    kept: Array  # (n,) bool: within max_preds
    det_gt: Array  # (T, n)
    det_iou: Array  # (T, n)
    gt_det: Array  # (T, m) the first detection
    gt_iou: Array  # (T, m)


def match(
    sides: Sides, thresholds: list[float], *, rule: Rule, classwise: bool, max_preds: int | None
) -> Matched:
    n = len(sides.dets)
    empty = np.zeros(len(sides.dets.counts), np.uint8)
    pairs = sides.pairs or _crowded(sides, classwise) or Pairs.of(empty, [[]] * n)
    none = np.zeros(n, np.int32), np.zeros(len(sides.gts), np.int32)
    groups = (sides.det_label, sides.gt_label) if classwise else none
    boxes = [
        side.columns.get("bounding_box", np.zeros((len(side), 4)))
        for side in (sides.dets, sides.gts)
    ]
    order, kept, det_gt, det_iou, gt_det, gt_iou = _core.fiftyone_match(
        rule=("coco", "open-images").index(rule),
        max_dets=np.iinfo(np.int64).max if max_preds is None else max(max_preds, 0),
        thresholds=np.array(thresholds, np.float64),
        det_splits=sides.dets.splits, det_boxes=boxes[0], det_labels=sides.det_label,
        det_groups=groups[0], confidence=np.where(sides.has_confidence, sides.confidence, -1.0),
        gt_splits=sides.gts.splits, gt_boxes=boxes[1], gt_labels=sides.gt_label,
        gt_groups=groups[1], crowd=sides.crowd,
        given=pairs.given, pair_splits=pairs.splits, pair_gts=pairs.gts, pair_iou=pairs.iou,
    )  # fmt: skip
    listed = order < 0
    listed[~listed] = kept[order[~listed]] != 0
    return Matched(order[listed], kept != 0, det_gt, det_iou, gt_det, gt_iou)


def _crowded(sides: Sides, classwise: bool) -> Pairs | None:
    """Candidates of samples with more ground truths of one class than a leaf holds.

    Beyond it the order of FiftyOne's R-tree decides between equal IoUs and near crowds, so
    FiftyOne's function is called.
    """
    key = sides.gts.sample.astype(np.int64) << 32
    if classwise:
        key += sides.gt_label
    values, counts = np.unique(key, return_counts=True)
    crowded = np.unique((values[counts > RTREE_LEAF] + 1) >> 32)
    if len(crowded) == 0:
        return None
    given = np.zeros(len(sides.gts.counts), np.uint8)
    given[crowded] = 1
    candidates: list[list[tuple[int, float]]] = [[] for _ in range(len(sides.dets))]
    for sample in crowded:
        _ask_fiftyone(sides, int(sample), classwise, candidates)
    return Pairs.of(given, candidates)


def _ask_fiftyone(
    sides: Sides, sample: int, classwise: bool, candidates: list[list[tuple[int, float]]]
) -> None:
    dets = range(*sides.dets.splits[sample : sample + 2].tolist())
    gts = range(*sides.gts.splits[sample : sample + 2].tolist())
    for label in np.unique(sides.det_label[dets.start : dets.stop]) if classwise else [None]:
        mine = [d for d in dets if label is None or sides.det_label[d] == label]
        theirs = [g for g in gts if label is None or sides.gt_label[g] == label]
        theirs.sort(key=lambda g: sides.crowd[g])
        sparse = foui.compute_ious(
            [_detection(sides.dets, d) for d in mine],
            [_detection(sides.gts, g, crowd=bool(sides.crowd[g])) for g in theirs],
            iscrowd=lambda label: label.crowd,
            sparse=True,
        )
        row = {sides.gts.ids[g]: g for g in theirs}
        for d in mine:
            candidates[d] = [(row[gt], iou) for gt, iou in sparse[sides.dets.ids[d]]]


def _detection(side: LabelList, i: int, **attributes: Any) -> Any:
    box = side.columns["bounding_box"][i].tolist()
    return fol.Detection(id=side.ids[i], bounding_box=box, **attributes)
