"""The result object of an evaluation that ran with pycocotools' names."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis.evaluation.analysis import AnyEvaluation, Evaluated, view
from tamis.evaluation.average_precision import curves
from tamis.evaluation.detection_result import DetectionResult, Made
from tamis.evaluation.match_table import Sides

CAPS = {"keypoints": 1}  # of detections; three where they are not keypoints


def results(evaluation: AnyEvaluation) -> DetectionResult:
    """The `DetectionResult` of a `tamis.coco.COCOeval`, from its matches.

    Parameters
    ----------
    evaluation : tamis.coco.COCOeval
        After `evaluate`; `accumulate` and `summarize` need not have run. A `DetectionResult` is
        given back as it is.

    Returns
    -------
    DetectionResult
        `classes` and `image_ids` are the ids of categories and images, `class_names` the names of
        the ground truth; annotation ids stand in its analyses.

    Raises
    ------
    TypeError, ValueError
        Another object, or an evaluation that has not run; `params.maxDets` that are not three (one
        for keypoints), or `params.areaRngLbl` that do not begin with ``"all"``.

    Notes
    -----
    The numbers are those `summarize` prints where `maxDets` are COCO's; ``AP`` is over the largest
    of them, where pycocotools has -1 without a 100 among them. Edits of `evalImgs` do not count.
    Cost: that of `accumulate`.

    Examples
    --------
    >>> evaluation = tamis.coco.COCOeval(gt, dt, "bbox")  # doctest: +SKIP
    >>> evaluation.evaluate()  # doctest: +SKIP
    >>> tamis.results(evaluation).per_class()  # doctest: +SKIP
    """
    if isinstance(evaluation, DetectionResult):
        return evaluation
    name = "results"
    e = view(name, evaluation)
    p = e.settings
    check_settings(name, p)
    caps = tuple(int(cap) for cap in p.maxDets)
    tables = curves(
        e.table, e.dets.scores, recall_thresholds=p.recThrs, max_dets=caps, counts=e.gts.counts
    )
    areas = dict(zip(p.areaRngLbl, map(tuple, p.areaRng), strict=True))
    result = DetectionResult(
        e.kind, e.classes, np.array(p.iouThrs), np.array(p.recThrs), areas, caps, e.images,
        e.class_names,
    )  # fmt: skip
    sides, ids = Sides(e.dets, e.gts, e.table, e.similarity), (e.det_ids, e.gt_ids)
    options = options_of(evaluation, e)
    return result._with(Made(tables, e.table.n_regular, sides, ids=ids, options=options))


def names_of(ground_truth: Any) -> dict[Any, str]:
    """Names of the categories by id, of pycocotools' `COCO` too."""
    read = getattr(ground_truth, "_records", None)
    categories = read("categories") if read else ground_truth.dataset.get("categories", [])
    return {c["id"]: str(c["name"]) for c in categories if "name" in c}


def check_settings(function: str, p: Any) -> None:
    wanted = CAPS.get(p.iouType, 3)
    if len(p.maxDets) != wanted:
        raise ValueError(
            f"{function}: params.maxDets must have {wanted} numbers for {p.iouType},"
            f" got {list(p.maxDets)}"
        )
    labels = list(p.areaRngLbl)
    if labels[:1] != ["all"] or len(labels) != len(p.areaRng):
        raise ValueError(
            f"{function}: params.areaRngLbl must name the {len(p.areaRng)} ranges, the first"
            f" 'all', got {labels}"
        )


def options_of(evaluation: Any, e: Evaluated) -> dict[str, Any]:
    """What else differs between evaluations, as `DetectionResult.provenance` reports it."""
    p = e.settings
    images, classes = evaluation.cocoGt.getImgIds(), evaluation.cocoGt.getCatIds()
    return {
        "sigmas": getattr(p, "kpt_oks_sigmas", None),
        "dilation_ratio": getattr(p, "dilationRatio", None),
        "one_class": not p.useCats,
        "left_out_images": max(len(images) - len(e.images), 0),
        "left_out_classes": max(len(classes) - len(e.classes), 0) if p.useCats else 0,
    }
