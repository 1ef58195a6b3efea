"""What a report says of two batches."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from tamis._shared.progress import Progress
from tamis.annotations.read import read
from tamis.embeddings.drift import drift
from tamis.plots.style import row_height
from tamis.reports.page import Cell, Numbers, Section, Table, Text, number, picture


def find(reference: Any, batch: Any, seed: int, progress: Progress) -> Any:
    sides = [
        read(side) if isinstance(side, (str, os.PathLike)) else side for side in (reference, batch)
    ]
    return drift(*sides, seed=seed, progress=progress)


def section(found: Any) -> Section:
    drifted = [c for c in found.checks if c.drifted]
    word = "drift" if found.drifted else "no drift"
    items = [
        ("verdict", word, f"alpha {found.alpha:g}"),
        ("checks that say so", str(len(drifted)), f"of {len(found.checks)}"),
    ]
    blocks: list[Any] = [Numbers(items)]
    tested = [c for c in found.checks if np.isfinite(c.q)]
    if tested:
        blocks.append(
            picture(
                "drift",
                found.plot,
                "How sure each check is: "
                + ", ".join(f"{c.name} {c.measure} {c.effect:.3g}, q {c.q:.3g}" for c in tested),
                "Beyond the line the check says drift; the numbers are effect sizes.",
                height=row_height(len(tested)),
            )
        )
    rows = [
        [
            Cell(c.name), Cell("drift" if c.drifted else "ok"), Cell(c.measure),
            Cell(f"{c.effect:.4g}", float(c.effect)),
            number(c.p), number(c.q), Cell(f"{c.n[0]:,} + {c.n[1]:,}"), Cell(c.note),
        ]
        for c in found.checks
    ]  # fmt: skip
    columns = ["check", "verdict", "measure", "effect", "p", "q", "compared", "note"]
    blocks.append(Table("Checks", columns, rows))
    blocks += _details(found.details)
    return Section("drift", "Drift", blocks, ("drift",))


def _details(details: dict[str, Any]) -> list[Any]:
    out: list[Any] = []
    if len(details.get("rows", ())):
        rows = [
            [
                Cell(f"about batch row {int(row)}" if row >= 0 else "no row of the batch"),
                number(before, 4, bar=True), number(after, 4, bar=True),
                number(after - before, 4, sign="+"),
            ]
            for before, after, row in zip(
                details["share_reference"], details["share_batch"], details["rows"], strict=True
            )
        ]  # fmt: skip
        columns = ["cluster", "share of the reference", "share of the batch", "difference"]
        out.append(Table("Clusters, those that grew most first", columns, rows))
    for key, words in (("new", "New classes"), ("vanished", "Vanished classes")):
        if len(details.get(key, ())):
            out.append(Text([f"{words}: {', '.join(map(str, details[key]))}."]))
    if details.get("mix"):
        rows = [
            [Cell(str(name)), number(a, 4, bar=True), number(b, 4, bar=True),
             number(b - a, 4, sign="+")]
            for name, (a, b) in details["mix"].items()
        ]  # fmt: skip
        columns = ["class", "share of the reference", "share of the batch", "difference"]
        out.append(Table("Classes", columns, rows))
    return out
