"""Pictures of results, with matplotlib (``pip install tamis[plots]``).

`plot` draws any result, as its method ``result.plot(ax=None, ...)`` does; the functions beside it
draw one kind of picture each. All take and return matplotlib's Axes, and make a figure where none
is given.
"""

from tamis.plots.comparison import (
    class_differences,
    differences,
    intervals,
    offsets,
    slices,
)
from tamis.plots.curation import curve, drift, histogram, learning_curve, scatter
from tamis.plots.dispatch import plot
from tamis.plots.evaluation import (
    class_bars,
    confidence_curves,
    confusion,
    error_bars,
    precision_recall,
    reliability,
    score_histogram,
    size_bars,
)

__all__ = [
    "class_bars",
    "class_differences",
    "confidence_curves",
    "confusion",
    "curve",
    "differences",
    "drift",
    "error_bars",
    "histogram",
    "intervals",
    "learning_curve",
    "offsets",
    "plot",
    "precision_recall",
    "reliability",
    "scatter",
    "score_histogram",
    "size_bars",
    "slices",
]
