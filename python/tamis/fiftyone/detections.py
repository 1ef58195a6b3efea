"""`evaluate_detections` in bulk: columns in, one matcher call, one update per sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fiftyone.core.fields as fof
import fiftyone.core.labels as fol
import fiftyone.core.validation as fov
import fiftyone.utils.eval.coco as foucoco
import fiftyone.utils.eval.detection as foudet
import fiftyone.utils.eval.openimages as fououi
import numpy as np

from tamis._shared.arrays import Array
from tamis.fiftyone import _bson_columns, _documents, _hierarchy, _runs, _sides
from tamis.fiftyone._curves import Ties, coco_curves, open_images_curves
from tamis.fiftyone._documents import Update
from tamis.fiftyone._matching import Matched, Rule, Sides, match
from tamis.fiftyone._original import in_place_of

fiftyone_evaluate_detections = foudet.evaluate_detections
MOST_IOU = 1 - 1e-10  # a threshold of 1 would miss equal boxes


@in_place_of(fiftyone_evaluate_detections)
def evaluate_detections(
    samples: Any,
    pred_field: str,
    gt_field: str = "ground_truth",
    eval_key: str | None = None,
    classes: Any = None,
    missing: str | None = None,
    method: Any = None,
    iou: float = 0.50,
    use_masks: bool = False,
    use_boxes: bool = False,
    classwise: bool = True,
    dynamic: bool = True,
    custom_metrics: Any = None,
    progress: Any = None,
    *,
    ties: Ties = "fiftyone",
    **kwargs: Any,
) -> Any:
    """All samples are read and written at once.

    Arguments, fields, run and results are those of FiftyOne 1.22, to the last bit.

    Parameters
    ----------
    ties : {"fiftyone", "coco"}
        With ``compute_mAP=True``, how detections of equal confidence are ordered. Default
        "fiftyone": true positives first, which raises the mAP of rounded confidences. "coco": in
        input order, image by image, as in pycocotools.

    Returns
    -------
    fiftyone.utils.eval.detection.DetectionResults
        `COCODetectionResults` or `OpenImagesDetectionResults` as in FiftyOne.

    Raises
    ------
    ValueError
        As in FiftyOne. Nothing is written then: everything is computed before the first write, and
        a failed write rolls the run back.

    Notes
    -----
    Methods ``coco`` and ``open-images``; boxes are compared in compiled code, masks, polylines and
    keypoints by FiftyOne. Temporal detections, video frames, patches, methods of your own, and Open
    Images with ``expand_pred_hierarchy``, or with other shapes than boxes and a hierarchy or label
    fields, run in FiftyOne's function. Memory: about 300 bytes per label. Source:
    `fiftyone.utils.eval`.
    """
    if ties not in ("fiftyone", "coco"):
        raise ValueError(f"evaluate_detections: ties must be 'fiftyone' or 'coco', got {ties!r}")
    fov.validate_non_grouped_collection(samples)
    fov.validate_collection_label_fields(
        samples, (pred_field, gt_field),
        (fol.Detections, fol.Polylines, fol.Keypoints, fol.TemporalDetections), same_type=True,
    )  # fmt: skip
    options = dict(kwargs, iou=iou, classwise=classwise, custom_metrics=custom_metrics)
    temporal = issubclass(samples._get_label_field_type(gt_field), fol.TemporalDetections)
    if not temporal:
        options |= dict(use_masks=use_masks, use_boxes=use_boxes)
    config = foudet._parse_config(pred_field, gt_field, method, temporal, **options)
    found = _read(samples, config, progress) if supported(samples, config) else None
    if found is None:
        if ties == "coco" and getattr(config, "compute_mAP", False):
            raise ValueError("evaluate_detections: ties='coco' needs samples that tamis can match")
        return fiftyone_evaluate_detections(
            samples, pred_field, gt_field=gt_field, eval_key=eval_key, classes=classes,
            missing=missing, method=method, iou=iou, use_masks=use_masks, use_boxes=use_boxes,
            classwise=classwise, dynamic=dynamic, custom_metrics=custom_metrics, progress=progress,
            **kwargs,
        )  # fmt: skip
    evaluation = config.build()
    evaluation.ensure_requirements()
    if eval_key is not None:
        evaluation.validate_run(samples, eval_key)
    ids, sides = found
    foudet.logger.info("Evaluating detections...")
    outcome = Outcome.of(sides, config, classes, ties)
    results = _results(samples, evaluation, eval_key, outcome, classes, missing)
    if eval_key is None:
        evaluation.compute_custom_metrics(samples, eval_key, results)
    else:
        written = outcome.written(samples, ids, eval_key)
        _save(samples, evaluation, eval_key, results, ids, written, dynamic, progress)
    return results


def _save(
    samples: Any, evaluation: Any, key: str, results: Any, ids: Array,
    written: tuple[dict[str, list[Any]], list[Update]], dynamic: bool, progress: Any,
) -> None:  # fmt: skip
    config, (fields, updates) = evaluation.config, written
    with _runs.saved(samples, evaluation, key, results, (config.pred_field, config.gt_field)):
        evaluation.register_samples(samples, None)
        _documents.declare(samples, _schema(samples, config, key, dynamic))
        with _documents.bar(len(ids), progress) as bar:
            _documents.write(samples, ids, updates, fields, bar.update)
        evaluation.compute_custom_metrics(samples, key, results)


def _schema(samples: Any, config: Any, key: str, dynamic: bool) -> dict[str, type]:
    """The fields that `DetectionEvaluation.register_samples` declares."""
    schema = {f"{key}_{name}": fof.IntField for name in ("tp", "fp", "fn")}
    for field in (config.gt_field, config.pred_field) if dynamic else ():
        path = _bson_columns.list_path(samples, field)
        schema |= {
            f"{path}.{key}": fof.StringField,
            f"{path}.{key}_id": fof.StringField,
            f"{path}.{key}_iou": fof.FloatField,
        }
    return schema


def supported(samples: Any, config: Any) -> bool:
    """Whether these samples and options are matched here, not in FiftyOne's own function."""
    fields = config.gt_field, config.pred_field
    if samples._is_generated or any(samples._is_frame_field(field) for field in fields):
        return False
    if config.gt_field == config.pred_field:  # each label would be written twice
        return False
    if type(config) is fououi.OpenImagesEvaluationConfig:
        return _hierarchy.supported(samples, config)
    if type(config) is not foucoco.COCOEvaluationConfig:
        return False
    return not config.compute_mAP or len(config.iou_threshs) > 0


