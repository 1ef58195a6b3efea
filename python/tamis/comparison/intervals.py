"""Bootstrap intervals of the numbers of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress
from tamis._shared.results import Result
from tamis._shared.typed import AnyColumn
from tamis.comparison.draws import bootstrap, leave_one_out, units_of
from tamis.comparison.resampling import (
    Plan,
    Samples,
    check_device,
    check_options,
    counter,
    evaluated,
    numbers_of,
    sample,
)
from tamis.comparison.statistics import (
    bca_interval,
    percentile_interval,
    shown,
    standard_errors,
)
from tamis.evaluation.analysis import AnyEvaluation

Method = Literal["percentile", "bca"]


@dataclass(frozen=True, eq=False, repr=False)
class Interval(Result):
    """A number, its interval and its standard error; NaN where there is no ground truth."""

    value: float
    low: float
    high: float
    error: float

    def __str__(self) -> str:
        return f"{shown(self.value)} [{shown(self.low)}, {shown(self.high)}]"


@dataclass(frozen=True, eq=False, repr=False)
class Intervals(Result):
    """The result of `intervals`.

    Attributes
    ----------
    stats : dict of str to Interval
        By the names of the evaluation's numbers.
    classes : (K,) array
        Labels.
    value, low, high, error : (K, numbers) arrays
        The same for each class, in the order of `stats`, from the samples that hold a ground truth
        of the class.
    confidence : float
    samples : int
    method : str
    units : int
        Images, or groups, that were drawn.
    """

    stats: dict[str, Interval]
    classes: Array
    value: Array
    low: Array
    high: Array
    error: Array
    confidence: float
    samples: int
    method: str
    units: int

    def __str__(self) -> str:
        head = f"{'':<6} {'value':>6}  {100 * self.confidence:g} % interval   error"
        rows = [
            f"{name:<6} {shown(i.value):>6}  [{shown(i.low):>6}, {shown(i.high):>6}]"
            f"  {shown(i.error, 4)}"
            for name, i in self.stats.items()
        ]
        foot = f"{self.samples} samples of {self.units} images or groups, {self.method}"
        return "\n".join([head, *rows, foot])

    def per_class(self) -> list[dict[str, Any]]:
        """One dict per class: its label, and an `Interval` of each number."""
        columns = zip(self.value, self.low, self.high, self.error, strict=True)
        return [
            {
                "label": label,
                **{name: Interval(*map(float, c)) for name, c in zip(self.stats, z, strict=True)},
            }
            for label, rows in zip(self.classes.tolist(), columns, strict=True)
            for z in [zip(*rows, strict=True)]
        ]

    def _plain(self) -> dict[str, Any]:
        names = ("stats", "classes", "confidence", "samples", "method", "units")
        return {name: getattr(self, name) for name in names} | {"classes": self.per_class()}

    def _columns(self) -> dict[str, Any]:
        names, n = list(self.stats), len(self.classes)
        every = [self.stats[name] for name in names]
        return {
            "label": [None] * len(names) + np.repeat(self.classes, len(names)).tolist(),
            "number": names * (n + 1),
            **{
                key: np.concatenate([[getattr(i, key) for i in every], getattr(self, key).ravel()])
                for key in ("value", "low", "high", "error")
            },
        }


def intervals(
    result: AnyEvaluation,
    samples: int = 1000,
    *,
    seed: int = 0,
    confidence: float = 0.95,
    groups: AnyColumn | None = None,
    method: Method = "percentile",
    on: Any = None,
    progress: Progress = None,
) -> Intervals:
    """Intervals of every number of an evaluation, overall and by class, by the bootstrap.

    Parameters
    ----------
    result : DetectionResult or tamis.coco.COCOeval
        An evaluation; for a `COCOeval`, only what `evaluate` covered.
    samples : int, default 1000
        Each draws as many images as there are, with replacement, and is evaluated as a data set.
    seed : int, default 0
        The same seed gives bit-identical results, for any number of threads.
    confidence : float, default 0.95
        In (0, 1).
    groups : (images,) integers or strings, optional
        Images of one group (a video, a scene) are drawn together: similar images carry less
        information, and drawn one by one they make the interval too narrow.
    method : {"percentile", "bca"}
        "bca" corrects for bias and skewness (Efron 1987); it leaves out each image, or group, once.
    on : CUDA array of PyTorch or CuPy, optional
        Any array on the device that computes the samples, bit-identical. Takes 256 MB there and the
        plan.
    progress : bool or callable, optional
        True for a bar, or a function of (done, total).

    Returns
    -------
    Intervals

    Raises
    ------
    TypeError, ValueError
        Another object, an evaluation that has not run, or numbers out of range.

    Notes
    -----
    Every sample is exact: it has the curves of a new evaluation of its images, with copies of an
    image next to each other. The numbers of `stats` are bit-identical to the evaluation's; those of
    the samples and classes are summed in another order (cpp/resampling/resampling.hpp).

    A class that only a few images hold has an interval of little meaning, and so have the numbers
    of few images altogether (fewer than about fifty).

    ``AP`` is that of the largest `max_detections`, whatever it is.

    Cost: a pass over the detections for each sample. Memory: the plan of the curves, about 40 bytes
    per detection, 16 bytes per sample, class and number, and 16 MB for weights.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> evaluator = tamis.DetectionEvaluator()
    >>> for found in [True, False] * 50:
    ...     box, one = np.array([[0.0, 0.0, 10.0, 10.0]]), np.ones(1, int)
    ...     preds = {"boxes": box + (0 if found else 50), "scores": one, "labels": one}
    ...     evaluator.update(preds, {"boxes": box, "labels": one})
    >>> print(tamis.intervals(evaluator.compute()).stats["AR100"])
    0.500 [0.400, 0.600]
    """
    name = "intervals"
    level = check_options(name, samples, seed, confidence)
    if samples < 2:
        raise ValueError(f"{name}: samples must be at least 2, got {samples}")
    if not arrays.one_of(method, ("percentile", "bca")):
        raise ValueError(f"{name}: method must be 'percentile' or 'bca', got {method!r}")
    e, numbers = evaluated(name, result)
    check_device(name, on)
    images = len(e.images)
    units = units_of(name, groups, images)
    n_units = int(units.max(initial=-1)) + 1
    if n_units == 0:
        raise ValueError(f"{name}: result must hold at least one image, got none")
    plan = Plan.of(numbers, e, on)
    total = samples + (n_units if method == "bca" else 0)
    done = counter(progress, name, total)
    [drawn] = sample([plan], bootstrap(seed, units), samples, images, done)
    value = plan.by_class(np.ones((1, images)))[0]
    estimate = numbers_of(e, numbers)
    left_out = None
    if method == "bca":
        [left_out] = sample(
            [plan], leave_one_out(units), n_units, images, lambda at: done(samples + at)
        )
    low, high, error = bounds(estimate, value, drawn, left_out, level)
    k = len(numbers.names)
    stats = {
        key: Interval(float(estimate[i]), float(low[i]), float(high[i]), float(error[i]))
        for i, key in enumerate(numbers.names)
    }
    low, high, error = (x[k:].reshape(value.shape) for x in (low, high, error))
    return Intervals(stats, e.classes, value, low, high, error, level, samples, method, n_units)


def bounds(
    estimate: Array, value: Array, drawn: Samples, left_out: Samples | None, confidence: float
) -> tuple[Array, Array, Array]:
    """Low, high and standard error of the overall numbers, and then of those of all classes."""
    samples = drawn.columns()
    error = standard_errors(samples)
    if left_out is None:
        return *percentile_interval(samples, confidence), error
    all_values = np.concatenate([estimate, value.ravel()])
    return *bca_interval(all_values, samples, left_out.columns(), confidence), error


__all__ = ["Interval", "Intervals", "intervals"]
