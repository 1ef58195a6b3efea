"""Whether zcore has made enough draws: how well two separate halves of them agree."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis import _core
from tamis._shared import arrays
from tamis._shared.arrays import Array
from tamis._shared.progress import Progress, reporter
from tamis._shared.results import Result
from tamis._shared.typed import AnyArray
from tamis.selection import zcore_cuda
from tamis.selection.zcore import MOST_DRAWS, zcore_finish
from tamis.selection.zcore_scorer import checked_rows, checked_rule, make_scorer

FIRST_DRAWS = 8192
LOW = 0.5  # overlaps below are warned of


@dataclass(frozen=True, eq=False, repr=False)
class ZcoreStability(Result):
    """The outcome of `zcore_stability`.

    Attributes
    ----------
    scores : (N,) float32
        Those of `tamis.zcore` with `n_samples` draws, NumPy's.
    n_samples, count : int
    overlap : float
        Share of the `count` highest rows of one half of the draws that are among those of the
        other half. By chance alone it is ``count / N``.
    agreement : float
        Spearman's rank correlation of the scores of the two halves, over all rows.
    stable : bool
        Whether `overlap` reaches the level.
    level : float
    history : dict of int to float
        Draws to overlap.
    """

    scores: Array
    n_samples: int
    count: int
    overlap: float
    agreement: float
    stable: bool
    level: float
    history: dict[int, float]

    def _columns(self) -> dict[str, Any]:
        return {"draws": list(self.history), "overlap": list(self.history.values())}

    def __str__(self) -> str:
        lines = [
            f"two halves of {self.n_samples} draws share {self.overlap:.1%} of their first"
            f" {self.count} rows ({'stable' if self.stable else 'not stable'} at {self.level:.0%}),"
            f" rank agreement {self.agreement:.3f}",
            f"by chance they would share {self.count / max(1, len(self.scores)):.1%}",
        ]
        shown = list(self.history.items())[-12:]
        lines += [f"{draws:>12} draws: {overlap:.1%}" for draws, overlap in shown]
        return "\n".join(lines)


def zcore_stability(
    x: AnyArray,
    *,
    count: int | None = None,
    level: float = 0.8,
    n_samples: int | None = None,
    most_samples: int = 1 << 24,
    sample_dim: int = 2,
    redundancy_nn: int = 1000,
    redundancy_exp: float = 4,
    random_init: bool = True,
    seed: int = 0,
    progress: Progress = None,
) -> ZcoreStability:
    """Scores of `tamis.zcore` with as many draws as make the highest rows stable.

    Parameters
    ----------
    x : (N, D) array
        As for `tamis.zcore`.
    count : int, optional
        Rows that will be taken. Default: a tenth of all.
    level : float
        Share of these rows on which two separate halves of the draws must agree. Default 0.8.
    n_samples : int, optional
        Make exactly this many draws. Default: 8,192, doubled until stable.
    most_samples : int
        Largest number of draws. Default 16,777,216.
    sample_dim, redundancy_nn, redundancy_exp, random_init, seed, progress
        As for `tamis.zcore`.

    Returns
    -------
    ZcoreStability

    Warns
    -----
    RuntimeWarning
        If the two halves of the draws share less than 50 % of these rows: another seed would choose
        others.

    Raises
    ------
    ValueError, TypeError
        As `tamis.zcore`.

    Notes
    -----
    Draws go alternately to two scores, without the random start. Ties go to the lower rows in one
    and to the higher rows in the other, so that rows that were never drawn do not count as
    agreement. The returned scores use all draws, so they are more stable than `overlap` suggests.
    Cost: that of `tamis.zcore` with as many draws, and twice its memory.

    Examples
    --------
    >>> import numpy as np, tamis
    >>> x = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    >>> tamis.zcore_stability(x, count=60, n_samples=20_000).scores.shape
    (100,)
    """
    name = "zcore_stability"
    rule = checked_rule(name, sample_dim, redundancy_nn, redundancy_exp)
    seed = arrays.check_integer(name, "seed", seed, 0, 2**64 - 1)
    most_samples = arrays.check_integer(name, "most_samples", most_samples, 2, MOST_DRAWS)
    level = arrays.check_number(name, "level", level, 0, 1)
    if n_samples is not None:
        n_samples = arrays.check_integer(name, "n_samples", n_samples, 2, MOST_DRAWS)
        most_samples = n_samples
    rows = checked_rows(name, x, sample_dim)
    n = len(rows)
    wanted = max(1, n // 10) if count is None else count
    arrays.check_integer(name, "count", wanted, 1, n)
    halves = [make_scorer(name, rows, *rule) for _ in range(2)]
    report = reporter(progress, name)
    done, history = 0, {}
    end = most_samples if n_samples is not None else min(FIRST_DRAWS, most_samples)
    while True:
        done = _draw(halves, seed, done, end, report)
        first, second = (arrays.host(name, "sums", half.sums()) for half in halves)
        history[done] = overlap(first, second, wanted)
        if history[done] >= level or done >= most_samples:
            break
        end = min(2 * done, most_samples)
    shared = history[done]
    if shared < LOW:
        warnings.warn(
            f"{name}: two halves of {done} draws share {shared:.0%} of their first {wanted} rows:"
            " another seed would choose others, draw more",
            RuntimeWarning,
            stacklevel=2,
        )
    if arrays.device(rows) != "cpu":
        both = halves[0].sums() + halves[1].sums()
        finished = zcore_cuda.finish(both, random_init=random_init, seed=seed)
        scores = arrays.host(name, "scores", finished)
    else:
        total = (first + second) / _core.ZCORE_UNIT
        scores = zcore_finish(total, random_init=random_init, seed=seed)
    return ZcoreStability(
        scores, done, wanted, shared, rank_agreement(first, second), shared >= level, level, history
    )


def _draw(halves: list[Any], seed: int, done: int, end: int, report: Any) -> int:
    """Make draws [done, end), whose blocks go alternately to the two halves."""
    size = max(1, min(halves[0].slice, (end - done) // 2))
    turn = 0
    while done < end:
        stop = min(end, done + size)
        halves[turn].add(*halves[turn].draws(seed, done, stop))
        done, turn = stop, 1 - turn
        report(done, end)
    return done


def overlap(a: Array, b: Array, count: int) -> float:
    """Share of the `count` highest that two scores have in common, ties in opposite order."""
    first = np.argsort(-a, kind="stable")[:count]
    n = len(b)
    second = n - 1 - np.argsort(-b[::-1], kind="stable")[:count]
    return float(np.isin(first, second).mean())


def rank_agreement(a: Array, b: Array) -> float:
    """Spearman's correlation; 0 where a side is all equal."""
    ranks = []
    for values in (a, b):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ends = np.cumsum(counts)
        ranks.append((ends - (counts - 1) / 2)[place])
    first, second = (r - r.mean() for r in ranks)
    size = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / size) if size > 0 else 0.0
