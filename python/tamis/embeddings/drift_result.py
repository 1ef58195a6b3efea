"""Results of drift checks: one verdict each, with effect size, p and n."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis._shared.results import Result, rows_of


@dataclass(frozen=True, eq=False, repr=False)
class DriftCheck(Result):
    """One check of `drift`.

    Attributes
    ----------
    name : str
    statistic, effect : float
        The test statistic, and how large the difference is; `measure` names its unit.
    measure : str
    p, q : float
        Share of permutations as extreme, and the same adjusted for the number of checks
        (Benjamini-Hochberg). NaN if nothing was tested.
    n : tuple of int
        How many of the reference and of the batch were compared.
    drifted : bool
    note : str
    """

    name: str
    statistic: float
    effect: float
    measure: str
    p: float
    q: float
    n: tuple[int, int]
    drifted: bool
    note: str = ""

    def _columns(self) -> dict[str, Any]:
        reference, batch = self.n
        return super()._columns() | {"n_reference": [reference], "n_batch": [batch]}


@dataclass(frozen=True, eq=False, repr=False)
class Drift(Result):
    """The outcome of `drift`.

    Attributes
    ----------
    checks : tuple of DriftCheck
    drifted : bool
        Whether any check drifted.
    alpha : float
    details : dict
        Embeddings: ``share_reference``, ``share_batch`` and ``rows`` (the most central row of the
        batch, -1 for none) by cluster, the one that grew most first. Annotations: ``new``,
        ``vanished`` and ``renamed`` classes and ``mix``, class to shares.
    """

    checks: tuple[DriftCheck, ...]
    drifted: bool
    alpha: float
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """1 if anything drifted, for CI."""
        return int(self.drifted)

    def __getitem__(self, name: str) -> DriftCheck:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"Drift: no check {name!r}, there are {[c.name for c in self.checks]}")

    def _columns(self) -> dict[str, Any]:
        return rows_of(({}, check) for check in self.checks)

    def __str__(self) -> str:
        head = "drift" if self.drifted else "no drift"
        lines = [f"{head} (alpha {self.alpha:g} over {len(self.checks)} checks)"]
        for c in self.checks[:14]:
            mark = "DRIFT" if c.drifted else "ok"
            lines.append(
                f"{mark:<5} {c.name:<12} {c.measure} {c.effect:.4g}  p {c.p:.3g}  q {c.q:.3g}"
                f"  n {c.n[0]} + {c.n[1]}" + (f"  {c.note}" if c.note else "")
            )
        rows = self.details.get("rows")
        if rows is not None and len(rows):
            before, after = self.details["share_reference"], self.details["share_batch"]
            lines.append("clusters that grew most:")
            for i in range(min(3, len(rows))):
                lines.append(f"  {before[i]:.2%} -> {after[i]:.2%}, about batch row {rows[i]}")
        return "\n".join(lines)


def benjamini_hochberg(p: Array) -> Array:
    """Adjusted p values, NaN ones left alone."""
    p = np.asarray(p, np.float64)
    q = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q


def verdict(rows: list[dict[str, Any]], alpha: float, details: dict[str, Any]) -> Drift:
    """Adjust the p-values together; a check without one sets `drifted` itself."""
    q = benjamini_hochberg(np.array([row["p"] for row in rows]))
    checks = tuple(
        DriftCheck(**{"drifted": bool(adjusted <= alpha), **row, "q": float(adjusted)})
        for row, adjusted in zip(rows, q, strict=True)
    )
    return Drift(checks, any(c.drifted for c in checks), alpha, details)
