"""Brain's mistakenness and hardness, in bulk."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import fiftyone.brain as fob
import fiftyone.brain.internal.core.hardness as brain_hardness
import fiftyone.brain.internal.core.mistakenness as brain_mistakenness
import fiftyone.core.fields as fof
import fiftyone.core.labels as fol
import fiftyone.core.validation as fov
import fiftyone.utils.eval.detection as foudet
import numpy as np

import tamis
from tamis._shared.arrays import Array
from tamis.fiftyone import _bson_columns, _documents, _runs, _sides
from tamis.fiftyone._bson_columns import Columns
from tamis.fiftyone._documents import Update
from tamis.fiftyone._matching import Matched, Sides, match
from tamis.fiftyone._original import in_place_of

fiftyone_compute_mistakenness = fob.compute_mistakenness
fiftyone_compute_hardness = fob.compute_hardness
CLASSIFICATION: Columns = (("label", "text"), ("confidence", "number"))


@in_place_of(fiftyone_compute_mistakenness)
def compute_mistakenness(
    samples: Any,
    pred_field: str,
    label_field: str,
    mistakenness_field: str = "mistakenness",
    missing_field: str = "possible_missing",
    spurious_field: str = "possible_spurious",
    use_logits: bool = False,
    copy_missing: bool = False,
    progress: Any = None,
    *,
    corrected: bool = False,
) -> None:
    """All samples are read and written at once.

    Parameters
    ----------
    corrected : bool
        Default False: what Brain 0.25 writes. True: the mistakenness of samples is always a float;
        Brain truncates it to an integer if the first sample has no match.

    Notes
    -----
    Boxes and single classifications by confidence; other labels, `use_logits`, `copy_missing`,
    video frames and patches run in Brain's function. Everything is computed before the first write,
    and a failed write rolls the run back. Cost: one IoU per pair of boxes of a sample.
    """
    fov.validate_collection_label_fields(
        samples, (pred_field, label_field), brain_mistakenness._ALLOWED_TYPES, same_type=True
    )
    ours = not (
        use_logits or copy_missing or samples._is_generated or samples._is_frame_field(label_field)
    )
    label_type = samples._get_label_field_type(pred_field)
    names = (mistakenness_field, missing_field, spurious_field)
    done = False
    if ours and label_type is fol.Detections:
        done = _detections(samples, pred_field, label_field, names, corrected, progress)
    elif ours and label_type is fol.Classification:
        done = _classifications(samples, pred_field, label_field, mistakenness_field, progress)
    if not done:
        fiftyone_compute_mistakenness(
            samples, pred_field, label_field, *names, use_logits, copy_missing, progress
        )
        return
    brain_mistakenness.logger.info("Mistakenness computation complete")


def _detections(
    samples: Any, pred_field: str, label_field: str, names: tuple[str, ...], corrected: bool,
    progress: Any,
) -> bool:  # fmt: skip
    """Return False if Brain's own function must handle this case; nothing is written then."""
    iou = brain_mistakenness._DETECTION_IOU
    if fo.evaluation_config.default_detection_backend != "coco":
        return False
    evaluation = foudet._parse_config(
        pred_field, label_field, None, False, iou=iou, classwise=False, use_masks=False
    )
    read = _sides.from_columns(samples, evaluation)
    if read is None or read[1].dets.has_repeated_ids() or read[1].gts.has_repeated_ids():
        return False
    ids, sides = read
    key = brain_mistakenness._make_eval_key(samples, names[0])
    config = brain_mistakenness.DetectionMistakennessConfig(
        pred_field, label_field, *names, False, False, key
    )
    run = _run(samples, config, names[0])
    foudet.logger.info("Evaluating detections...")
    matched = match(sides, [iou], rule="coco", classwise=False, max_preds=None)
    brain_mistakenness.logger.info("Computing mistakenness...")
    if not sides.has_confidence.all():
        i = int(np.argmin(sides.has_confidence))
        sample = _bson_columns.hex_ids(ids)[sides.dets.sample[i]]
        raise ValueError(
            f"Detection '{sides.dets.ids[i]}' in sample '{sample}' field '{pred_field}' has no"
            " confidence"
        )
    found = _judge(sides, matched)
    worst = found.image_mistakenness.tolist()
    known = samples.get_field(names[0])
    kind = fof.FloatField if known is None else type(known)
    if known is None and worst and worst[0] == -1 and not corrected:
        kind = fof.IntField
    if kind is fof.IntField and not corrected:
        worst = [int(value) for value in worst]
    fields = {
        names[0]: worst,
        names[1]: found.image_missing.tolist(),
        names[2]: found.image_spurious.tolist(),
    }
    schema = {names[0]: kind, names[1]: fof.IntField, names[2]: fof.IntField}
    if corrected:
        schema[names[0]] = fof.FloatField
    updates = _label_updates(samples, ids, sides, found, names)
    with _runs.saved(samples, run, names[0], None, cleanup=False):
        if len(ids):
            _documents.declare(samples, schema)
        with _documents.bar(len(ids), progress) as bar:
            _documents.write(samples, ids, updates, fields, bar.update)
    return True


