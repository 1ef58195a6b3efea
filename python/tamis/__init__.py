"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import num_threads, set_num_threads
from tamis.box_iou import box_iou, box_iou_batched, box_iou_paired
from tamis.evaluator import DetectionEvaluator, DetectionResult
from tamis.matching import Matches, match_detections
from tamis.max_iou import max_iou

__version__ = "0.1.0"
__all__ = [
    "CudaUnavailable",
    "DetectionEvaluator",
    "DetectionResult",
    "Matches",
    "box_iou",
    "box_iou_batched",
    "box_iou_paired",
    "match_detections",
    "max_iou",
    "num_threads",
    "set_num_threads",
]
