"""The worst images and examples of each error type: pictures where a folder is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.evaluation.detection_errors import TYPES
from tamis.evaluation.failures import failures
from tamis.plots.evaluation import ERROR_WORDS
from tamis.reports.crops import Folder, View, pictures, webp
from tamis.reports.evaluation import Evaluation
from tamis.reports.marks import COLORS, KEY, Marker
from tamis.reports.page import Cell, Gallery, Section, Table, Text, Tile, count, number

LISTED = 30  # images of the table


def key(*kinds: str) -> list[tuple[str, str]]:
    return [(COLORS[kind], KEY[kind]) for kind in kinds]


def tiles_of(views: list[View], words: list[tuple[str, list[str], str]]) -> list[Tile]:
    """Tiles of views and of what is said of each: title, lines, group."""
    return [
        Tile(None if made is None else webp(made), title, lines, group)
        for made, (title, lines, group) in zip(pictures(views), words, strict=True)
    ]


@dataclass(frozen=True)
class Example:
    """One error: the row of a detection, or of a missed ground truth."""

    word: str
    row: int
    missed: bool
    target: int = -1  # ground truth that the detection is compared with
    confused: bool = False  # its class is another


def errors(e: Evaluation, folder: Folder | None, tiles: int) -> list[Any]:
    """Examples of each type, the most confident first, classes by turns."""
    found, scores = e.models[0].results, e.scores
    marked, true = (Marker(rows, e.kind) for rows in (found, e.gt))
    views, words, rows = [], [], []
    for one in (_by_type if e.models[0].errors is not None else _plainly)(e, tiles):
        side = e.gt if one.missed else found
        label = e.name(side.labels[one.row])
        name = side.image_name(int(side.image_index[one.row]))
        said, score = label, Cell("-", -1e300)
        if one.missed:
            marks = [true(one.row, "fn")]
        else:
            marks, score = [marked(one.row, "fp")], number(scores[one.row])
            said = f"{label} {scores[one.row]:.2f}"
            if one.target >= 0:
                marks.insert(0, true(one.target, "gt"))
                said += f" on {e.name(e.gt.labels[one.target])}" if one.confused else ""
        views.append(View(folder.find(name) if folder else None, marks, crop=True))
        words.append((said, [one.word, name], one.word))
        rows.append([Cell(one.word), Cell(label), score, Cell(name)])
    if not rows:
        return [Text(["Nothing is wrong, and nothing is missed."])]
    if folder is None:
        return [Table("Examples of each type", ["type", "class", "confidence", "image"], rows)]
    drawn = {mark.kind for view in views for mark in view.marks}
    kinds = [kind for kind in ("gt", "fp", "fn") if kind in drawn]
    return [Gallery("Examples of each type", tiles_of(views, words), key(*kinds))]


def _by_type(e: Evaluation, tiles: int) -> list[Example]:
    first = e.models[0]
    each = max(1, tiles // len(TYPES))
    found = failures(first.evaluated, quota={kind: each for kind in TYPES})
    out = []
    for at in np.argsort(found.kind, kind="stable").tolist():
        kind, row = TYPES[found.kind[at]], int(found.row[at])
        word, missed = ERROR_WORDS[kind], kind == "Miss"
        target = -1 if missed else int(first.errors.target[row])
        out.append(Example(word, row, missed, target, kind == "Cls"))
    return out


def _plainly(e: Evaluation, tiles: int) -> list[Example]:
    """Without types: wrong detections, the most confident first, and the largest missed objects."""
    _, wrong, missed = outcome(e)
    each = max(1, tiles // 2)
    rows = np.flatnonzero(wrong)
    rows = rows[np.argsort(-e.scores[rows], kind="stable")][:each]
    lost = np.flatnonzero(missed)
    lost = lost[np.argsort(-e.gt.boxes[lost, 2:].prod(1), kind="stable")][:each]
    return [
        *(Example(KEY["fp"], row, False) for row in rows.tolist()),
        *(Example(KEY["fn"], row, True) for row in lost.tolist()),
    ]


def outcome(e: Evaluation) -> tuple[Array, Array, Array]:
    """Rows found and wrong from the confidence on, and ground truths missed, at 0.5."""
    view = e.models[0].evaluated._evaluated()
    table = view.at(0.5)
    right, wrong = view.counted(table)
    sure = view.dets.scores >= e.confidence
    taken = table.dense(0, len(sure))[0]
    found = np.zeros(len(e.gt), bool)
    found[taken[right & sure]] = True
    return right & sure, wrong & sure, ~found & (table.gt_ignore[0] == 0)


def worst_images(e: Evaluation, folder: Folder | None, tiles: int) -> Section:
    """Images of lowest AP, of those the ones with the most errors first."""
    scores = e.images
    wrong = scores.fp + scores.fn
    order = np.lexsort((-wrong, np.nan_to_num(scores.ap, nan=2.0)))
    order = order[np.isfinite(scores.ap[order]) & (wrong[order] > 0)]
    rows = [
        [
            Cell(e.gt.image_name(int(i))), number(scores.ap[i], bar=True), count(scores.tp[i]),
            count(scores.fp[i]), count(scores.fn[i]),
        ]
        for i in order[:LISTED]
    ]  # fmt: skip
    columns = ["image", f"AP at {e.measure} 0.5", "found", "wrong", "missed"]
    out = Section("images", "Worst images", [], ("images",))
    if folder is not None and len(order):
        chosen = order[:tiles].tolist()
        words = [
            (
                e.gt.image_name(i),
                [f"AP {scores.ap[i]:.2f}", f"{scores.fp[i]} wrong, {scores.fn[i]} missed"],
                "",
            )
            for i in chosen
        ]
        views = _frames(e, folder, chosen)
        made = tiles_of(views, words)
        out.blocks.append(Gallery("The worst first", made, key("tp", "fp", "fn"), wide=True))
    out.blocks.append(Table(f"The {len(rows)} worst", columns, rows))
    return out


def _frames(e: Evaluation, folder: Folder, images: list[int]) -> list[View]:
    """Whole images with what was found, what is wrong and what was missed."""
    right, wrong, missed = outcome(e)
    det, gt = e.models[0].results, e.gt
    marked, true = (Marker(rows, e.kind) for rows in (det, gt))
    views = []
    for i in images:
        dets = np.arange(det.splits[i], det.splits[i + 1])
        gts = np.arange(gt.splits[i], gt.splits[i + 1])
        marks = [marked(r, "tp") for r in dets[right[dets]].tolist()]
        marks += [true(r, "fn") for r in gts[missed[gts]].tolist()]
        marks += [marked(r, "fp") for r in dets[wrong[dets]].tolist()]
        views.append(View(folder.find(gt.image_name(i)), marks, size=300))
    return views