def _judge(sides: Sides, matched: Matched) -> tamis.LabelMistakes:
    return tamis.mistakes_of_matches(
        matched.det_gt[0], matched.gt_det[0], matched.det_iou[0], sides.confidence,
        sides.dets.splits, sides.gts.splits, labels=sides.det_label, gt_labels=sides.gt_label,
        iou=brain_mistakenness._DETECTION_IOU,
        missing_confidence=brain_mistakenness._MISSED_CONFIDENCE_THRESHOLD,
    )  # fmt: skip


def _label_updates(
    samples: Any, ids: Array, sides: Sides, found: tamis.LabelMistakes, names: tuple[str, ...]
) -> list[Update]:
    mistakenness, missing, spurious = names
    judged = ~np.isnan(found.mistakenness)

    def where(values: Array, there: Array) -> list[Any]:
        column = values.astype(object)
        column[~there] = None
        return list(column)

    place = [_documents.positions(samples, ids, side) for side in (sides.gts, sides.dets)]
    gt_values = {
        mistakenness: where(found.mistakenness, judged),
        f"{mistakenness}_loc": where(found.mistakenness_loc, judged),
        spurious: where(found.possible_spurious, found.possible_spurious),
    }
    det_values = {missing: where(found.possible_missing, found.possible_missing)}
    return [Update(sides.gts, place[0], gt_values), Update(sides.dets, place[1], det_values)]


def _classifications(
    samples: Any, pred_field: str, label_field: str, field: str, progress: Any
) -> bool:
    got = _bson_columns.read(samples, [(pred_field, CLASSIFICATION), (label_field, CLASSIFICATION)])
    if got is None:
        return False
    config = brain_mistakenness.ClassificationMistakennessConfig(
        pred_field, label_field, field, False
    )
    run = _run(samples, config, field)
    brain_mistakenness.logger.info("Computing mistakenness...")
    preds, labels = got.lists
    predicted, labelled = preds.counts > 0, labels.counts > 0
    codes = np.full((2, len(got.ids)), -1)
    codes[0, predicted], codes[1, labelled] = preds.columns["label"], labels.columns["label"]
    confidence = np.zeros(len(got.ids))
    confidence[predicted] = preds.columns["confidence"]
    unsure = np.flatnonzero(predicted)[preds.columns["has_confidence"] == 0]
    if len(unsure):
        sample = _bson_columns.hex_ids(got.ids)[unsure[0]]
        raise ValueError(f"Sample '{sample}' field '{pred_field}' has no confidence")
    scores = tamis.classification_mistakes(
        codes[0] == codes[1], confidence=confidence, predicted=predicted, labelled=labelled
    )
    _save_scores(samples, run, field, got.ids, scores, progress)
    return True


@in_place_of(fiftyone_compute_hardness)
def compute_hardness(
    samples: Any, label_field: str, hardness_field: str = "hardness", progress: Any = None
) -> None:
    """All samples are read and written at once.

    Notes
    -----
    Bit-identical to Brain. Everything is computed before the first write, and a failed write rolls
    the run back. Video frames and patches run in Brain's function.
    """
    fov.validate_collection(samples)
    fov.validate_collection_label_fields(samples, label_field, brain_hardness._ALLOWED_TYPES)
    if samples._is_generated or samples._is_frame_field(label_field):
        fiftyone_compute_hardness(samples, label_field, hardness_field, progress)
        return
    run = _run(samples, brain_hardness.HardnessConfig(label_field, hardness_field), hardness_field)
    sample_ids, there, logits = samples.values(
        ["id", f"{label_field}._cls", f"{label_field}.logits"], _allow_missing=True
    )
    brain_hardness.logger.info("Computing hardness...")
    scores = np.full(len(sample_ids), np.nan)
    by_shape: dict[Any, list[int]] = {}
    for i, (label, values) in enumerate(zip(there, logits, strict=True)):
        if label is None:
            continue
        if values is None:
            raise ValueError(f"Sample '{sample_ids[i]}' field '{label_field}' has no logits")
        row = np.asarray(values)
        by_shape.setdefault((row.shape, row.dtype.str), []).append(i)
    for rows in by_shape.values():
        scores[rows] = tamis.hardness(np.array([logits[i] for i in rows]))
    ids = _documents.id_bytes(sample_ids)
    _save_scores(samples, run, hardness_field, ids, scores, progress)
    brain_hardness.logger.info("Hardness computation complete")


def _run(samples: Any, config: Any, field: str) -> Any:
    """A run that may be registered under the name of the field."""
    run = config.build()
    run.ensure_requirements()
    run.validate_run(samples, field)
    return run


def _save_scores(
    samples: Any, run: Any, field: str, ids: Array, scores: Array, progress: Any
) -> None:
    """Write one number per sample, None for NaN, as a run with the field's name."""
    values = [None if score != score else score for score in scores.tolist()]
    with _runs.saved(samples, run, field, None, cleanup=False):
        if any(value is not None for value in values):
            samples._dataset.add_sample_field(field, fof.FloatField)
        with _documents.bar(len(ids), progress) as bar:
            _documents.write(samples, ids, [], {field: values}, bar.update)
