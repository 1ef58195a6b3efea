"""The picture of each kind of result: what ``result.plot()`` draws."""

from __future__ import annotations

import importlib
from typing import Any

# By name, so that no result's module has to be imported to draw another's.
PICTURES = {
    "Agreement": "comparison.offsets",
    "BestF1": "evaluation.best_confidence",
    "Calibration": "evaluation.reliability",
    "Comparison": "comparison.differences",
    "ConfusionMatrix": "evaluation.confusion",
    "Coverage": "curation.coverage",
    "DetectionErrors": "evaluation.error_bars",
    "DetectionResult": "evaluation.detection_result",
    "Diversity": "curation.diversity",
    "Drift": "curation.drift",
    "DuplicateThreshold": "curation.duplicate_threshold",
    "Failures": "evaluation.failures",
    "ImageScores": "evaluation.image_scores",
    "Intervals": "comparison.intervals",
    "LabelMistakes": "curation.label_mistakes",
    "Leaks": "curation.leaks",
    "LearningCurve": "curation.learning_curve",
    "NearDuplicates": "curation.near_duplicates",
    "Slices": "comparison.slices",
    "Tightness": "comparison.offsets",
    "Versus": "comparison.differences",
    "ZcoreStability": "curation.zcore_stability",
}


def plot(result: Any, ax: Any = None, **options: Any) -> Any:
    """Draw a result; see the function of `tamis.plots` for its kind for the options.

    Parameters
    ----------
    result : result of a function of tamis
    ax : matplotlib Axes, optional
        Where to draw; a new figure's by default.
    **options
        Of the kind of picture: `tamis.DetectionResult.plot` takes ``kind``.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError
        There is no picture of such a result, or `ax` is something else.
    ImportError
        Without matplotlib.
    """
    for kind in type(result).__mro__:
        if kind.__name__ in PICTURES and kind.__module__.startswith("tamis."):
            module, _, function = PICTURES[kind.__name__].partition(".")
            draw = getattr(importlib.import_module(f"tamis.plots.{module}"), function)
            return draw(result, ax, **options)
    raise TypeError(f"plot: there is no picture of a {type(result).__name__}")


def has_picture(result: Any) -> bool:
    """Whether `plot` draws it."""
    return any(kind.__name__ in PICTURES for kind in type(result).__mro__)
