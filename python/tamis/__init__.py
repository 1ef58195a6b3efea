"""tamis: a fine sieve for vision datasets."""

from tamis._core import __version__ as __version__
from tamis._shared.arrays import CudaUnavailable
from tamis._shared.threads import num_threads, set_num_threads, threads
from tamis._shared.threads import read_environment as _read_environment
from tamis.annotations import AnnotationError, Annotations, align, read, write
from tamis.comparison.agreement import Agreement, Tightness, agreement
from tamis.comparison.compare import Comparison, Difference, ImageChange, Versus, compare
from tamis.comparison.intervals import Interval, Intervals, intervals
from tamis.comparison.slices import Slice, Slices, slices
from tamis.embeddings.coverage import Coverage, coverage
from tamis.embeddings.diversity import Diversity, diversity
from tamis.embeddings.drift import drift
from tamis.embeddings.drift_result import Drift, DriftCheck
from tamis.embeddings.duplicate_threshold import DuplicateThreshold, duplicate_threshold
from tamis.embeddings.exact_duplicates import exact_duplicates
from tamis.embeddings.knn import knn
from tamis.embeddings.leaks import Leaks, leaks
from tamis.embeddings.map2d import map2d
from tamis.embeddings.near_duplicates import NearDuplicates, find_unique, near_duplicates
from tamis.embeddings.outliers import outliers
from tamis.embeddings.representativeness import representativeness
from tamis.embeddings.uniqueness import uniqueness
from tamis.evaluation.best_f1 import BestF1, best_f1
from tamis.evaluation.calibration import Calibration, calibration
from tamis.evaluation.confusion_matrix import ConfusionMatrix, confusion_matrix
from tamis.evaluation.detection_errors import DetectionErrors, detection_errors
from tamis.evaluation.detection_result import DetectionResult
from tamis.evaluation.evaluator import DetectionEvaluator
from tamis.evaluation.failures import Failures, failures
from tamis.evaluation.image_scores import ImageScores, image_scores
from tamis.evaluation.matching import Matches, match_detections
from tamis.evaluation.olrp import Olrp, olrp
from tamis.evaluation.provenance import Provenance
from tamis.evaluation.results import results
from tamis.evaluation.worst_images import WorstImages, worst_images
from tamis.labels.classification_mistakes import classification_mistakes, hardness
from tamis.labels.fiftyone_matching import FiftyoneMatches, match_fiftyone
from tamis.labels.label_mistakes import LabelMistakes, label_mistakes, mistakes_of_matches
from tamis.regions.box_iou import box_iou, box_iou_batched, box_iou_paired
from tamis.regions.duplicates import DuplicateBoxes, find_duplicate_boxes
from tamis.regions.mask_iou import mask_boundary, mask_iou, mask_iou_batched
from tamis.regions.masks import Masks
from tamis.regions.masks_cuda import DeviceMasks
from tamis.regions.max_iou import max_iou
from tamis.regions.oks import oks, oks_batched
from tamis.regions.rotated_iou import (
    rotated_box_iou,
    rotated_box_iou_batched,
    rotated_box_iou_paired,
)
from tamis.reports.contact_sheet import contact_sheet
from tamis.reports.report import report
from tamis.selection.learning_curve import LearningCurve, learning_curve
from tamis.selection.manifest import SplitCheck, save_split, verify_split
from tamis.selection.select_batch import select_batch, select_coreset
from tamis.selection.split import Split, split
from tamis.selection.zcore import zcore, zcore_draws, zcore_finish, zcore_from_draws
from tamis.selection.zcore_stability import ZcoreStability, zcore_stability

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
    "Olrp",
    "Provenance",
    "Slice",
    "Slices",
    "Split",
    "SplitCheck",
    "Tightness",
    "Versus",
    "WorstImages",
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
    "contact_sheet",
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
    "olrp",
    "outliers",
    "read",
    "report",
    "representativeness",
    "results",
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
    "worst_images",
    "write",
    "zcore",
    "zcore_draws",
    "zcore_finish",
    "zcore_from_draws",
    "zcore_stability",
]
