"""The sections of a report that hold an evaluation and its analyses."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis import plots
from tamis.plots.evaluation import ERROR_WORDS
from tamis.plots.style import row_height
from tamis.reports.evaluation import Evaluation
from tamis.reports.page import (
    Cell,
    Finding,
    Numbers,
    Section,
    Table,
    Text,
    count,
    number,
    picture,
)

FEWEST_IMAGES = 50  # below, intervals say little
SIZES = ("AP", "APs", "APm", "APl")


def sections(e: Evaluation) -> list[Section]:
    first = e.models[0]
    out = [_summary(e), _quality(e), _curves(e), _classes(e), _errors(e)]
    if e.confusion is not None:
        out.append(_confusion(e))
    sizes = picture(
        "sizes",
        lambda ax: plots.size_bars(
            first.evaluated, ax, name=first.name,
            others={m.name: m.evaluated for m in e.models[1:]},
        ),
        "Bars of AP and AR by size of the objects: "
        + "; ".join(f"{k} {v:.3f}" for k, v in first.evaluated.stats.items() if k in SIZES),
        ("Small: under 32 × 32 pixels; large: over 96 × 96." if "APs" in first.evaluated.stats  # noqa: RUF001
         else "Medium: 32 × 32 to 96 × 96 pixels; large: over it."),  # noqa: RUF001
    )  # fmt: skip
    out.append(Section("sizes", "Sizes and confidence", [sizes], ("evaluation",)))
    if first.honest is not None:
        others = {m.name: m.honest for m in e.models[1:] if m.honest is not None}
        error = first.honest.expected_error[-1]
        out[-1].blocks.append(
            picture(
                "calibration",
                lambda ax: first.honest.plot(ax, others=others, name=first.name).set_ylabel(
                    f"precision at {e.measure} {first.honest.iou:g}"
                ),
                f"Precision against confidence; the expected calibration error is {error:.3f}.",
                "Above the diagonal detections are right more often than their confidence says."
                " The larger a dot, the more detections.",
            )
        )
        out[-1].how += ("calibration",)
    if e.parts is not None:
        out.append(_slices(e))
    return out


def _summary(e: Evaluation) -> Section:
    first = e.models[0]
    stats, best = first.evaluated.stats, first.best
    spans = {} if e.sure is None else e.sure.stats
    tiles = []
    for key in ("AP", "AP50", "AP75", recall_of(e)):
        i = spans.get(key)
        more = "" if i is None or np.isnan(i.low) else f"95 %: {i.low:.3f} to {i.high:.3f}"
        tiles.append((key, number(stats[key]).text, more))
    at = number(best.confidence[-1]).text
    tiles.append(("best F1", number(best.f1[-1]).text, f"at confidence {at}"))
    gt = e.gt
    tiles.append(("images", f"{gt.n_images:,}", objects(len(gt))))
    tiles.append(("detections", f"{len(first.results):,}", f"{len(e.names)} classes"))
    blocks: list[Any] = [Numbers(tiles), Text(_outstanding(e))]
    rows = []
    for key, value in stats.items():
        row = [Cell(key), number(value, bar=True)]
        i = spans.get(key)
        row += [Cell("-", -1e300)] * 2 if i is None else [number(i.low), number(i.high)]
        rows.append([*row, *(number(m.evaluated.stats[key], bar=True) for m in e.models[1:])])
    names = ["number", first.name, "95 % from", "to", *(m.name for m in e.models[1:])]
    blocks.append(Table("COCO's numbers", names, rows))
    return Section("summary", "Summary", blocks, ("evaluation", "intervals", "confidence"))


def recall_of(e: Evaluation) -> str:
    """The name of the average recall."""
    return "AR" if e.kind == "keypoints" else "AR100"


def _outstanding(e: Evaluation) -> list[str]:
    """What a reader should know first, in a sentence each."""
    first, lines = e.models[0], []
    serious = [f for f in e.findings.findings if f.severity == "error"]
    if serious:
        many = "one kind of error changes" if len(serious) == 1 else f"{len(serious)} kinds change"
        lines.append(f"Mind the data first: {many} these numbers.")
    if e.compared is not None:
        for versus in e.compared.against:
            main, d = next(iter(versus.stats.items()))
            sure = d.low > 0 or d.high < 0
            word = "better" if d.difference > 0 else "worse"
            text = f"{versus.name} is {word} than {first.name} by {abs(d.difference):.3f} {main}"
            chance = "" if sure else ", which may be chance"
            lines.append(f"{text} (95 %: {d.low:+.3f} to {d.high:+.3f}){chance}.")
    main = {} if first.errors is None else first.errors.main
    if any(main.values()):
        worst = max(main, key=lambda key: main[key])
        lines.append(
            f"The costliest errors are of the type “{ERROR_WORDS[worst]}”: mending them would add"
            f" {main[worst]:.1f} points of AP at IoU 0.5."
        )
    known = [row for row in first.evaluated.per_class() if row["AP"] > -1 and row["targets"] > 0]
    if len(known) > 1:
        low = min(known, key=lambda row: row["AP"])
        name = e.name(low["label"])
        lines.append(f"The weakest class is {name}: AP {low['AP']:.3f}, {objects(low['targets'])}.")
    if e.gt.n_images < FEWEST_IMAGES:
        lines.append(f"With {e.gt.n_images} images intervals and ranks mean little.")
    return lines


def objects(n: int) -> str:
    return f"{n:,} object" + "s" * (n != 1)


def _quality(e: Evaluation) -> Section:
    found = e.findings
    words = {"error": "errors", "warning": "warnings", "note": "notes"}
    counts = [
        (word, str(sum(f.severity == key for f in found.findings)), "")
        for key, word in words.items()
    ]
    blocks: list[Any] = [Numbers(counts)]
    for f in found.findings:
        share = f" ({100 * f.count / f.of:.2g} %)" if 0 < f.count < f.of else ""
        of = f" of {f.of:,}" if f.of != f.count else ""
        head = f"{f.kind}: {f.count:,}{of} {f.unit}{share}"
        blocks.append(Finding(f.severity, head, f.effect, f.examples[:3]))
    if not found.findings:
        blocks.append(Text(["Nothing is suspicious."]))
    return Section("data", "Data quality", blocks, ("check",))


def _curves(e: Evaluation) -> Section:
    first = e.models[0]
    others = {m.name: m.evaluated for m in e.models[1:]}
    stats, best = first.evaluated.stats, first.best
    blocks: list[Any] = [
        picture(
            "precision-recall",
            lambda ax: plots.precision_recall(first.evaluated, ax, others=others, name=first.name),
            f"Precision falls with recall; the mean precision at {e.measure} 0.5 is"
            f" {stats['AP50']:.3f}.",
            "Mean over the classes"
            + (f", at {e.measure} 0.5." if others else "; AP in the legend."),
        ),
        picture(
            "confidence",
            lambda ax: plots.confidence_curves(first.evaluated, ax),
            "Precision, recall and F1 against the confidence threshold; the best F1 is"
            f" {best.f1[-1]:.3f} at {best.confidence[-1]:.3f}.",
            f"All classes of {first.name} together, at {e.measure} 0.5.",
        ),
        picture(
            "scores",
            lambda ax: plots.score_histogram(first.evaluated, ax),
            "Counts of true and false positives by confidence, on a logarithmic scale.",
            "A good detector keeps the two apart.",
        ),
    ]
    return Section("curves", "Curves", blocks, ("evaluation", "confidence"))


def _classes(e: Evaluation) -> Section:
    first = e.models[0]
    best, rows = first.best, []
    spans = {} if e.sure is None else {row["label"]: row["AP"] for row in e.sure.per_class()}
    others = [{r["label"]: r["AP"] for r in m.evaluated.per_class()} for m in e.models[1:]]
    for k, row in enumerate(first.evaluated.per_class()):
        label, span = row["label"], spans.get(row["label"])
        rows.append(
            [
                Cell(e.name(label)),
                count(row["targets"]),
                number(row["AP"], bar=True),
                *([number(span.low), number(span.high)] if span else []),
                number(row["AP50"], bar=True),
                number(row["AP75"]),
                number(row[recall_of(e)]),
                number(best.confidence[k]),
                number(best.f1[k], bar=True),
                number(best.precision[k]),
                number(best.recall[k]),
                *(number(other.get(label, -1), bar=True) for other in others),
            ]
        )
    names = [
        "class", "objects", "AP", *(["95 % from", "to"] if spans else []), "AP50", "AP75",
        recall_of(e), "confidence", "best F1", "precision", "recall",
        *(f"AP of {m.name}" for m in e.models[1:]),
    ]  # fmt: skip
    shown = sum(row["AP"] > -1 for row in first.evaluated.per_class())
    blocks: list[Any] = [Table("Numbers of each class", names, rows)]
    if shown > 1:
        blocks.append(
            picture(
                "classes",
                lambda ax: plots.class_bars(first.evaluated, ax, intervals=e.sure),
                f"AP of {min(shown, plots.evaluation.MOST_ROWS)} classes, the worst on top; the"
                " numbers are in the table.",
                "The bars are 95 % intervals." if e.sure else "The worst on top.",
                height=row_height(min(shown, plots.evaluation.MOST_ROWS)),
            )
        )
    how = ("evaluation", "confidence", *(("intervals",) if spans else ()))
    return Section("classes", "Classes", blocks, how)


def _errors(e: Evaluation) -> Section:
    first = e.models[0]
    errors = first.errors
    if errors is None:
        return Section("errors", "Errors", [], ("images",))
    others = {m.name: m.errors for m in e.models[1:]}
    figure = picture(
        "errors",
        lambda ax: plots.error_bars(errors, ax, others=others, name=first.name),
        "Points of AP that mending each type of error would gain: "
        + ", ".join(f"{ERROR_WORDS[k]} {v:.1f}" for k, v in errors.main.items()),
        "What each type costs" + ("." if others else "; in brackets how many there are."),
    )
    rows = []
    for key, value in {**errors.main, **errors.special}.items():
        counted = count(errors.counts[key]) if key in errors.counts else Cell("-", -1e300)
        costs = [number({**m.errors.main, **m.errors.special}[key], 2) for m in e.models[1:]]
        rows.append([Cell(ERROR_WORDS[key]), counted, number(value, 2), *costs])
    names = ["type", "errors", f"points of AP, {first.name}", *(m.name for m in e.models[1:])]
    if not others:
        names[2] = "points of AP"
    return Section("errors", "Errors", [figure, Table("Types of errors", names, rows)], ("errors",))


def _confusion(e: Evaluation) -> Section:
    found, labels = e.confusion, np.asarray(e.confusion.classes).tolist()
    most = 20
    n = min(len(labels), most + 1) + 1
    figure = picture(
        "confusion",
        lambda ax: plots.confusion(found, ax, names=e.names, most=most),
        "Counts of ground truths of each class by the class they are detected as; the most"
        " frequent are in the table.",
        f"Rows add up to the ground truths of a class; {e.measure} {found.iou:g}, confidence from"
        f" {found.confidence:.3g}."
        + (f" The {most} classes most confused; the others are summed." if n == most + 2 else ""),
        width=1.9 + 0.25 * n, height=1.4 + 0.25 * n, wide=n > 12,
    )  # fmt: skip
    between = np.array(found.matrix[:-1, :-1])
    np.fill_diagonal(between, 0)
    total = found.matrix.sum(1)
    rows = []
    for at in np.argsort(-between, axis=None, kind="stable")[:20]:
        i, j = divmod(int(at), len(labels))
        if between[i, j] == 0:
            break
        share = number(between[i, j] / total[i], bar=True)
        names = Cell(e.name(labels[i])), Cell(e.name(labels[j]))
        rows.append([*names, count(between[i, j]), share])
    blocks: list[Any] = [figure]
    if rows:
        columns = ["ground truth", "detected as", "objects", "share of the class"]
        blocks.append(Table("Most frequent confusions", columns, rows))
    return Section("confusion", "Confusion", blocks, ("confusion",))


def _slices(e: Evaluation) -> Section:
    main = next(iter(e.parts.stats))
    rows = []
    for part in e.parts.parts.values():
        i, d = part.stats[main], part.difference[main]
        rows.append(
            [
                Cell(part.name),
                count(part.size),
                number(i.value, bar=True),
                number(i.low),
                number(i.high),
                number(d.value, sign="+"),
                number(d.low, sign="+"),
                number(d.high, sign="+"),
            ]
        )
    names = ["slice", "images", main, "95 % from", "to", "minus the rest", "95 % from", "to"]
    figure = picture(
        "slices", lambda ax: e.parts.plot(ax), f"{main} of each slice, the worst on top.",
        "The line is the whole.", height=row_height(min(len(rows), 40)),
    )  # fmt: skip
    return Section("slices", "Slices", [figure, Table("Each slice", names, rows)], ("slices",))
