"""Matching and accumulation the slow, obvious way: loops in Python, one decision a line."""

from __future__ import annotations

from typing import Any

import numpy as np


def iou(d: Any, g: Any, crowd: bool) -> float:
    """xywh boxes; over the detection's area where the ground truth is a crowd."""
    w = min(d[0] + d[2], g[0] + g[2]) - max(d[0], g[0])
    h = min(d[1] + d[3], g[1] + g[3]) - max(d[1], g[1])
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    return inter / (d[2] * d[3] if crowd else d[2] * d[3] + g[2] * g[3] - inter)


def match_image(
    dets: Any, scores: Any, gts: Any, crowd: Any, ignore: Any, threshold: float, cap: int
) -> dict[int, int]:
    """Detection -> ground truth, of one image and class."""
    threshold = min(threshold, 1 - 1e-10)
    taken: set[int] = set()
    matches = {}
    for d in sorted(range(len(dets)), key=lambda i: -scores[i])[:cap]:
        for wanted in (False, True):
            best, choice = threshold, -1
            for g in range(len(gts)):
                if bool(ignore[g]) != wanted or (g in taken and not crowd[g]):
                    continue
                value = iou(dets[d], gts[g], crowd[g])
                if value >= best:
                    best, choice = value, g
            if choice >= 0:
                matches[d] = choice
                taken.add(choice)
                break
    return matches


def curve(tp: Any, fp: Any, n_regular: int, recall_thresholds: Any) -> tuple[Any, float]:
    """Interpolated precision, and the final recall; detections by descending score."""
    tp, fp = np.cumsum(tp), np.cumsum(fp)
    if len(tp) == 0:
        return np.zeros(len(recall_thresholds)), 0.0
    precision = tp / (fp + tp + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = tp / n_regular
    at = np.searchsorted(recall, recall_thresholds, side="left")
    return np.append(precision, 0.0)[np.minimum(at, len(precision))], float(recall[-1])
