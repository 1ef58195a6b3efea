"""What the numbers of YOLO rows mean: their task, where the confidence stands, which corners."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.options import Options
from tamis.annotations.problems import Problems

if TYPE_CHECKING:
    from tamis.annotations.yolo import Rows
    from tamis.annotations.yolo_listing import Listing

BOXES = ("cx cy w h", "x y w h", "x0 y0 x1 y1")
_PIXELS = 1.5  # most coordinates beyond it: pixels
_SLACK = 0.02  # that a box may lie outside its image, of its side


@dataclass
class Layout:
    task: str = "detect"
    score: int | None = None  # its place in a row: 0, or -1 and -2 from the end
    box: str = "cx cy w h"
    relative: bool = True
    keypoints: tuple[int, int] = (0, 0)


def parse_layout(text: str) -> Layout:
    """Of ``"label score x y w h"`` and the like."""
    words = text.split()
    box = " ".join(w for w in words if w not in ("label", "score"))
    if words[:1] == ["label"] and box in BOXES:
        if words == ["label", *box.split()]:
            return Layout(box=box)
        if words == ["label", "score", *box.split()]:
            return Layout(box=box, score=0)
        if words == ["label", *box.split(), "score"]:
            return Layout(box=box, score=-1)
    raise ValueError(
        "read: layout must be 'auto' or 'label', an optional 'score' and one of"
        f" {', '.join(map(repr, BOXES))}, such as 'label score x y w h', got {text!r}"
    )


def find_layout(rows: Rows, listing: Listing, options: Options, problems: Problems) -> Layout:
    """The layout of all rows; a row that does not fit is a problem."""
    if options.layout != "auto":
        layout = parse_layout(options.layout)
    elif len(rows.counts) == 0:
        return Layout()
    else:
        layout = _by_counts(rows, listing, options)
    _check_counts(rows, layout, listing, problems)
    if problems.found or layout.task != "detect":
        return layout
    first = 0 if layout.score != 0 else 1
    layout.relative = not _in_pixels(rows.table(first + 4)[:, first:])
    if options.layout == "auto" and len(rows.counts):
        _settle_detect(rows, layout, listing)
    if not layout.relative and layout.box == "cx cy w h" and options.layout == "auto":
        row = 0
        problems.add(
            listing.labels[rows.image[row]], int(rows.lines[row]),
            "expected coordinates relative to the image; these are pixels, whose order is not"
            " plain: give layout=, such as 'label x y w h' or 'label score x0 y0 x1 y1'",
        )  # fmt: skip
    return layout


def _by_counts(rows: Rows, listing: Listing, options: Options) -> Layout:
    """The task from how many numbers rows have, where nobody has said it."""
    numbers, times = np.unique(rows.counts, return_counts=True)
    counts = Counter(dict(zip(numbers.tolist(), times.tolist(), strict=True)))
    common = counts.most_common(1)[0][0]
    task = options.task
    if task == "pose" or (task == "auto" and listing.keypoints):
        return _pose(common, listing.keypoints)
    if task == "auto":
        if common in (8, 9) and set(counts) <= {common}:
            task = "obb"
        elif common in (4, 5) or (common == 6 and _is_track(rows)):
            boxes = sum(counts[c] for c in (4, 5, 6))
            task = "detect" if boxes > len(rows.counts) / 2 else "segment"
            if counts[4] and not counts[5] and any(c >= 6 and c % 2 == 0 for c in counts):
                task = "segment"
        elif (
            len(counts) == 1
            and common > 9
            and len(rows.counts) > 1
            and (found := _hidden_pose(rows, common))
        ):
            return found
        else:
            task = "segment"
    if task == "detect":
        score = -1 if common == 5 else -2 if common == 6 else None
        return Layout("detect", score)
    if task == "obb":
        return Layout("obb", -1 if common == 9 else None)
    scored = sum(n for c, n in counts.items() if c % 2)
    return Layout("segment", -1 if scored > len(rows.counts) / 2 else None)


def _is_track(rows: Rows) -> bool:
    """Six numbers: a box, its confidence and a track's number, or a triangle."""
    if not (rows.counts == 6).all():
        return False
    table = rows.table(6)
    tracks = table[:, 5]
    return bool(
        (tracks == np.round(tracks)).all() and (tracks >= 1).all() and (table[:, 4] <= 1).all()
    )


