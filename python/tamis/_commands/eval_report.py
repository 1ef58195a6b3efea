"""What `tamis eval` prints and writes: tables of at most 80 columns, JSON, CSV."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from tamis._commands.eval_sources import Found
from tamis._shared import output
from tamis._shared.results import plain

WIDTH = 80
Rows = list[dict[str, Any]]


def tables(found: Found, args: argparse.Namespace) -> dict[str, Rows]:
    """What was asked for, each a list of rows; "classes" is there for files in any case."""
    out: dict[str, Rows] = {}
    if args.per_class or args.sort or args.out:
        out["classes"] = by_class(found, args.sort)
    result = found.result
    if result is None:
        return out
    names = {row["id"]: row["name"] for row in found.classes}
    classes = [names.get(k, str(k)) for k in result.classes.tolist()]
    if args.per_image:
        out["images"] = by_image(found, args)
    if args.errors:
        errors = result.errors(iou=args.iou)
        points = errors.main | errors.special
        out["errors"] = [
            {"type": key, "points": value, "errors": errors.counts.get(key)}
            for key, value in points.items()
        ]
    if args.confusion:
        out["confusion"] = confusions(result, classes, args)
    if args.best_f1:
        best = result.best_f1(iou=args.iou)
        keys = ("confidence", "precision", "recall", "f1", "tp", "fp", "fn")
        out["best_f1"] = _columns([*classes, "all classes"], best, keys)
    if args.calibration:
        found_errors = result.calibration(iou=args.iou)
        detections = found_errors.count.sum(axis=1)
        rows = _columns(
            [*classes, "all classes"], found_errors, ("expected_error", "maximum_error")
        )
        counts = zip(rows, detections.tolist(), strict=True)
        out["calibration"] = [{**row, "detections": n} for row, n in counts]
    return out


def by_class(found: Found, sort: str | None) -> Rows:
    rows = found.classes
    if sort is None:
        return rows
    known = [key for key in (rows[0] if rows else {}) if key != "id"]
    if rows and sort not in known:
        raise ValueError(f"--sort must be one of {', '.join(known)}, got {sort!r}")
    if sort in ("name", "frequency"):
        return sorted(rows, key=lambda row: str(row[sort]))
    return sorted(rows, key=lambda row: -row[sort])  # absent ones have -1: they come last


def by_image(found: Found, args: argparse.Namespace) -> Rows:
    """All images, the lowest F1 first; those without anything to find or found last."""
    assert found.result is not None
    scores = found.result.per_image(iou=args.iou, confidence=args.confidence)
    order = np.lexsort([-(scores.fn + scores.fp), scores.f1])
    keys = ("tp", "fp", "fn", "precision", "recall", "f1", "ap")
    columns = {key: scores[key].tolist() for key in keys}
    return [
        {"image": found.image_names[i], **{key: columns[key][i] for key in keys}}
        for i in order.tolist()
    ]


def confusions(result: Any, classes: list[str], args: argparse.Namespace) -> Rows:
    """Cells off the diagonal, the largest first."""
    matrix = result.confusion_matrix(iou=args.iou, confidence=args.confidence).matrix
    off = matrix - np.diag(np.diag(matrix))
    names = [*classes, "(nothing)"]
    order = np.argsort(-off, axis=None, kind="stable")[: np.count_nonzero(off)]
    cells = zip(*np.unravel_index(order, off.shape), strict=True)
    return [
        {"truth": names[a], "found as": names[b], "count": int(off[a, b])} for a, b in cells
    ]  # fmt: skip


def _columns(names: list[str], result: Any, keys: Sequence[str]) -> Rows:
    columns = [getattr(result, key).tolist() for key in keys]
    return [
        {"name": name, **dict(zip(keys, values, strict=True))}
        for name, *values in zip(names, *columns, strict=True)
    ]


# --- text ----------------------------------------------------------------------------------

SHOWN = {  # columns of a terminal; the others are in the files
    "classes": ("name", "targets", "AP", "AP50", "AP75", "AR100", "AR", "AR@300"),
    "images": ("image", "tp", "fp", "fn", "precision", "recall", "f1", "ap"),
}
TITLES = {
    "images": "images, the lowest F1 first", "errors": "errors, and the points of AP50 they cost",
    "confusion": "classes taken for another",
    "best_f1": "the confidence of the best F1", "calibration": "confidence against precision",
}  # fmt: skip


def text(found: Found, all_tables: dict[str, Rows], args: argparse.Namespace) -> str:
    parts = [found.summary]
    for name, rows in all_tables.items():
        if name == "classes" and not (args.per_class or args.sort):
            continue
        shown = rows[: args.top] if name in ("images", "confusion") else rows
        parts.append("\n".join([*_title(name), table(shown, SHOWN.get(name))]))
        if len(shown) < len(rows):
            parts[-1] += f"\n... {len(rows) - len(shown)} more: --top, --out, --json"
    return "\n\n".join(parts)


def _title(name: str) -> list[str]:
    return [TITLES[name]] if name in TITLES else []


def table(rows: Rows, wanted: Sequence[str] | None = None) -> str:
    """Text left, numbers right; text is cut so that nothing is wider than a terminal."""
    if not rows:
        return "none"
    keys = [key for key in (wanted or rows[0]) if key in rows[0]]
    cells = [keys, *([_cell(row[key]) for key in keys] for row in rows)]
    words = [any(isinstance(row[key], str) for row in rows) for key in keys]
    widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
    spare = WIDTH - sum(widths) - 2 * (len(keys) - 1)
    for i in sorted(np.flatnonzero(words).tolist(), key=lambda i: -widths[i]):
        if spare < 0:
            cut = max(widths[i] + spare, 8)
            spare, widths[i] = spare + widths[i] - cut, cut
    lines = (
        "  ".join(
            _cut(cell, width).ljust(width) if word else cell.rjust(width)
            for cell, width, word in zip(line, widths, words, strict=True)
        )
        for line in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _cut(word: str, width: int) -> str:
    return word if len(word) <= width else word[: width - 3] + "..."


def _cell(value: Any) -> str:
    """A number as it is read; "-" where there is none."""
    if value is None or (isinstance(value, float) and not (value > -1)):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


# --- files ---------------------------------------------------------------------------------


def to_plain(found: Found, all_tables: dict[str, Rows]) -> dict[str, Any]:
    """All numbers as JSON holds them."""
    out: dict[str, Any] = {**found.stats, "iou_type": found.kind}
    if found.result is not None:
        out["provenance"] = found.result.provenance()
        if set(found.result.area_ranges) - {"all", "small", "medium", "large"}:
            out["sizes"] = found.result.per_size()
    if found.findings:
        out["findings"] = [finding.to_dict() for finding in found.findings]
    for name, rows in all_tables.items():
        out[name] = rows
    if "errors" in all_tables:
        points = {row["type"]: row["points"] for row in all_tables["errors"]}
        counts = {r["type"]: r["errors"] for r in all_tables["errors"] if r["errors"] is not None}
        out["errors"] = {"points": points, "counts": counts}
    whole: dict[str, Any] = plain(out)
    return whole


def print_plain(value: dict[str, Any]) -> None:
    print(json.dumps(value, allow_nan=False))


def check_folder(folder: str) -> None:
    """Make the folder; raise, before any work, where it cannot be written to."""
    os.makedirs(folder, exist_ok=True)
    output.check("--out", os.path.join(folder, "results.json"))


def write(folder: str, value: dict[str, Any], all_tables: dict[str, Rows]) -> None:
    """results.json, and a CSV file for each table."""
    files = {"results.json": json.dumps(value, indent=1, allow_nan=False)}
    for name, rows in all_tables.items():
        if rows:
            lines = io.StringIO(newline="")
            writer = csv.DictWriter(lines, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(plain(rows))
            files[f"{name}.csv"] = lines.getvalue()
    for file, content in files.items():
        fill = partial(_fill, content.encode())
        output.write("--out", os.path.join(folder, file), fill)


def _fill(content: bytes, file: Any) -> None:
    file.write(content)
