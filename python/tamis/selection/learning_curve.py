"""The gain from more labels: a power law fitted to the scores of growing training sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.results import Result
from tamis._shared.typed import AnyColumn

EXPONENTS = np.geomspace(0.01, 4, 400)
REFITS = 1000
LARGEST = 1e15  # sizes to the fourth, and their squares, fit a float
SMALLEST = 1e-15  # of the sizes, as a share of the largest


@dataclass(frozen=True, eq=False, repr=False)
class LearningCurve(Result):
    """The outcome of `learning_curve`: ``score = limit - factor * size ** -exponent``.

    Attributes
    ----------
    limit, factor, exponent : float
    error : float
        Root mean square residual of the scores, over the degrees of freedom.
    level : float
        Confidence level of all intervals.
    sizes, scores : (n,) float64
        What was given.
    refits : (R, 3) float64
        Limit, factor and exponent of curves fitted with resampled residuals.
    """

    limit: float
    factor: float
    exponent: float
    error: float
    level: float
    sizes: Array
    scores: Array
    refits: Array

    def _columns(self) -> dict[str, Any]:
        return {"size": self.sizes, "score": self.scores, "fitted": self.predict(self.sizes)[0]}

    def predict(self, size: Any) -> tuple[Any, Any, Any]:
        """(score, lower, upper) at a size or sizes, for the curve itself."""
        name = "LearningCurve.predict"
        one = isinstance(size, (int, float, np.integer, np.floating))
        at = _numbers(
            name, "size", np.asarray(arrays.check_real(name, "size", size)) if one else size
        )
        if not (at > 0).all():
            raise ValueError(f"{name}: size must be above 0, got {size}")
        curve = self.limit - self.factor * at**-self.exponent
        limit, factor, exponent = self.refits.T.reshape(3, -1, *[1] * at.ndim)
        around = limit - factor * at**-exponent
        low, high = np.quantile(around, [(1 - self.level) / 2, (1 + self.level) / 2], axis=0)
        return (
            (curve[()], low[()], high[()]) if at.ndim else (float(curve), float(low), float(high))
        )

    def labels_for(self, gain: float = 1.0) -> tuple[float, float, float]:
        """(labels, fewest, most) beyond the largest size for a gain in score; inf: never."""
        if not arrays.check_real("LearningCurve.labels_for", "gain", gain) > 0:
            raise ValueError(f"LearningCurve.labels_for: gain must be above 0, got {gain}")
        size = float(self.sizes.max())
        curves = np.concatenate([[[self.limit, self.factor, self.exponent]], self.refits])
        _, factor, exponent = curves.T
        left = factor * size**-exponent - gain
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            needed = np.where(left > 0, (factor / left) ** (1 / exponent) - size, np.inf)
        low, high = np.quantile(
            needed[1:], [(1 - self.level) / 2, (1 + self.level) / 2], method="higher"
        )
        return float(needed[0]), float(low), float(high)

    def __str__(self) -> str:
        size = float(self.sizes.max())
        lines = [
            f"score = {self.limit:.4g} - {self.factor:.4g} * labels ** -{self.exponent:.3g}"
            f"   (misses the scores by {self.error:.2g})"
        ]
        for times in (1, 1.5, 2, 4):
            at, low, high = self.predict(times * size)
            lines.append(f"{times * size:>12.0f} labels: {at:.4g}  ({low:.4g} to {high:.4g})")
        return "\n".join(lines)


def learning_curve(
    sizes: AnyColumn, scores: AnyColumn, *, level: float = 0.95, seed: int = 0
) -> LearningCurve:
    """Fit a power law with an interval, to predict how many more labels a gain needs.

    Parameters
    ----------
    sizes : (n,) array or list
        Numbers of training labels; at least three different ones.
    scores : (n,) array or list
        Scores at these sizes, such as AP in points. Several scores per size (other seeds) are
        needed for a meaningful interval.
    level : float
        Of the intervals. Default 0.95.
    seed : int
        Of the resampling. Default 0.

    Returns
    -------
    LearningCurve
        ``curve.labels_for(1.0)`` is the number of additional labels for one more point of `scores`.

    Raises
    ------
    ValueError, TypeError
        For arguments that do not fit, and for scores that do not grow.

    Notes
    -----
    ``limit - factor * size ** -exponent`` with factor 0 or more and an exponent of 0.01 to 4, by
    least squares: for each of 400 exponents limit and factor follow in closed form; the best is
    refined between its neighbours. The interval is that of 1,000 curves through the fitted scores
    with residuals drawn again (widened by the degrees of freedom): it covers noise, but not a curve
    that does not follow a power law. Source: Hestness et al. 2017; DataEval's `Sufficiency` fits
    the same.

    Examples
    --------
    >>> import tamis
    >>> curve = tamis.learning_curve([100, 200, 400, 800], [30.0, 35.0, 38.5, 41.0])
    >>> round(curve.limit, 1), round(curve.labels_for(1.0)[0])
    (46.9, 353)
    """
    name = "learning_curve"
    n, y = (_column(name, what, v) for what, v in (("sizes", sizes), ("scores", scores)))
    level = arrays.check_number(name, "level", level, 0, 1 - 1e-9)
    seed = arrays.check_integer(name, "seed", seed, 0, 2**63 - 1)
    if len(n) != len(y):
        raise ValueError(f"{name}: scores must have shape ({len(n)},), got ({len(y)},)")
    if not (n > 0).all() or len(np.unique(n)) < 3:
        raise ValueError(f"{name}: sizes must be at least 3 different ones above 0, got {n}")
    base = float(n.max())
    x = n / base
    if x.min() < SMALLEST:
        raise ValueError(f"{name}: sizes must be within {SMALLEST:g} of the largest, got {n}")
    limit, factor, exponent = (float(v[0]) for v in _fit(x, y[None]))
    if factor <= 0:
        raise ValueError(f"{name}: scores must grow with sizes, got {y}")
    fitted = limit - factor * x**-exponent
    residuals = y - fitted
    freedom = max(1, len(y) - 3)
    error = float(np.sqrt((residuals**2).sum() / freedom))
    rng = np.random.default_rng(seed)
    drawn = (residuals - residuals.mean()) * np.sqrt(len(y) / freedom)
    again = fitted + drawn[rng.integers(0, len(y), (REFITS, len(y)))]
    limits, factors, exponents = _fit(x, again)
    refits = np.stack([limits, factors * base**exponents, exponents], axis=1)
    return LearningCurve(
        limit, factor * base**exponent, exponent, error, level, n, y, refits,
    )  # fmt: skip


def _column(name: str, what: str, values: Any) -> Array:
    column = _numbers(name, what, values)
    arrays.check_shape(name, what, column, ("n",))
    if not (np.abs(column) <= LARGEST).all():
        raise ValueError(f"{name}: {what} must be finite and within {LARGEST:g}, got {column}")
    return column


def _numbers(name: str, what: str, values: Any) -> Array:
    found = arrays.host(name, what, arrays.column(name, what, values))
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{name}: {what} must be numbers, got {found.dtype}")
    return np.asarray(found, np.float64)


def _fit(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """(limits, factors, exponents) of the rows of scores y at sizes x, the largest being 1."""
    powers = x[:, None] ** -EXPONENTS
    centred = powers - powers.mean(0)
    dots = np.minimum((y - y.mean(1, keepdims=True)) @ centred, 0)
    spread = np.maximum((centred**2).sum(0), 1e-300)
    best = EXPONENTS[(dots**2 / spread).argmax(1)][:, None]  # what leaves the least error
    step = np.log(EXPONENTS[1] / EXPONENTS[0])
    for _ in range(4):
        around = best * np.exp(np.linspace(-step, step, 21))
        around = np.clip(around, EXPONENTS[0], EXPONENTS[-1])
        error, _, _ = _lines(x, y, around)
        best = np.take_along_axis(around, error.argmin(1)[:, None], 1)
        step /= 8
    _, limits, factors = _lines(x, y, best)
    return limits[:, 0], factors[:, 0], best[:, 0]


def _lines(x: Array, y: Array, exponents: Array) -> tuple[Array, Array, Array]:
    """(squared error, limit, factor) of each row of y with each of its exponents."""
    powers = x[:, None, None] ** -exponents  # (n, rows, exponents)
    mean = powers.mean(0)
    centred = powers - mean
    values = (y - y.mean(1, keepdims=True)).T[:, :, None]
    spread = np.maximum((centred**2).sum(0), 1e-300)
    slope = np.minimum((centred * values).sum(0) / spread, 0)
    error = ((values - slope * centred) ** 2).sum(0)
    return error, y.mean(1)[:, None] - slope * mean, -slope