def _pose(common: int, keypoints: tuple[int, int] | None) -> Layout:
    if keypoints is not None:
        k, dims = keypoints
        return Layout("pose", -1 if common == 5 + k * dims else None, keypoints=keypoints)
    for score, extra in ((None, 4), (-1, 5)):
        for dims in (3, 2):
            if common > extra and (common - extra) % dims == 0:
                return Layout("pose", score, keypoints=((common - extra) // dims, dims))
    return Layout("pose")


def _hidden_pose(rows: Rows, common: int) -> Layout | None:
    """Keypoints that no data.yaml announces: the box of each row holds most of its points."""
    for score, extra in ((None, 4), (-1, 5)):
        for dims in (3, 2):
            if (common - extra) % dims or common - extra < dims:
                continue
            k = (common - extra) // dims
            table = rows.table(4 + k * dims)
            points = table[:, 4:].reshape(-1, k, dims)
            seen = (points[..., :2] != 0).any(axis=2)
            off = np.abs(points[..., :2] - table[:, None, :2]) - table[:, None, 2:4] / 2
            near = (off <= _SLACK).all(axis=2) & seen
            visible = dims == 2 or np.isin(points[..., 2], (0, 1, 2)).all() or score is not None
            if visible and seen.any() and near.sum() > 0.9 * seen.sum():
                return Layout("pose", score, keypoints=(k, dims))
    return None


def _check_counts(rows: Rows, layout: Layout, listing: Listing, problems: Problems) -> None:
    scored = layout.score is not None
    more = " and a confidence" if scored else ""
    counts = rows.counts - scored
    if layout.task == "segment":
        good = (counts >= 4) & (counts % 2 == 0)
        wanted = f"x y pairs, at least 3{more}"
    elif layout.task == "obb":
        good, wanted = counts == 8, f"four corners x y{more}"
    elif layout.task == "pose":
        k, dims = layout.keypoints
        good, wanted = counts == 4 + k * dims, f"a box and {k} keypoints of {dims} numbers{more}"
    else:
        good = counts == (5 if layout.score == -2 else 4)
        wanted = f"{layout.box}{more}"
    for row in np.flatnonzero(~good):
        problems.add(
            listing.labels[rows.image[row]], int(rows.lines[row]),
            f"expected a class and {wanted}, got {rows.counts[row] + 1} numbers",
        )  # fmt: skip


def _in_pixels(coordinates: Array) -> bool:
    if len(coordinates) == 0 or coordinates.max() <= _PIXELS:
        return False
    return float((coordinates.max(axis=1) > _PIXELS).mean()) > 0.5


def _settle_detect(rows: Rows, layout: Layout, listing: Listing) -> None:
    """Where the confidence stands, and which corners pixels are of, by what fits the images."""
    width = 5 if layout.score == -1 else 4
    table = rows.table(width)
    if layout.score == -1:
        last = (table[:, 4] >= 0) & (table[:, 4] <= 1)
        ahead = (table[:, 0] >= 0) & (table[:, 0] <= 1)
        in_pixels = _in_pixels(table[:, 1:4])
        if in_pixels:
            layout.score = 0 if ahead.all() and not last.all() else -1
        else:
            after = _inside(table[:, :4])
            first = after < 0.9 and ahead.all() and _inside(table[:, 1:]) > after
            layout.score = 0 if first else -1
        layout.relative = not in_pixels
    if layout.relative:
        return
    sizes = listing.sizes[rows.image].astype(np.float64)
    box = table[:, 1:] if layout.score == 0 else table[:, :4]
    limit = np.where(sizes[:, ::-1] > 0, sizes[:, ::-1], np.inf) * (1 + _SLACK) + 1
    ordered = (box[:, 2] >= box[:, 0]) & (box[:, 3] >= box[:, 1])
    as_corners = ordered.all() and (box[:, 2:] <= limit).mean() > 0.95
    as_sizes = (box[:, :2] + box[:, 2:] <= limit).all(axis=1).mean() > 0.95
    if as_corners and not as_sizes:
        layout.box = "x0 y0 x1 y1"
    elif as_sizes and not ordered.all():
        layout.box = "x y w h"


def _inside(boxes: Array) -> float:
    """Share of relative cx cy w h boxes that lie in their image."""
    cx, cy, w, h = boxes.T
    across = (cx - w / 2 > -_SLACK) & (cx + w / 2 < 1 + _SLACK) & (w >= 0)
    down = (cy - h / 2 > -_SLACK) & (cy + h / 2 < 1 + _SLACK) & (h >= 0)
    return float((across & down).mean())
