"""tamis: a fine sieve for vision datasets."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tamis._core import __version__ as __version__
from tamis._shared.arrays import CudaUnavailable
from tamis._shared.threads import num_threads, set_num_threads, threads
from tamis._shared.threads import read_environment as _read_environment

if TYPE_CHECKING:  # at run time a name is imported when it is first used: see _HOMES
    from tamis.annotations.align import align
    from tamis.annotations.annotations import Annotations
    from tamis.annotations.check import Report
    from tamis.annotations.findings import Finding
    from tamis.annotations.problems import AnnotationError
    from tamis.annotations.read import read
    from tamis.annotations.write import write
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
    from tamis.embeddings.knn_index import KnnIndex
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
    "Finding",
    "ImageChange",
    "ImageScores",
    "Interval",
    "Intervals",
    "KnnIndex",
    "LabelMistakes",
    "Leaks",
    "LearningCurve",
    "Masks",
    "Matches",
    "NearDuplicates",
    "Olrp",
    "Provenance",
    "Report",
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

_HOMES = {  # the modules of the names above
    "annotations.align": "align",
    "annotations.annotations": "Annotations",
    "annotations.check": "Report",
    "annotations.findings": "Finding",
    "annotations.problems": "AnnotationError",
    "annotations.read": "read",
    "annotations.write": "write",
    "comparison.agreement": "Agreement Tightness agreement",
    "comparison.compare": "Comparison Difference ImageChange Versus compare",
    "comparison.intervals": "Interval Intervals intervals",
    "comparison.slices": "Slice Slices slices",
    "embeddings.coverage": "Coverage coverage",
    "embeddings.diversity": "Diversity diversity",
    "embeddings.drift": "drift",
    "embeddings.drift_result": "Drift DriftCheck",
    "embeddings.duplicate_threshold": "DuplicateThreshold duplicate_threshold",
    "embeddings.exact_duplicates": "exact_duplicates",
    "embeddings.knn": "knn",
    "embeddings.knn_index": "KnnIndex",
    "embeddings.leaks": "Leaks leaks",
    "embeddings.map2d": "map2d",
    "embeddings.near_duplicates": "NearDuplicates find_unique near_duplicates",
    "embeddings.outliers": "outliers",
    "embeddings.representativeness": "representativeness",
    "embeddings.uniqueness": "uniqueness",
    "evaluation.best_f1": "BestF1 best_f1",
    "evaluation.calibration": "Calibration calibration",
    "evaluation.confusion_matrix": "ConfusionMatrix confusion_matrix",
    "evaluation.detection_errors": "DetectionErrors detection_errors",
    "evaluation.detection_result": "DetectionResult",
    "evaluation.evaluator": "DetectionEvaluator",
    "evaluation.failures": "Failures failures",
    "evaluation.image_scores": "ImageScores image_scores",
    "evaluation.matching": "Matches match_detections",
    "evaluation.olrp": "Olrp olrp",
    "evaluation.provenance": "Provenance",
    "evaluation.results": "results",
    "evaluation.worst_images": "WorstImages worst_images",
    "labels.classification_mistakes": "classification_mistakes hardness",
    "labels.fiftyone_matching": "FiftyoneMatches match_fiftyone",
    "labels.label_mistakes": "LabelMistakes label_mistakes mistakes_of_matches",
    "regions.box_iou": "box_iou box_iou_batched box_iou_paired",
    "regions.duplicates": "DuplicateBoxes find_duplicate_boxes",
    "regions.mask_iou": "mask_boundary mask_iou mask_iou_batched",
    "regions.masks": "Masks",
    "regions.masks_cuda": "DeviceMasks",
    "regions.max_iou": "max_iou",
    "regions.oks": "oks oks_batched",
    "regions.rotated_iou": "rotated_box_iou rotated_box_iou_batched rotated_box_iou_paired",
    "reports.contact_sheet": "contact_sheet",
    "reports.report": "report",
    "selection.learning_curve": "LearningCurve learning_curve",
    "selection.manifest": "SplitCheck save_split verify_split",
    "selection.select_batch": "select_batch select_coreset",
    "selection.split": "Split split",
    "selection.zcore": "zcore zcore_draws zcore_finish zcore_from_draws",
    "selection.zcore_stability": "ZcoreStability zcore_stability",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # to whom any name would then exist

    def __getattr__(name: str) -> Any:
        """Import a public name, or a module of tamis, when it is first used."""
        if name not in _HOME_OF:
            if name[:1] != "_" and find_spec(f"tamis.{name}"):
                return import_module(f"tamis.{name}")
            raise AttributeError(f"module 'tamis' has no attribute {name!r}")
        value = getattr(import_module(f"tamis.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
