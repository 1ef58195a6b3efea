"""Precision and recall curves of matched detections, and their averages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array
from tamis.evaluation.match_table import MatchTable


def curves(
    table: MatchTable,
    scores: Array,
    *,
    recall_thresholds: Sequence[float],
    max_dets: Sequence[int],
    counts: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Precision (T, R, K, A, M), recall (T, K, A, M) and scores (T, R, K, A, M)."""
    levels = table.n_thresholds
    shape = (len(table.splits) - 1, len(table.outside), len(max_dets))
    precision = np.empty((levels, len(recall_thresholds), *shape))
    recall = np.empty((levels, *shape))
    at = np.empty_like(precision)
    _core.average_precision(
        splits=table.splits, rank=table.rank, index=table.index, score=np.ascontiguousarray(scores),
        outside=table.outside, row=table.row, first=table.first, gt=table.gt, at=table.at,
        gt_ignore=table.gt_ignore, gt_counts=counts, n_regular=table.n_regular,
        max_dets=np.asarray(max_dets, np.int64),
        recall_thresholds=np.asarray(recall_thresholds, np.float64),
        precision=precision, recall=recall, scores=at,
    )  # fmt: skip
    return precision, recall, at
