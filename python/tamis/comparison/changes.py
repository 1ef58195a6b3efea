"""Changes of each ground truth and image between two evaluations of the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis.evaluation.analysis import Evaluated
from tamis.evaluation.detection_errors import TYPES, DetectionErrors, detection_errors
from tamis.evaluation.image_scores import image_scores

# What is said of a ground truth: it is found, or what is nearest to finding it.
STATES = ("right", "Cls", "Loc", "Miss")
_RIGHT, _MISS = 0, 3
_STATE_OF = {TYPES.index("Cls"): 1, TYPES.index("Loc"): 2}


@dataclass(frozen=True, eq=False, repr=False)
class ImageChange(Result):
    """An image that one of two models handles better.

    Attributes
    ----------
    image : int
        The image id of a `COCOeval`, else the image's number.
    difference : float
        Average precision of the image alone, second model minus first.
    errors : dict of str to int
        Changes of state: ``"Miss -> right"`` counts ground truths; ``"Bkg"`` and ``"Dupe"`` count
        how many more (or fewer) such detections the second model has.
    """

    image: int
    difference: float
    errors: dict[str, int]

    def __str__(self) -> str:
        changes = ", ".join(f"{k}: {v}" for k, v in self.errors.items()) or "no errors changed"
        return f"image {self.image}: {self.difference:+.3f} ({changes})"


def states_of(errors: DetectionErrors) -> Array:
    """(m,) int8 places in `STATES`."""
    state = np.full(len(errors.missed), _MISS, np.int8)
    for code, place in sorted(_STATE_OF.items(), reverse=True):  # Cls before Loc
        state[errors.target[errors.kind == code]] = place
    state[errors.target[errors.kind == -1]] = _RIGHT
    return state


def transitions(before: Array, after: Array) -> Array:
    """(4, 4) counts of ground truths by state in the first model and in the second."""
    n = len(STATES)
    counts: Array = np.bincount(before.astype(np.int64) * n + after, minlength=n * n).reshape(n, n)
    return counts


def named(counts: Array) -> dict[str, int]:
    """The transitions that are changes and happened."""
    rows = zip(*np.nonzero(counts), strict=True)
    return {f"{STATES[i]} -> {STATES[j]}": int(counts[i, j]) for i, j in rows if i != j}


def excess(errors: DetectionErrors, images: Array, n: int, kind: str) -> Array:
    """(n,) detections of an error type in each image."""
    wrong = errors.kind == TYPES.index(kind)
    return np.bincount(images[wrong], minlength=n)


def changes(
    a: Evaluated, b: Evaluated, count: int
) -> tuple[list[ImageChange], list[ImageChange], dict[str, int]]:
    """The images won and lost by most, and the ground truths that changed."""
    if count == 0 or a.kind == "keypoints" or not _same_rows(a, b):
        return [], [], {}
    found = [detection_errors(_View(e)) for e in (a, b)]
    before, after = (states_of(x) for x in found)
    regular = (a.gts.category >= 0) & (a.gts.image >= 0) & (a.gts.crowd == 0)
    change = image_scores(_View(b))["ap"] - image_scores(_View(a))["ap"]
    n = len(a.images)
    more = {
        kind: excess(found[1], b.dets.image, n, kind) - excess(found[0], a.dets.image, n, kind)
        for kind in ("Dupe", "Bkg")
    }

    def of_image(i: int) -> ImageChange:
        rows = np.flatnonzero(regular & (a.gts.image == i))
        errors = named(transitions(before[rows], after[rows]))
        errors |= {kind: int(x[i]) for kind, x in more.items() if x[i]}
        return ImageChange(int(a.images[i]), float(change[i]), errors)

    order = np.argsort(change, kind="stable")
    order = order[: np.count_nonzero(~np.isnan(change))]
    won = [of_image(i) for i in order[::-1][:count].tolist() if change[i] > 0]
    lost = [of_image(i) for i in order[:count].tolist() if change[i] < 0]
    return won, lost, named(transitions(before[regular], after[regular]))


def _same_rows(a: Evaluated, b: Evaluated) -> bool:
    columns = ("image", "category", "crowd", "area")
    return all(np.array_equal(getattr(a.gts, c), getattr(b.gts, c)) for c in columns)


class _View:
    """Lets the analyses read an evaluation that is at hand."""

    def __init__(self, e: Evaluated) -> None:
        self.e = e

    def _evaluated(self) -> Evaluated:
        return self.e
