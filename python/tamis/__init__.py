"""tamis: a fine sieve for vision datasets."""

from tamis._arrays import CudaUnavailable
from tamis._core import __version__ as __version__
from tamis._masks_cuda import DeviceMasks
from tamis._threads import num_threads, set_num_threads, threads
from tamis._threads import read_environment as _read_environment
from tamis.agreement import Agreement, Tightness, agreement
from tamis.annotations import AnnotationError, Annotations, align, read, write
from tamis.best_f1 import BestF1, best_f1
from tamis.box_iou import box_iou, box_iou_batched, box_iou_paired
from tamis.calibration import Calibration, calibration
from tamis.compare import Comparison, Difference, ImageChange, Versus, compare
from tamis.confusion_matrix import ConfusionMatrix, confusion_matrix
from tamis.detection_errors import DetectionErrors, detection_errors
from tamis.detection_result import DetectionResult
from tamis.duplicates import DuplicateBoxes, find_duplicate_boxes
from tamis.embeddings.coverage import Coverage, coverage
from tamis.embeddings.diversity import Diversity, diversity
from tamis.embeddings.drift import drift
from tamis.embeddings.drift_result import Drift, DriftCheck
from tamis.embeddings.duplicate_threshold import DuplicateThreshold, duplicate_threshold
from tamis.embeddings.map2d import map2d
from tamis.embeddings.outliers import outliers
from tamis.evaluator import DetectionEvaluator
from tamis.exact_duplicates import exact_duplicates
from tamis.fiftyone_matching import FiftyoneMatches, match_fiftyone
from tamis.image_scores import ImageScores, image_scores
from tamis.intervals import Interval, Intervals, intervals
from tamis.knn import knn
from tamis.label_mistakes import (
    LabelMistakes,
    classification_mistakes,
    hardness,
    label_mistakes,
    mistakes_of_matches,
)
from tamis.leaks import Leaks, leaks
from tamis.mask_iou import mask_boundary, mask_iou, mask_iou_batched
from tamis.masks import Masks
from tamis.matching import Matches, match_detections
from tamis.max_iou import max_iou
from tamis.near_duplicates import NearDuplicates, find_unique, near_duplicates
from tamis.oks import oks, oks_batched
from tamis.representativeness import representativeness
from tamis.rotated_iou import (
    rotated_box_iou,
    rotated_box_iou_batched,
    rotated_box_iou_paired,
)
from tamis.select_batch import select_batch, select_coreset
from tamis.selection.failures import Failures, failures
from tamis.selection.learning_curve import LearningCurve, learning_curve
from tamis.selection.manifest import SplitCheck, save_split, verify_split
from tamis.selection.split import Split, split
from tamis.selection.zcore_stability import ZcoreStability, zcore_stability
from tamis.slices import Slice, Slices, slices
from tamis.uniqueness import uniqueness
from tamis.zcore import zcore, zcore_draws, zcore_finish, zcore_from_draws

_read_environment()

__all__ = [
    "Agreement",
    "AnnotationError",
    "Annotations",
    "BestF1",
    "Calibration",
    "Comparison",
    "ConfusionMatrix",
    "Coverage",
    "CudaUnavailable",
    "DetectionErrors",
    "DetectionEvaluator",
    "DetectionResult",
    "DeviceMasks",
    "Difference",
    "Diversity",
    "Drift",
    "DriftCheck",
    "DuplicateBoxes",
    "DuplicateThreshold",
    "Failures",
    "FiftyoneMatches",
    "ImageChange",
    "ImageScores",
    "Interval",
    "Intervals",
    "LabelMistakes",
    "Leaks",
    "LearningCurve",
    "Masks",
    "Matches",
    "NearDuplicates",
    "Slice",
    "Slices",
    "Split",
    "SplitCheck",
    "Tightness",
    "Versus",
    "ZcoreStability",
    "agreement",
    "align",
    "best_f1",
    "box_iou",
    "box_iou_batched",
    "box_iou_paired",
    "calibration",
    "classification_mistakes",
    "compare",
    "confusion_matrix",
    "coverage",
    "detection_errors",
    "diversity",
    "drift",
    "duplicate_threshold",
    "exact_duplicates",
    "failures",
    "find_duplicate_boxes",
    "find_unique",
    "hardness",
    "image_scores",
    "intervals",
    "knn",
    "label_mistakes",
    "leaks",
    "learning_curve",
    "map2d",
    "mask_boundary",
    "mask_iou",
    "mask_iou_batched",
    "match_detections",
    "match_fiftyone",
    "max_iou",
    "mistakes_of_matches",
    "near_duplicates",
    "num_threads",
    "oks",
    "oks_batched",
    "outliers",
    "read",
    "representativeness",
    "rotated_box_iou",
    "rotated_box_iou_batched",
    "rotated_box_iou_paired",
    "save_split",
    "select_batch",
    "select_coreset",
    "set_num_threads",
    "slices",
    "split",
    "threads",
    "uniqueness",
    "verify_split",
    "write",
    "zcore",
    "zcore_draws",
    "zcore_finish",
    "zcore_from_draws",
    "zcore_stability",
]
