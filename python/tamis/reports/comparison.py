"""What a report says of models beside each other."""

from __future__ import annotations

from functools import partial
from typing import Any

from tamis import plots
from tamis.plots.style import row_height
from tamis.reports.evaluation import Evaluation
from tamis.reports.page import Cell, Section, Table, number, picture


def sections(e: Evaluation) -> list[Section]:
    if e.compared is None:
        return []
    out = Section("comparison", "Comparison", [], ("compare",))
    for at, versus in enumerate(e.compared.against):
        what = f"{versus.name} minus {e.compared.first}"
        main, d = next(iter(versus.stats.items()))
        out.blocks.append(
            picture(
                f"differences-{at}",
                partial(plots.differences, versus),
                f"Differences of all numbers, {what}: {main} {d.difference:+.3f}, from {d.low:+.3f}"
                f" to {d.high:+.3f}.",
                f"{what}, 95 % intervals; filled where they hold no 0.",
                height=row_height(len(versus.stats)),
            )
        )
        classes = [d for d in versus.per_class.values() if d[main].difference == d[main].difference]
        if len(classes) > 1:
            shown = min(30, len(classes))
            out.blocks.append(
                picture(
                    f"class-differences-{at}",
                    partial(plots.class_differences, versus, names=e.names, most=30),
                    f"Differences of {main} of {shown} classes, {what}; the numbers are in the"
                    " table.",
                    "Filled where the false discovery rate is below 5 %.",
                    height=row_height(shown),
                )
            )
        out.blocks += [_all(versus, what), _classes(e, versus, main), *_images(e, versus)]
        if versus.slices:
            rows = [_row(name, d[main]) for name, d in versus.slices.items()]
            out.blocks.append(Table(f"Slices, {main}, {what}", _columns("slice"), rows))
    return [out]


def _columns(first: str) -> list[str]:
    return [first, "first", "second", "difference", "95 % from", "to", "p", "q"]


def _row(name: str, d: Any) -> list[Cell]:
    sure = d.q < 0.05 if d.q == d.q else (d.low > 0 or d.high < 0)
    tone = ("good" if d.difference > 0 else "bad") if sure else ""
    change = number(d.difference, sign="+")
    return [
        Cell(name), number(d.first), number(d.second),
        Cell(change.text, change.value, None, tone), number(d.low, sign="+"),
        number(d.high, sign="+"), number(d.p), number(d.q),
    ]  # fmt: skip


def _all(versus: Any, what: str) -> Table:
    return Table(
        f"All numbers, {what}", _columns("number")[:-1],
        [_row(name, d)[:-1] for name, d in versus.stats.items()],
    )  # fmt: skip


def _classes(e: Evaluation, versus: Any, main: str) -> Table:
    known = [(e.name(k), d[main]) for k, d in versus.per_class.items() if d[main].p == d[main].p]
    rows = [_row(name, d) for name, d in sorted(known, key=lambda one: one[1].difference)]
    return Table(
        f"{main} of each class that ten images hold, {versus.name} minus the first",
        _columns("class"),
        rows,
    )


def _images(e: Evaluation, versus: Any) -> list[Table]:
    out = []
    for title, images in (("Images won most", versus.won), ("Images lost most", versus.lost)):
        rows = [
            [
                Cell(e.gt.image_name(int(change.image))),
                number(change.difference, sign="+"),
                Cell(", ".join(f"{k}: {v}" for k, v in change.errors.items())),
            ]
            for change in images
        ]
        if rows:
            columns = ["image", f"AP at {e.measure} 0.5", "what changed"]
            out.append(Table(f"{title} by {versus.name}", columns, rows))
    return out
