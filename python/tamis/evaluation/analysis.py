"""Common input of all analyses: both sides of an evaluation and their matches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.ragged import Similarity
from tamis.evaluation.match_table import Detections, MatchTable, Targets, match


@dataclass
class Evaluated:
    """Both sides of an evaluation and their matches; rows are those of the columns."""

    kind: str  # bbox, segm, keypoints
    dets: Detections
    gts: Targets
    table: MatchTable
    iou_thresholds: Array  # of the table
    classes: Array  # (K,)
    images: Array  # (images,) ids, or 0, 1, ...
    det_ids: Array
    gt_ids: Array
    max_det: int
    area_range: Any  # the first, that of the main numbers
    similarity: Similarity | None = None
    settings: Any = None  # iouThrs, recThrs, areaRng, areaRngLbl, maxDets: as `Params` has them
    class_names: tuple[str | None, ...] | None = None

    def at(self, iou: float) -> MatchTable:
        """The matches at one IoU in the first area range; the evaluation's own if it has them."""
        level = np.flatnonzero(np.abs(self.iou_thresholds - iou) < 1e-9)
        if len(level):
            return self.table.one(int(level[0]))
        return match(
            self.dets, self.gts, n_images=len(self.images), n_categories=len(self.classes),
            thresholds=[iou], area_ranges=[self.area_range], max_det=self.max_det,
            similarity=self.similarity,
        )  # fmt: skip

    def counted(self, table: MatchTable) -> tuple[Array, Array]:
        """True and false positives of a table of one IoU: (n,) bool each; the rest is ignored."""
        found = table.dense(0, len(self.dets.scores))[0]
        right = found >= 0
        ignored = np.ones(len(found), bool)
        ignored[table.index] = table.outside[0] != 0
        matched = np.flatnonzero(right)
        gts = found[matched]
        to_ignored = table.gt_ignore[0, gts] != 0
        ignored[matched] |= to_ignored
        right[matched] = ~to_ignored
        if self.gts.counts is not None:
            right[matched] &= self.gts.counts[gts] != 0
        return right, ~right & ~ignored

    def pooled(self) -> tuple[Detections, Targets]:
        """Both sides with all classes as one."""
        return (
            replace(self.dets, category=np.minimum(self.dets.category, 0)),
            replace(self.gts, category=np.minimum(self.gts.category, 0)),
        )


class AnyEvaluation(Protocol):
    """A `DetectionResult`, or an evaluated `tamis.coco.COCOeval`."""

    def _evaluated(self) -> Evaluated | None: ...


def view(function: str, evaluated: AnyEvaluation) -> Evaluated:
    """The view of a `DetectionResult` or an evaluated `tamis.coco.COCOeval`."""
    maker: Any = getattr(type(evaluated), "_evaluated", None)
    if maker is None:
        raise TypeError(
            f"{function}: evaluated must be a DetectionResult or a tamis.coco.COCOeval,"
            f" got {type(evaluated).__name__}"
        )
    found: Evaluated | None = maker(evaluated)
    if found is None:
        raise ValueError(
            f"{function}: call evaluate() first; ids, scores and boxes must be plain numbers and no"
            " method overridden"
        )
    return found


def by_class(found: Any, rows: Iterable[int], key: str = "label") -> dict[str, Any]:
    """Columns of labels, and of names where these are known, of the K classes; row K has None."""
    rows, named = list(rows), found.class_names is not None
    labels = [*found.classes.tolist(), None]
    columns = {key: [labels[i] for i in rows]}
    if named:
        names = [*found.class_names, None]
        columns["name" if key == "label" else f"{key}_name"] = [names[i] for i in rows]
    return columns


def ratio(above: Array, below: Array) -> Array:
    """above / below, NaN where both are 0."""
    out: Array = np.full(np.broadcast(above, below).shape, np.nan)
    return np.divide(above, below, out=out, where=below != 0)


def check_confidence(function: str, value: Any, scores: Array) -> float:
    """`value` as a float in [0, 1], or within the range of scores that are not probabilities."""
    confidence = arrays.check_number(function, "confidence", value, -np.inf, np.inf)
    low, high = (float(f(scores, initial=x)) for f, x in ((np.min, 0), (np.max, 1)))
    if not low <= confidence <= high:
        raise ValueError(f"{function}: confidence must be {low:g} to {high:g}, got {value}")
    return confidence
