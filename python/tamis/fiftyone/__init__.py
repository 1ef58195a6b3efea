"""FiftyOne's evaluation and Brain functions, in bulk."""

from tamis.fiftyone.detections import evaluate_detections
from tamis.fiftyone.ious import compute_ious, compute_max_ious, find_duplicates

__all__ = ["compute_ious", "compute_max_ious", "evaluate_detections", "find_duplicates"]
