"""How the numbers of an evaluation came about, and what differs from COCO's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.results import Result
from tamis.evaluation.settings import AREA_RANGES
from tamis.regions.oks import COCO_SIGMAS


@dataclass(frozen=True, eq=False, repr=False)
class Provenance(Result):
    """What `DetectionResult.provenance` says.

    Attributes
    ----------
    comparable : bool
        Whether COCO's evaluation of the same files gives these numbers by definition. Whether the
        files are a leaderboard's, and all of them, it cannot know.
    differences : tuple of str
        What is not COCO's, one sentence each; empty where `comparable`.
    settings : dict
        All that the numbers depend on beside the boxes.
    version : str
        Of tamis.
    """

    comparable: bool
    differences: tuple[str, ...]
    settings: dict[str, Any]
    version: str

    def __str__(self) -> str:
        head = "COCO's settings" if self.comparable else "not comparable with COCO's numbers"
        return "\n".join([f"{head} (tamis {self.version})", *(f"  {d}" for d in self.differences)])


def provenance(result: Any) -> Provenance:
    """See `DetectionResult.provenance`."""
    options, kind = result._parts_of().options, result.iou_type
    people = kind == "keypoints"
    settings: dict[str, Any] = {
        "iou_type": kind, "iou_thresholds": result.iou_thresholds,
        "recall_thresholds": result.recall_thresholds, "area_ranges": dict(result.area_ranges),
        "max_detections": result.max_detections, "images": len(result.image_ids),
        "classes": len(result.classes),
    }  # fmt: skip
    coco: dict[str, Any] = {
        "iou_thresholds": np.linspace(0.5, 0.95, 10),
        "recall_thresholds": np.linspace(0.0, 1.0, 101),
        "area_ranges": {k: v for k, v in AREA_RANGES.items() if not people or k != "small"},
        "max_detections": (20,) if people else (1, 10, 100),
    }
    if people:
        settings["sigmas"], coco["sigmas"] = options.get("sigmas"), COCO_SIGMAS
    if kind == "boundary":
        settings["dilation_ratio"] = options.get("dilation_ratio")
    found = [
        f"{name}: {_short(settings[name])} instead of {_short(usual)}"
        for name, usual in coco.items()
        if not _equal(settings[name], usual)
    ]
    if kind in ("obb", "boundary"):
        found.insert(0, f"iou_type: COCO has no {kind}")
    if options.get("one_class"):
        found.append("classes: all taken for one")
    for what in ("images", "classes"):
        if left_out := options.get(f"left_out_{what}", 0):
            found.append(f"{what}: {left_out} of the ground truth left out")
    return Provenance(not found, tuple(found), settings, _core.__version__)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(b, dict):
        return bool(a == b)
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return x.shape == y.shape and bool(np.all(x == y))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {low:g} to {high:g}" for k, (low, high) in value.items())
    values = [f"{x:g}" for x in np.asarray(value, np.float64).ravel().tolist()]
    return " ".join(values if len(values) <= 6 else [*values[:3], "...", *values[-2:]])
