"""Who pays for a draw of zcore, from the least distances that each part of the rows tells."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis import _core
from tamis._shared.arrays import Array

PRICES = ("limit", "nearest", "share", "ties")


def no_prices(draws: int, parts: int, dtype: Any) -> tuple[Array, ...]:
    """Nobody pays."""
    zero = np.zeros(draws, dtype)
    return zero, zero, np.zeros(draws), np.full((draws, parts), -1, np.int32)


def prices(
    lists: list[Array], wanted: int, exponent: float
) -> tuple[tuple[Array, Array, Array, Array], Array]:
    """(limit, nearest, share, ties) of draws, and (draws, parts) whether a part must tell more.

    `lists`: the least distances in each part, NaN after the last. The neighbours of a draw are the
    rows nearer than `limit`, and of each part the first `ties` rows at it; -1 where a part has none
    of them.
    """
    draws, dtype = len(lists[0]), lists[0].dtype
    limit, nearest = np.empty((2, draws), dtype)
    share = np.empty(draws)
    _core.zcore_settle(np.concatenate(lists, axis=1), wanted, exponent, limit, nearest, share)
    less = np.stack([(far < limit[:, None]).sum(axis=1) for far in lists], axis=1)
    left = np.where(nearest == 0, 1, wanted - less.sum(axis=1))
    ties, more = np.empty((2, draws, len(lists)), np.int32)
    for part, far in enumerate(lists):
        at = (far == limit[:, None]).sum(axis=1)
        most = far.max(axis=1, initial=0)  # NaN where the part listed all its rows
        more[:, part] = (most < limit) | ((most == limit) & (at < left))
        ties[:, part] = np.minimum(at, left)
        left = left - ties[:, part]
    ties[(ties == 0) & (less == 0)] = -1
    return (limit, nearest, share, ties), more != 0
