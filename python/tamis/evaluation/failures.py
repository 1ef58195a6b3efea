"""The errors of a detector, in the order of priority for collecting more data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import AnyEvaluation, view
from tamis.evaluation.detection_errors import TYPES, detection_errors

MISS = TYPES.index("Miss")


@dataclass(frozen=True, eq=False, repr=False)
class Failures(Result):
    """The outcome of `failures`, of F objects, most important first.

    Attributes
    ----------
    kind : (F,) int8
        Place of the error's type in ``("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")``.
    row : (F,) int64
        Row of the missed ground truth (``Miss``) or of the detection, in the order of the
        evaluation.
    label : (F,) array
        Class of the ground truth or the detection.
    score : (F,) float64
        Score of the detection; NaN for a missed ground truth.
    image : (F,) int64
        Index of its image in the evaluation.
    images : (I,) int64
        The distinct images of `image`, most important first: the `failures` of `select_batch` if
        embeddings are in the order of the images.
    image_ids : (I,) array
        Their ids or names (their numbers if the evaluation has neither).
    cluster : (I,) int64
        For `select_batch(..., quota=)`: one number per error type and class, of the first failure
        of each image.
    name : (F,) tuple of str, or None
        Name of the class, as in `DetectionResult.class_names`.
    """

    kind: Array
    row: Array
    label: Array
    score: Array
    image: Array
    images: Array
    image_ids: Array
    cluster: Array
    name: tuple[str | None, ...] | None = None

    def _columns(self) -> dict[str, Any]:
        names = ("row", "label", *(() if self.name is None else ("name",)), "score", "image")
        columns = {"kind": [TYPES[k] for k in self.kind]} | {n: getattr(self, n) for n in names}
        return columns | {"image_id": self._image_id()}

    def _image_id(self) -> Array:
        """(F,) the id of each failure's image."""
        order = np.argsort(self.images)
        return self.image_ids[order[np.searchsorted(self.images, self.image, sorter=order)]]

    def __len__(self) -> int:
        return len(self.kind)

    def counts(self) -> dict[str, int]:
        """How many of each type."""
        found = np.bincount(self.kind, minlength=len(TYPES)).tolist()
        return dict(zip(TYPES, found, strict=True))

    def __str__(self) -> str:
        by_type = "  ".join(f"{name} {n}" for name, n in self.counts().items() if n)
        lines = [f"{len(self)} failures in {len(self.images)} images: {by_type}"]
        names, ids = self.name or self.label.tolist(), self._image_id()
        for i in range(min(10, len(self))):
            score = "" if np.isnan(self.score[i]) else f"  score {self.score[i]:.3f}"
            what = "ground truth" if self.kind[i] == MISS else "detection"
            lines.append(
                f"  {TYPES[self.kind[i]]:<4} image {ids[i]}, class {names[i] or self.label[i]},"
                f" {what} {self.row[i]}{score}"
            )
        return "\n".join(lines)


