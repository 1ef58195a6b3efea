"""The parts of an evaluator on all processes of torch.distributed."""

from __future__ import annotations

from typing import Any

import numpy as np


def gathered(function: str, settings: dict[str, Any], parts: list[Any], group: Any) -> list[Any]:
    """The parts of all processes, in the order of their ranks; of one process its own.

    All processes raise where settings differ, so that none waits for another.
    """
    try:
        import torch.distributed as dist
    except ImportError:
        return parts
    if not (dist.is_available() and dist.is_initialized()):
        return parts
    everyone: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(everyone, (settings, parts), group=group)
    for rank, (theirs, _) in enumerate(everyone):
        for key, mine in everyone[0][0].items():
            if not same(mine, theirs[key]):
                raise ValueError(
                    f"{function}: {key} differ: {mine} on rank 0 and {theirs[key]} on rank {rank}"
                )
    return [part for _, theirs in everyone for part in theirs]


def same(a: Any, b: Any) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)
