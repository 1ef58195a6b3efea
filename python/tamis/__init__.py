"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import num_threads, set_num_threads
from tamis.evaluator import DetectionEvaluator, DetectionResult
from tamis.matching import Matches, match_detections

__version__ = "0.1.0"
__all__ = [
    "CudaUnavailable",
    "DetectionEvaluator",
    "DetectionResult",
    "Matches",
    "match_detections",
    "num_threads",
    "set_num_threads",
]
