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
        table.splits, table.rank, table.index, np.ascontiguousarray(scores), table.outside,
        table.row, table.first, table.gt, table.at, table.gt_ignore, counts, table.n_regular,
        np.asarray(max_dets, np.int64), np.asarray(recall_thresholds, np.float64),
        precision, recall, at,
    )  # fmt: skip
    return precision, recall, at