def failures(
    evaluated: AnyEvaluation,
    *,
    count: int | None = None,
    quota: Mapping[str, int] | None = None,
    per_class: int | None = None,
    least_score: float = 0.0,
    iou: float = 0.5,
    background: float = 0.1,
    max_detections: int = 100,
) -> Failures:
    """Missed objects first, then false positives from the most confident one down.

    Parameters
    ----------
    evaluated : DetectionResult or tamis.coco.COCOeval
        An evaluation of boxes or masks.
    count : int, optional
        Failures wanted. Default: all.
    quota : dict of str to int, optional
        Largest number of each type, ``Cls Loc Both Dupe Bkg Miss``; 0 for types that are not named.
        Default: all failures of all types except ``Dupe``, which depends on the threshold more than
        on the data.
    per_class : int, optional
        Largest number of each type and class.
    least_score : float
        False positives below this score are skipped. Default 0.
    iou, background, max_detections
        As for `tamis.detection_errors`, which sorts the errors.

    Returns
    -------
    Failures

    Raises
    ------
    TypeError, ValueError
        For arguments that do not fit, and evaluations of keypoints.

    Notes
    -----
    Classes take turns: the first missed object of each class, then the second of each, and so on,
    so that one frequent class does not fill the quota. With `quota` or `per_class`, so do the false
    positives of a type, by score within a class. Errors that cost nothing (in a crowd) are left
    out. Cost: that of `tamis.detection_errors`.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]])
    >>> evaluator = tamis.DetectionEvaluator()
    >>> evaluator.update(
    ...     {"boxes": boxes[:1], "scores": np.array([0.9]), "labels": np.array([1])},
    ...     {"boxes": boxes, "labels": np.array([1, 1])},
    ... )
    >>> tamis.failures(evaluator.compute()).image
    array([0])
    """
    name = "failures"
    limits = _limits(name, quota)
    for what, value in (("count", count), ("per_class", per_class)):
        if value is not None:
            arrays.check_integer(name, what, value, 0)
    least_score = arrays.check_real(name, "least_score", least_score)
    errors = detection_errors(
        evaluated, iou=iou, background=background, max_detections=max_detections
    )
    e = view(name, evaluated)
    wrong = np.flatnonzero((errors.kind >= 0) & ~errors.ignored & (e.dets.scores >= least_score))
    missed = np.flatnonzero(errors.missed)
    kind = np.concatenate([np.full(len(missed), MISS), errors.kind[wrong]]).astype(np.int8)
    row = np.concatenate([missed, wrong])
    category = np.concatenate([e.gts.category[missed], e.dets.category[wrong]])
    image = np.concatenate([e.gts.image[missed], e.dets.image[wrong]]).astype(np.int64)
    score = np.concatenate([np.full(len(missed), np.nan), e.dets.scores[wrong]])
    turn = _turns(kind, category, score)
    kept = _within(kind, turn, score, limits, per_class)
    in_turn = (kind == MISS) | (quota is not None) | (per_class is not None)
    first = np.where(in_turn, turn, 0)
    order = np.lexsort((row, -np.nan_to_num(score, nan=np.inf), first, kind != MISS))
    order = order[kept[order]][:count]
    image = image[order]
    images = image[np.sort(np.unique(image, return_index=True)[1])]
    at = np.sort(np.unique(image, return_index=True)[1])
    code = kind[order].astype(np.int64) * len(e.classes) + category[order]
    cluster = np.unique(code[at], return_inverse=True)[1]
    names = None
    if e.class_names is not None:
        names = tuple(e.class_names[k] for k in category[order].tolist())
    return Failures(
        kind[order], row[order], np.asarray(e.classes)[category[order]], score[order], image,
        images, np.asarray(e.images)[images], cluster, names,
    )  # fmt: skip


def _limits(name: str, quota: Mapping[str, int] | None) -> dict[int, int]:
    """Most failures of each type by its place."""
    if quota is None:
        return {i: 2**62 for i, kind in enumerate(TYPES) if kind != "Dupe"}
    if not isinstance(quota, Mapping):
        raise TypeError(f"{name}: quota must be a dict of type to int, got {type(quota).__name__}")
    for kind, most in quota.items():
        if kind not in TYPES:
            raise ValueError(f"{name}: quota must name types among {' '.join(TYPES)}, got {kind!r}")
        arrays.check_integer(name, f"quota[{kind!r}]", most, 0)
    return {TYPES.index(kind): int(most) for kind, most in quota.items()}


def _turns(kind: Array, category: Array, score: Array) -> Array:
    """Place of each failure among those of its type and class, by score and then row."""
    code = kind.astype(np.int64) * (int(category.max(initial=0)) + 1) + category
    order = np.lexsort((-np.nan_to_num(score, nan=0.0), code))
    ordered = code[order]
    begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(code) else order
    turn = np.empty(len(code), np.int64)
    lengths = np.diff(np.append(begins, len(code)))
    turn[order] = np.arange(len(code)) - np.repeat(begins, lengths)
    return turn


def _within(
    kind: Array, turn: Array, score: Array, limits: dict[int, int], per_class: int | None
) -> Array:
    """Which failures the quotas leave."""
    kept = np.isin(kind, list(limits))
    if per_class is not None:
        kept &= turn < per_class
    for at, most in limits.items():
        mine = np.flatnonzero(kept & (kind == at))
        if len(mine) > most:
            order = np.lexsort((mine, -np.nan_to_num(score[mine], nan=0.0), turn[mine]))
            kept[mine[order[most:]]] = False
    return kept