def _read(samples: Any, config: Any, progress: Any) -> tuple[Array, Sides] | None:
    found = _sides.from_columns(samples, config)
    if found is None:
        if _hierarchy.applies(config):
            return None
        found = _sides.from_objects(samples, config, progress)
    ids, sides = found
    odd = np.isnan(sides.confidence).any()  # Python's sort of NaN is nobody else's
    if odd or sides.dets.has_repeated_ids() or sides.gts.has_repeated_ids():
        return None
    if not _hierarchy.applies(config):
        return found
    evaluated = _hierarchy.apply(samples, ids, sides, config)
    return None if evaluated is None else (ids, evaluated)


@dataclass
class Outcome:
    """What an evaluation found, before any of it is written."""

    sides: Sides
    matched: Matched  # at config.iou
    slots: Array  # matches as FiftyOne lists them: d for a detection, ~g for a free ground truth
    curves: Any = None

    @classmethod
    def of(cls, sides: Sides, config: Any, classes: Any, ties: Ties) -> Outcome:
        open_images = config.method == "open-images"
        rule: Rule = "open-images" if open_images else "coco"
        matched = match(
            sides, [min(config.iou, MOST_IOU)], rule=rule, classwise=config.classwise,
            max_preds=config.max_preds if open_images else None,
        )  # fmt: skip
        order = matched.order
        is_gt = order < 0
        listed = np.ones(len(order), bool)
        listed[is_gt] = matched.gt_det[0, ~order[is_gt]] < 0
        if open_images:  # of a crowd's detections only the first is listed
            gt = matched.det_gt[0, order[~is_gt]]
            listed[~is_gt] = (gt < 0) | (matched.gt_det[0, gt] == order[~is_gt])
        outcome = cls(sides, matched, order[listed])
        if open_images:
            outcome.curves = open_images_curves(outcome.matches(), classes)
        elif config.compute_mAP:
            foucoco.logger.info("Performing IoU sweep...")
            swept = match(
                sides, config.iou_threshs, rule="coco", classwise=config.classwise,
                max_preds=config.max_preds,
            )  # fmt: skip
            outcome.curves = coco_curves(sides, swept, classes, ties)
        return outcome

    def _columns(self) -> tuple[Array, Array]:
        """Detection and ground truth of each listed match, -1 for none."""
        det = np.where(self.slots >= 0, self.slots, -1)
        gt = np.where(self.slots >= 0, -1, ~self.slots)
        matched = det >= 0
        gt[matched] = self.matched.det_gt[0, det[matched]]
        return det, gt

    def matches(self) -> list[tuple[Any, ...]]:
        """``(gt_label, pred_label, iou, confidence, gt_id, pred_id)``, as FiftyOne lists them."""
        sides = self.sides
        det, gt = self._columns()
        names = np.array([*sides.texts, None], object)
        iou = objects(self.matched.det_iou[0], self.matched.det_gt[0] >= 0)
        confidence = objects(sides.confidence, sides.has_confidence)
        columns = [
            names[with_none(sides.gt_label, -1)[gt]], names[with_none(sides.det_label, -1)[det]],
            with_none(iou)[det], with_none(confidence)[det],
            with_none(np.array(sides.gts.ids, object))[gt],
            with_none(np.array(sides.dets.ids, object))[det],
        ]  # fmt: skip
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def tallies(self, n_samples: int) -> list[list[int]]:
        """True positives, false positives, false negatives of each sample."""
        sides = self.sides
        det, gt = self._columns()
        det_label = with_none(sides.det_label, -1)[det]
        gt_label = with_none(sides.gt_label, -1)[gt]
        fp = (gt_label < 0) | ((det_label >= 0) & (gt_label != det_label))
        fn = (gt_label >= 0) & (gt_label != det_label)
        sample = np.where(
            det >= 0, with_none(sides.dets.sample, -1)[det], with_none(sides.gts.sample, -1)[gt]
        )
        kinds = (~fp & ~fn, fp, fn)
        return [np.bincount(sample[kind], minlength=n_samples).tolist() for kind in kinds]

    def written(
        self, samples: Any, ids: Array, key: str
    ) -> tuple[dict[str, list[Any]], list[Update]]:
        """Fields of samples and attributes of labels under an evaluation key."""
        sides, found = self.sides, self.matched
        tallies = zip(("tp", "fp", "fn"), self.tallies(len(ids)), strict=True)
        fields = {f"{key}_{name}": values for name, values in tallies}
        same = with_none(sides.gt_label, -2)[found.det_gt[0]] == sides.det_label
        hit = found.det_gt[0] >= 0
        det_words = np.where(hit & same, "tp", "fp").astype(object)
        det_words[~found.kept] = None
        same = with_none(sides.det_label, -2)[found.gt_det[0]] == sides.gt_label
        gt_words = np.where((found.gt_det[0] >= 0) & same, "tp", "fn")
        det_part, gt_part = sides.parts or (None, None)
        updates = []
        for side, part, words, other, partner, iou in (
            (sides.gts, gt_part, gt_words, sides.dets, found.gt_det[0], found.gt_iou[0]),
            (sides.dets, det_part, det_words, sides.gts, found.det_gt[0], found.det_iou[0]),
        ):
            names = np.array([*other.ids, ""], object)[partner]
            values = {
                key: words,
                f"{key}_id": names,
                f"{key}_iou": objects(iou, partner >= 0),
            }
            written = None
            if part is not None:
                side, rows = part.whole, part.row[part.own]
                written = np.zeros(len(side), bool)
                written[rows] = True
                for name, column in values.items():
                    values[name] = np.full(len(side), None, object)
                    values[name][rows] = column[part.own]
            place = _documents.positions(samples, ids, side)
            lists = {name: column.tolist() for name, column in values.items()}
            updates.append(Update(side, place, lists, written))
        return fields, updates


def with_none(values: Array, none: Any = None) -> Array:
    """`values` and one more, which index -1 finds."""
    return np.append(values, np.array([none], values.dtype))


def objects(values: Array, there: Array) -> Array:
    """Python numbers, None where there is none."""
    column = values.astype(object)
    column[~there] = None
    return column


def _results(
    samples: Any, evaluation: Any, key: str | None, outcome: Outcome, classes: Any, missing: Any
) -> Any:
    config, matches = evaluation.config, outcome.matches()
    if config.method == "open-images":
        precision, recall, thresholds, classes = outcome.curves
        return fououi.OpenImagesDetectionResults(
            samples, config, key, matches, precision, recall, classes, thresholds=thresholds,
            missing=missing, backend=evaluation,
        )  # fmt: skip
    if outcome.curves is None:
        return foudet.DetectionResults(
            samples, config, key, matches, classes=classes, missing=missing, backend=evaluation
        )
    precision, recall, thresholds, classes, reached = outcome.curves
    return foucoco.COCODetectionResults(
        samples, config, key, matches, precision, recall, config.iou_threshs, classes,
        recall_sweep=reached, thresholds=thresholds, missing=missing, backend=evaluation,
    )  # fmt: skip
