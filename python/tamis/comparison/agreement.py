"""How well two versions of annotations agree: what changed, and how tight the boxes are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.columns import check_fmt, read_levels
from tamis._shared.results import Result
from tamis.comparison.draws import times_drawn
from tamis.comparison.intervals import Interval
from tamis.comparison.pairs import Annotated, best_pairs, read_both
from tamis.comparison.resampling import check_options
from tamis.comparison.statistics import percentile_interval, shown, standard_errors
from tamis.regions.box_iou import box_iou, box_iou_paired

SIDES = ("left", "top", "right", "bottom")
_CHANCE_PAIRS = 1 << 22
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, eq=False, repr=False)
class Tightness(Result):
    """How far the sides of the second version lie outside those of the first.

    Attributes
    ----------
    offsets : (pairs, 4) float64
        Left, top, right, bottom: positive where the second box reaches further out, as a share of
        the first box's width or height. NaN if the first box has no extent.
    image : (pairs,) int64
        Place of the image of each pair.
    median, spread : dict of str to float
        By side; the spread is the distance between the quartiles.
    size : float
        Median of log(area of the second / area of the first).
    images : int
    """

    offsets: Array
    image: Array
    median: dict[str, float]
    spread: dict[str, float]
    size: float
    images: int

    def shift(
        self, other: Tightness, samples: int = 1000, *, seed: int = 0, confidence: float = 0.95
    ) -> dict[str, Interval]:
        """How much looser another batch is: its medians minus these, by side.

        Both batches are measured against the same reference: labelled twice, or by one detector.
        The interval is from a bootstrap by image, separate for each batch.
        """
        name = "Tightness.shift"
        if not isinstance(other, Tightness):
            raise TypeError(f"{name}: other must be a Tightness, got {type(other).__name__}")
        level = check_options(name, samples, seed, confidence)
        drawn = other._medians(samples, seed, 1) - self._medians(samples, seed, 0)
        value = np.array([other.median[s] - self.median[s] for s in SIDES])
        low, high = percentile_interval(drawn, level)
        rows = zip(value, low, high, standard_errors(drawn), strict=True)
        return {side: Interval(*map(float, r)) for side, r in zip(SIDES, rows, strict=True)}

    def _medians(self, samples: int, seed: int, stream: int) -> Array:
        """(samples, 4) medians of images drawn with repetition."""
        out = np.full((samples, 4), np.nan)
        good = [np.flatnonzero(~np.isnan(column)) for column in self.offsets.T]
        order = [
            g[np.argsort(c[g], kind="stable")] for g, c in zip(good, self.offsets.T, strict=True)
        ]
        for b in range(samples):
            times = times_drawn(seed, range(b, b + 1), self.images, stream)[0, self.image]
            for s, rows in enumerate(order):
                ends = np.cumsum(times[rows])
                if len(ends) and ends[-1]:
                    middle = np.array([(ends[-1] - 1) // 2, ends[-1] // 2])
                    at = rows[np.searchsorted(ends, middle, side="right")]
                    out[b, s] = self.offsets[at, s].mean()
        return out

    def _plain(self) -> dict[str, Any]:
        names = ("median", "spread", "size")
        return {"pairs": len(self.offsets)} | {name: getattr(self, name) for name in names}

    def _columns(self) -> dict[str, Any]:
        return {"image": self.image} | dict(zip(SIDES, self.offsets.T, strict=True))


@dataclass(frozen=True, eq=False, repr=False)
class Agreement(Result):
    """The result of `agreement`, of n annotations before and m after.

    Attributes
    ----------
    pairs : (p, 2) int64
        Rows of the same object in both versions, best IoU first.
    iou : (p,) float64
    relabelled, moved : (k,) int64
        Indices into `pairs` of objects with another label, and of boxes with an IoU below `same`.
    removed, added : (k,) int64
        Rows of the first version, and of the second, that have no partner.
    f1, f1_labelled : dict of float to float
        By IoU threshold: 2 pairs / (n + m); labelled: of pairs with the same label.
    kappa : float
        Cohen's, of the labels of pairs; NaN where chance alone agrees on all.
    alpha : float
        Krippendorff's with the distance 1 - IoU: see `agreement`.
    tightness : Tightness
    """

    pairs: Array
    iou: Array
    relabelled: Array
    moved: Array
    removed: Array
    added: Array
    f1: dict[float, float]
    f1_labelled: dict[float, float]
    kappa: float
    alpha: float
    tightness: Tightness
    threshold: float

    def __str__(self) -> str:
        lines = [f"{name:<10} {value}" for name, value in self._counts().items()]
        for name, f1 in (("F1", self.f1), ("F1 labels", self.f1_labelled)):
            few = list(f1.items())[:: max(1, len(f1) // 4)]
            lines.append(f"{name:<10} " + "  ".join(f"{t:g}: {shown(v)}" for t, v in few))
        lines += [f"kappa      {shown(self.kappa)}", f"alpha      {shown(self.alpha)}"]
        t = self.tightness
        lines.append("side       median offset (spread), share of the box")
        lines += [
            f"  {side:<8} {shown(t.median[side], 4, '+')} ({shown(t.spread[side], 4)})"
            for side in SIDES
        ]
        return "\n".join(lines)

    def _counts(self) -> dict[str, int]:
        names = ("pairs", "relabelled", "moved", "removed", "added")
        return {name: len(getattr(self, name)) for name in names}

    def _plain(self) -> dict[str, Any]:
        fields = self._public() | self._counts()
        del fields["iou"]
        for name in ("f1", "f1_labelled"):
            fields[name] = [{"iou": t, "f1": v} for t, v in fields[name].items()]
        return fields

    def _columns(self) -> dict[str, Any]:
        places = np.arange(len(self.pairs))
        return {
            "first": self.pairs[:, 0], "second": self.pairs[:, 1], "iou": self.iou,
            "relabelled": np.isin(places, self.relabelled), "moved": np.isin(places, self.moved),
        }  # fmt: skip


def agreement(
    a: Any,
    b: Any,
    *,
    iou: float = 0.5,
    same: float = 0.99,
    thresholds: Any = None,
    fmt: str = "xyxy",
) -> Agreement:
    """Compare two versions of the annotations of the same images.

    Parameters
    ----------
    a, b : dict of arrays, list of them (one per image), or tamis.coco.COCO
        ``boxes`` (n, 4), ``labels`` (n,) integers, and in a dict of many images ``splits``
        (images + 1,), as for `DetectionEvaluator.update`. COCO datasets are joined by image id.
    iou : float, default 0.5
        Minimum IoU of two boxes of one object, whatever their labels. In (0, 1].
    same : float, default 0.99
        A pair with a lower IoU counts as moved. In (0, 1].
    thresholds : (T,) floats, optional
        Of the F1; default 0.50, 0.55, ... 0.95.
    fmt : {"xyxy", "xywh", "cxcywh"}
        Of the boxes; not of COCO datasets, which have their own.

    Returns
    -------
    Agreement
        Rows are those of the columns as given; of COCO datasets, image by image (ids ascending), in
        the order of the file within.

    Raises
    ------
    KeyError, TypeError, ValueError
        Naming what is missing or wrong.

    Notes
    -----
    Pairs are made best IoU first over each image, each box once; ties go by row. Symmetric in `a`
    and `b` except for ties.

    Krippendorff's alpha is 1 - D_o / D_e with the distance 1 - IoU. D_o is its mean over objects:
    pairs, and boxes without a partner at distance 1. D_e is its mean over all pairs of boxes of
    both versions, whatever their image (beyond 4 million pairs, over as many drawn by a fixed
    seed).

    Cost: the IoU of all pairs of each image. Memory: 8 bytes per pair of the largest image, at
    least 32 MB, and 32 MB more for D_e.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> boxes = np.array([[0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 40.0, 40.0]])
    >>> old = {"boxes": boxes, "labels": np.array([1, 2])}
    >>> new = {"boxes": boxes + [0, 0, 1, 0], "labels": np.array([1, 3])}
    >>> found = tamis.agreement(old, new)
    >>> len(found.pairs), len(found.relabelled), round(found.alpha, 3)
    (2, 1, 0.9)
    """
    name = "agreement"
    check_fmt(name, fmt)
    iou = arrays.check_number(name, "iou", iou, 0, 1)
    same = arrays.check_number(name, "same", same, 0, 1)
    levels = np.linspace(0.5, 0.95, 10) if thresholds is None else read_levels(name, thresholds)
    first, second = read_both(name, a, b, fmt)
    i, j, overlap = best_pairs(first, second, min(iou, float(levels.min())))
    alike = first.labels[i] == second.labels[j]
    total = len(first.labels) + len(second.labels)

    def f1(use: Array) -> dict[float, float]:
        counts = [2 * np.count_nonzero(use & (overlap >= t)) for t in levels]
        shares = [c / total if total else float("nan") for c in counts]
        return dict(zip(levels.round(10).tolist(), shares, strict=True))

    scores = f1(np.ones(len(overlap), bool)), f1(alike)
    kept = overlap >= iou
    i, j, overlap, alike = i[kept], j[kept], overlap[kept], alike[kept]
    return Agreement(
        np.stack([i, j], axis=1), overlap, np.flatnonzero(~alike), np.flatnonzero(overlap < same),
        np.setdiff1d(np.arange(len(first.labels)), i),
        np.setdiff1d(np.arange(len(second.labels)), j), *scores,
        cohens_kappa(first.labels[i], second.labels[j]),
        _alpha(first, second, overlap), _tightness(first, second, i, j), iou,
    )  # fmt: skip


def cohens_kappa(a: Array, b: Array) -> float:
    """Agreement of labels beyond chance; NaN of none, or where chance agrees on all."""
    labels, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    if len(a) == 0:
        return float("nan")
    shares = [np.bincount(c, minlength=len(labels)) / len(a) for c in np.split(codes, 2)]
    observed, chance = float((a == b).mean()), float(shares[0] @ shares[1])
    return (observed - chance) / (1 - chance) if chance < 1 else float("nan")


def _alpha(a: Annotated, b: Annotated, overlap: Array) -> float:
    boxes = np.concatenate([a.boxes, b.boxes])
    objects = len(boxes) - len(overlap)
    if len(boxes) < 2:
        return float("nan")
    observed = 1 - overlap.sum() / objects
    expected = 1 - _chance_iou(boxes)
    return float(1 - observed / expected) if expected > 0 else float("nan")


def _chance_iou(boxes: Array) -> float:
    """Mean IoU of two different boxes."""
    n = len(boxes)
    if n * (n - 1) <= 2 * _CHANCE_PAIRS:
        total = 0.0
        for first in range(0, n, _ROWS_AT_ONCE):
            block = box_iou(boxes[first : first + _ROWS_AT_ONCE], boxes)
            own = np.arange(len(block))
            total += float(block.sum() - block[own, first + own].sum())
        return total / (n * (n - 1))
    rng = np.random.default_rng(0)
    i = rng.integers(0, n, _CHANCE_PAIRS)
    j = (i + rng.integers(1, n, _CHANCE_PAIRS)) % n
    parts = np.array_split(np.arange(_CHANCE_PAIRS), 16)
    return sum(float(box_iou_paired(boxes[i[p]], boxes[j[p]]).sum()) for p in parts) / len(i)


def _tightness(a: Annotated, b: Annotated, i: Array, j: Array) -> Tightness:
    before, after = a.boxes[i], b.boxes[j]
    size = before[:, 2:] - before[:, :2]
    outward = np.concatenate([before[:, :2] - after[:, :2], after[:, 2:] - before[:, 2:]], axis=1)
    shares = np.full(outward.shape, np.nan)
    np.divide(outward, np.tile(size, 2), out=shares, where=np.tile(size, 2) > 0)
    columns = [c[~np.isnan(c)] for c in shares.T]
    quartiles = [np.quantile(c, [0.25, 0.5, 0.75]) if len(c) else [np.nan] * 3 for c in columns]
    area, new_area = size.prod(axis=1), (after[:, 2:] - after[:, :2]).prod(axis=1)
    good = (area > 0) & (new_area > 0)
    ratio = float(np.median(np.log(new_area[good] / area[good]))) if good.any() else float("nan")
    return Tightness(
        shares, a.image[i],
        {side: float(q[1]) for side, q in zip(SIDES, quartiles, strict=True)},
        {side: float(q[2] - q[0]) for side, q in zip(SIDES, quartiles, strict=True)},
        ratio, len(a.images),
    )  # fmt: skip


__all__ = ["Agreement", "Tightness", "agreement"]
