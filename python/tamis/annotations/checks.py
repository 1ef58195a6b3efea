"""The checks of one side: ids, boxes, images, sizes and classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tamis._shared.arrays import Array
from tamis.annotations.annotations import Annotations
from tamis.annotations.files import IMAGES, image_key, stem, unique_index, walk
from tamis.annotations.findings import Finding, Severity
from tamis.annotations.options import header_sizes
from tamis.regions.duplicates import find_duplicate_boxes

_SHOWN = 5
_OUTSIDE = 1.0  # pixels that a box may lie outside its image, as formats round
_IMBALANCE = 100
_FEW = 10
_SAME = 0.99  # IoU


def rows_found(
    side: Annotations, kind: str, severity: Severity, rows: Array, effect: str, unit: str = "boxes"
) -> list[Finding]:
    """A finding with examples, if there are such rows; `rows`: indices or a bool mask."""
    places = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
    if len(places) == 0:
        return []
    examples = tuple(f"{side.where(int(i))}: {_box(side.boxes[i])}" for i in places[:_SHOWN])
    return [Finding(kind, severity, len(places), len(side), unit, effect, examples)]


def _box(box: Array) -> str:
    return "[" + ", ".join(f"{x:.6g}" for x in box) + "]"


def found(
    kind: str, severity: Severity, names: list[str], of: int, unit: str, effect: str
) -> list[Finding]:
    """A finding of named things, if there are any."""
    if not names:
        return []
    return [Finding(kind, severity, len(names), of, unit, effect, tuple(names[:_SHOWN]))]


def of_ids(gt: Annotations) -> list[Finding]:
    if gt.ids is None:
        return []
    out = rows_found(
        gt, "annotation id 0", "error", gt.ids == 0,
        "COCO's evaluation takes id 0 for no match: a detection of such a box counts as false, and"
        " the box as missed.", "annotations",
    )  # fmt: skip
    order = np.argsort(gt.ids, kind="stable")
    again = order[1:][np.diff(gt.ids[order]) == 0]
    return out + rows_found(
        gt, "annotation ids twice", "error", np.sort(again),
        "pycocotools keeps the last annotation of an id and uses it for each: the others are lost.",
        "annotations",
    )  # fmt: skip


def of_boxes(side: Annotations) -> list[Finding]:
    """Of ground truth or results."""
    return of_single_boxes(side) + _duplicates(side)


def of_single_boxes(side: Annotations) -> list[Finding]:
    """Those that need no look at other boxes."""
    crowd = side.iscrowd.astype(bool)
    w, h = side.boxes[:, 2], side.boxes[:, 3]
    inverted, flat = (w < 0) | (h < 0), (w == 0) | (h == 0)
    out = rows_found(
        side, "inverted boxes", "error", inverted,
        "A negative width or height: their IoU with any box is 0 or worse, so that they are never"
        " matched. Corners may be swapped.",
    )  # fmt: skip
    out += rows_found(
        side, "degenerate boxes", "warning", flat & ~inverted,
        "A width or height of 0: their IoU with any box is 0, so that each is a miss, or a false"
        " positive, forever.",
    )  # fmt: skip
    out += _outside(side, inverted)
    if side.fmt == "xywh" and side.area is not None:
        wrong = ~crowd & (side.area <= 0) & ~flat & ~inverted
        out += rows_found(
            side, "areas of 0", "warning", wrong,
            "The area decides whether a box is small, medium or large: these count as small.",
        )  # fmt: skip
    return out


def sizes_of_rows(side: Annotations) -> tuple[Array, Array]:
    """Width and height of the image of each row, infinite where they are not known."""
    sizes = np.where(side.image_sizes > 0, side.image_sizes, np.inf)[side.image_index]
    return sizes[:, 1], sizes[:, 0]


def _outside(side: Annotations, inverted: Array) -> list[Finding]:
    if len(side) == 0:
        return []
    width, height = sizes_of_rows(side)
    corners = side.xyxy
    if side.fmt == "xywh" and (looks := _like_corners(side.boxes, width, height)).any():
        return rows_found(
            side, "xywh that look like xyxy", "error", looks,
            "Third and fourth number look like the right and bottom edge: boxes read as x, y,"
            " width, height reach far outside their images, and AP falls to about 0.",
        )  # fmt: skip
    out = (corners[:, 0] < -_OUTSIDE) | (corners[:, 1] < -_OUTSIDE)
    out |= (corners[:, 2] > width + _OUTSIDE) | (corners[:, 3] > height + _OUTSIDE)
    nowhere = (
        (corners[:, 2] <= 0)
        | (corners[:, 3] <= 0)
        | (corners[:, 0] >= width)
        | (corners[:, 1] >= height)
    )
    nowhere &= ~inverted & (side.boxes[:, 2] > 0) & (side.boxes[:, 3] > 0)
    return rows_found(
        side, "boxes outside their image", "error", nowhere,
        "Nothing of them is in the image: no detection that is clipped to it matches them.",
    ) + rows_found(
        side, "boxes partly outside their image", "warning", out & ~nowhere & ~inverted,
        "Detectors clip to the image: IoU, and AP at high thresholds, is lower than it could be."
        " Image sizes may be wrong.",
    )  # fmt: skip


def _like_corners(boxes: Array, width: Array, height: Array) -> Array:
    """Rows that leave their image as xywh, if nearly all fit it as x0, y0, x1, y1."""
    x, y, w, h = boxes.T
    fits = (w >= x) & (h >= y) & (w <= width + _OUTSIDE) & (h <= height + _OUTSIDE)
    leaves = (x + w > width + _OUTSIDE) | (y + h > height + _OUTSIDE)
    if len(boxes) >= 3 and fits.mean() > 0.98 and leaves.mean() > 0.2:
        return np.asarray(leaves)
    return np.zeros(len(boxes), bool)


def _duplicates(side: Annotations) -> list[Finding]:
    boxes, fmt = side.boxes, "xywh" if side.fmt == "xywh" else "xyxy"
    same = find_duplicate_boxes(
        boxes,
        side.splits,
        labels=side.labels,
        threshold=_SAME,
        fmt=fmt,  # type: ignore[arg-type]
    )
    effect = (
        "Of two detections of one object one is false: precision falls."
        if side.scores is not None
        else "Only one of them can be matched: the other is a miss, and recall falls."
    )
    rows = same.duplicates
    examples = tuple(
        f"{side.where(int(row))} repeats {side.where(int(of))}, IoU {iou:.4f}"
        for row, of, iou in zip(rows[:_SHOWN], same.of, same.iou, strict=False)
    )
    if len(rows) == 0:
        return []
    return [Finding("duplicate boxes", "warning", len(rows), len(side), "boxes", effect, examples)]


def _size(size: Array) -> str:
    return f"{size[1]} x {size[0]}"


def of_images(gt: Annotations) -> list[Finding]:
    counts, names = np.diff(gt.splits), gt.image_name
    unlisted = np.flatnonzero(~gt.listed)
    lost = int(counts[unlisted].sum())
    out = found(
        "annotations of unknown images", "error", [f"image {names(i)}" for i in unlisted.tolist()],
        gt.n_images, "images", f"Not in the list of images: their {lost:,} boxes do not count.",
    )  # fmt: skip
    empty = np.flatnonzero((counts == 0) & gt.listed)
    return out + found(
        "images without boxes", "note", [names(i) for i in empty.tolist()], gt.n_images, "images",
        "Each detection there is false: right for background, wrong where nobody labelled.",
    )  # fmt: skip


def of_sizes(gt: Annotations, images: str | None) -> list[Finding]:
    unknown = np.flatnonzero((gt.image_sizes == 0).any(axis=1) & gt.listed)
    out: list[Finding] = []
    if len(unknown) and gt.n_images:
        out += found(
            "images without size", "note", [gt.image_name(i) for i in unknown.tolist()],
            gt.n_images, "images", "Boxes outside cannot be detected, and masks cannot be drawn.",
        )  # fmt: skip
    if len(gt):
        out += _swapped(gt)
    return out + (_against_headers(gt, images) if images is not None else [])


def _swapped(gt: Annotations) -> list[Finding]:
    filled = np.flatnonzero(np.diff(gt.splits))
    reach = np.maximum.reduceat(gt.xyxy[:, 2:], gt.splits[filled])
    height, width = gt.image_sizes[filled].T
    leaves = (reach[:, 0] > width + _OUTSIDE) | (reach[:, 1] > height + _OUTSIDE)
    turned = (reach[:, 0] <= height + _OUTSIDE) & (reach[:, 1] <= width + _OUTSIDE)
    wrong = filled[leaves & turned & (width > 0) & (height > 0)]
    return found(
        "image sizes that look swapped", "warning",
        [f"{gt.image_name(i)}: {_size(gt.image_sizes[i])}" for i in wrong.tolist()],
        gt.n_images, "images",
        "Boxes leave the image as it is and fit it on its side: width and height may be swapped, or"
        " the picture was turned by its EXIF orientation.",
    )  # fmt: skip


def _against_headers(gt: Annotations, folder: str) -> list[Finding]:
    files = walk(folder, IMAGES)
    by_key = {image_key(f): f for f in files}
    stems = unique_index([stem(f) for f in files])
    pairs: list[tuple[int, str]] = []
    missing = []
    for i in np.flatnonzero(gt.listed).tolist():
        key = image_key(gt.image_name(i))
        place = stems.get(stem(key), -1)
        name = by_key.get(key) or (files[place] if place >= 0 else None)
        if name is None:
            missing.append(gt.image_name(i))
        else:
            pairs.append((i, f"{folder}/{name}"))
    sizes, wrong = header_sizes([path for _, path in pairs])
    broken = [f"{path}: {text}" for (_, path), text in zip(pairs, wrong, strict=True) if text]
    places = np.array([i for i, _ in pairs], np.int64)
    known = gt.image_sizes[places] if len(places) else sizes
    differ = np.flatnonzero(
        (known != sizes).any(axis=1) & (known > 0).all(axis=1) & (sizes > 0).all(axis=1)
    )
    examples = [
        f"{gt.image_name(int(places[j]))}: {_size(known[j])}, the file {_size(sizes[j])}"
        for j in differ.tolist()
    ]
    n = gt.n_images
    return [
        *found(
            "wrong image sizes",
            "error",
            examples,
            n,
            "images",
            "Boxes were drawn on another size than detectors see.",
        ),
        *found(
            "missing image files",
            "warning",
            missing,
            n,
            "images",
            "No detector can have seen them.",
        ),
        *found("broken image files", "warning", broken, n, "images", "Their size cannot be read."),
    ]


def of_classes(gt: Annotations) -> list[Finding]:
    labels, counts = np.unique(gt.labels, return_counts=True)
    n = len(gt.classes)
    out: list[Finding] = []
    if gt.classes:
        unknown = ~np.isin(gt.labels, list(gt.classes))
        out += rows_found(
            gt, "unknown category ids", "error", unknown,
            "The category is not in the list: COCO's evaluation leaves these boxes out.",
            "annotations",
        )  # fmt: skip
    table: dict[int, Any] = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    empty = [name for label, name in gt.classes.items() if label not in table]
    out += found(
        "empty classes", "note", empty, n, "classes",
        "They have no box: their AP is -1 and they are left out of the mean.",
    )  # fmt: skip
    known = {
        label: count for label, count in table.items() if label in gt.classes or not gt.classes
    }
    if len(known) > 1 and max(known.values()) > _IMBALANCE * min(known.values()):
        few = [
            f"{gt.label_name(c)}: {known[c]}"
            for c in sorted(known, key=known.__getitem__)
            if known[c] < _FEW
        ]
        most = max(known, key=known.__getitem__)
        least = min(known, key=known.__getitem__)
        names = few or [f"{gt.label_name(least)}: {known[least]}"]
        out += found(
            "class imbalance", "note", names, len(known), "classes",
            f"{gt.label_name(most)[:40]} has {known[most] / known[least]:,.0f} times the boxes of"
            f" {gt.label_name(least)[:40]}; in mAP each class weighs the same, so that"
            " classes of a few boxes make it noisy.",
        )  # fmt: skip
    return out
