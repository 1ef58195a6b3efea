"""Slow, obvious NumPy version of `find_duplicate_boxes`: all pairs, then FiftyOne's own rules."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from reference import corners, larger, same_bits, smaller


@np.errstate(all="ignore")
def iou_matrix(boxes: np.ndarray, fmt: str = "xyxy", crowd: np.ndarray | None = None) -> np.ndarray:
    """Above the diagonal the IoU of the row's box, the earlier one, and the column's."""
    x1, y1, x2, y2, area = (c[:, None] for c in corners(boxes.astype(np.float64), fmt))
    w = smaller(x2, x2.T) - larger(x1, x1.T)
    h = smaller(y2, y2.T) - larger(y1, y1.T)
    inter = h * w
    union = area.T + area - inter
    if crowd is not None:
        union = np.where(crowd[:, None] != 0, area.T, union)
    iou = np.where(union != 0, inter / union, 0.0)
    iou = np.where(iou > 1, 1.0, iou)
    return np.where((w <= 0) | (h <= 0), 0.0, iou)


def simple(over: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.triu(over, 1).any(axis=0))


def greedy(over: np.ndarray) -> np.ndarray:
    over, taken = over.copy(), []
    while over.any():
        most = int(np.argmax(over.sum(axis=0)))
        over[most] = over[:, most] = False
        taken.append(most)
    return np.array(sorted(taken), int)


def groups(over: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    group = np.arange(len(over))
    while True:  # the lowest number spreads
        reach = np.where(over | np.eye(len(over), dtype=bool), group, len(over))
        lowest = reach.min(axis=1, initial=len(over))
        if (lowest == group).all():
            break
        group = lowest
    stays = np.arange(len(over))
    for g in np.unique(group):
        members = np.flatnonzero(group == g)
        stays[members] = members[np.argmax(scores[members])]
    rows = np.flatnonzero(stays != np.arange(len(over)))
    return rows, stays[rows]


def find_duplicate_boxes(
    boxes,
    splits,
    labels=None,
    scores=None,
    crowd=None,
    threshold=0.99,
    method="simple",
    fmt="xyxy",
    matrix=iou_matrix,
):
    rows, of, ious = [], [], []
    for first, end in itertools.pairwise(splits):
        s = slice(first, end)
        iou = matrix(boxes[s], fmt, None if crowd is None else crowd[s])
        iou = np.triu(iou, 1)
        iou = iou + iou.T
        over = iou > threshold
        if labels is not None:
            over &= labels[s, None] == labels[None, s]
        np.fill_diagonal(over, False)
        if method == "groups":
            found, stays = groups(over, np.zeros(len(iou)) if scores is None else scores[s])
        else:
            found = {"simple": simple, "greedy": greedy}[method](over)
            kept = np.ones(len(iou), bool)
            kept[found] = False
            first_kept = np.argmax(over[found] & kept, axis=1) if len(found) else found
            has = (over[found] & kept).any(axis=1)
            stays = np.where(has, first_kept, np.argmax(over[found], axis=1) if len(found) else 0)
        rows.append(found + first)
        of.append(stays + first)
        ious.append(iou[found, stays.astype(int)])
    empty = np.empty(0, np.int64)
    return (
        np.concatenate([empty, *rows]).astype(np.int64),
        np.concatenate([empty, *of]).astype(np.int64),
        np.concatenate([np.empty(0), *ious]),
    )


def equal(got: Any, want: tuple[np.ndarray, ...]) -> None:
    for mine, theirs in zip((got.duplicates, got.of, got.iou), want, strict=True):
        same_bits(mine, theirs)
