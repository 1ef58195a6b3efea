"""Precision, recall and thresholds as FiftyOne's two evaluations sweep them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from tamis._shared.arrays import Array
from tamis.fiftyone._matching import Matched, Sides

Ties = Literal["fiftyone", "coco"]
NO_CONFIDENCE = (
    "All predicted objects must have their `confidence` attribute populated in order to compute "
    "precision-recall curves"
)


def coco_curves(
    sides: Sides, matched: Matched, classes: list[Any] | None, ties: Ties
) -> tuple[Array, Array, Array, list[Any], Array]:
    """Precision, recall, thresholds, classes, and the recall reached, as `_compute_pr_curves`."""
    n_levels = len(matched.det_gt)
    if classes is None:
        kept = matched.order[matched.order >= 0]
        seen = np.union1d(sides.gt_label, sides.det_label[kept])
        classes = sorted(sides.texts[code] for code in seen if code >= 0)
    row = {label: i for i, label in enumerate(classes)}
    row_of = np.array([row.get(text, -1) if text else -1 for text in sides.texts] + [-1], np.int64)
    precision = -np.ones((n_levels, len(classes), 101))
    thresholds = -np.ones((n_levels, len(classes), 101))
    reached = -np.ones((n_levels, len(classes)))
    recall = np.linspace(0, 1, 101)
    ranking = Ranking(sides, matched, row_of, ties)
    for level in range(n_levels):
        for c, n_gts, hits, confidence in ranking.classes(level, len(classes)):
            precision[level, c], thresholds[level, c], reached[level, c] = _sweep(
                hits, confidence, n_gts, recall
            )
    return precision, recall, thresholds, classes, reached


def _sweep(hits: Array, confidence: Array, n_gts: int, recall: Array) -> tuple[Array, Array, float]:
    found = np.cumsum(hits).astype(float)
    best = found / np.arange(1, len(hits) + 1).astype(float)
    best = np.maximum.accumulate(best[::-1])[::-1]
    at = found / n_gts
    precision, thresholds = np.zeros((2, 101))
    places = np.searchsorted(at, recall, side="left")
    places = places[places < len(at)]
    precision[: len(places)] = best[places]
    thresholds[: len(places)] = confidence[places]
    return precision, thresholds, at[-1] if len(at) else 0.0


class Ranking:
    """The detections of each class, best first, with the ground truths that count."""

    def __init__(self, sides: Sides, matched: Matched, row_of: Array, ties: Ties) -> None:
        self.sides, self.matched, self.row_of = sides, matched, row_of
        self.order = matched.order[matched.order >= 0]
        confidence = sides.confidence[self.order]
        _, falling = np.unique(-confidence, return_inverse=True)
        # FiftyOne lists true positives before false ones and then sorts: they win every tie
        self.rank = 2 * falling.astype(np.int64)
        self.tp_first = ties == "fiftyone"
        self.most = self.rank.max(initial=0) + 2

    def classes(self, level: int, n: int) -> list[tuple[int, int, Array, Array]]:
        """Class, its ground truths, and its detections: whether they hit, their confidence."""
        sides, gt = self.sides, self.matched.det_gt[level, self.order]
        code = sides.det_label[self.order]
        regular = (gt < 0) | (sides.crowd[gt] == 0) if len(sides.gts) else np.ones(len(gt), bool)
        gt_code = (
            np.where(gt >= 0, sides.gt_label[gt], -1) if len(sides.gts) else np.full(len(gt), -1)
        )
        hit = (gt >= 0) & (gt_code == code)
        # a match counts for its ground truth's class; an empty label of a detection for none
        place = self.row_of[np.where(gt_code >= 0, gt_code, code)]
        truthy = np.array([bool(text) for text in sides.texts] + [False])
        use = regular & (place >= 0) & (hit | truthy[code])
        tie = ~hit[use] if self.tp_first else 0
        rows = np.flatnonzero(use)[
            np.argsort(place[use] * self.most + self.rank[use] + tie, kind="stable")
        ]
        counts = np.bincount(self.row_of[sides.gt_label[sides.crowd == 0]] + 1, minlength=n + 1)[1:]
        bounds = np.searchsorted(place[rows], np.arange(n + 1))
        chosen = self.order[rows]
        found = []
        for c in np.flatnonzero(counts):
            mine = slice(bounds[c], bounds[c + 1])
            if not sides.has_confidence[chosen[mine]].all():
                raise ValueError(NO_CONFIDENCE)
            found.append((int(c), int(counts[c]), hit[rows[mine]], sides.confidence[chosen[mine]]))
        return found


def open_images_curves(
    matches: list[tuple[Any, ...]], classes: list[Any] | None
) -> tuple[dict[Any, Array], dict[Any, Array], dict[Any, Array], list[Any]]:
    """Precision, recall and thresholds by class, and the classes, of FiftyOne's matches."""
    if classes is None:
        classes = sorted({label for m in matches for label in m[:2]} - {None})
    hits: dict[Any, list[Any]] = {}
    misses: dict[Any, list[Any]] = {}
    n_gts: dict[Any, int] = {}
    counted = set()
    for gt_label, label, _, confidence, gt_id, _ in matches:
        c = label if gt_label is None else gt_label
        hits.setdefault(c, [])
        misses.setdefault(c, [])
        if gt_label == label:
            hits[c].append(confidence)
        elif label:
            misses[c].append(confidence)
        if gt_label and gt_id not in counted:
            n_gts[c] = n_gts.get(c, 0) + 1
            counted.add(gt_id)
    precision, recall, thresholds = {}, {}, {}
    for c in hits:
        if c not in n_gts:
            continue
        hit = np.array([1] * len(hits[c]) + [0] * len(misses[c]))
        confidences = np.array(hits[c] + misses[c])
        order = np.argsort(-confidences)
        found = np.cumsum(hit[order]).astype(float)
        steps = found / np.arange(1, len(hit) + 1).astype(float)
        first, top = (steps[0], max(1, confidences[order[0]])) if len(hit) else (1, 1)
        steps = np.concatenate([[first], steps, [0]])
        precision[c] = np.maximum.accumulate(steps[::-1])[::-1]
        recall[c] = np.concatenate([[0], found / n_gts[c], [1]])
        thresholds[c] = np.concatenate([[top], confidences[order], [0]])
    return precision, recall, thresholds, classes
