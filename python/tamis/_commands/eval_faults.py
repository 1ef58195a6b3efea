"""The errors of COCO files, from the columns an evaluation has read anyway."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from tamis.annotations import Annotations, read
from tamis.annotations.check import serious
from tamis.annotations.coco import grouped
from tamis.annotations.findings import Finding

_MOST = 0.98  # of the boxes, that look like corners
_SOME = 1000  # results that are looked at in any case: whether ids have anything in common


def faults(args: argparse.Namespace, e: Any) -> list[Finding]:
    """The errors `tamis check` finds; only rows that may have some are looked at closely."""
    try:
        if e._plain is None or e._plain._kind != "bbox" or _named(e):
            gt = read(args.gt, "coco")
            return list(serious(gt, read(args.dt, "coco", like=gt)))
        images = e.cocoGt._records("images")
        sizes = _sizes(e, images)
        rows = _suspects(e, sizes)
        if rows is None and not _truth_is_suspicious(e, sizes):
            return []
        found = serious(*_sides(args, e, images, rows))
    except ValueError:  # what a stricter reader cannot read has been evaluated all the same
        return []
    n = len(e._plain.dts.id)
    return [replace(f, of=n) if f.kind.startswith("results: ") and f.of > 1 else f for f in found]


def _named(e: Any) -> bool:
    """Whether ids are text."""
    sides = (e._plain.gts, e._plain.dts)
    return any(s.image_names is not None or s.category_names is not None for s in sides)


def _sides(
    args: argparse.Namespace, e: Any, images: Any, rows: Any
) -> tuple[Annotations, Annotations]:
    gts, dts = e._plain.gts, e._plain.dts
    dts = dts.take(slice(_SOME) if rows is None else rows)
    gt = grouped(
        args.gt, images, e.cocoGt._records("categories"), gts.image_id, boxes=gts.bbox,
        labels=gts.category_id, iscrowd=gts.iscrowd, area=gts.area, ids=gts.id.astype(np.int64),
    )  # fmt: skip
    return gt, grouped(
        args.dt, [], [], dts.image_id, boxes=dts.bbox, labels=dts.category_id, scores=dts.score,
        ids=dts.id.astype(np.int64),
    )  # fmt: skip


def _truth_is_suspicious(e: Any, sizes: Any) -> bool:
    gts, targets = e._plain.gts, e._plain._targets
    if (gts.id == 0).any() or len(np.unique(gts.id)) < len(gts.id):
        return True
    if _whole(e) and ((targets.image < 0).any() or (targets.category < 0).any()):
        return True
    return len(gts.id) > 0 and bool(_odd(gts.bbox, sizes[targets.image]).any())


def _suspects(e: Any, sizes: Any) -> Any:
    """Results that may have an error, and some beside them; None without any."""
    dts, dets = e._plain.dts, e._plain._detections
    odd = _odd(dts.bbox, sizes[dets.image])
    if _whole(e):
        odd |= (dets.category < 0) | (dets.image < 0)
    if not odd.any():
        return None
    odd[:_SOME] = True
    return np.flatnonzero(odd)


def _whole(e: Any) -> bool:
    """Whether all images and classes take part: else rows without are not a fault."""
    return len(e.params.imgIds) == len(e.cocoGt.getImgIds()) and len(e.params.catIds) == len(
        e.cocoGt.getCatIds()
    )


def _sizes(e: Any, images: Any) -> Any:
    """(images + 1, 2) width and height, infinite where there is none; the last is for none."""
    known = {r["id"]: (r.get("width"), r.get("height")) for r in images}
    found = [known.get(i, (None, None)) for i in e._plain._image_ids]
    sizes = np.array([*found, (None, None)], np.float64)
    return np.where(sizes > 0, sizes, np.inf)


def _odd(boxes: Any, size: Any) -> Any:
    """(n,) bool: inverted boxes, boxes outside; all where they look like corners."""
    x, y, w, h = boxes.T
    width, height = size.T
    right, bottom = x + w, y + h
    odd = (w < 0) | (h < 0)
    outside = (right <= 0) | (bottom <= 0) | (x >= width) | (y >= height)
    odd |= outside & (w > 0) & (h > 0)
    corners = (w >= x) & (h >= y) & (w <= width + 1) & (h <= height + 1)
    if len(boxes) and corners.mean() > _MOST:
        return np.ones(len(boxes), bool)
    return odd
