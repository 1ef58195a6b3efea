"""Which of two evaluations is better, where, and whether the difference is significant."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.typed import AnyColumn
from tamis.comparison.changes import ImageChange, changes
from tamis.comparison.comparison import Comparison, Difference, Versus
from tamis.comparison.draws import bootstrap, integers, units_of
from tamis.comparison.resampling import (
    Numbers,
    Plan,
    check_device,
    check_options,
    counter,
    evaluated,
    numbers_of,
    over_classes,
    sample,
)
from tamis.comparison.slices import masks_of
from tamis.comparison.statistics import benjamini_hochberg, p_values, percentile_interval
from tamis.evaluation.analysis import AnyEvaluation, Evaluated
from tamis.evaluation.parts import pooled, with_classes

_PERMUTATION = 1  # stream of random numbers; the bootstrap's is 0
_FEWEST_HOLDING = 10  # a class in fewer images is not tested


@dataclass(frozen=True)
class _Options:
    level: float
    samples: int
    permutations: int
    seed: int
    units: Array
    masks: dict[str, Array]
    images: int
    on: Any


def compare(
    a: AnyEvaluation,
    b: AnyEvaluation,
    *others: AnyEvaluation,
    samples: int = 1000,
    permutations: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    groups: AnyColumn | None = None,
    slices: Mapping[str, Any] | None = None,
    images: int = 5,
    names: Any = None,
    on: Any = None,
    progress: Progress = None,
) -> Comparison:
    """Compare evaluations of the same images with the first one.

    Parameters
    ----------
    a, b, *others : DetectionResult or tamis.coco.COCOeval
        Evaluations of the same images in the same order, with the same settings. For a `COCOeval`,
        only what `evaluate` covered.
    samples : int, default 1000
        Of the bootstrap: the same images are drawn for both models; 0: no intervals.
    permutations : int, default 1000
        Of the test: the two models swap their results at random, image by image; the p-value is the
        share of permutations with a difference at least as large. 0: no test.
    seed, confidence, groups, on, progress
        As in :func:`tamis.intervals`; a group is drawn, and swapped, as a whole.
    slices : dict of str to array, optional
        Parts of the images to compare in, as in :func:`tamis.slices`.
    images : int, default 5
        Images to list that are won and lost by most; 0: none, and no changes of errors.
    names : sequence of str, optional
        Of the models; default ``"A"``, ``"B"``, ...

    Returns
    -------
    Comparison

    Raises
    ------
    TypeError, ValueError
        Other objects, and evaluations that have not run or have other images or settings.

    Notes
    -----
    Both methods are exact: every sample and every swap has the curves of a new evaluation of those
    images (cpp/resampling/resampling.hpp). The p-value of n permutations is at least 1 / (n + 1).
    Each interval and p-value holds by itself; for many classes at once, use `q`.

    Cost: a pass over the detections of each model for each sample, and one over those of both for
    each permutation. Memory: about 40 bytes per detection of each model, 80 for the permutations,
    and 40 bytes per sample, class and number.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> box, one = np.array([[0.0, 0.0, 10.0, 10.0]]), np.ones(1, int)
    >>> def model(share):
    ...     evaluator = tamis.DetectionEvaluator()
    ...     for i in range(100):
    ...         preds = {"boxes": box + (0 if i < share else 50), "scores": one, "labels": one}
    ...         evaluator.update(preds, {"boxes": box, "labels": one})
    ...     return evaluator.compute()
    >>> found = tamis.compare(model(50), model(80))
    >>> print(found.stats["AR100"])
    0.500 0.800 +0.300 [+0.210, +0.380] p=0.001
    """
    name = "compare"
    level = check_options(name, samples, seed, confidence)
    permutations = arrays.check_integer(name, "permutations", permutations, 0, 10**7)
    images = arrays.check_integer(name, "images", images, 0)
    check_device(name, on)
    models = [evaluated(name, model) for model in (a, b, *others)]
    titles = _titles(names, len(models))
    first, numbers = models[0]
    for i, (e, its) in enumerate(models[1:], 1):
        _check_pair(i, first, numbers, e, its)
    n_images = len(first.images)
    units = units_of(name, groups, n_images)
    if n_images == 0:
        raise ValueError(f"{name}: the evaluations must hold at least one image, got none")
    masks = masks_of(name, slices or {}, first.images, "images")
    options = _Options(level, samples, permutations, seed, units, masks, images, on)
    work = (samples + permutations) * (1 + len(masks)) * len(models[1:])
    done = counter(progress, name, max(1, work))
    against = []
    for i, (e, _) in enumerate(models[1:]):
        base = i * work // len(models[1:])
        against.append(
            _versus(titles[i + 1], first, e, numbers, options, lambda at, b=base: done(b + at))
        )
    done(max(1, work))
    return Comparison(titles[0], tuple(against), level, samples, permutations, int(units.max()) + 1)


def _titles(names: Any, n: int) -> list[str]:
    if names is None:
        return [chr(ord("A") + i) if i < 26 else f"model {i}" for i in range(n)]
    titles = [str(x) for x in names]
    if isinstance(names, str) or len(titles) != n:
        raise ValueError(f"compare: names must be {n} names, one a model, got {names!r}")
    return titles


def _check_pair(i: int, first: Evaluated, a: Numbers, e: Evaluated, b: Numbers) -> None:
    if not np.array_equal(first.images, e.images):
        raise ValueError(
            f"compare: model {i} must be evaluated on the images of model 0 in the same order,"
            f" got {len(e.images)} images against {len(first.images)}"
            + ("" if len(e.images) != len(first.images) else ", of other ids")
        )
    if not a.same_settings(b):
        raise ValueError(
            f"compare: model {i} must have the thresholds, area ranges and caps of model 0,"
            f" got {vars(b.params)} against {vars(a.params)}"
        )


def ground_truth_hash(e: Evaluated) -> str:
    """A hash of everything that defines the ground truth, whatever the order of the rows."""
    used = (e.gts.category >= 0) & (e.gts.image >= 0)
    columns = [e.gts.image[used], e.classes[e.gts.category[used]], e.gts.crowd[used] != 0]
    if e.gts.boxes is not None:
        columns += list(e.gts.boxes[used].T)
    columns.append(e.gts.area[used])
    rows = np.stack([np.asarray(c, np.float64) for c in columns], axis=1)
    rows = rows[np.lexsort(rows.T[::-1])] + 0.0  # no -0
    return hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()


def _versus(
    name: str, a: Evaluated, b: Evaluated, numbers: Numbers, o: _Options, done: Any
) -> Versus:
    same = ground_truth_hash(a) == ground_truth_hash(b)
    estimates = [numbers_of(e, numbers) for e in (a, b)]
    classes = np.union1d(a.classes, b.classes)
    a, b = with_classes(a, classes), with_classes(b, classes)
    plans = [Plan.of(numbers, e, o.on) for e in (a, b)]
    both = Plan.of(numbers, pooled(a, b), o.on) if o.permutations else None
    every = np.ones(len(a.images), bool)
    overall, by_class = _compared(plans, both, every, estimates, o, done)
    parts = {}
    for i, (key, mask) in enumerate(o.masks.items(), 1):
        shift = i * (o.samples + o.permutations)
        part, _ = _compared(plans, both, mask, None, o, lambda at, s=shift: done(s + at))
        parts[key] = _differences(numbers, part)
    tested = _tested(a, len(classes))
    won, lost, errors = changes(a, b, o.images)
    return Versus(
        name, _differences(numbers, overall), classes,
        _class_differences(numbers, classes, by_class, tested), parts, won, lost, errors, same,
    )  # fmt: skip


def _compared(
    plans: list[Plan], both: Plan | None, mask: Array, estimates: Any, o: _Options, done: Any
) -> tuple[list[Array], list[Array]]:
    """First, second, difference, low, high and p, (numbers,) overall and (K * numbers,)."""
    n = len(mask)
    values = [p.by_class(mask[None].astype(np.float64)) for p in plans]
    flat = [np.concatenate([over_classes(v)[0], v.ravel()]) for v in values]
    cut = len(flat[0]) - values[0].size
    observed = flat[1] - flat[0]
    if estimates is not None:
        flat = [np.concatenate([e, f[cut:]]) for e, f in zip(estimates, flat, strict=True)]
    low = high = p = np.full(len(observed), np.nan)
    if o.samples:
        drawn = bootstrap(o.seed, o.units)
        found = sample(plans, lambda i, j: drawn(i, j) * mask, o.samples, n, done)
        low, high = percentile_interval(found[1].columns() - found[0].columns(), o.level)
    if both is not None:
        permuted = _permuted(both, mask, o, lambda at: done(o.samples + at))
        p = p_values(observed, permuted)
    columns = [*flat, flat[1] - flat[0], low, high, p]
    return [c[:cut] for c in columns], [c[cut:] for c in columns]


def _permuted(both: Plan, mask: Array, o: _Options, done: Any) -> Array:
    """(permutations, numbers + K * numbers) differences after swapping images by chance."""
    n_units = int(o.units.max()) + 1

    def draw(first: int, last: int) -> Array:
        """The two models swap the images that are drawn."""
        weights = np.empty((last - first, 2, len(mask), 2))
        coins = integers(o.seed, range(first, last), n_units, 2, _PERMUTATION)
        swap = np.take(coins.astype(bool), o.units, axis=1)
        weights[:, 0, :, 1] = weights[:, 1, :, 0] = swap & mask
        weights[:, 0, :, 0] = weights[:, 1, :, 1] = ~swap & mask
        return weights.reshape(2 * (last - first), -1)

    def pairs(first: int, last: int) -> Array:
        return draw(first // 2, last // 2)

    [found] = sample([both], pairs, 2 * o.permutations, 2 * len(mask), lambda at: done(at // 2))
    flat = found.columns()
    return flat[1::2] - flat[::2]


def _differences(numbers: Numbers, columns: list[Array], q: Array | None = None) -> Any:
    values = [*columns, np.full(len(columns[0]), np.nan) if q is None else q]
    rows = zip(*(v.tolist() for v in values), strict=True)
    return {key: Difference(*row) for key, row in zip(numbers.names, rows, strict=True)}


def _tested(e: Evaluated, k: int) -> Array:
    """(K,) whether enough images hold the class for a test to mean something."""
    held = (e.gts.category >= 0) & (e.gts.image >= 0) & (e.gts.crowd == 0)
    pairs = np.unique(e.gts.category[held].astype(np.int64) * len(e.images) + e.gts.image[held])
    enough: Array = np.bincount(pairs // max(1, len(e.images)), minlength=k) >= _FEWEST_HOLDING
    return enough


def _class_differences(
    numbers: Numbers, classes: Array, columns: list[Array], tested: Array
) -> dict[Any, dict[str, Difference]]:
    k, n = len(classes), len(numbers.names)
    tables = [c.reshape(k, n) for c in columns]
    p = np.where(tested[:, None], tables[-1], np.nan)
    q = np.stack([benjamini_hochberg(p[:, i]) for i in range(n)], axis=1)
    return {
        label: _differences(numbers, [*(t[i] for t in tables[:-1]), p[i]], q[i])
        for i, label in enumerate(classes.tolist())
    }


__all__ = ["Comparison", "Difference", "ImageChange", "Versus", "compare"]
