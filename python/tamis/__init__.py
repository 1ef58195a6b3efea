"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import num_threads, set_num_threads
from tamis.box_iou import box_iou, box_iou_batched, box_iou_paired
from tamis.duplicates import DuplicateBoxes, find_duplicate_boxes
from tamis.evaluator import DetectionEvaluator, DetectionResult
from tamis.exact_duplicates import exact_duplicates
from tamis.knn import knn
from tamis.leaks import leaks
from tamis.matching import Matches, match_detections
from tamis.max_iou import max_iou
from tamis.near_duplicates import find_unique, near_duplicates
from tamis.representativeness import representativeness
from tamis.uniqueness import uniqueness

__version__ = "0.1.0"
__all__ = [
    "CudaUnavailable",
    "DetectionEvaluator",
    "DetectionResult",
    "DuplicateBoxes",
    "Matches",
    "box_iou",
    "box_iou_batched",
    "box_iou_paired",
    "exact_duplicates",
    "find_duplicate_boxes",
    "find_unique",
    "knn",
    "leaks",
    "match_detections",
    "max_iou",
    "near_duplicates",
    "num_threads",
    "representativeness",
    "set_num_threads",
    "uniqueness",
]
