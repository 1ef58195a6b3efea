"""FiftyOne's evaluation and Brain functions, in bulk.

The functions have FiftyOne's names, arguments and results; `install` puts them in FiftyOne's place.
They read all samples at once as columns, compute on arrays, and write last: a call that fails
changes nothing.
"""

from tamis.fiftyone._install import install, uninstall
from tamis.fiftyone.curation import coverage, detection_errors, drift, failures, split
from tamis.fiftyone.detections import evaluate_detections
from tamis.fiftyone.embeddings import compute_representativeness, compute_uniqueness
from tamis.fiftyone.ious import compute_ious, compute_max_ious, find_duplicates
from tamis.fiftyone.mistakes import compute_hardness, compute_mistakenness
from tamis.fiftyone.near_duplicates import compute_leaky_splits, compute_near_duplicates
from tamis.fiftyone.selection import select_next_batch, zcore
from tamis.fiftyone.similarity import TamisSimilarity, TamisSimilarityConfig, TamisSimilarityIndex
from tamis.fiftyone.visualization import compute_visualization

__all__ = [
    "TamisSimilarity",
    "TamisSimilarityConfig",
    "TamisSimilarityIndex",
    "compute_hardness",
    "compute_ious",
    "compute_leaky_splits",
    "compute_max_ious",
    "compute_mistakenness",
    "compute_near_duplicates",
    "compute_representativeness",
    "compute_uniqueness",
    "compute_visualization",
    "coverage",
    "detection_errors",
    "drift",
    "evaluate_detections",
    "failures",
    "find_duplicates",
    "install",
    "select_next_batch",
    "split",
    "uninstall",
    "zcore",
]
