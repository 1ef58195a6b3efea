"""The worst images and examples of each error type: pictures where a folder is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis.evaluation.detection_errors import TYPES
from tamis.evaluation.failures import failures
from tamis.plots.evaluation import ERROR_WORDS
from tamis.reports.crops import COLORS, KEY, Folder, View, pictures, webp
from tamis.reports.evaluation import Evaluation
from tamis.reports.page import Cell, Gallery, Section, Table, Tile, count, number

MISS = TYPES.index("Miss")
LISTED = 30  # images of the table


def key(*kinds: str) -> list[tuple[str, str]]:
    return [(COLORS[kind], KEY[kind]) for kind in kinds]


def tiles_of(views: list[View], words: list[tuple[str, list[str], str]]) -> list[Tile]:
    """Tiles of views and of what is said of each: title, lines, group."""
    return [
        Tile(None if made is None else webp(made), title, lines, group)
        for made, (title, lines, group) in zip(pictures(views), words, strict=True)
    ]


def errors(e: Evaluation, folder: Folder | None, tiles: int) -> list[Any]:
    """Examples of each type, the most confident first, classes by turns."""
    first = e.models[0]
    each = max(1, tiles // len(TYPES))
    found = failures(first.evaluated, quota={kind: each for kind in TYPES})
    order = np.argsort(found.kind, kind="stable")
    views, words, rows = [], [], []
    det, gt = first.results.xyxy, e.gt.xyxy
    for at in order.tolist():
        kind, row, image = int(found.kind[at]), int(found.row[at]), int(found.image[at])
        name, word = e.gt.image_name(image), ERROR_WORDS[TYPES[kind]]
        label = e.name(found.label[at])
        if kind == MISS:
            boxes, said = [(gt[row], "fn")], label
        else:
            boxes, target = [(det[row], "fp")], int(first.errors.target[row])
            said = f"{label} {found.score[at]:.2f}"
            if target >= 0:
                boxes.insert(0, (gt[target], "gt"))
                other = e.name(e.gt.labels[target])
                said += f" on {other}" if TYPES[kind] == "Cls" else ""
        views.append(View(folder.find(name) if folder else None, boxes, crop=True))
        words.append((said, [word, name], word))
        score = Cell("-", -1e300) if kind == MISS else number(found.score[at])
        rows.append([Cell(word), Cell(label), score, Cell(name)])
    if not rows:
        return []
    if folder is None:
        return [Table("Examples of each type", ["type", "class", "confidence", "image"], rows)]
    return [Gallery("Examples of each type", tiles_of(views, words), key("gt", "fp", "fn"))]


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
    columns = ["image", "AP at IoU 0.5", "found", "wrong", "missed"]
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
    first = e.models[0]
    view = first.evaluated._evaluated()
    table = view.at(0.5)
    right, wrong = view.counted(table)
    sure = view.dets.scores >= e.confusion.confidence
    taken = table.dense(0, len(sure))[0]
    found = np.zeros(len(e.gt), bool)
    found[taken[right & sure]] = True
    missed = ~found & (table.gt_ignore[0] == 0)
    det, gt = first.results, e.gt
    drawn, true = det.xyxy, gt.xyxy
    views = []
    for i in images:
        dets = np.arange(det.splits[i], det.splits[i + 1])
        gts = np.arange(gt.splits[i], gt.splits[i + 1])
        boxes = [(drawn[r], "tp") for r in dets[(right & sure)[dets]]]
        boxes += [(true[r], "fn") for r in gts[missed[gts]]]
        boxes += [(drawn[r], "fp") for r in dets[(wrong & sure)[dets]]]
        views.append(View(folder.find(gt.image_name(i)), boxes, size=300))
    return views
