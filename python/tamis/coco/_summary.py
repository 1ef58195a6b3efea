"""The summary table of COCO evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np

_DETECTION_ROWS = (  # average precision?, IoU threshold, area, place in maxDets (None: 100)
    (True, None, "all", None),
    (True, 0.5, "all", 2),
    (True, 0.75, "all", 2),
    (True, None, "small", 2),
    (True, None, "medium", 2),
    (True, None, "large", 2),
    (False, None, "all", 0),
    (False, None, "all", 1),
    (False, None, "all", 2),
    (False, None, "small", 2),
    (False, None, "medium", 2),
    (False, None, "large", 2),
)
_KEYPOINT_ROWS = tuple(
    (is_precision, threshold, area)
    for is_precision in (True, False)
    for threshold, area in (
        (None, "all"), (0.5, "all"), (0.75, "all"), (None, "medium"), (None, "large"),
    )
)  # fmt: skip


def mean(result: dict[str, Any], p: Any, is_precision: bool, iou: Any, area: str, cap: Any) -> Any:
    """Mean of the settings that have ground truth, -1 where none has."""
    areas = [i for i, label in enumerate(p.areaRngLbl) if label == area]
    caps = [i for i, c in enumerate(p.maxDets) if c == cap]
    values = result["precision" if is_precision else "recall"]
    if iou is not None:
        values = values[np.where(iou == p.iouThrs)[0]]
    values = values[..., areas, caps]
    values = values[values > -1]
    return np.mean(values) if len(values) else -1


def line(p: Any, is_precision: bool, iou: Any, area: str, cap: Any, value: Any) -> str:
    title, kind = ("Average Precision", "(AP)") if is_precision else ("Average Recall", "(AR)")
    ious = f"{iou:0.2f}" if iou is not None else f"{p.iouThrs[0]:0.2f}:{p.iouThrs[-1]:0.2f}"
    return (
        f" {title:<18} {kind} @[ IoU={ious:<9} | area={area:>6s} | maxDets={cap:>3d} ]"
        f" = {value:0.3f}"
    )


def summarize(result: dict[str, Any], p: Any) -> Any:
    """Print the table; return its numbers. IndexError where `maxDets` has fewer than three."""
    if p.iouType == "keypoints":
        rows = [(*row, 20) for row in _KEYPOINT_ROWS]
        lookup = {20: 20}
    else:
        rows = [(*row[:3], 100 if row[3] is None else row[3]) for row in _DETECTION_ROWS]
        lookup = {100: 100}
    stats = np.zeros(len(rows))
    for i, (is_precision, iou, area, cap) in enumerate(rows):
        cap = lookup.get(cap, cap)
        if cap in (0, 1, 2):
            cap = p.maxDets[cap]
        stats[i] = mean(result, p, is_precision, iou, area, cap)
        print(line(p, is_precision, iou, area, cap, stats[i]))
    return stats
