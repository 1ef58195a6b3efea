"""FiftyOne's evaluation and Brain functions, in bulk."""

from tamis.fiftyone.detections import evaluate_detections

__all__ = ["evaluate_detections"]
