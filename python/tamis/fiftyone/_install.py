"""Replaces FiftyOne's functions under their own names."""

from __future__ import annotations

from typing import Any

import fiftyone.brain as fob
import fiftyone.utils.eval as foue
import fiftyone.utils.eval.detection as foudet
import fiftyone.utils.iou as foui

from tamis.fiftyone import detections, embeddings, ious, mistakes, near_duplicates

BACKEND = {"config_cls": "tamis.fiftyone.similarity.TamisSimilarityConfig"}
REPLACED: list[tuple[Any, Any, str]] = [  # FiftyOne's module, ours, the name
    (foue, detections, "evaluate_detections"),
    (foudet, detections, "evaluate_detections"),
    (foui, ious, "compute_ious"),
    (foui, ious, "compute_max_ious"),
    (foui, ious, "find_duplicates"),
    (fob, embeddings, "compute_uniqueness"),
    (fob, embeddings, "compute_representativeness"),
    (fob, near_duplicates, "compute_near_duplicates"),
    (fob, near_duplicates, "compute_leaky_splits"),
    (fob, mistakes, "compute_mistakenness"),
    (fob, mistakes, "compute_hardness"),
]


def install() -> None:
    """Make FiftyOne call tamis.

    ``dataset.evaluate_detections``, the functions of `fiftyone.utils.iou` and those of
    `fiftyone.brain` that tamis has are replaced in FiftyOne's modules for this process, and
    `compute_similarity` accepts ``backend="tamis"``. Names that were imported from FiftyOne before
    still refer to FiftyOne's functions. Calling it again does nothing.
    """
    for module, ours, name in REPLACED:
        function = getattr(ours, name)
        function.__module__ = getattr(ours, f"fiftyone_{name}").__module__
        setattr(module, name, function)
    fob.brain_config.similarity_backends["tamis"] = dict(BACKEND)


def uninstall() -> None:
    """Undo `install`."""
    for module, ours, name in REPLACED:
        if getattr(module, name) is getattr(ours, name):
            getattr(ours, name).__module__ = ours.__name__
            setattr(module, name, getattr(ours, f"fiftyone_{name}"))
    fob.brain_config.similarity_backends.pop("tamis", None)
