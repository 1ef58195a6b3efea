"""FiftyOne's greedy matchers of detections and ground truths, batched over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tamis import _core
from tamis._shared import arrays, ragged
from tamis._shared.columns import Format, check_format, finite, read_column, read_levels, to_xywh
from tamis._shared.results import Result, spread
from tamis._shared.typed import AnyArray, AnyColumn
from tamis.evaluation.matching import class_positions

Rule = Literal["coco", "open-images"]
RULES = ("coco", "open-images")  # in the order of tamis::FiftyoneRule


@dataclass(frozen=True, eq=False, repr=False)
class FiftyoneMatches(Result):
    """What `match_fiftyone` found, for n detections, m ground truths and T thresholds.

    Attributes
    ----------
    gt : (T, n) int64
        Row of the ground truth each detection matched, -1 for none.
    iou : (T, n) float64
        Their IoU, NaN for none.
    det : (T, m) int64
        Row of the first detection that matched each ground truth, -1 for none. A crowd may be
        matched by more detections, which name it in `gt`.
    order : (k,) int64
        The detections in the order they were matched: image by image, category by category, best
        score first. Those beyond `max_detections` are left out.
    """

    gt: NDArray[np.int64]
    iou: NDArray[np.float64]
    det: NDArray[np.int64]
    order: NDArray[np.int64]

    def _columns(self) -> dict[str, Any]:
        return spread(gt=self.gt, iou=self.iou)


def match_fiftyone(
    boxes: AnyArray,
    scores: AnyColumn,
    splits: AnyColumn,
    gt_boxes: AnyArray,
    gt_splits: AnyColumn,
    *,
    labels: AnyColumn | None = None,
    gt_labels: AnyColumn | None = None,
    iscrowd: AnyColumn | None = None,
    thresholds: float | AnyColumn = 0.5,
    rule: Rule = "coco",
    classwise: bool = True,
    max_detections: int | None = None,
    fmt: Format = "xywh",
) -> FiftyoneMatches:
    """Match detections to ground truths, image by image, as FiftyOne's evaluation does.

    Parameters
    ----------
    boxes : (n, 4) array of floats
        Detections of all images, concatenated; FiftyOne's are relative.
    scores : (n,) array
        Detections are visited by descending score; FiftyOne's is ``confidence or -1``. Equal scores
        keep their order.
    splits : (images + 1,) integer array
        Image `i` holds rows ``splits[i]:splits[i + 1]``.
    gt_boxes : (m, 4) array of floats
    gt_splits : (images + 1,) integer array
    labels, gt_labels : (n,) and (m,) integer arrays, optional
        Both or neither.
    iscrowd : (m,) bool or integer array, optional
        A crowd may be matched any number of times, by detections of its label, and their IoU is
        taken over the area of the detection.
    thresholds : float or (T,) array, default 0.5
        Minimum IoU of a match, used as given: FiftyOne caps a single threshold at 1 - 1e-10.
    rule : {"coco", "open-images"}
        "coco": the free ground truth of largest IoU, the last of equals; crowds come last.
        FiftyOne does so up to 100 ground truths; beyond, its R-tree decides among equals.
        "open-images": only the ground truth of largest IoU, with IoUs rounded to 10 digits.
    classwise : bool, default True
        Whether only objects of one label match.
    max_detections : int, optional
        The most per image and category, best score first. Default: all.
    fmt : {"xyxy", "xywh", "cxcywh"}, default "xywh"
        Others are converted to float64 "xywh" first.

    Returns
    -------
    FiftyoneMatches
        NumPy arrays on the host. For a single float threshold the first axis has length 1.

    Raises
    ------
    ValueError, TypeError
        Wrong shapes, dtypes or splits; NaN or infinite boxes or scores.

    Notes
    -----
    The rules of fiftyone 1.22 `utils.eval.coco` and `utils.eval.openimages`, exact, and of its box
    IoU, bit for bit in float64. They differ from those of pycocotools
    (:func:`tamis.match_detections`) in crowds and the label of their detections, IoU above 1,
    ground truths that only touch at a threshold of 0, and the order of visits. Cost: one IoU per
    pair of the same image and category; memory ``T * (16 * n + 8 * m) + 8 * n`` bytes for the
    result and as much as the inputs where they are converted.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 0.5, 0.5]])
    >>> one = np.array([0, 1])
    >>> tamis.match_fiftyone(boxes, np.array([0.9]), one, boxes, one, thresholds=0.5).gt
    array([[0]])
    """
    name = "match_fiftyone"
    check_format(name, fmt)
    classwise = arrays.check_flag(name, "classwise", classwise)
    if not arrays.one_of(rule, RULES):
        raise ValueError(f"{name}: rule must be one of {', '.join(RULES)}, got {rule!r}")
    if (labels is None) != (gt_labels is None):
        raise ValueError(f"{name}: labels and gt_labels must be given together")
    det, gt = _boxes("boxes", boxes, fmt), _boxes("gt_boxes", gt_boxes, fmt)
    n, m = len(det), len(gt)
    starts = ragged.splits(name, "splits", splits, n)
    gt_starts = ragged.splits(name, "gt_splits", gt_splits, m, images=len(starts) - 1)
    most = _most(max_detections)
    levels = read_levels(name, thresholds)
    _, codes, gt_codes = class_positions(
        _column("labels", labels, n, "iu", np.int64),
        _column("gt_labels", gt_labels, m, "iu", np.int64),
    )
    crowd = (_column("iscrowd", iscrowd, m, "biu", np.int64) != 0).view(np.uint8)
    groups = (codes, gt_codes) if classwise else (np.zeros_like(codes), np.zeros_like(gt_codes))
    order, kept, found, iou, first, _ = _core.fiftyone_match(
        rule=RULES.index(rule), max_dets=most, thresholds=levels,
        det_splits=starts, det_boxes=det, det_labels=codes, det_groups=groups[0],
        confidence=_column("scores", scores, n, "fiu", float),
        gt_splits=gt_starts, gt_boxes=gt, gt_labels=gt_codes, gt_groups=groups[1], crowd=crowd,
        given=np.zeros(len(starts) - 1, np.uint8), pair_splits=np.zeros(n + 1, np.int64),
        pair_gts=np.empty(0, np.int32), pair_iou=np.empty(0),
    )  # fmt: skip
    order = order[order >= 0]
    return FiftyoneMatches(
        found.astype(np.int64), np.where(found >= 0, iou, np.nan), first.astype(np.int64),
        order[kept[order] != 0],
    )  # fmt: skip


def _boxes(name: str, x: Any, fmt: Format) -> NDArray[np.float64]:
    x = arrays.host("match_fiftyone", name, x)
    arrays.check_shape("match_fiftyone", name, x, ("N", 4))
    if x.dtype.kind != "f":
        raise TypeError(f"match_fiftyone: {name} must be floats, got {x.dtype}")
    boxes: NDArray[np.float64] = to_xywh(finite("match_fiftyone", name, x), fmt)
    return boxes


def _column(name: str, x: Any, n: int, kinds: str, dtype: type) -> NDArray[Any]:
    """(n,) of `dtype`; zeros for None."""
    if x is None:
        return np.zeros(n, dtype)
    return np.require(read_column("match_fiftyone", name, x, n, kinds), dtype, ["C", "A"])


def _most(max_detections: int | None) -> int:
    most = int(np.iinfo(np.int64).max)
    if max_detections is None:
        return most
    return min(arrays.check_integer("match_fiftyone", "max_detections", max_detections, 0), most)
