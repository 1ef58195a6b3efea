"""The result of a detection evaluation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from tamis._shared.arrays import Array, check_flag
from tamis._shared.results import Result
from tamis.evaluation import summary
from tamis.evaluation.analysis import Evaluated
from tamis.evaluation.average_precision import curves
from tamis.evaluation.best_f1 import BestF1, best_f1
from tamis.evaluation.calibration import Calibration, calibration
from tamis.evaluation.confusion_matrix import ConfusionMatrix, confusion_matrix
from tamis.evaluation.detection_errors import DetectionErrors, detection_errors
from tamis.evaluation.image_scores import ImageScores, image_scores
from tamis.evaluation.kinds import pair_by_pair
from tamis.evaluation.match_state import no_sides
from tamis.evaluation.match_table import Sides
from tamis.evaluation.matching import Matches, pair_iou, spread_matches
from tamis.evaluation.olrp import Olrp, olrp
from tamis.evaluation.parts import Parts, image_mask, of_images
from tamis.evaluation.provenance import Provenance, provenance
from tamis.evaluation.worst_images import WorstImages, worst_images

Tables = tuple[Array, Array, Array]  # precision, recall, scores
TABLES = ("precision", "recall", "scores")
STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
KEYPOINT_STATS = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")


@dataclass
class Made:
    """What a result is made of; what is a function is called when it is first needed."""

    tables: Tables | Callable[[], Tables]
    n_targets: Array  # (K, A) that are not ignored
    sides: Sides | Callable[[], Sides]
    numbers: list[float] | None = None  # of `stats`, where they are known without the tables
    parts: Parts | None = None
    ids: tuple[Array, Array] | None = None  # of annotations; None: row numbers
    options: dict[str, Any] = field(default_factory=dict)  # for `provenance`


@dataclass(frozen=True, eq=False, repr=False)
class DetectionResult(Result):
    """The result of `DetectionEvaluator.compute`.

    Attributes
    ----------
    stats : dict of str to float
        The 12 numbers of COCO, -1 where there is no ground truth: ``AP AP50 AP75 APs APm APl AR1
        AR10 AR100 ARs ARm ARl``; ``AR1 AR10 AR100`` are named so for any three caps. Keypoints
        have 10: ``AP AP50 AP75 APm APl AR AR50 AR75 ARm ARl``.
    iou_type : str
    classes : (K,) int64
    precision, scores : (T, R, K, A, M) float64
        Interpolated precision, and the score at which each recall threshold is reached.
    recall : (T, K, A, M) float64
    iou_thresholds, recall_thresholds : arrays
    area_ranges : dict
        Name to closed range, square pixels.
    max_detections : tuple of int
    image_ids : (images,) integers or strings
        As given to `update`, ascending; else numbers from 0, in the order of `update`. Their names
        in place of both where the evaluator has `image_names`. All analyses call images so.
    class_names : (K,) tuple of str, or None
        As given to the evaluator; None for a label without a name.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> evaluator = tamis.DetectionEvaluator(classes=["car"])
    >>> evaluator.update(
    ...     {"boxes": box, "scores": np.array([0.9]), "labels": np.array([0])},
    ...     {"boxes": box, "labels": np.array([0])},
    ... )
    >>> result = evaluator.compute()
    >>> round(result.stats["AP50"], 6), result.class_names
    (1.0, ('car',))
    """

    stats: dict[str, float] = field(init=False, default_factory=dict)
    iou_type: str
    classes: Array
    iou_thresholds: Array
    recall_thresholds: Array
    area_ranges: dict[str, tuple[float, float]]
    max_detections: tuple[int, ...]
    image_ids: Array
    class_names: tuple[str | None, ...] | None = None
    _made: Made | None = field(init=False, default=None)

    def _with(self, made: Made) -> DetectionResult:
        """This result, with what it is made of."""
        self._set("_made", made)
        values = made.numbers
        if values is None:
            names, tables = self._names(), self._by_name()
            values = [float(summary.mean(tables, names, row)) for row in self._rows()]
        self._set("stats", dict(zip(self._stat_names(), values, strict=True)))
        return self

    def _parts_of(self) -> Made:
        if self._made is None:
            raise ValueError(
                "DetectionResult: this one holds settings only; make it with"
                " DetectionEvaluator.compute"
            )
        return self._made

    def _public(self) -> dict[str, Any]:
        tables = {} if self._made is None else {n: getattr(self, n) for n in TABLES}
        return super()._public() | tables

    @property
    def precision(self) -> Array:
        return self._curves()[0]

    @property
    def recall(self) -> Array:
        return self._curves()[1]

    @property
    def scores(self) -> Array:
        return self._curves()[2]

    def __getstate__(self) -> dict[str, Any]:
        if self._made is None:
            return vars(self)
        sides = no_sides if self._made.sides is no_sides else self._on_host()
        made = replace(self._made, tables=self._curves(), sides=sides, parts=None)
        return {**vars(self), "_made": made}

    def _curves(self) -> Tables:
        """Those of a part of the images are made when they are first used."""
        made = self._parts_of()
        if callable(made.tables):
            made.tables = made.tables()
        return made.tables

    def _stat_names(self) -> tuple[str, ...]:
        return KEYPOINT_STATS if self.iou_type == "keypoints" else STATS

    def _on_host(self) -> Sides:
        """Columns and matches; those on a device are copied and matched here when first used."""
        made = self._parts_of()
        if callable(made.sides):
            made.sides = made.sides()
        return made.sides

    def _names(self) -> SimpleNamespace:
        return SimpleNamespace(
            iouThrs=self.iou_thresholds, recThrs=self.recall_thresholds,
            areaRng=list(self.area_ranges.values()), areaRngLbl=list(self.area_ranges),
            maxDets=list(self.max_detections), iouType=self.iou_type,
        )  # fmt: skip

    def _rows(self) -> list[summary.Row]:
        if self.iou_type == "keypoints":
            return summary.keypoint_rows(self.max_detections[0])
        return summary.detection_rows(self.max_detections, main=self.max_detections[2])

    def __str__(self) -> str:
        names, rows = self._names(), summary.with_areas(self._rows(), list(self.area_ranges))
        return "\n".join(
            summary.line(names, row, summary.mean(self._by_name(), names, row)) for row in rows
        )

    def _by_name(self) -> dict[str, Array]:
        return {"precision": self.precision, "recall": self.recall}

    def per_class(self) -> list[dict[str, Any]]:
        """One dict per class: label, name if known, number of ground truths, and the numbers."""
        table: list[dict[str, Any]] = []
        names, tables, counts = self._names(), self._by_name(), self._parts_of().n_targets[:, 0]
        for k, label in enumerate(self.classes.tolist()):
            stats = summary.of_class(tables, names, self._rows(), k)
            named = dict(zip(self._stat_names(), stats, strict=True))
            name = {} if self.class_names is None else {"name": self.class_names[k]}
            table.append({"label": label, **name, "targets": int(counts[k]), **named})
        return table

    def per_size(self) -> list[dict[str, Any]]:
        """One dict an area range: its name, bounds, number of ground truths, and its numbers.

        ``AP AP50 AP75`` and the recall by `max_detections`, ``AR1 AR10 AR100`` of COCO's, -1 where
        there is no ground truth.
        """
        names, tables, cap = self._names(), self._by_name(), self.max_detections[-1]
        table: list[dict[str, Any]] = []
        for place, (area, (low, high)) in enumerate(self.area_ranges.items()):
            rows = {
                key: summary.Row(True, iou, area, cap)
                for key, iou in (("AP", None), ("AP50", 0.5), ("AP75", 0.75))
            }
            rows |= {f"AR{n}": summary.Row(False, None, area, n) for n in self.max_detections}
            stats = {key: float(summary.mean(tables, names, row)) for key, row in rows.items()}
            targets = int(self._parts_of().n_targets[:, place].sum())
            table.append({"area": area, "low": low, "high": high, "targets": targets, **stats})
        return table

    def flat(self, prefix: str = "", *, per_class: bool = False) -> dict[str, float]:
        """The numbers under names for a logger: ``flat(prefix="val/")["val/AP"]``.

        Those without ground truth (-1) are left out. With `per_class` also ``val/AP/person`` and
        the like, one a class: by name, by label where it has none, and by both where two share one.
        """
        if not isinstance(prefix, str):
            raise TypeError(f"DetectionResult.flat: prefix must be a str, got {prefix!r}")
        found = {prefix + key: value for key, value in self.stats.items()}
        if check_flag("DetectionResult.flat", "per_class", per_class):
            rows = self.per_class()
            names = [str(row.get("name") or row["label"]) for row in rows]
            for name, row in zip(names, rows, strict=True):
                only = name if names.count(name) == 1 else f"{name} ({row['label']})"
                found[f"{prefix}AP/{only}"] = row["AP"]
        return {key: value for key, value in found.items() if value > -1}

    def provenance(self) -> Provenance:
        """What was computed how, and whether a leaderboard of COCO computes the same."""
        return provenance(self)

    def _columns(self) -> dict[str, Any]:
        rows = self.per_class()
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}

    def matches(self, area: str = "all") -> Matches:
        """Matches of every detection at every threshold, in the order of `update`."""
        if not isinstance(area, str) or area not in self.area_ranges:
            raise ValueError(
                f"DetectionResult.matches: area must be one of {list(self.area_ranges)},"
                f" got {area!r}"
            )
        where = list(self.area_ranges).index(area)
        s = self._on_host()

        def iou_of(dets: Array, gts: Array) -> Array:
            if s.similarity is not None:
                return pair_by_pair(s.similarity, dets, gts)
            assert s.dets.boxes is not None and s.gts.boxes is not None
            return pair_iou(s.dets.boxes[dets], s.gts.boxes[gts], s.gts.crowd[gts])

        return spread_matches(s.dets, s.gts, s.table, where, iou_of)

    def errors(self, **options: Any) -> DetectionErrors:
        """TIDE's error types and what each costs: see `tamis.detection_errors`."""
        return detection_errors(self, **options)

    def confusion_matrix(self, **options: Any) -> ConfusionMatrix:
        """Which classes are taken for which: see `tamis.confusion_matrix`."""
        return confusion_matrix(self, **options)

    def best_f1(self, **options: Any) -> BestF1:
        """The confidence of largest F1 by class: see `tamis.best_f1`."""
        return best_f1(self, **options)

    def olrp(self, **options: Any) -> Olrp:
        """Optimal LRP errors: see `tamis.olrp`."""
        return olrp(self, **options)

    def worst_images(self, **options: Any) -> WorstImages:
        """The images that cost most, and why: see `tamis.worst_images`."""
        return worst_images(self, **options)

    def calibration(self, **options: Any) -> Calibration:
        """Confidence compared with precision: see `tamis.calibration`."""
        return calibration(self, **options)

    def per_image(self, iou: float = 0.5, **options: Any) -> ImageScores:
        """Counts, F1 and AP of every image: see `tamis.image_scores`."""
        return image_scores(self, iou=iou, **options)

    def slice(self, images: Any) -> DetectionResult:
        """The result of some of the images, as if evaluated alone, without matching again.

        Parameters
        ----------
        images : (images,) bool, or integers
            A mask, or places among `image_ids`.

        Returns
        -------
        DetectionResult
            Images, classes and rows keep their numbers; other images are not counted.
        """
        keep = image_mask("DetectionResult.slice", images, len(self.image_ids)).copy()
        part, sides = cache(lambda: of_images(self._evaluated(), keep)), self._on_host()
        own, numbers = self._parts_of(), None
        plain = sides.gts.counts is None and Parts.serve(self._names(), self._rows())
        if own.parts is None and plain:
            own.parts = Parts(self._evaluated(), self._rows())
        if own.parts is None:
            counts = part().table.n_regular
        else:
            numbers, counts = own.parts.numbers(keep)
        made = Made(
            cache(lambda: self._tables_of(part())), counts,
            lambda: replace(sides, dets=part().dets, gts=part().gts, table=part().table), numbers,
            ids=own.ids, options={**own.options, "left_out_images": int((~keep).sum())},
        )  # fmt: skip
        return replace(self)._with(made)

    def _tables_of(self, e: Evaluated) -> Tables:
        return curves(
            e.table, e.dets.scores, recall_thresholds=self.recall_thresholds.tolist(),
            max_dets=self.max_detections, counts=e.gts.counts,
        )  # fmt: skip

    def _evaluated(self) -> Evaluated:
        s = self._on_host()
        rows = np.arange(len(s.dets.scores)), np.arange(len(s.gts.crowd))
        det_ids, gt_ids = self._parts_of().ids or rows
        return Evaluated(
            self.iou_type, s.dets, s.gts, s.table, self.iou_thresholds, self.classes,
            self.image_ids, det_ids, gt_ids,
            self.max_detections[-1], self.area_ranges["all"], s.similarity, self._names(),
            self.class_names,
        )  # fmt: skip
