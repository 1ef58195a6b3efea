"""Rows that several searches share an index of."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis import _core
from tamis.embeddings.knn_index_file import Stored
from tamis.embeddings.knn_plan import Plan, few_queries_plan, make_plan
from tamis.embeddings.knn_search import Rows, bits

PLANNED_FOR = 10  # neighbours a plan is made for; it affects speed only


def add_index(
    rows: Rows, dots: bool, stored: Stored | None = None, soon: bool = False
) -> Plan | None:
    """Give rows an index for searches of any kind; its plan, or None where there are no rows."""
    n = len(rows.x)
    if n == 0:
        return None
    plan = None if stored is None else stored.plan
    if plan is None:
        k = max(1, min(PLANNED_FOR, n - 1))
        if soon:
            plan = few_queries_plan(rows.x, rows.scale, rows.offset, k=k, dots=dots)
        else:
            plan = make_plan(rows.x, rows.scale, rows.offset, None, k=k, radius=0.0, dots=dots)
    given = plan.arguments(rows.largest, dots)
    parts = None if stored is None else stored.parts
    of: dict[str, Any] = {"x": bits(rows.x), "scale": rows.scale, "offset": rows.offset}
    rows.index, rows.gain = _core.KnnIndex(**of, **given, parts=parts), given["gain"]
    return plan


def share_index(
    rows: Rows, dots: bool = False, stored: Stored | None = None, soon: bool = False
) -> tuple[Rows, Plan | None]:
    """Give an index to rows that are searched again; those that have a direction, and its plan."""
    kept = rows
    if len(rows.zeros) > 0:
        kept = rows.directed = rows.without_zeros()[0]
    return kept, add_index(kept, dots, stored, soon)


def check_radius(function: str, radius: Any, metric: str) -> float:
    """`radius` as a float, or an error unless it may be a distance or a product."""
    if isinstance(radius, bool) or not isinstance(radius, (int, float, np.integer, np.floating)):
        raise TypeError(f"{function}: radius must be a number, got {radius!r}")
    value = float(radius)
    if np.isnan(value) or (value < 0 and metric != "inner_product"):
        wanted = "a number" if np.isnan(value) else "0 or more"
        raise ValueError(f"{function}: radius must be {wanted}, got {radius}")
    return value
