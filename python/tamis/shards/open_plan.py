"""A plan from the folder it was written into."""

from __future__ import annotations

from typing import Any

from tamis.shards.cell_plans import KnnCellsPlan, NearDuplicatesCellsPlan, UniquenessCellsPlan
from tamis.shards.duplicates import DuplicateBoxesPlan
from tamis.shards.evaluation import EvaluationPlan
from tamis.shards.neighbours import KnnPlan, UniquenessPlan
from tamis.shards.pairs import LeaksPlan, NearDuplicatesPlan
from tamis.shards.plan import FORMAT, Plan
from tamis.shards.sources import Shard
from tamis.shards.state import read_plan
from tamis.shards.storage import plain
from tamis.shards.zcore import ZcorePlan

KINDS: dict[str, Any] = {
    plan.kind: plan
    for plan in (
        KnnPlan,
        UniquenessPlan,
        NearDuplicatesPlan,
        LeaksPlan,
        DuplicateBoxesPlan,
        EvaluationPlan,
        ZcorePlan,
        KnnCellsPlan,
        UniquenessCellsPlan,
        NearDuplicatesCellsPlan,
    )
}


def open_plan(state: str) -> Plan:
    """The plan of a state folder, as a worker needs it.

    Parameters
    ----------
    state : str
        The folder that was given to `plan_uniqueness` or its like.

    Returns
    -------
    Plan

    Raises
    ------
    FileNotFoundError, ValueError
        For a folder without a plan, and for a plan that cannot be read.
    """
    path = plain(state)
    held = read_plan("open_plan", path)
    try:
        kind = KINDS[held["kind"]]
        if held["format"] != FORMAT:
            raise ValueError(f"format {held['format']}")
        shards = tuple(Shard(**shard) for shard in held["shards"])
        plan: Plan = kind(kind.source_type(shards, **held["source"]), held["arguments"], path)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"open_plan: {path} holds no plan of this version: {error}") from None
    plan.load_inputs()
    return plan
