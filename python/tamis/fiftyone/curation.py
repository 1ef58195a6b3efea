"""The curation loop on datasets: splits, drift, coverage, TIDE's error types, failures to mine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone.core.fields as fof
import fiftyone.core.labels as fol
import numpy as np

import tamis
from tamis._shared.arrays import Array
from tamis.evaluation.detection_errors import TYPES
from tamis.fiftyone import _bson_columns, _documents, _runs
from tamis.fiftyone._sides import BOX, plain_boxes
from tamis.fiftyone.selection import arguments, rows_of, values_of

SCORED = (*BOX, ("confidence", "number"))


def split(
    samples: Any,
    embeddings: Any = None,
    split_field: str = "split",
    *,
    groups: str | Sequence[str] | None = None,
    label_field: str | None = None,
    previous: bool = True,
    progress: Any = None,
    **options: Any,
) -> Any:
    """Divide samples into splits without leaks, and write each one's split.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
    embeddings : str or (N, D) array, optional
        The field that holds the embeddings, or those of `samples` in order: near-duplicates stay
        together.
    split_field : str
        The field of samples to write. Default "split".
    groups : str or sequence of str, optional
        Fields (video, scene, source) whose equal values stay together.
    label_field : str, optional
        A field of labels whose classes are balanced.
    previous : bool
        Whether samples that have a value in `split_field` keep it. Default True.
    progress : bool, optional
        As everywhere in FiftyOne.
    **options
        ``fractions``, ``seed``, ``threshold`` and ``metric`` of :func:`tamis.split`.

    Returns
    -------
    tamis.Split

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.split`. Nothing is written then.

    Notes
    -----
    Samples are known by their file paths. Cost and memory: :func:`tamis.split`.
    """
    name, ids = "split", samples.values("id")
    fields = [groups] if isinstance(groups, str) else list(groups or ())
    known = previous and samples.has_field(split_field)
    with _documents.counted(progress) as report, arguments(name, x="embeddings"):
        found = tamis.split(
            None if embeddings is None else values_of(name, samples, "embeddings", embeddings, ids),
            groups={field: samples.values(field) for field in fields} or None,
            labels=None if label_field is None else _classes(samples, label_field),
            keys=samples.values("filepath"),
            previous=samples.values(split_field) if known else None, progress=report, **options,
        )  # fmt: skip
    with _runs.field(samples, split_field, fof.StringField):
        values = [found.names[i] for i in found.split.tolist()]
        _documents.write(samples, _documents.id_bytes(ids), [], {split_field: values})
    return found


def drift(
    reference: Any,
    batch: Any,
    embeddings: str | None = None,
    *,
    label_field: str | None = None,
    progress: Any = None,
    **options: Any,
) -> Any:
    """Whether a batch of samples is like the reference, by their embeddings or by their labels.

    Parameters
    ----------
    reference, batch : fiftyone.core.collections.SampleCollection
    embeddings : str
        The field of both that holds the embeddings. Or instead:
    label_field : str
        The field of both that holds detections: classes, boxes and objects per image.
    progress : bool, optional
        As everywhere in FiftyOne.
    **options
        ``alpha``, ``permutations``, ``seed`` and the others of :func:`tamis.drift`.

    Returns
    -------
    tamis.Drift

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.drift`; where not one of both fields is given.

    Notes
    -----
    Boxes are those of FiftyOne, relative to their image. Cost and memory: :func:`tamis.drift`.
    """
    name = "drift"
    if (embeddings is None) == (label_field is None):
        raise ValueError(f"{name}: one of embeddings and label_field must be given")
    if label_field is not None:
        codes: dict[str, int] = {}
        given = [_annotations(name, side, label_field, codes) for side in (reference, batch)]
        return tamis.drift(*given, **options)
    rows = [
        values_of(name, side, "embeddings", embeddings, side.values("id"))
        for side in (reference, batch)
    ]
    with _documents.counted(progress) as report:
        return tamis.drift(*rows, progress=report, **options)


def coverage(
    samples: Any,
    labelled: Any,
    embeddings: Any,
    coverage_field: str = "coverage",
    *,
    progress: Any = None,
    **options: Any,
) -> Any:
    """Write how far each sample is from the nearest labelled one, and which hole it lies in.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
        The pool.
    labelled : view or list of ids
        Those of `samples` that are labelled.
    embeddings : str or (N, D) array
        The field that holds the embeddings, or those of `samples` in order.
    coverage_field : str
        ``coverage`` (default) gets the distance, ``coverage_hole`` the number of the hole, the
        largest first, -1 where a sample is covered.
    progress : bool, optional
        As everywhere in FiftyOne.
    **options
        ``eps``, ``k`` and ``metric`` of :func:`tamis.coverage`.

    Returns
    -------
    tamis.Coverage

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.coverage`. Nothing is written then.

    Notes
    -----
    Cost and memory: :func:`tamis.coverage`.
    """
    name, ids = "coverage", samples.values("id")
    rows = values_of(name, samples, "embeddings", embeddings, ids)
    with _documents.counted(progress) as report, arguments(name, pool="embeddings"):
        found = tamis.coverage(
            rows, rows_of(name, "labelled", labelled, ids), progress=report, **options
        )
    hole = f"{coverage_field}_hole"
    with (
        _runs.field(samples, coverage_field, fof.FloatField),
        _runs.field(samples, hole, fof.IntField),
    ):
        values = {coverage_field: found.distance.tolist(), hole: found.hole.tolist()}
        _documents.write(samples, _documents.id_bytes(ids), [], values)
    return found


def detection_errors(
    samples: Any,
    pred_field: str,
    gt_field: str = "ground_truth",
    error_field: str = "error",
    **options: Any,
) -> Any:
    """Write TIDE's error type of every detection and every missed object.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
    pred_field, gt_field : str
        Fields of detections with boxes; those of `pred_field` have confidences.
    error_field : str
        The attribute of labels to write, default "error": ``Cls``, ``Loc``, ``Both``, ``Dupe`` or
        ``Bkg`` of a wrong detection, ``Miss`` of a ground truth that none is about; other labels
        get none.
    **options
        ``iou``, ``background`` and ``max_detections`` of :func:`tamis.detection_errors`.

    Returns
    -------
    tamis.DetectionErrors

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.detection_errors`; for labels that are not boxes, or lack a confidence.
        Nothing is written then.

    Notes
    -----
    What an earlier call wrote is written over, with None where a label is right now. Memory: about
    300 bytes a label.
    """
    evaluated, ids, dets, gts, _ = _evaluation("detection_errors", samples, pred_field, gt_field)
    found = tamis.detection_errors(evaluated, **options)
    wrong = (found.kind >= 0) & ~found.ignored
    words = np.array([*TYPES, None], object)
    updates = []
    for side, kind in (
        (dets, np.where(wrong, found.kind, -1)),
        (gts, np.where(found.missed, TYPES.index("Miss"), -1)),
    ):
        place = _documents.positions(samples, ids, side)
        values = {error_field: words[kind].tolist()}
        updates.append(_documents.Update(side, place, values, nulls=True))
    schema = {f"{side.path}.{error_field}": fof.StringField for side in (dets, gts)}
    _documents.declare(samples, schema)
    _documents.write(samples, ids, updates)
    return found


def failures(samples: Any, pred_field: str, gt_field: str = "ground_truth", **options: Any) -> Any:
    """The samples a detector fails on, those to look at first at the front.

    Parameters
    ----------
    samples : fiftyone.core.collections.SampleCollection
    pred_field, gt_field : str
        As for `detection_errors`.
    **options
        ``count``, ``quota``, ``per_class`` and the others of :func:`tamis.failures`.

    Returns
    -------
    fiftyone.core.view.DatasetView
        What `select_next_batch` takes as `failures`.

    Raises
    ------
    ValueError, TypeError
        As :func:`tamis.failures` and `detection_errors`.
    """
    evaluated, ids, *_ = _evaluation("failures", samples, pred_field, gt_field)
    found = tamis.failures(evaluated, **options)
    known = _bson_columns.hex_ids(ids)
    return samples.select([known[i] for i in found.images.tolist()], ordered=True)


def _evaluation(
    name: str, samples: Any, pred_field: str, gt_field: str
) -> tuple[Any, Array, Any, Any, list[str]]:
    """(result, ids of the samples, detections, ground truths, names of the labels)."""
    crowd = (*BOX, ("iscrowd", "flag"))
    ids, (dets, gts), texts = _boxes(name, samples, {pred_field: SCORED, gt_field: crowd})
    if not dets.columns["has_confidence"].all():
        raise ValueError(f"{name}: pred_field must hold detections with confidences")
    evaluator = tamis.DetectionEvaluator(fmt="xywh")
    evaluator.update(
        {
            "boxes": dets.columns["bounding_box"], "labels": dets.columns["label"],
            "scores": dets.columns["confidence"], "splits": dets.splits,
        },
        {
            "boxes": gts.columns["bounding_box"], "labels": gts.columns["label"],
            "iscrowd": gts.columns["iscrowd"], "splits": gts.splits,
        },
    )  # fmt: skip
    return evaluator.compute(), ids, dets, gts, texts


def _boxes(name: str, samples: Any, fields: dict[str, Any]) -> tuple[Array, list[Any], list[str]]:
    """(ids of the samples, the list of each field, texts) of plain boxes."""
    for field in fields:
        if not issubclass(samples._get_label_field_type(field), fol.Detections):
            raise ValueError(f"{name}: {field!r} must be a field of detections")
    lists = [(_bson_columns.list_path(samples, f), columns) for f, columns in fields.items()]
    got = _bson_columns.read(samples, lists)
    if got is None or not all(plain_boxes(side) for side in got.lists):
        raise ValueError(f"{name}: {' and '.join(map(repr, fields))} must hold finite boxes")
    return got.ids, got.lists, got.texts


def _annotations(
    name: str, samples: Any, label_field: str, codes: dict[str, int]
) -> dict[str, Any]:
    """Columns as :func:`tamis.drift` takes them; `codes` numbers labels alike on both sides."""
    _, (side,), texts = _boxes(name, samples, {label_field: BOX})
    number = np.array([*(codes.setdefault(text, len(codes)) for text in texts), -1], np.int64)
    labels = number[side.columns["label"]]
    used = set(labels.tolist())
    return {
        "boxes": side.columns["bounding_box"], "labels": labels, "splits": side.splits,
        "classes": {code: text for text, code in codes.items() if code in used},
    }  # fmt: skip


def _classes(samples: Any, label_field: str) -> Any:
    """Classes of the samples as :func:`tamis.split` takes them."""
    kind = samples._get_label_field_type(label_field)
    if issubclass(kind, fol._HasLabelList):
        each = samples.values(f"{label_field}.{kind._LABEL_LIST_FIELD}.label")
    else:
        each = [[label] for label in samples.values(f"{label_field}.label")]
    counts = [len(labels or ()) for labels in each]
    values = [str(label) for labels in each for label in labels or ()]
    return np.array(values, str), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


__all__ = ["coverage", "detection_errors", "drift", "failures", "split"]
