"""IoUs of labels: of pairs, the largest of each label, and duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import fiftyone.core.fields as fof
import fiftyone.core.labels as fol
import fiftyone.core.validation as fov
import fiftyone.utils.iou as foui
import numpy as np

import tamis
from tamis._shared.arrays import Array
from tamis.fiftyone import _bson_columns, _documents
from tamis.fiftyone._bson_columns import LabelList, Read
from tamis.fiftyone._documents import Update
from tamis.fiftyone._matching import RTREE_LEAF
from tamis.fiftyone._original import in_place_of
from tamis.fiftyone._sides import BOX, plain_boxes

fiftyone_compute_ious = foui.compute_ious
fiftyone_compute_max_ious = foui.compute_max_ious
fiftyone_find_duplicates = foui.find_duplicates
KINDS = (fol.Detections, fol.Polylines, fol.Keypoints)


@in_place_of(fiftyone_compute_ious)
def compute_ious(
    preds: Sequence[Any],
    gts: Sequence[Any],
    iscrowd: Any = None,
    classwise: bool = False,
    use_masks: bool = False,
    use_boxes: bool = False,
    tolerance: float | None = None,
    keypoint_sigmas: Any = None,
    sparse: bool = False,
    error_level: int = 1,
    *,
    corrected: bool = False,
) -> Any:
    """Boxes are compared in compiled code.

    Parameters
    ----------
    corrected : bool
        `iscrowd` may be the name of an attribute, as documented; FiftyOne raises TypeError then.

    Returns
    -------
    (preds, gts) float64 array, or with `sparse` a dict of lists ``(gt.id, iou)`` by pred.id.

    Notes
    -----
    Bit-identical to FiftyOne. Masks, polylines, keypoints and cuboids are compared by
    FiftyOne, and so are sparse pairs of a list with itself or of over 100 `gts`, whose order is
    that of an R-tree.
    """
    if corrected and isinstance(iscrowd, str):
        name = iscrowd

        def iscrowd(label: Any) -> bool:
            return bool(label.get_attribute_value(name, False))

    plain = bool(preds) and bool(gts) and not (use_masks or isinstance(iscrowd, str))
    a, b = (_boxes(preds), _boxes(gts)) if plain else (None, None)
    tree = sparse and (preds is gts or len(gts) > RTREE_LEAF)
    if tree or a is None or b is None:
        return fiftyone_compute_ious(
            preds, gts, iscrowd=iscrowd, classwise=classwise, use_masks=use_masks,
            use_boxes=use_boxes, tolerance=tolerance, keypoint_sigmas=keypoint_sigmas,
            sparse=sparse, error_level=error_level,
        )  # fmt: skip
    ious = tamis.box_iou(a, b, fmt="xywh")
    crowd = np.array([iscrowd is not None and bool(iscrowd(gt)) for gt in gts])
    if crowd.any():
        ious[:, crowd] = tamis.box_iou(a, b[crowd], kind="iof", fmt="xywh")
    np.minimum(ious, 1, out=ious)
    apart = np.zeros(ious.shape, bool)
    if classwise:
        apart = np.array([[pred.label != gt.label for gt in gts] for pred in preds])
        ious[apart] = 0
    if preds is gts:  # the later one of a pair is the prediction
        return np.tril(ious) + np.tril(ious, -1).T
    return _sparse(preds, gts, ious, apart, a, b) if sparse else ious


def _boxes(labels: Sequence[Any]) -> Array | None:
    """(n, 4), or None where FiftyOne must say what these labels are."""
    if any(type(label) is not fol.Detection or foui._get_bbox_dim(label) == 3 for label in labels):
        return None
    try:
        boxes = np.array([label.bounding_box for label in labels], np.float64)
    except (TypeError, ValueError):
        return None
    plain = boxes.shape == (len(labels), 4) and np.isfinite(boxes).all()
    return boxes if plain and (boxes[:, 2:] >= 0).all() else None


def _sparse(preds: Any, gts: Any, ious: Array, apart: Array, a: Array, b: Array) -> dict[str, Any]:
    low, high = np.maximum(a[:, None, :2], b[:, :2]), a[:, None, :2] + a[:, None, 2:]
    touch = (low <= np.minimum(high, b[:, :2] + b[:, 2:])).all(axis=2) & ~apart
    found: dict[str, Any] = {pred.id: [] for pred in preds}
    for i, j in zip(*np.nonzero(touch), strict=True):
        found[preds[i].id].append((gts[j].id, float(ious[i, j])))
    return found


@in_place_of(fiftyone_compute_max_ious)
def compute_max_ious(
    sample_collection: Any,
    label_field: str,
    other_field: str | None = None,
    iou_attr: str = "max_iou",
    id_attr: str | None = None,
    progress: Any = None,
    **kwargs: Any,
) -> None:
    """All samples are read and written at once.

    Notes
    -----
    Bit-identical to FiftyOne. Everything is computed before the first write; if a write fails, a
    second call completes it. Other labels than boxes, video frames, patches and options other than
    `classwise` run in FiftyOne's function. Memory: about 200 bytes per label; with `id_attr` 8 more
    per pair of boxes of one image.
    """
    samples, other = sample_collection, other_field or label_field
    fov.validate_collection_label_fields(samples, (label_field, other), KINDS, same_type=True)
    attributes: dict[str, Any] = {iou_attr: fof.FloatField}
    attributes |= {id_attr: fof.StringField} if id_attr else {}
    fields = [label_field] if other == label_field else [label_field, other]
    got = None
    if not set(kwargs) - {"classwise"} and _writable(samples, fields, attributes):
        got = _read_boxes(samples, fields)
    if got is None:
        fiftyone_compute_max_ious(
            samples, label_field, other_field=other_field, iou_attr=iou_attr, id_attr=id_attr,
            progress=progress, **kwargs,
        )  # fmt: skip
        return
    classwise = kwargs.get("classwise", False)
    sides = got.lists
    updates = []
    for i, side in enumerate(sides):
        values = {iou_attr: _max_ious(side, sides[i - 1], classwise)}
        if id_attr:
            values[id_attr] = _max_ids(side, sides[i - 1], classwise)
        place = _documents.positions(samples, got.ids, side)
        updates.append(Update(side, place, values, nulls=True))
    with _documents.bar(len(got.ids), progress) as bar:
        _documents.write(samples, got.ids, updates, step=bar.update)


def _writable(samples: Any, fields: list[str], attributes: dict[str, Any]) -> bool:
    """Whether plain boxes may get these attributes without FiftyOne's serialisation."""
    for field in fields:
        if samples._is_generated or samples._is_frame_field(field):
            return False
        if not issubclass(samples._get_label_field_type(field), fol.Detections):
            return False
        path = _bson_columns.list_path(samples, field)
        for name, kind in attributes.items():
            known = samples.get_field(f"{path}.{name}")
            if name in dict(BOX) or not (isinstance(name, str) and name.isidentifier()):
                return False
            if known is not None and (type(known) is not kind or known.read_only):
                return False
    return True


def _read_boxes(samples: Any, fields: list[str]) -> Read | None:
    got = _bson_columns.read(samples, [(_bson_columns.list_path(samples, f), BOX) for f in fields])
    return got if got is not None and all(plain_boxes(side) for side in got.lists) else None


def _alone(side: LabelList, other: LabelList) -> Array:
    """Labels without another one to be compared with."""
    others = np.maximum(other.counts, 0) - (1 if side is other else 0)
    return np.asarray(others[side.sample] <= 0)


def _max_ious(side: LabelList, other: LabelList, classwise: bool) -> list[Any]:
    labels = side.columns["label"], other.columns["label"]
    pair: dict[str, Any] = {}
    if side is not other:
        pair = {"other": other.columns["bounding_box"], "other_splits": other.splits}
        if classwise:
            pair["other_labels"] = labels[1]
    most = tamis.max_iou(
        side.columns["bounding_box"], side.splits, labels=labels[0] if classwise else None,
        fmt="xywh", **pair,
    )  # fmt: skip
    values = most.astype(object)
    values[_alone(side, other)] = None
    return list(values)


def _max_ids(side: LabelList, other: LabelList, classwise: bool) -> list[str | None]:
    """Ids of the labels of largest IoU, the first of equals."""
    ious, pair_splits = tamis.box_iou_batched(
        side.columns["bounding_box"], side.splits, other.columns["bounding_box"], other.splits,
        fmt="xywh",
    )  # fmt: skip
    np.minimum(ious, 1, out=ious)
    labels = side.columns["label"], other.columns["label"]
    ids: list[str | None] = [None] * len(side)
    for i in np.flatnonzero((side.counts > 0) & (other.counts > 0)):
        mine = slice(*side.splits[i : i + 2])
        theirs = slice(*other.splits[i : i + 2])
        table = ious[pair_splits[i] : pair_splits[i + 1]].reshape(side.counts[i], other.counts[i])
        if classwise:
            table[labels[0][mine, None] != labels[1][None, theirs]] = 0
        if side is other:
            np.fill_diagonal(table, -1)
        chosen = theirs.start + table.argmax(axis=1)
        ids[mine] = [other.ids[j] for j in chosen]
    return [None if alone else i for i, alone in zip(ids, _alone(side, other), strict=True)]


@in_place_of(fiftyone_find_duplicates)
def find_duplicates(
    sample_collection: Any,
    label_field: str,
    iou_thresh: float = 0.999,
    method: str = "simple",
    progress: Any = None,
    **kwargs: Any,
) -> list[str]:
    """FiftyOne's list, in its order; all samples are read at once.

    Notes
    -----
    Other labels than boxes, video frames, patches, a negative threshold and options other than
    `classwise` run in FiftyOne's function. Cost and memory as :func:`tamis.find_duplicate_boxes`.
    """
    samples = sample_collection
    fov.validate_collection_label_fields(samples, label_field, KINDS)
    got = None
    rule: Literal["simple", "greedy"] = "greedy" if method == "greedy" else "simple"
    if (
        method == rule
        and iou_thresh >= 0
        and not set(kwargs) - {"classwise"}
        and _writable(samples, [label_field], {})
    ):
        got = _read_boxes(samples, [label_field])
    if got is None:
        theirs: list[str] = fiftyone_find_duplicates(
            samples, label_field, iou_thresh=iou_thresh, method=method, progress=progress, **kwargs
        )
        return theirs
    (side,) = got.lists
    found = tamis.find_duplicate_boxes(
        side.columns["bounding_box"], side.splits, threshold=iou_thresh,
        labels=side.columns["label"] if kwargs.get("classwise") else None,
        method=rule, fmt="xywh",
    )  # fmt: skip
    return [side.ids[i] for i in found.duplicates]
